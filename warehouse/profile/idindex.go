package profile

import "unsafe"

// idIndex finds the row of an id in one table of a profile. Most profilers number
// rows 1, 2, 3, … (dense: no lookup at all), or with few gaps (a table); others
// use addresses (a map).
type idIndex struct {
	n      int
	dense  bool
	table  []uint32          // id → row+1, when ids are small
	sparse map[uint64]uint32 // id → row, when they are not
}

// maxTable bounds the ids that go to the table: a few times the rows.
func maxTable(n int) uint64 { return 4*uint64(n) + 1024 }

// maxKeptIDs is the size up to which a map is kept for the next profile.
const maxKeptIDs = 1 << 16

// build indexes n rows. It returns false, and the id, if one occurs twice.
func (x *idIndex) build(n int, id func(row int) uint64) (dup uint64, ok bool) {
	if len(x.sparse) > maxKeptIDs {
		x.sparse = nil
	}
	x.n, x.dense = n, true
	var most uint64
	for i := range n {
		v := id(i)
		x.dense = x.dense && v == uint64(i)+1
		most = max(most, v)
	}
	switch {
	case x.dense:
		return 0, true
	case most <= maxTable(n):
		return x.buildTable(n, int(most)+1, id)
	}
	return x.buildMap(n, id)
}

func (x *idIndex) buildTable(n, size int, id func(row int) uint64) (dup uint64, ok bool) {
	x.sparse = nil
	if cap(x.table) < size || uintptr(cap(x.table))*unsafe.Sizeof(x.table[0]) > maxKept {
		x.table = make([]uint32, size)
	}
	x.table = x.table[:size]
	clear(x.table)
	for i := range n {
		v := id(i)
		if x.table[v] != 0 {
			return v, false
		}
		x.table[v] = uint32(i) + 1
	}
	return 0, true
}

func (x *idIndex) buildMap(n int, id func(row int) uint64) (dup uint64, ok bool) {
	x.table = x.table[:0]
	if x.sparse == nil {
		x.sparse = make(map[uint64]uint32, n)
	}
	clear(x.sparse)
	for i := range n {
		v := id(i)
		if _, twice := x.sparse[v]; twice {
			return v, false
		}
		x.sparse[v] = uint32(i)
	}
	return 0, true
}

// row returns the row of an id. Id 0 is never one.
func (x *idIndex) row(id uint64) (uint32, bool) {
	switch {
	case x.dense:
		return uint32(id - 1), id-1 < uint64(x.n)
	case x.sparse != nil:
		row, ok := x.sparse[id]
		return row, ok
	case id < uint64(len(x.table)):
		row := x.table[id]
		return row - 1, row != 0
	}
	return 0, false
}
