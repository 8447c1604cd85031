package pgwire

import (
	"encoding/binary"
	"math/bits"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/stackhouse-db/stackhouse/sql/statement"
)

// number128 is a sign and a magnitude of 128 bits.
type number128 struct {
	negative bool
	hi, lo   uint64
}

// signed128 reads two's complement, unsigned128 all bits as magnitude: DuckDB
// delivers UHUGEINT so, in an Arrow type that is signed.
func signed128(n decimal128.Num) number128 {
	hi, lo := uint64(n.HighBits()), n.LowBits()
	if n.HighBits() >= 0 {
		return number128{false, hi, lo}
	}
	lo, borrow := bits.Sub64(0, lo, 0)
	hi, _ = bits.Sub64(0, hi, borrow)
	return number128{true, hi, lo}
}

func unsigned128(n decimal128.Num) number128 {
	return number128{false, uint64(n.HighBits()), n.LowBits()}
}

// decimalFunc returns the reader of a 128-bit type.
func decimalFunc(t statement.Type) func(a arrow.Array, i int) number128 {
	read := signed128
	if t.Name == statement.UHugeInt {
		read = unsigned128
	}
	return func(a arrow.Array, i int) number128 { return read(a.(*array.Decimal128).Value(i)) }
}

func textDecimal(t statement.Type, dt *arrow.Decimal128Type) appendFunc {
	get, scale := decimalFunc(t), int(dt.Scale)
	return func(dst []byte, a arrow.Array, i int) []byte { return appendNumeric(dst, get(a, i), scale) }
}

// appendDigits writes the magnitude in decimal.
func (n number128) appendDigits(dst []byte) []byte {
	const chunk = 10_000_000_000_000_000_000 // 10^19, the largest power below 2^64
	if n.hi == 0 {
		return strconv.AppendUint(dst, n.lo, 10)
	}
	lo, rest := bits.Div64(n.hi%chunk, n.lo, chunk)
	dst = number128{false, n.hi / chunk, lo}.appendDigits(dst)
	for pad := rest; pad < chunk/10; pad *= 10 {
		dst = append(dst, '0')
		if pad == 0 {
			pad = 1 // a rest of 0 has one digit, as 1 to 9 have
		}
	}
	return strconv.AppendUint(dst, rest, 10)
}

// appendNumeric writes number × 10^-scale.
func appendNumeric(dst []byte, n number128, scale int) []byte {
	if n.negative {
		dst = append(dst, '-')
	}
	if scale <= 0 {
		return n.appendDigits(dst)
	}
	var buf [48]byte
	digits := n.appendDigits(buf[:0])
	whole := len(digits) - scale
	if whole <= 0 {
		dst = append(dst, '0', '.')
		for range -whole {
			dst = append(dst, '0')
		}
		return append(dst, digits...)
	}
	dst = append(dst, digits[:whole]...)
	dst = append(dst, '.')
	return append(dst, digits[whole:]...)
}

// appendNumericBinary writes PostgreSQL's numeric:
//
//	int16 number of base-10000 digits
//	int16 weight: the first digit counts 10000^weight
//	int16 sign: 0 or 0x4000
//	int16 digits shown after the point
//	int16 each base-10000 digit, without zeros at either end
func appendNumericBinary(dst []byte, n number128, scale int) []byte {
	var buf [48]byte
	digits := n.appendDigits(buf[:0])
	whole := len(digits) - scale // decimal digits before the point; may be negative

	start := len(dst)
	dst = append(dst, make([]byte, 8)...)
	weight := (whole+3)>>2 - 1 // of the group that holds the first digit, rounding down
	count, last := 0, 0
	for g, at := weight, whole-4*(weight+1); at < len(digits); g, at = g-1, at+4 {
		v := group(digits, at)
		if v == 0 && count == 0 {
			weight = g - 1
			continue
		}
		dst = binary.BigEndian.AppendUint16(dst, v)
		count++
		if v != 0 {
			last = count
		}
	}
	dst = dst[:start+8+2*last]
	if last == 0 {
		weight = 0
	}
	head := dst[start:]
	binary.BigEndian.PutUint16(head, uint16(last))
	binary.BigEndian.PutUint16(head[2:], uint16(int16(weight)))
	if n.negative && last > 0 {
		binary.BigEndian.PutUint16(head[4:], 0x4000)
	}
	binary.BigEndian.PutUint16(head[6:], uint16(max(scale, 0)))
	return dst
}

// group is the number of the four digits from at on; those outside are zeros.
func group(digits []byte, at int) uint16 {
	v := uint16(0)
	for i := at; i < at+4; i++ {
		v *= 10
		if i >= 0 && i < len(digits) {
			v += uint16(digits[i] - '0')
		}
	}
	return v
}
