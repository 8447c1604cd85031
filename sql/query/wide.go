package query

import (
	"math"
	"math/bits"
)

// wide is an exact sum of int64 values ≥ 0: 128 bits, which no stored data fills.
type wide struct{ hi, lo uint64 }

func (w *wide) add(v int64) { w.addWide(wide{lo: uint64(v)}) }

func (w *wide) addWide(o wide) {
	var carry uint64
	w.lo, carry = bits.Add64(w.lo, o.lo, 0)
	w.hi, _ = bits.Add64(w.hi, o.hi, carry)
}

// int64 returns the sum and whether it fits.
func (w wide) int64() (int64, bool) {
	return int64(w.lo), w.hi == 0 && w.lo <= math.MaxInt64
}

// float64 returns the nearest float, ties to even.
func (w wide) float64() float64 {
	if w.hi == 0 {
		return float64(w.lo)
	}
	// The conversion rounds the highest 64 bits; what is below them only matters
	// for telling a tie from more than a tie, which one sticky bit does.
	shift := uint(bits.Len64(w.hi))
	top := w.hi<<(64-shift) | w.lo>>shift
	if w.lo<<(64-shift) != 0 {
		top |= 1
	}
	return math.Ldexp(float64(top), int(shift))
}

// mean returns the sum divided by n.
func (w wide) mean(n int64) float64 {
	if v, ok := w.int64(); ok && n > 0 && v%n == 0 {
		return float64(v / n)
	}
	return w.float64() / float64(n)
}
