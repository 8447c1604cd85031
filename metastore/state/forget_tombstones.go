package state

import "github.com/stackhouse-db/stackhouse/warehouse"

// ForgetTombstones says that the objects were deleted. Its answer is the number
// of tombstones that were there, an int.
type ForgetTombstones struct{ Objects []warehouse.ObjectID }

// Kind returns KindForgetTombstones.
func (ForgetTombstones) Kind() Kind { return KindForgetTombstones }

func (c ForgetTombstones) appendTo(dst []byte) []byte {
	e := warehouse.NewEncoder(dst)
	encodeIDs(e, c.Objects)
	return e.Bytes()
}

func decodeForgetTombstones(body []byte) (Command, error) {
	d := warehouse.NewDecoder("body", body)
	c := ForgetTombstones{Objects: decodeIDs(d)}
	return c, d.Finish()
}

func (c ForgetTombstones) apply(s *State, _ moment) any {
	before := len(s.draft.tombstones)
	for _, id := range c.Objects {
		delete(s.buried, id)
	}
	s.forgetObjects(c.Objects)
	kept := make([]*Tombstone, 0, before)
	for _, t := range s.draft.tombstones {
		if _, ok := s.buried[t.Part.Object]; ok {
			kept = append(kept, t)
		}
	}
	s.draft.tombstones = kept
	return before - len(kept)
}
