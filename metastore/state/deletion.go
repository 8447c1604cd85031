package state

import (
	"maps"
	"slices"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Deletion is a delete with what became of it.
//
// Invariant: a published Deletion never changes; State replaces it by an edited copy.
type Deletion struct {
	warehouse.Deletion

	// AppliedAt is the leader's time when no live part held its rows any more, and
	// GoneAt when no object in the bucket did. 0: not yet.
	AppliedAt, GoneAt warehouse.Micros

	// Residue are the objects, dead or still live for others, that hold its rows and
	// are not deleted yet. Sorted.
	Residue []warehouse.ObjectID

	gone warehouse.Micros // elapsed time at GoneAt
}

// How long, in time of commands, deletions that are done are shown, and how many of
// each tenant.
const (
	DeletionWindow  = 30 * 24 * time.Hour
	retentionWindow = 24 * time.Hour // those of retention come every hour
	maxGone         = 1000
)

// window returns how long the deletion is remembered once its bytes are gone.
func (d *Deletion) window() warehouse.Micros {
	if d.Reason == warehouse.DeletedByRetention {
		return micros(retentionWindow)
	}
	return micros(DeletionWindow)
}

// Deletions returns all deletions that are remembered, in order of the log.
func (v *View) Deletions() []*Deletion { return v.deletions }

// Masks returns the deletions of a tenant that some live part's rows may still
// fall under, in order of the log; nil if there is none. Which of them apply to a
// part is for warehouse.MasksOf to say.
func (v *View) Masks(t warehouse.Tenant) []*warehouse.Deletion {
	var out []*warehouse.Deletion
	for _, d := range v.masks {
		if d.Tenant == t {
			out = append(out, d)
		}
	}
	return out
}

// Left returns how many live parts a deletion masks, and the size of these and of
// its dead objects that are not deleted yet.
func (v *View) Left(d *Deletion) (parts int, bytes int64) {
	if d.GoneAt != 0 {
		return 0, 0
	}
	for _, p := range v.Parts(d.Tenant, d.Range()) {
		if d.Masks(p) {
			parts++
			bytes += p.SizeBytes()
		}
	}
	for _, t := range v.tombstones {
		if _, ok := slices.BinarySearchFunc(d.Residue, t.Part.Object, warehouse.ObjectID.Compare); ok {
			bytes += t.Part.SizeBytes()
		}
	}
	return parts, bytes
}

// remnant says that an object once had a part of a tenant, which was removed while
// others of the object stayed: the bytes are still there.
type remnant struct {
	object warehouse.ObjectID
	tenant warehouse.Tenant
}

// openDeletion is a deletion whose bytes are not gone, with what changes while a
// command is applied.
type openDeletion struct {
	*Deletion     // the draft's
	left      int // live parts that it masks
	residue   map[warehouse.ObjectID]struct{}
	isDirty   bool // residue is not what the draft says
}

// openDeletion adds a deletion to the draft.
func (s *State) openDeletion(d *Deletion) *openDeletion {
	o := &openDeletion{Deletion: d, residue: map[warehouse.ObjectID]struct{}{}, isDirty: true}
	for _, t := range s.draft.tombstones {
		if t.Part.Tenant == d.Tenant && t.Part.Range.Overlaps(d.Range()) {
			o.residue[t.Part.Object] = struct{}{}
		}
	}
	for _, r := range s.draft.remnants {
		if r.tenant == d.Tenant {
			o.residue[r.object] = struct{}{}
		}
	}
	s.draft.deletions = append(slices.Clip(s.draft.deletions), d) // views share the list
	s.track(o)
	return o
}

// track counts what an open deletion masks.
func (s *State) track(o *openDeletion) {
	if t := s.draft.tenant(o.Tenant); t != nil && o.AppliedAt == 0 {
		for _, h := range t.near(o.Range()) {
			for _, p := range h.parts {
				if o.Masks(p) {
					o.left++
				}
			}
		}
	}
	s.open = append(s.open, o)
	s.masksChanged = true
}

// countMasks takes note of a part that becomes live.
func (s *State) countMasks(p *warehouse.Part) {
	for _, o := range s.open {
		if o.Masks(p) {
			o.left++
		}
	}
}

// dropMasks takes note of a part that is not live any more, but stored.
func (s *State) dropMasks(p *warehouse.Part) {
	for _, o := range s.open {
		if o.Masks(p) {
			o.left--
			o.residue[p.Object] = struct{}{}
			o.isDirty = true
		}
	}
}

// forgetObjects takes note of objects that are deleted from the bucket.
func (s *State) forgetObjects(ids []warehouse.ObjectID) {
	for _, o := range s.open {
		for _, id := range ids {
			if _, ok := o.residue[id]; ok {
				delete(o.residue, id)
				o.isDirty = true
			}
		}
	}
	if len(s.draft.remnants) == 0 {
		return
	}
	gone := make(map[warehouse.ObjectID]struct{}, len(ids))
	for _, id := range ids {
		gone[id] = struct{}{}
	}
	kept := make([]remnant, 0, len(s.draft.remnants))
	for _, r := range s.draft.remnants {
		if _, ok := gone[r.object]; !ok {
			kept = append(kept, r)
		}
	}
	s.draft.remnants = kept
}

// settle brings the draft's deletions up to date behind a command.
func (s *State) settle(m moment) {
	if len(s.open) > 0 {
		s.settleOpen(m)
	}
	if s.masksChanged {
		s.listMasks()
	}
	if s.draft.forgetAt != 0 && m.elapsed >= s.draft.forgetAt {
		s.forgetDeletions(m.elapsed)
	}
}

func (s *State) settleOpen(m moment) {
	edited := map[*Deletion]*Deletion{}
	for _, o := range s.open {
		applied, gone := o.AppliedAt == 0 && o.left == 0, o.GoneAt == 0 && o.left == 0 && len(o.residue) == 0
		if !o.isDirty && !applied && !gone {
			continue
		}
		d := *o.Deletion
		if o.isDirty {
			d.Residue = slices.SortedFunc(maps.Keys(o.residue), warehouse.ObjectID.Compare)
			o.isDirty = false
		}
		if applied {
			d.AppliedAt, s.masksChanged = max(m.at, 1), true
		}
		if gone {
			d.GoneAt, d.gone = max(m.at, 1), m.elapsed
		}
		edited[o.Deletion] = &d
		o.Deletion = &d
	}
	if len(edited) == 0 {
		return
	}
	s.draft.deletions = slices.Clone(s.draft.deletions)
	for i, d := range s.draft.deletions {
		if to, ok := edited[d]; ok {
			s.draft.deletions[i] = to
		}
	}
	before := len(s.open)
	s.open = slices.DeleteFunc(s.open, func(o *openDeletion) bool { return o.GoneAt != 0 })
	if len(s.open) < before {
		s.forgetDeletions(m.elapsed)
	}
}

// listMasks makes the draft's list of those that are not applied.
func (s *State) listMasks() {
	s.masksChanged = false
	s.draft.masks = nil
	for _, d := range s.draft.deletions {
		if d.AppliedAt == 0 {
			s.draft.masks = append(s.draft.masks, &d.Deletion)
		}
	}
}

// forgetDeletions forgets what has been done for long, and of what a tenant has too
// many of, the oldest; and notes when there is more to forget.
func (s *State) forgetDeletions(now warehouse.Micros) {
	done := map[warehouse.Tenant]int{}
	for _, d := range s.draft.deletions {
		if d.GoneAt != 0 {
			done[d.Tenant]++
		}
	}
	s.draft.forgetAt = 0
	s.draft.deletions = slices.DeleteFunc(slices.Clone(s.draft.deletions), func(d *Deletion) bool {
		if d.GoneAt == 0 {
			return false
		}
		if done[d.Tenant] > maxGone || now-d.gone >= d.window() {
			done[d.Tenant]--
			return true
		}
		s.forgetLater(d)
		return false
	})
	s.listMasks()
}

// forgetLater notes when the deletion is forgotten.
func (s *State) forgetLater(d *Deletion) {
	if at := satAdd(d.gone, d.window()); s.draft.forgetAt == 0 || at < s.draft.forgetAt {
		s.draft.forgetAt = at
	}
}
