package block

import (
	"encoding/binary"
	"math/rand/v2"
)

// level is a definition or repetition level. All of our tables have levels 0
// and 1 only.
type level = uint8

// appendHybrid appends values in Parquet's RLE/bit-packing hybrid:
//
//	run     = uvarint(n << 1)       ‖ value, in ⌈width/8⌉ bytes
//	literal = uvarint(n/8 << 1 | 1) ‖ n values of width bits, n % 8 == 0
//
// Width is 1, 8, 16, 24 or 32 bits. Dictionary indices are widened to whole
// bytes on purpose: zstd then finds the sequences that repeat from profile to
// profile, which odd widths would hide from it.
func appendHybrid[T level | uint32](dst []byte, values []T, width int) []byte {
	literal := 0 // values[literal:i] wait to be written as a literal
	for i := 0; i < len(values); {
		end := runEnd(values, i)
		if pad := (i - literal) % 8; pad != 0 { // a literal ends after a multiple of 8
			i = min(i+8-pad, end)
			if (i-literal)%8 != 0 {
				continue
			}
		}
		if end-i < 8 {
			i = end
			continue
		}
		dst = appendLiteral(dst, values[literal:i], width)
		dst = binary.AppendUvarint(dst, uint64(end-i)<<1)
		dst = appendWidth(dst, uint32(values[i]), width)
		i, literal = end, end
	}
	return appendLiteral(dst, values[literal:], width)
}

// runEnd returns the end of the run of equal values that begins at i.
func runEnd[T level | uint32](values []T, i int) int {
	v := values[i]
	for i++; i < len(values) && values[i] == v; i++ {
	}
	return i
}

// appendLiteral appends values bit-packed, the last group filled with zeros.
func appendLiteral[T level | uint32](dst []byte, values []T, width int) []byte {
	if len(values) == 0 {
		return dst
	}
	groups := (len(values) + 7) / 8
	dst = binary.AppendUvarint(dst, uint64(groups)<<1|1)
	if width == 1 {
		return appendBits(dst, values)
	}
	for _, v := range values {
		dst = appendWidth(dst, uint32(v), width)
	}
	for n := (groups*8 - len(values)) * width / 8; n > 0; n-- {
		dst = append(dst, 0)
	}
	return dst
}

// appendBits appends one bit a value, the first in the lowest bit of a byte.
func appendBits[T level | uint32](dst []byte, values []T) []byte {
	for ; len(values) >= 8; values = values[8:] {
		v := values[:8]
		dst = append(dst, byte(v[0]|v[1]<<1|v[2]<<2|v[3]<<3|v[4]<<4|v[5]<<5|v[6]<<6|v[7]<<7))
	}
	if len(values) > 0 {
		var last byte
		for i, v := range values {
			last |= byte(v) << i
		}
		dst = append(dst, last)
	}
	return dst
}

func appendWidth(dst []byte, v uint32, width int) []byte {
	switch width {
	case 1, 8:
		return append(dst, byte(v))
	case 16:
		return append(dst, byte(v), byte(v>>8))
	case 24:
		return append(dst, byte(v), byte(v>>8), byte(v>>16))
	}
	return binary.LittleEndian.AppendUint32(dst, v)
}

// indexWidth returns the bits of an index into a dictionary of n entries.
func indexWidth(n int) int {
	switch {
	case n <= 1<<8:
		return 8
	case n <= 1<<16:
		return 16
	case n <= 1<<24:
		return 24
	}
	return 32
}

// appendLevels appends levels as data pages of version 1 have them: the length
// in four bytes, then the hybrid.
func appendLevels(dst []byte, levels []level) []byte {
	at := len(dst)
	dst = appendHybrid(append(dst, 0, 0, 0, 0), levels, 1)
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// appendString appends a BYTE_ARRAY in PLAIN encoding.
func appendString[T string | []byte](dst []byte, s T) []byte {
	return append(binary.LittleEndian.AppendUint32(dst, uint32(len(s))), s...)
}

// intTable finds the index of an integer in the order of first appearance. It
// is an open-addressing hash table; slots hold index+1.
type intTable struct {
	slots []uint32
	shift uint
	keys  []int64
}

const minIntSlots = 1 << 6

func (t *intTable) reset() {
	t.keys = t.keys[:0]
	t.resize(minIntSlots)
}

func (t *intTable) resize(n int) {
	if cap(t.slots) >= n {
		t.slots = t.slots[:n]
		clear(t.slots)
	} else {
		t.slots = make([]uint32, n)
	}
	t.shift = 64
	for ; n > 1; n >>= 1 {
		t.shift--
	}
	for i, k := range t.keys {
		t.slots[t.free(k)] = uint32(i) + 1
	}
}

// free returns the slot of a key that is not in the table.
func (t *intTable) free(key int64) uint64 {
	mask := uint64(len(t.slots) - 1)
	s := t.hash(key)
	for t.slots[s] != 0 {
		s = (s + 1) & mask
	}
	return s
}

func (t *intTable) hash(key int64) uint64 { return uint64(key) * hashFactor >> t.shift }

// hashFactor is random, so that nobody can choose values that collide. It has
// no influence on what is written.
var hashFactor = rand.Uint64() | 1

// index returns the key's index, which is that of a new key if it is unknown.
func (t *intTable) index(key int64) uint32 {
	mask := uint64(len(t.slots) - 1)
	s := t.hash(key)
	for t.slots[s] != 0 {
		if i := t.slots[s] - 1; t.keys[i] == key {
			return i
		}
		s = (s + 1) & mask
	}
	t.keys = append(t.keys, key)
	t.slots[s] = uint32(len(t.keys))
	if 2*len(t.keys) > len(t.slots) {
		t.resize(2 * len(t.slots))
	}
	return uint32(len(t.keys) - 1)
}
