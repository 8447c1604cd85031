package state

import (
	"fmt"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// MaxDeletions is how many deletions of a tenant may be unfinished at a time: a query
// looks at each.
const MaxDeletions = 1000

// DeleteOutcome is what became of a Delete.
type DeleteOutcome uint8

// The outcomes.
const (
	Deleted          DeleteOutcome = iota // it masks what it is about, now or already before
	DeletionClashes                       // refused: the id is that of another tenant's deletion
	TooManyDeletions                      // refused: MaxDeletions are not finished
)

// String returns the outcome in words.
func (o DeleteOutcome) String() string {
	switch o {
	case Deleted:
		return "deleted"
	case DeletionClashes:
		return "clashes"
	case TooManyDeletions:
		return "too many deletions"
	}
	return fmt.Sprintf("outcome(%d)", uint8(o))
}

// DeleteResult is the answer to a Delete.
type DeleteResult struct {
	Outcome DeleteOutcome
	Index   uint64 // of the log, at which it was applied; 0 after a refusal
	Dropped int    // parts that went at once, since nothing would remain of them
	Masked  int    // parts that are to be rewritten
}

// Delete masks rows: those of every part that is live now, and of what jobs that are
// under way make of them. Its answer is a DeleteResult; a refusal changes nothing.
//
// Parts of which nothing would remain are dropped if no other part can need their
// definitions. The dataset partitions that lose rows get a new epoch: what is
// registered from now on does not rely on definitions that go with the rows.
//
// An id that is known is answered with Deleted and changes nothing.
type Delete struct{ Deletion *warehouse.Deletion }

// Kind returns KindDelete.
func (Delete) Kind() Kind { return KindDelete }

func (c Delete) appendTo(dst []byte) []byte {
	e := warehouse.NewEncoder(dst)
	e.Deletion(c.Deletion)
	return e.Bytes()
}

func decodeDelete(body []byte) (Command, error) {
	d := warehouse.NewDecoder("body", body)
	c := Delete{Deletion: d.Deletion()}
	if d.Err() == nil && c.Deletion.From >= c.Deletion.To {
		d.Failf("deletion is of no time")
	}
	return c, d.Finish()
}

func (c Delete) apply(s *State, m moment) any {
	unfinished := 0
	for _, d := range s.draft.deletions {
		switch {
		case d.ID == c.Deletion.ID && d.Tenant == c.Deletion.Tenant:
			return DeleteResult{Outcome: Deleted, Index: d.Index}
		case d.ID == c.Deletion.ID:
			return DeleteResult{Outcome: DeletionClashes}
		case d.Tenant == c.Deletion.Tenant && d.AppliedAt == 0:
			unfinished++
		}
	}
	if unfinished >= MaxDeletions {
		return DeleteResult{Outcome: TooManyDeletions}
	}
	d := *c.Deletion
	d.Index, d.SubmittedAt = m.index, m.at
	o := s.openDeletion(&Deletion{Deletion: d})
	r := DeleteResult{Outcome: Deleted, Index: m.index}
	for _, h := range s.masked(&o.Deletion.Deletion) {
		r.Dropped += s.mask(&o.Deletion.Deletion, h, m)
	}
	r.Masked = o.left
	return r
}

// masked returns the hours that have parts which a deletion masks.
func (s *State) masked(d *warehouse.Deletion) (hours []warehouse.Hour) {
	t := s.draft.tenant(d.Tenant)
	if t == nil {
		return nil
	}
	for _, h := range t.near(d.Range()) {
		for _, p := range h.parts {
			if d.Masks(p) {
				hours = append(hours, h.hour)
				break
			}
		}
	}
	return hours
}

// mask does what a deletion does to an hour at once, and returns the number of parts
// that it dropped.
func (s *State) mask(d *warehouse.Deletion, at warehouse.Hour, m moment) int {
	t := s.draft.tenant(d.Tenant)
	i, _ := t.find(at)
	h := t.hours[i]
	gone := wholly(d, h.parts)
	for _, service := range servicesOf(d, h.parts) {
		s.raiseEpoch(warehouse.PartitionKey{Tenant: d.Tenant, Service: service, Hour: at}, m.index)
	}
	if len(gone) == 0 {
		return 0
	}
	return s.removeParts(d.Tenant, at, m, func(p *warehouse.Part) bool { return gone[p] })
}

// servicesOf returns the services of which a deletion masks rows, each once.
func servicesOf(d *warehouse.Deletion, parts []*warehouse.Part) (out []string) {
	seen := map[string]bool{}
	for _, p := range parts {
		if !d.Masks(p) {
			continue
		}
		for i := range p.Datasets {
			ds := &p.Datasets[i]
			for j := range ds.Types {
				if !seen[ds.Service] && d.Overlaps(ds.Service, ds.Types[j].Type, ds.Types[j].Range) {
					seen[ds.Service] = true
					out = append(out, ds.Service)
				}
			}
		}
	}
	return out
}

// wholly returns the parts of an hour of which the deletion leaves nothing, and
// whose definitions no part that stays can need: all parts that hold one of their
// services are among them.
func wholly(d *warehouse.Deletion, parts []*warehouse.Part) map[*warehouse.Part]bool {
	gone := map[*warehouse.Part]bool{}
	for _, p := range parts {
		if isWhollyMasked(d, p) {
			gone[p] = true
		}
	}
	for changed := true; changed && len(gone) > 0; {
		changed = false
		kept := map[string]bool{} // services that parts which stay have
		for _, p := range parts {
			for i := range p.Datasets {
				kept[p.Datasets[i].Service] = kept[p.Datasets[i].Service] || !gone[p]
			}
		}
		for p := range gone {
			for i := range p.Datasets {
				if kept[p.Datasets[i].Service] && gone[p] {
					delete(gone, p)
					changed = true
				}
			}
		}
	}
	return gone
}

func isWhollyMasked(d *warehouse.Deletion, p *warehouse.Part) bool {
	if !d.Masks(p) {
		return false
	}
	for i := range p.Datasets {
		ds := &p.Datasets[i]
		for j := range ds.Types {
			if !d.Covers(ds.Service, ds.Types[j].Type, ds.Types[j].Range) {
				return false
			}
		}
	}
	return true
}
