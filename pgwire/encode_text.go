package pgwire

import (
	"bytes"
	"encoding/hex"
	"math"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stackhouse-db/stackhouse/sql/statement"
)

// textFunc returns the text encoder of a DuckDB type as Arrow delivers it. Types
// that PostgreSQL has not are text as Arrow prints them.
func textFunc(t statement.Type, dt arrow.DataType, st *style) appendFunc {
	switch dt := dt.(type) {
	case *arrow.BooleanType:
		return textBool
	case *arrow.Int64Type:
		return textInt64
	case *arrow.Uint64Type:
		return textUint64
	case *arrow.Int8Type, *arrow.Int16Type, *arrow.Int32Type, *arrow.Uint8Type, *arrow.Uint16Type, *arrow.Uint32Type:
		return textInt(intFunc(dt))
	case *arrow.Float32Type:
		return textFloat32(st)
	case *arrow.Float64Type:
		return textFloat64(st)
	case *arrow.Decimal128Type:
		return textDecimal(t, dt)
	case *arrow.StringType:
		return rawString
	case *arrow.LargeStringType:
		return rawLargeString
	case *arrow.BinaryType, *arrow.FixedSizeBinaryType:
		return textBinary(t, dt, st)
	case *arrow.DictionaryType:
		return dictionary(textFunc(t, dt.ValueType, st))
	case *arrow.MonthDayNanoIntervalType:
		return textInterval(st)
	case *arrow.Date32Type:
		return textDate
	case *arrow.Time64Type:
		return textTime(dt)
	case *arrow.TimestampType:
		return textTimestamp(t, dt, st)
	case *arrow.ListType, *arrow.LargeListType, *arrow.FixedSizeListType:
		return textList(t, dt, st)
	case *arrow.StructType, *arrow.MapType, *arrow.SparseUnionType:
		return jsonFunc(t, dt, st)
	}
	return anyValue
}

// anyValue prints a value of a type that is not known here.
func anyValue(dst []byte, a arrow.Array, i int) []byte { return append(dst, a.ValueStr(i)...) }

func textBool(dst []byte, a arrow.Array, i int) []byte {
	if a.(*array.Boolean).Value(i) {
		return append(dst, 't')
	}
	return append(dst, 'f')
}

func textInt64(dst []byte, a arrow.Array, i int) []byte {
	return strconv.AppendInt(dst, a.(*array.Int64).Value(i), 10)
}

func textUint64(dst []byte, a arrow.Array, i int) []byte {
	return strconv.AppendUint(dst, a.(*array.Uint64).Value(i), 10)
}

func textInt(get func(arrow.Array, int) int64) appendFunc {
	return func(dst []byte, a arrow.Array, i int) []byte { return strconv.AppendInt(dst, get(a, i), 10) }
}

// intFunc returns the reader of an integer type of at most 64 signed bits; nil for
// other types.
func intFunc(dt arrow.DataType) func(a arrow.Array, i int) int64 {
	switch dt.ID() {
	case arrow.INT8:
		return func(a arrow.Array, i int) int64 { return int64(a.(*array.Int8).Value(i)) }
	case arrow.INT16:
		return func(a arrow.Array, i int) int64 { return int64(a.(*array.Int16).Value(i)) }
	case arrow.INT32:
		return func(a arrow.Array, i int) int64 { return int64(a.(*array.Int32).Value(i)) }
	case arrow.INT64:
		return func(a arrow.Array, i int) int64 { return a.(*array.Int64).Value(i) }
	case arrow.UINT8:
		return func(a arrow.Array, i int) int64 { return int64(a.(*array.Uint8).Value(i)) }
	case arrow.UINT16:
		return func(a arrow.Array, i int) int64 { return int64(a.(*array.Uint16).Value(i)) }
	case arrow.UINT32:
		return func(a arrow.Array, i int) int64 { return int64(a.(*array.Uint32).Value(i)) }
	}
	return nil
}

func rawString(dst []byte, a arrow.Array, i int) []byte {
	return append(dst, a.(*array.String).Value(i)...)
}

func rawLargeString(dst []byte, a arrow.Array, i int) []byte {
	return append(dst, a.(*array.LargeString).Value(i)...)
}

// dictionary encodes the value that an index stands for.
func dictionary(value appendFunc) appendFunc {
	return func(dst []byte, a arrow.Array, i int) []byte {
		d := a.(*array.Dictionary)
		return value(dst, d.Dictionary(), d.GetValueIndex(i))
	}
}

// rawBytes returns the reader of a type of bytes.
func rawBytes(dt arrow.DataType) func(a arrow.Array, i int) []byte {
	if dt.ID() == arrow.FIXED_SIZE_BINARY {
		return func(a arrow.Array, i int) []byte { return a.(*array.FixedSizeBinary).Value(i) }
	}
	return func(a arrow.Array, i int) []byte { return a.(*array.Binary).Value(i) }
}

func textBinary(t statement.Type, dt arrow.DataType, st *style) appendFunc {
	get := rawBytes(dt)
	encode := appendHex
	switch {
	case t.Name == statement.Bit:
		encode = appendBits
	case t.Name == statement.UUID:
		encode = appendUUID
	case st.escapeBytea:
		encode = appendEscaped
	}
	return func(dst []byte, a arrow.Array, i int) []byte { return encode(dst, get(a, i)) }
}

// appendHex is bytea's text format.
func appendHex(dst, b []byte) []byte { return hex.AppendEncode(append(dst, '\\', 'x'), b) }

// appendEscaped is bytea's older text format.
func appendEscaped(dst, b []byte) []byte {
	for _, c := range b {
		switch {
		case c == '\\':
			dst = append(dst, '\\', '\\')
		case c < 0x20 || c > 0x7e:
			dst = append(dst, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// appendBits writes DuckDB's BIT: its first byte counts the padding bits before
// the first one.
func appendBits(dst, b []byte) []byte {
	if len(b) == 0 {
		return dst
	}
	for n := int(b[0]); n < 8*(len(b)-1); n++ {
		dst = append(dst, '0'+b[1+n/8]>>(7-n%8)&1)
	}
	return dst
}

// appendUUID writes 16 bytes with hyphens; anything else in hexadecimal.
func appendUUID(dst, b []byte) []byte {
	if len(b) != 16 {
		return hex.AppendEncode(dst, b)
	}
	for i, part := range [][]byte{b[:4], b[4:6], b[6:8], b[8:10], b[10:]} {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, part)
	}
	return dst
}

func textFloat32(st *style) appendFunc {
	return func(dst []byte, a arrow.Array, i int) []byte {
		return appendFloat(dst, float64(a.(*array.Float32).Value(i)), 32, st.floatDigits)
	}
}

func textFloat64(st *style) appendFunc {
	return func(dst []byte, a arrow.Array, i int) []byte {
		return appendFloat(dst, a.(*array.Float64).Value(i), 64, st.floatDigits)
	}
}

// appendFloat writes as PostgreSQL does: the shortest text that reads back the
// same if extraDigits is above zero, else FLT_DIG or DBL_DIG plus extraDigits.
func appendFloat(dst []byte, f float64, bits, extraDigits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	digits := 15
	if bits == 32 {
		digits = 6
	}
	if extraDigits <= 0 {
		return strconv.AppendFloat(dst, f, 'g', max(1, digits+extraDigits), bits)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'e', -1, bits)
	e := start + bytes.LastIndexByte(dst[start:], 'e')
	if exp := atoi(string(dst[e+1:])); exp < -4 || exp >= digits {
		return dst
	}
	return strconv.AppendFloat(dst[:start], f, 'f', -1, bits)
}

// atoi reads a number that is known to be one.
func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
