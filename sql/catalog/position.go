package catalog

import (
	"cmp"
	"slices"
	"sort"
)

// PositionMap leads from the text that [Rewrite] returned back to the one it was
// given. The zero value is for equal texts.
type PositionMap struct{ edits []applied }

// applied is an edit by its place in both texts.
type applied struct {
	from, to       int // bytes of the original
	outFrom, outTo int // bytes of the result
}

// Original returns the byte of the original text that a byte of the result stands
// for: the same one where the texts agree, and the start of what was replaced within
// a replacement. It never goes back when offset goes forward.
func (m PositionMap) Original(offset int) int {
	n := sort.Search(len(m.edits), func(i int) bool { return m.edits[i].outFrom > offset })
	if n == 0 {
		return offset
	}
	e := m.edits[n-1]
	if offset < e.outTo {
		return e.from
	}
	return e.to + offset - e.outTo
}

// edit replaces the bytes [from, to) of the text; from == to inserts.
type edit struct {
	from, to int
	text     string
	order    int // among the edits that start at the same byte
}

// apply makes the edits. One that starts within what another replaces is dropped.
func apply(text string, edits []edit) (string, PositionMap) {
	if len(edits) == 0 {
		return text, PositionMap{}
	}
	slices.SortStableFunc(edits, func(a, b edit) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.order, b.order)) })
	var m PositionMap
	out := make([]byte, 0, len(text)+len(text)/4)
	at := 0
	for _, e := range edits {
		if e.from < at {
			continue
		}
		out = append(out, text[at:e.from]...)
		a := applied{from: e.from, to: e.to, outFrom: len(out)}
		out = append(out, e.text...)
		a.outTo = len(out)
		m.edits = append(m.edits, a)
		at = e.to
	}
	return string(append(out, text[at:]...)), m
}
