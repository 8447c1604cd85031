package block

import (
	"encoding/binary"
	"slices"
)

// dictionary is the dictionary of a chunk: each distinct value once, in the
// order of first appearance, and the index of each value.
type dictionary struct {
	index []uint32 // of each value of the chunk
	n     int      // entries
	plain []byte   // the entries in PLAIN encoding
	texts []string // the entries, if they are strings

	ints  intTable
	fixed map[[16]byte]uint32
	text  map[string]uint32
	remap []uint32 // index in the Arrow dictionary → index in this one + 1
}

// dictionaryOverhead is about what the page header of a dictionary costs.
const dictionaryOverhead = 16

// build makes the dictionary of the chunk that w has loaded, and reports
// whether it is smaller than plain values.
func (d *dictionary) build(w *chunkWriter) bool {
	d.reset()
	values := w.count()
	if values == 0 {
		return false
	}
	d.index = slices.Grow(d.index, values)
	size, ok := 0, false // bytes without a dictionary
	switch w.leaf.spec.kind {
	case kindTime, kindInt64:
		size, ok = 8*values, d.addInts(w.ints)
		for _, v := range d.ints.keys {
			d.plain = binary.LittleEndian.AppendUint64(d.plain, uint64(v))
		}
	case kindInt32:
		size, ok = 4*values, d.addInts(w.ints)
		for _, v := range d.ints.keys {
			d.plain = binary.LittleEndian.AppendUint32(d.plain, uint32(v))
		}
	case kindUUID, kindDecimal:
		size, ok = 16*values, d.addFixed(w.fixed)
	case kindString:
		if w.leaf.index != nil {
			size, ok = d.addArrow(w), true
		} else {
			size, ok = d.addTexts(w)
		}
	case kindBool:
	}
	return ok && len(d.plain)+d.indexBytes()+dictionaryOverhead < size
}

// keepEntries is the size of the largest map that is kept: clearing one takes
// as long as it was ever large.
const keepEntries = 4096

// reset empties the dictionary and lets go of the record's memory.
func (d *dictionary) reset() {
	clear(d.texts)
	d.index, d.n, d.plain, d.texts = d.index[:0], 0, d.plain[:0], d.texts[:0]
	if len(d.fixed) > keepEntries || d.fixed == nil {
		d.fixed = make(map[[16]byte]uint32)
	}
	if len(d.text) > keepEntries || d.text == nil {
		d.text = make(map[string]uint32)
	}
	clear(d.fixed)
	clear(d.text)
}

// indexBytes estimates the size of the indices: runs, or a literal.
func (d *dictionary) indexBytes() int {
	width := indexWidth(d.n) / 8
	runs := 0
	for i := 0; i < len(d.index) && runs <= len(d.index)/4; i = runEnd(d.index, i) {
		runs++
	}
	return min(width*len(d.index), (width+2)*runs)
}

// tooMany reports whether so many of the values seen are distinct that a
// dictionary will hardly pay.
func tooMany(distinct, seen int) bool { return distinct > 4096 && distinct > seen/4*3 }

func (d *dictionary) addInts(values []int64) bool {
	d.ints.reset()
	var last int64
	var index uint32
	for i, v := range values {
		if i == 0 || v != last {
			index, last = d.ints.index(v), v
			if tooMany(len(d.ints.keys), i) {
				return false
			}
		}
		d.index = append(d.index, index)
	}
	d.n = len(d.ints.keys)
	return true
}

func (d *dictionary) addFixed(values []byte) bool {
	var last [16]byte
	var index uint32
	for i := 0; i < len(values); i += 16 {
		v := [16]byte(values[i:])
		if i > 0 && v == last {
			d.index = append(d.index, index)
			continue
		}
		var known bool
		if index, known = d.fixed[v]; !known {
			index = uint32(d.n)
			d.fixed[v] = index
			d.plain = append(d.plain, v[:]...)
			d.n++
			if tooMany(d.n, i/16) {
				return false
			}
		}
		last = v
		d.index = append(d.index, index)
	}
	return true
}

// addTexts also returns the size of the values without a dictionary.
func (d *dictionary) addTexts(w *chunkWriter) (size int, ok bool) {
	for i := range w.count() {
		v := w.text(i)
		index, known := d.text[v]
		if !known {
			index = d.addText(v)
			d.text[v] = index
			if tooMany(d.n, i) {
				return 0, false
			}
		}
		d.index = append(d.index, index)
		size += 4 + len(v)
	}
	return size, true
}

// addArrow takes over those entries of the Arrow dictionary that are used.
func (d *dictionary) addArrow(w *chunkWriter) (size int) {
	entries := w.leaf.text.Len()
	if cap(d.remap) < entries {
		d.remap = make([]uint32, entries)
	}
	d.remap = d.remap[:entries]
	clear(d.remap)
	for i := range w.count() {
		entry := w.leaf.index[w.position(i)]
		index := d.remap[entry]
		if index == 0 {
			index = d.addText(w.leaf.text.Value(int(entry))) + 1
			d.remap[entry] = index
		}
		d.index = append(d.index, index-1)
		size += 4 + len(d.texts[index-1])
	}
	return size
}

func (d *dictionary) addText(v string) uint32 {
	d.plain = appendString(d.plain, v)
	d.texts = append(d.texts, v)
	d.n++
	return uint32(d.n - 1)
}
