package state

import "github.com/stackhouse-db/stackhouse/warehouse"

// AddSegment makes the parts of a stored segment live. Its answer is a
// warehouse.AddResult.
//
// It is refused as a whole if its id was aborted or fenced, if another segment registered
// one of its profiles within ProfileWindow, or if one of its epochs is not the
// current one; a refusal lists all profiles and all epochs that are in the way,
// so that the segment can be made anew at once. An id that was added before is
// answered with Added and changes nothing.
type AddSegment struct{ Segment *warehouse.Segment }

// Kind returns KindAddSegment.
func (AddSegment) Kind() Kind { return KindAddSegment }

func (c AddSegment) appendTo(dst []byte) []byte { return warehouse.AppendSegment(dst, c.Segment) }

func decodeAddSegment(body []byte) (Command, error) {
	seg, err := warehouse.DecodeSegment(body)
	if err != nil {
		return nil, err
	}
	return AddSegment{Segment: seg}, nil
}

func (c AddSegment) apply(s *State, m moment) any {
	seg := c.Segment
	switch s.verdictOf(seg.ID) {
	case 0:
	case wasAdded:
		return warehouse.AddResult{Outcome: warehouse.Added}
	default:
		return warehouse.AddResult{Outcome: warehouse.WasAborted}
	}
	if s.isKnown(seg.ID) {
		return warehouse.AddResult{Outcome: warehouse.Added}
	}
	if refusal, ok := s.refuse(seg); ok {
		return refusal
	}
	for i := range seg.Parts {
		seg.Parts[i].Masked = m.index
		s.addPart(&seg.Parts[i])
	}
	if len(seg.Profiles) > 0 {
		b := batchOf(seg.Profiles, m.elapsed)
		s.profiles.add(b)
		s.draft.batches = append(s.draft.batches, b)
	}
	s.seal(fate{id: seg.ID, verdict: wasAdded}, m)
	return warehouse.AddResult{Outcome: warehouse.Added}
}

// refuse returns what stands against a new segment, and whether anything does.
func (s *State) refuse(seg *warehouse.Segment) (warehouse.AddResult, bool) {
	var r warehouse.AddResult
	for _, k := range seg.Profiles {
		if s.profiles.has(k) {
			r.Duplicates = append(r.Duplicates, k)
		}
	}
	for _, e := range seg.Epochs {
		if current := s.draft.Epoch(e.Key); current != e.Value {
			r.Stale = append(r.Stale, warehouse.Epoch{Key: e.Key, Value: current})
		}
	}
	switch {
	case len(r.Duplicates) > 0:
		r.Outcome = warehouse.HasDuplicates
	case len(r.Stale) > 0:
		r.Outcome = warehouse.HasStaleEpochs
	default:
		return r, false
	}
	return r, true
}
