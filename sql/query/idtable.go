package query

import "github.com/stackhouse-db/stackhouse/warehouse"

// idTable numbers stacktraces in the order in which it meets them. It is a hash
// table whose hash is the id, as ids are hashes already. The zero value is
// empty.
type idTable struct {
	slots []uint32 // number + 1; 0 is free
	ids   []warehouse.StacktraceID
}

// number returns the stacktrace's number, and whether it is new.
func (t *idTable) number(id warehouse.StacktraceID) (n int, isNew bool) {
	if 4*len(t.ids) >= 3*len(t.slots) {
		t.grow()
	}
	slot := t.slot(id)
	if n := t.slots[slot]; n > 0 {
		return int(n - 1), false
	}
	t.ids = append(t.ids, id)
	t.slots[slot] = uint32(len(t.ids))
	return len(t.ids) - 1, true
}

// has reports whether the id was met.
func (t *idTable) has(id warehouse.StacktraceID) bool {
	return len(t.slots) > 0 && t.slots[t.slot(id)] != 0
}

// slot returns where the id is, or the free place where it belongs.
func (t *idTable) slot(id warehouse.StacktraceID) int {
	mask := len(t.slots) - 1
	i := int(uint64(id)^uint64(id)>>32) & mask
	for t.slots[i] != 0 && t.ids[t.slots[i]-1] != id {
		i = (i + 1) & mask
	}
	return i
}

func (t *idTable) grow() {
	t.slots = make([]uint32, max(64, 2*len(t.slots)))
	for i, id := range t.ids {
		t.slots[t.slot(id)] = uint32(i + 1)
	}
}

func (t *idTable) sizeBytes() int64 { return int64(4*len(t.slots) + 8*cap(t.ids)) }
