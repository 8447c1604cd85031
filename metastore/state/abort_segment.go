package state

import "github.com/stackhouse-db/stackhouse/warehouse"

// AbortSegment makes sure that a segment whose registration got no answer never
// becomes live, unless it is. Its answer is a bool: the segment had been added,
// and stays.
type AbortSegment struct{ ID warehouse.ObjectID }

// Kind returns KindAbortSegment.
func (AbortSegment) Kind() Kind { return KindAbortSegment }

func (c AbortSegment) appendTo(dst []byte) []byte { return append(dst, c.ID[:]...) }

func decodeAbortSegment(body []byte) (Command, error) {
	d := warehouse.NewDecoder("body", body)
	var c AbortSegment
	copy(c.ID[:], d.Raw(len(c.ID)))
	return c, d.Finish()
}

func (c AbortSegment) apply(s *State, m moment) any {
	switch s.verdictOf(c.ID) {
	case 0:
	case wasAdded:
		return true
	default:
		return false
	}
	if s.isKnown(c.ID) {
		return true
	}
	s.seal(fate{id: c.ID, verdict: wasAborted}, m)
	return false
}
