package inflate

// A table is looked up with the next bits of the stream, the first bit lowest. Its
// first 1<<width entries are for codes of up to width bits, repeated for all values
// of the bits that follow; a longer code's first bits lead to a subtable behind them.
//
// An entry is
//
//	bits  0 to  5   how many bits it takes, with the extra bits that follow the code
//	bit   6         isSpecial: neither a literal, a length nor a distance
//	bit   7         isEnd: if special, the end of the block
//	bits  8 to 11   how many of the bits are the code; of a subtable: its width
//	bits 16 to 30   the base value of a length or distance; of a subtable: its index
//	bit  30         isSub: if special, a subtable
//	bit  31         isLiteral
//
// and for literals, whose codes have no extra bits,
//
//	bits  8 to 15   the second literal, if there is one
//	bits 16 to 23   the literal
//	bit  24         isPair: there is a second; two codes that fit in the width are one
//	                entry
//
// A special entry that is neither end nor subtable is no code.
type entry = uint32

const (
	takesMask  entry = 63
	isSpecial  entry = 1 << 6
	isEnd      entry = 1 << 7
	isPair     entry = 1 << 24
	isSub      entry = 1 << 30
	isLiteral  entry = 1 << 31
	codeShift        = 8
	codeMask   entry = 15
	valueShift       = 16
	valueMask  entry = 1<<15 - 1
	subMask    entry = 1<<14 - 1
	noCode           = isSpecial
)

const (
	maxCode = 15 // bits of the longest code of RFC 1951

	litWidth  = 11
	distWidth = 8
	lensWidth = 7 // all of the codes of code lengths

	// Most entries of a complete code's table with these widths, by the number of
	// symbols and the longest code (zlib's examples/enough.c).
	litEntries  = 2342
	distEntries = 402

	maxLit  = 288
	maxDist = 32
	maxLens = 19
)

// Base values and extra bits of the length symbols from 257 and of the distance
// symbols: RFC 1951, 3.2.5.
var (
	lengthBase  = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthExtra = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase    = [30]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distExtra   = [30]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
)

// The entries of the three alphabets' symbols, without the length of their codes.
var litSymbols, distSymbols, lensSymbols = symbols()

func symbols() (lit [maxLit]entry, dist [maxDist]entry, lens [maxLens]entry) {
	for i := range lit {
		switch {
		case i < 256:
			lit[i] = isLiteral | entry(i)<<valueShift
		case i == 256:
			lit[i] = isSpecial | isEnd
		case i-257 < len(lengthBase):
			lit[i] = entry(lengthBase[i-257])<<valueShift | entry(lengthExtra[i-257])
		default:
			lit[i] = noCode
		}
	}
	for i := range dist {
		if dist[i] = noCode; i < len(distBase) {
			dist[i] = entry(distBase[i])<<valueShift | entry(distExtra[i])
		}
	}
	for i := range lens {
		lens[i] = entry(i) << valueShift
	}
	return lit, dist, lens
}

// build fills the table for the codes with the given lengths, one a symbol, 0 for
// a symbol without a code. It is false if the lengths are no code: too many, or too
// few, but for a single code of one bit (as RFC 1951, 3.2.7 has for one distance)
// and for none at all, which nobody can use.
func build(table []entry, width int, lens []uint8, symbols []entry, sorted *[maxLit]uint16) bool {
	var count [maxCode + 1]int
	for _, n := range lens {
		count[n]++
	}
	longest := maxCode
	for longest > 0 && count[longest] == 0 {
		longest--
	}
	count[0] = 0
	var next [maxCode + 2]int // where the symbols of a length begin in sorted
	code := 0
	for n := 1; n <= maxCode; n++ {
		next[n+1] = next[n] + count[n]
		code = code<<1 + count[n]
		if code > 1<<n {
			return false
		}
	}
	if code != 1<<maxCode {
		if longest > 1 || count[1] > 1 {
			return false
		}
		for i := range table[:1<<width] {
			table[i] = noCode
		}
	}
	for sym, n := range lens {
		if n > 0 {
			sorted[next[n]] = uint16(sym)
			next[n]++
		}
	}

	// Codes in order, each with its bits reversed, as they come from the stream.
	var at, reversed, sub, subWidth int
	free := 1 << width
	prefix := -1 // what leads to the subtable at hand
	for n := 1; n <= longest; n++ {
		for k := range count[n] {
			e := symbols[sorted[at]] + entry(n)
			if e&isLiteral == 0 {
				e |= entry(n) << codeShift
			}
			at++
			if n <= width {
				for i := reversed; i < 1<<width; i += 1 << n {
					table[i] = e
				}
				reversed = following(reversed, n)
				continue
			}
			if reversed&(1<<width-1) != prefix {
				prefix = reversed & (1<<width - 1)
				subWidth = subtableWidth(width, n, longest, count[n]-k, &count)
				if sub, free = free, free+1<<subWidth; free > len(table) {
					return false
				}
				table[prefix] = isSpecial | isSub | entry(width) | entry(subWidth)<<codeShift | entry(sub)<<valueShift
			}
			e -= entry(width) // taken by the prefix
			if e&isLiteral == 0 {
				e -= entry(width) << codeShift
			}
			for i := reversed >> width; i < 1<<subWidth; i += 1 << (n - width) {
				table[sub+i] = e
			}
			reversed = following(reversed, n)
		}
	}
	return true
}

// following returns the code of n bits that is one more, both bit-reversed.
func following(reversed, n int) int {
	carry := 1 << (n - 1)
	for reversed&carry != 0 {
		carry >>= 1
	}
	if carry == 0 {
		return 0 // there is none
	}
	return reversed&(carry-1) | carry
}

// subtableWidth returns the width of a subtable whose first code has n bits and is
// the first of rest codes of that length: the least width at which the codes fill it.
func subtableWidth(width, n, longest, rest int, count *[maxCode + 1]int) int {
	w := n - width
	for room := 1<<w - rest; room > 0 && width+w < longest; {
		w++
		room = room<<1 - count[width+w]
	}
	return w
}

// pair joins the literals in the first entries of a table with the literals that
// follow them, where the index holds the codes of both.
func pair(table *[litEntries]entry) {
	for i := 1<<litWidth - 1; i >= 0; i-- {
		first := table[i]
		if first&isLiteral == 0 {
			continue
		}
		n := first & takesMask
		second := table[i>>n] // not a pair yet: its index is lower, or both are 0
		takes := n + second&takesMask
		if second&isLiteral == 0 || takes > litWidth {
			continue
		}
		table[i] = first&^takesMask | isPair | second>>valueShift&255<<codeShift | takes
	}
}
