package block

import (
	"bytes"
	"cmp"
	"encoding/binary"
)

// maxBoundBytes is the longest smallest or largest value that is stored. Longer
// ones are left out: a cut one would have to be declared inexact, which not
// every reader understands.
const maxBoundBytes = 256

// bounds are the smallest and largest of some values, in PLAIN encoding but
// without a length; both are nil if they are not known.
type bounds struct{ min, max []byte }

func (b bounds) known() bool { return b.min != nil }

// boundsOf returns the bounds of the chunk's values [from, to), which are not
// empty.
func (w *chunkWriter) boundsOf(from, to int, dictionary bool) bounds {
	switch w.leaf.spec.kind {
	case kindTime, kindInt64:
		lo, hi := intBounds(w.ints[from:to])
		return bounds{binary.LittleEndian.AppendUint64(nil, uint64(lo)), binary.LittleEndian.AppendUint64(nil, uint64(hi))}
	case kindInt32:
		lo, hi := intBounds(w.ints[from:to])
		return bounds{binary.LittleEndian.AppendUint32(nil, uint32(lo)), binary.LittleEndian.AppendUint32(nil, uint32(hi))}
	case kindUUID, kindDecimal:
		return w.fixedBounds(from, to)
	case kindString:
		return w.textBounds(from, to, dictionary)
	}
	return bounds{}
}

func intBounds(values []int64) (lo, hi int64) {
	lo, hi = values[0], values[0]
	for _, v := range values {
		lo, hi = min(lo, v), max(hi, v)
	}
	return lo, hi
}

func (w *chunkWriter) fixedBounds(from, to int) bounds {
	lo := w.fixed[16*from : 16*from+16]
	hi, last := lo, lo
	for i := from + 1; i < to; i++ {
		v := w.fixed[16*i : 16*i+16]
		if bytes.Equal(v, last) {
			continue
		}
		last = v
		if compareBounds(w.leaf.spec.kind, v, lo) < 0 {
			lo = v
		}
		if compareBounds(w.leaf.spec.kind, v, hi) > 0 {
			hi = v
		}
	}
	return bounds{bytes.Clone(lo), bytes.Clone(hi)}
}

func (w *chunkWriter) textBounds(from, to int, dictionary bool) bounds {
	at := w.text
	if dictionary {
		at = func(i int) string { return w.dictionary.texts[w.dictionary.index[i]] }
	}
	lo := at(from)
	hi := lo
	for i := from + 1; i < to; i++ {
		if dictionary && w.dictionary.index[i] == w.dictionary.index[i-1] {
			continue
		}
		v := at(i)
		lo, hi = min(lo, v), max(hi, v)
	}
	if len(lo) > maxBoundBytes || len(hi) > maxBoundBytes {
		return bounds{}
	}
	return bounds{[]byte(lo), []byte(hi)}
}

// unite returns the bounds of a chunk, which are unknown if those of a page
// with values are.
func unite(l *leafSpec, pages []pageMeta) bounds {
	var all bounds
	for i := range pages {
		p := &pages[i]
		switch {
		case p.nulls == p.slots:
		case !p.known():
			return bounds{}
		case !all.known():
			all = p.bounds
		default:
			if compareBounds(l.kind, p.min, all.min) < 0 {
				all.min = p.min
			}
			if compareBounds(l.kind, p.max, all.max) > 0 {
				all.max = p.max
			}
		}
	}
	return all
}

// compareBounds compares values in the order that Parquet defines for the kind.
func compareBounds(k kind, a, b []byte) int {
	switch k {
	case kindTime, kindInt64:
		return cmp.Compare(int64(binary.LittleEndian.Uint64(a)), int64(binary.LittleEndian.Uint64(b)))
	case kindInt32:
		return cmp.Compare(int64(int32(binary.LittleEndian.Uint32(a))), int64(int32(binary.LittleEndian.Uint32(b))))
	case kindDecimal: // big-endian two's complement
		if c := cmp.Compare(int64(int8(a[0])), int64(int8(b[0]))); c != 0 {
			return c
		}
	}
	return bytes.Compare(a, b)
}
