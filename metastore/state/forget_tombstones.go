package state

import "github.com/stackhouse-db/stackhouse/warehouse"

// ForgetTombstones says that the objects were deleted. Its answer is the number
// of tombstones that were there, an int.
type ForgetTombstones struct{ Objects []warehouse.ObjectID }

// Kind returns KindForgetTombstones.
func (ForgetTombstones) Kind() Kind { return KindForgetTombstones }

func (c ForgetTombstones) appendTo(dst []byte) []byte {
	e := warehouse.NewEncoder(dst)
	e.Uvarint(uint64(len(c.Objects)))
	for i := range c.Objects {
		e.Raw(c.Objects[i][:])
	}
	return e.Bytes()
}

func decodeForgetTombstones(body []byte) (Command, error) {
	d := warehouse.NewDecoder("body", body)
	var c ForgetTombstones
	if n := d.Count(len(warehouse.ObjectID{})); n > 0 {
		c.Objects = make([]warehouse.ObjectID, n)
		for i := range c.Objects {
			copy(c.Objects[i][:], d.Raw(len(c.Objects[i])))
		}
	}
	return c, d.Finish()
}

func (c ForgetTombstones) apply(s *State, _ moment) any {
	before := len(s.draft.tombstones)
	for _, id := range c.Objects {
		delete(s.buried, id)
	}
	kept := make([]*Tombstone, 0, before)
	for _, t := range s.draft.tombstones {
		if _, ok := s.buried[t.Part.Object]; ok {
			kept = append(kept, t)
		}
	}
	s.draft.tombstones = kept
	return before - len(kept)
}
