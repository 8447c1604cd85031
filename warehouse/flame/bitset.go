package flame

import "math/bits"

// bitset is a set of small numbers that knows how many of its members are
// below a given one, once it was counted.
type bitset struct {
	words []uint64
	below []uint32 // members in the words before
}

func newBitset(size int) *bitset {
	return &bitset{words: make([]uint64, (size+63)/64)}
}

// add adds n and reports whether it is new.
func (b *bitset) add(n uint32) bool {
	w, bit := &b.words[n/64], uint64(1)<<(n%64)
	if *w&bit != 0 {
		return false
	}
	*w |= bit
	return true
}

// count prepares rank and returns the number of members.
func (b *bitset) count() int {
	b.below = make([]uint32, len(b.words))
	var n uint32
	for i, w := range b.words {
		b.below[i] = n
		n += uint32(bits.OnesCount64(w))
	}
	return int(n)
}

// rank returns the number of members below n.
func (b *bitset) rank(n uint32) uint32 {
	return b.below[n/64] + uint32(bits.OnesCount64(b.words[n/64]&(1<<(n%64)-1)))
}

// each calls fn for the members in ascending order.
func (b *bitset) each(fn func(n uint32)) {
	for i, w := range b.words {
		for ; w != 0; w &= w - 1 {
			fn(uint32(i*64 + bits.TrailingZeros64(w)))
		}
	}
}
