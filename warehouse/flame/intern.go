package flame

import (
	"hash/maphash"
	"unsafe"
)

// interner numbers distinct keys 0, 1, 2, … in the order of arrival.
//
// It is an open-addressing table of 4-byte slots beside a plain array of keys:
// half the memory of a map, and keys are found by number at no cost. The hash
// is seeded: keys come from clients, who must not be able to make them collide.
type interner[K comparable] struct {
	keys  []K
	slots []uint32 // number+1 of a key, 0 if empty; a power of two of them
	seed  maphash.Seed
}

func newInterner[K comparable]() interner[K] {
	return interner[K]{slots: make([]uint32, minSlots), seed: maphash.MakeSeed()}
}

func (x *interner[K]) hash(k K) uint32 { return uint32(maphash.Comparable(x.seed, k)) }

// sizeBytes does not include what the keys point to.
func (x *interner[K]) sizeBytes() int {
	var k K
	return cap(x.keys)*int(unsafe.Sizeof(k)) + 4*len(x.slots)
}

// find returns the number of k.
func (x *interner[K]) find(k K) (uint32, bool) {
	at := x.slot(k)
	if x.slots[at] == 0 {
		return 0, false
	}
	return x.slots[at] - 1, true
}

// intern returns the number of k, which it adds if it is new.
func (x *interner[K]) intern(k K) (n uint32, isNew bool) {
	at := x.slot(k)
	if n := x.slots[at]; n != 0 {
		return n - 1, false
	}
	if isFull(len(x.keys), len(x.slots)) {
		x.grow()
		at = x.slot(k)
	}
	x.keys = append(x.keys, k)
	x.slots[at] = checkedCount(len(x.keys))
	return uint32(len(x.keys) - 1), true
}

// slot returns where k is, or where it would have to go.
func (x *interner[K]) slot(k K) uint32 {
	mask := uint32(len(x.slots) - 1)
	at := x.hash(k) & mask
	for x.slots[at] != 0 && x.keys[x.slots[at]-1] != k {
		at = (at + 1) & mask
	}
	return at
}

// reset forgets all keys, but not the memory for them.
func (x *interner[K]) reset() {
	clear(x.keys)
	clear(x.slots)
	x.keys = x.keys[:0]
}

func (x *interner[K]) grow() {
	x.slots = make([]uint32, 2*len(x.slots))
	mask := uint32(len(x.slots) - 1)
	for i, k := range x.keys {
		at := x.hash(k) & mask
		for x.slots[at] != 0 {
			at = (at + 1) & mask
		}
		x.slots[at] = uint32(i + 1)
	}
}

const minSlots = 16

// isFull reports whether a table with n keys must grow before the next one:
// linear probing stays short below 1/2, where it takes 2.5 looks, each at another
// place in memory, to find that a key is new; below 3/4 it would take 8.5.
func isFull(n, slots int) bool { return 2*(n+1) > slots }
