package state

import (
	"slices"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// State is what the log's commands have made so far.
//
// It edits a draft of the next View. The levels that the draft shares with a
// published view are copied when they are first touched; those that were copied
// already, and so carry the draft's generation, are changed in place.
//
// Concurrency: one goroutine at a time. Views are independent of it.
type State struct {
	draft      View
	generation uint64 // of the draft, ≥ 1
	ownTenants bool   // draft.tenants is a copy already

	// What follows can be derived from the draft, and is after a restore.
	objects  map[warehouse.ObjectID]int      // number of live parts
	buried   map[warehouse.ObjectID]struct{} // objects with a tombstone
	profiles window
	fates    fates
	claims   map[PartRef]warehouse.ObjectID // the job that a part is in
	open     []*openDeletion                // deletions whose bytes are not gone, in order of the log

	masksChanged bool // the draft's masks are to be listed anew
	reading      byte // version of the snapshot that is read
}

// New returns the empty state: what is before the log's first command.
func New() *State {
	return &State{
		generation: 1,
		objects:    map[warehouse.ObjectID]int{},
		buried:     map[warehouse.ObjectID]struct{}{},
		profiles:   newWindow(),
		fates:      newFates(),
		claims:     map[PartRef]warehouse.ObjectID{},
	}
}

// Index returns the log index of the last applied command.
func (s *State) Index() uint64 { return s.draft.index }

// View publishes the draft.
func (s *State) View() *View {
	v := s.draft
	s.generation++
	s.ownTenants = false
	return &v
}

// Apply changes s by one committed command and returns the command's answer; its
// type is stated with each command.
//
// Apply is deterministic: see the package. A command at an index that was
// applied already changes nothing and is answered with nil, which makes a
// replay safe. An error means that data is no command this build knows; the
// state is unchanged, and a replica must not go on, or it would differ.
func (s *State) Apply(index uint64, data []byte) (any, error) {
	at, cmd, err := Decode(data)
	if err != nil {
		return nil, err
	}
	if index <= s.draft.index {
		return nil, nil
	}
	s.draft.index = index
	s.draft.clock.advance(at)
	m := moment{index: index, at: at, elapsed: s.draft.clock.elapsed}
	s.draft.batches = s.profiles.expire(s.draft.batches, m.elapsed)
	s.draft.fates = s.fates.expire(s.draft.fates, m.elapsed)
	s.draft.fences = s.fates.expire(s.draft.fences, m.elapsed)
	answer := cmd.apply(s, m)
	s.settle(m)
	return answer, nil
}

// editTenant returns the tenant for changing; it is created if it is new.
func (s *State) editTenant(name warehouse.Tenant) *tenant {
	if !s.ownTenants {
		s.draft.tenants = slices.Clone(s.draft.tenants)
		s.ownTenants = true
	}
	i, ok := s.draft.find(name)
	if !ok {
		t := newTenant(name, s.generation)
		s.draft.tenants = slices.Insert(s.draft.tenants, i, t)
		return t
	}
	t := s.draft.tenants[i]
	if t.generation != s.generation {
		edited := *t
		edited.generation = s.generation
		edited.hours = slices.Clone(t.hours)
		t = &edited
		s.draft.tenants[i] = t
	}
	return t
}

// editHour returns an hour of t, which is for changing itself; it is created if
// it is new.
func (s *State) editHour(t *tenant, at warehouse.Hour) *hour {
	i, ok := t.find(at)
	if !ok {
		h := &hour{generation: s.generation, hour: at, span: warehouse.EmptyRange}
		t.hours = slices.Insert(t.hours, i, h)
		return h
	}
	h := t.hours[i]
	if h.generation != s.generation {
		edited := *h
		edited.generation = s.generation
		h = &edited
		t.hours[i] = h
	}
	return h
}

// addPart makes a part live.
func (s *State) addPart(p *warehouse.Part) {
	s.editHour(s.editTenant(p.Tenant), p.Hour).add(p)
	s.countMasks(p)
	if s.objects[p.Object]++; s.objects[p.Object] == 1 {
		s.draft.totals.Objects++
	}
	s.draft.totals.Parts++
	s.draft.totals.Bytes += p.SizeBytes()
}

// dropPart accounts for a part that was taken out of its hour, and drops the job
// that it is an input of; the object gets a tombstone if that was its last part.
func (s *State) dropPart(p *warehouse.Part, m moment) {
	if id, ok := s.claims[PartRef{p.Object, p.Tenant, p.Hour}]; ok {
		s.dropJob(id)
	}
	s.dropMasks(p)
	s.draft.totals.Parts--
	s.draft.totals.Bytes -= p.SizeBytes()
	if s.objects[p.Object]--; s.objects[p.Object] > 0 {
		s.draft.remnants = append(s.draft.remnants, remnant{p.Object, p.Tenant})
		return
	}
	delete(s.objects, p.Object)
	s.draft.totals.Objects--
	s.bury(p, m)
}

// isKnown reports whether the object is live or waits for its deletion.
func (s *State) isKnown(id warehouse.ObjectID) bool {
	_, buried := s.buried[id]
	return buried || s.objects[id] > 0
}
