package statement

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// edit replaces the bytes [start, end) of a text.
type edit struct {
	start, end int
	with       string
}

// edited is a text after edits, with the way back to it.
type edited struct {
	text   string
	pieces []piece // ascending
}

// piece says that bytes from a place of the new text on are those from a place of
// the old text on; in a replacement all are the replaced text's first.
type piece struct {
	at, from int
	replaced bool
}

// apply makes edits, which do not overlap.
func apply(text string, edits []edit) edited {
	edits = slices.Clone(edits)
	slices.SortStableFunc(edits, func(a, b edit) int { return a.start - b.start })
	var b strings.Builder
	out := edited{}
	from := 0
	for _, e := range edits {
		out.pieces = append(out.pieces, piece{at: b.Len(), from: from})
		b.WriteString(text[from:e.start])
		out.pieces = append(out.pieces, piece{at: b.Len(), from: e.start, replaced: true})
		b.WriteString(e.with)
		from = e.end
	}
	out.pieces = append(out.pieces, piece{at: b.Len(), from: from})
	b.WriteString(text[from:])
	out.text = b.String()
	return out
}

// back returns the byte of the old text that a byte of the new one came from.
func (e *edited) back(at int) int {
	n, ok := slices.BinarySearchFunc(e.pieces, at, func(p piece, at int) int { return p.at - at })
	if !ok {
		n--
	} else {
		for n+1 < len(e.pieces) && e.pieces[n+1].at == at {
			n++
		}
	}
	if n < 0 {
		return at
	}
	p := e.pieces[n]
	if p.replaced {
		return p.from
	}
	return p.from + at - p.at
}

// character returns the number of a byte's character in a text, from 1; 0 for a byte
// outside of it.
func character(text string, at int) int {
	if at < 0 || at > len(text) {
		return 0
	}
	return utf8.RuneCountInString(text[:at]) + 1
}
