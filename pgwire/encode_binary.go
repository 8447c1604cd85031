package pgwire

import (
	"encoding/binary"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stackhouse-db/stackhouse/sql/statement"
)

// binaryColumn returns the binary encoder of a column: that of the type which
// RowDescription told.
func binaryColumn(c statement.Column, dt arrow.DataType, st *style) (appendFunc, error) {
	oid := columnType(c).oid
	if elem, ok := elements[oid]; ok && isList(c.Type) {
		fn, err := binaryFunc(elem, *c.Type.Elem, elemArrow(dt), st)
		if err != nil {
			return nil, err
		}
		return binaryArray(fn, elem), nil
	}
	return binaryFunc(oid, c.Type, dt, st)
}

// binaryFunc returns the binary encoder of a scalar type: its fields in network
// order.
func binaryFunc(oid uint32, t statement.Type, dt arrow.DataType, st *style) (appendFunc, error) {
	if d, ok := dt.(*arrow.DictionaryType); ok {
		fn, err := binaryFunc(oid, t, d.ValueType, st)
		return dictionary(fn), err
	}
	if fn := binaryScalar(oid, t, dt); fn != nil {
		return fn, nil
	}
	switch oid {
	case oidText, oidJSON, oidVarchar, oidBPChar, oidName, oidChar, oidXML:
		return textFunc(t, dt, st), nil // the same in both formats
	}
	return nil, errorf(stateFeatureNotSupported, "no binary format for type %s (oid %d)", t.Name, oid)
}

// binaryScalar returns the encoder of a type whose binary format is its own; nil
// if Arrow delivers no such value.
func binaryScalar(oid uint32, t statement.Type, dt arrow.DataType) appendFunc {
	switch oid {
	case oidBool:
		return onlyFor(dt, arrow.BOOL, binaryBool)
	case oidInt2, oidInt4, oidInt8, oidOID, oidXID, oidRegclass, oidRegproc, oidRegtype:
		return binaryInt(int(sizes[oid]), dt)
	case oidFloat4:
		return onlyFor(dt, arrow.FLOAT32, binaryFloat32)
	case oidFloat8:
		return onlyFor(dt, arrow.FLOAT64, binaryFloat64)
	case oidNumeric:
		return binaryNumeric(t, dt)
	case oidBytea:
		return binaryBytes(dt)
	case oidUUID:
		return binaryUUID(dt)
	case oidDate:
		return onlyFor(dt, arrow.DATE32, binaryDate)
	case oidInterval:
		return onlyFor(dt, arrow.INTERVAL_MONTH_DAY_NANO, binaryInterval)
	case oidTime:
		return binaryTime(dt)
	case oidTimestamp, oidTimestampTZ:
		return binaryTimestamp(dt)
	}
	return nil
}

func onlyFor(dt arrow.DataType, id arrow.Type, fn appendFunc) appendFunc {
	if dt.ID() == id {
		return fn
	}
	return nil
}

func binaryBool(dst []byte, a arrow.Array, i int) []byte {
	if a.(*array.Boolean).Value(i) {
		return append(dst, 1)
	}
	return append(dst, 0)
}

func binaryInt(size int, dt arrow.DataType) appendFunc {
	if size == 8 && dt.ID() == arrow.INT64 {
		return func(dst []byte, a arrow.Array, i int) []byte {
			return binary.BigEndian.AppendUint64(dst, uint64(a.(*array.Int64).Value(i)))
		}
	}
	get := intFunc(dt)
	if get == nil {
		return nil
	}
	return func(dst []byte, a arrow.Array, i int) []byte {
		switch v := get(a, i); size {
		case 2:
			return binary.BigEndian.AppendUint16(dst, uint16(v))
		case 4:
			return binary.BigEndian.AppendUint32(dst, uint32(v))
		default:
			return binary.BigEndian.AppendUint64(dst, uint64(v))
		}
	}
}

func binaryFloat32(dst []byte, a arrow.Array, i int) []byte {
	return binary.BigEndian.AppendUint32(dst, math.Float32bits(a.(*array.Float32).Value(i)))
}

func binaryFloat64(dst []byte, a arrow.Array, i int) []byte {
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(a.(*array.Float64).Value(i)))
}

func binaryNumeric(t statement.Type, dt arrow.DataType) appendFunc {
	switch dt := dt.(type) {
	case *arrow.Uint64Type:
		return func(dst []byte, a arrow.Array, i int) []byte {
			return appendNumericBinary(dst, number128{lo: a.(*array.Uint64).Value(i)}, 0)
		}
	case *arrow.Decimal128Type:
		get, scale := decimalFunc(t), int(dt.Scale)
		return func(dst []byte, a arrow.Array, i int) []byte {
			return appendNumericBinary(dst, get(a, i), scale)
		}
	}
	return nil
}

func binaryBytes(dt arrow.DataType) appendFunc {
	switch dt.ID() {
	case arrow.BINARY, arrow.FIXED_SIZE_BINARY:
		get := rawBytes(dt)
		return func(dst []byte, a arrow.Array, i int) []byte { return append(dst, get(a, i)...) }
	}
	return nil
}

// binaryUUID reads the text that DuckDB delivers, or 16 bytes.
func binaryUUID(dt arrow.DataType) appendFunc {
	switch dt.ID() {
	case arrow.FIXED_SIZE_BINARY:
		return binaryBytes(dt)
	case arrow.STRING:
		return func(dst []byte, a arrow.Array, i int) []byte {
			id, _ := parseUUID(a.(*array.String).Value(i)) // DuckDB's text is well-formed
			return append(dst, id[:]...)
		}
	}
	return nil
}

func binaryDate(dst []byte, a arrow.Array, i int) []byte {
	days := int64(a.(*array.Date32).Value(i))
	switch days {
	case infinityDays:
	case -infinityDays:
		days = math.MinInt32
	default:
		days = max(days-epochDays, math.MinInt32+1)
	}
	return binary.BigEndian.AppendUint32(dst, uint32(int32(days)))
}

func binaryTime(dt arrow.DataType) appendFunc {
	t, ok := dt.(*arrow.Time64Type)
	if !ok {
		return nil
	}
	get := timeFunc(t)
	return func(dst []byte, a arrow.Array, i int) []byte {
		return binary.BigEndian.AppendUint64(dst, uint64(get(a, i)))
	}
}

func binaryTimestamp(dt arrow.DataType) appendFunc {
	t, ok := dt.(*arrow.TimestampType)
	if !ok {
		return nil
	}
	get := timestampFunc(t)
	return func(dst []byte, a arrow.Array, i int) []byte {
		return binary.BigEndian.AppendUint64(dst, uint64(pgMicros(get(a, i))))
	}
}

// pgMicros counts from 2000. PostgreSQL's infinities are the largest and smallest
// numbers; a time so early that it has none there is the smallest that is finite.
func pgMicros(micros int64) int64 {
	switch {
	case micros == infinityMicros:
		return math.MaxInt64
	case micros == -infinityMicros:
		return math.MinInt64
	case micros < math.MinInt64+1+epochMicros:
		return math.MinInt64 + 1
	}
	return micros - epochMicros
}

func binaryInterval(dst []byte, a arrow.Array, i int) []byte {
	v := intervalAt(a, i)
	dst = binary.BigEndian.AppendUint64(dst, uint64(v.Micros))
	dst = binary.BigEndian.AppendUint32(dst, uint32(v.Days))
	return binary.BigEndian.AppendUint32(dst, uint32(v.Months))
}
