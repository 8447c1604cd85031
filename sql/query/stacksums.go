package query

import "github.com/stackhouse-db/stackhouse/warehouse"

// stackSums adds values up by stacktrace: a hash table whose hash is the id, as
// ids are hashes already.
type stackSums struct {
	slots    []int32 // index + 1 in ids and values; 0 is free
	ids      []warehouse.StacktraceID
	values   []int64
	overflow bool // a sum did not fit
}

func newStackSums(capacity int) *stackSums {
	size := 64
	for size*3 < capacity*4 {
		size *= 2
	}
	return &stackSums{
		slots:  make([]int32, size),
		ids:    make([]warehouse.StacktraceID, 0, capacity),
		values: make([]int64, 0, capacity),
	}
}

// add adds a value ≥ 0.
func (s *stackSums) add(id warehouse.StacktraceID, value int64) {
	slot := s.slot(id)
	if n := s.slots[slot]; n > 0 {
		sum := s.values[n-1] + value
		s.overflow = s.overflow || sum < 0
		s.values[n-1] = sum
		return
	}
	s.ids, s.values = append(s.ids, id), append(s.values, value)
	s.slots[slot] = int32(len(s.ids))
	if 4*len(s.ids) > 3*len(s.slots) {
		s.grow()
	}
}

func (s *stackSums) slot(id warehouse.StacktraceID) int {
	mask := len(s.slots) - 1
	i := int(uint64(id)) & mask
	for s.slots[i] != 0 && s.ids[s.slots[i]-1] != id {
		i = (i + 1) & mask
	}
	return i
}

func (s *stackSums) grow() {
	s.slots = make([]int32, 2*len(s.slots))
	for i, id := range s.ids {
		s.slots[s.slot(id)] = int32(i + 1)
	}
}
