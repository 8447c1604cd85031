package pgwire

import (
	"math"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stackhouse-db/stackhouse/sql/statement"
)

// sample is a value as DuckDB delivers it, and its text in PostgreSQL.
type sample struct {
	name  string
	typ   statement.Type
	arrow arrow.DataType
	add   func(b array.Builder)
	text  string
}

func named(name string) statement.Type { return statement.Type{Name: name} }

func listOf(elem statement.Type) statement.Type {
	return statement.Type{Name: statement.List, Elem: &elem}
}

func add[B array.Builder](fn func(b B)) func(array.Builder) {
	return func(b array.Builder) { fn(b.(B)) }
}

// jsonValue appends what arrow reads from JSON.
func jsonValue(doc string) func(array.Builder) {
	return func(b array.Builder) {
		if err := b.UnmarshalJSON([]byte("[" + doc + "]")); err != nil {
			panic(err)
		}
	}
}

func decimal(s string, precision, scale int32) func(array.Builder) {
	return add(func(b *array.Decimal128Builder) {
		n, err := decimal128.FromString(s, precision, scale)
		if err != nil {
			panic(err)
		}
		b.Append(n)
	})
}

func raw128(hi int64, lo uint64) func(array.Builder) {
	return add(func(b *array.Decimal128Builder) { b.Append(decimal128.New(hi, lo)) })
}

func timestamp(v int64) func(array.Builder) {
	return add(func(b *array.TimestampBuilder) { b.Append(arrow.Timestamp(v)) })
}

func interval(months, days int32, nanos int64) func(array.Builder) {
	return add(func(b *array.MonthDayNanoIntervalBuilder) {
		b.Append(arrow.MonthDayNanoInterval{Months: months, Days: days, Nanoseconds: nanos})
	})
}

func text(s string) func(array.Builder) {
	return add(func(b *array.StringBuilder) { b.Append(s) })
}

func float64Of(f float64) func(array.Builder) {
	return add(func(b *array.Float64Builder) { b.Append(f) })
}

func float32Of(f float32) func(array.Builder) {
	return add(func(b *array.Float32Builder) { b.Append(f) })
}

func date(d int32) func(array.Builder) {
	return add(func(b *array.Date32Builder) { b.Append(arrow.Date32(d)) })
}

func clock(us int64) func(array.Builder) {
	return add(func(b *array.Time64Builder) { b.Append(arrow.Time64(us)) })
}

func bytesOf(p ...byte) func(array.Builder) {
	return add(func(b *array.BinaryBuilder) { b.Append(p) })
}

var (
	decimal38   = &arrow.Decimal128Type{Precision: 38}
	decimal18   = &arrow.Decimal128Type{Precision: 18, Scale: 4}
	micros      = &arrow.TimestampType{Unit: arrow.Microsecond}
	microsZone  = &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "Etc/UTC"}
	enum        = &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Uint8, ValueType: arrow.BinaryTypes.String}
	labelsArrow = arrow.MapOf(arrow.BinaryTypes.String, arrow.BinaryTypes.String)
	structArrow = arrow.StructOf(
		arrow.Field{Name: "a", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
		arrow.Field{Name: `b"q`, Type: arrow.BinaryTypes.String, Nullable: true},
		arrow.Field{Name: "c", Type: microsZone, Nullable: true},
	)
	structType = statement.Type{Name: statement.Struct, Fields: []statement.Field{
		{Name: "a", Type: named(statement.Integer)}, {Name: `b"q`, Type: varchar}, {Name: "c", Type: named(statement.TimestampTZ)},
	}}
	labelsType = statement.Type{Name: statement.Map, Key: &varchar, Elem: &varchar}
)

// samples cover every type. Timestamps with time zone are in UTC.
var samples = []sample{
	{"true", named(statement.Boolean), arrow.FixedWidthTypes.Boolean, jsonValue("true"), "t"},
	{"false", named(statement.Boolean), arrow.FixedWidthTypes.Boolean, jsonValue("false"), "f"},
	{"tinyint", named(statement.TinyInt), arrow.PrimitiveTypes.Int8, jsonValue("-128"), "-128"},
	{"smallint", named(statement.SmallInt), arrow.PrimitiveTypes.Int16, jsonValue("-32768"), "-32768"},
	{"integer", named(statement.Integer), arrow.PrimitiveTypes.Int32, jsonValue("-2147483648"), "-2147483648"},
	{"bigint", named(statement.BigInt), arrow.PrimitiveTypes.Int64, add(func(b *array.Int64Builder) { b.Append(math.MinInt64) }), "-9223372036854775808"},
	{"utinyint", named(statement.UTinyInt), arrow.PrimitiveTypes.Uint8, jsonValue("255"), "255"},
	{"usmallint", named(statement.USmallInt), arrow.PrimitiveTypes.Uint16, jsonValue("65535"), "65535"},
	{"uinteger", named(statement.UInteger), arrow.PrimitiveTypes.Uint32, jsonValue("4294967295"), "4294967295"},
	{"ubigint", named(statement.UBigInt), arrow.PrimitiveTypes.Uint64, add(func(b *array.Uint64Builder) { b.Append(math.MaxUint64) }), "18446744073709551615"},
	{"ubigint zero", named(statement.UBigInt), arrow.PrimitiveTypes.Uint64, jsonValue("0"), "0"},
	{"hugeint most", named(statement.HugeInt), decimal38, raw128(math.MaxInt64, math.MaxUint64), "170141183460469231731687303715884105727"},
	{"hugeint least", named(statement.HugeInt), decimal38, raw128(math.MinInt64, 0), "-170141183460469231731687303715884105728"},
	{"hugeint 2^64", named(statement.HugeInt), decimal38, raw128(1, 0), "18446744073709551616"},
	{"hugeint 10^19", named(statement.HugeInt), decimal38, raw128(0, 10_000_000_000_000_000_000), "10000000000000000000"},
	{"hugeint 10^20", named(statement.HugeInt), decimal38, decimal("100000000000000000000", 38, 0), "100000000000000000000"},
	{"hugeint 10^38", named(statement.HugeInt), decimal38, raw128(0x4b3b4ca85a86c47a, 0x098a224000000000), "100000000000000000000000000000000000000"},
	{"hugeint small", named(statement.HugeInt), decimal38, raw128(0, 42), "42"},
	{"hugeint zero", named(statement.HugeInt), decimal38, raw128(0, 0), "0"},
	{"hugeint minus one", named(statement.HugeInt), decimal38, raw128(-1, math.MaxUint64), "-1"},
	{"uhugeint most", named(statement.UHugeInt), decimal38, raw128(-1, math.MaxUint64), "340282366920938463463374607431768211455"},
	{"decimal", statement.Type{Name: statement.Decimal, Precision: 18, Scale: 4}, decimal18, raw128(0, 12345678), "1234.5678"},
	{"decimal below one", statement.Type{Name: statement.Decimal, Precision: 18, Scale: 4}, decimal18, raw128(-1, uint64(math.MaxUint64-4)), "-0.0005"},
	{"decimal zero", statement.Type{Name: statement.Decimal, Precision: 18, Scale: 4}, decimal18, raw128(0, 0), "0.0000"},
	{"decimal whole", statement.Type{Name: statement.Decimal, Precision: 18, Scale: 4}, decimal18, raw128(0, 100_000_000), "10000.0000"},
	{"decimal odd scale", statement.Type{Name: statement.Decimal, Precision: 38, Scale: 7}, &arrow.Decimal128Type{Precision: 38, Scale: 7}, raw128(0, 1_000_000_10), "10.0000010"},
	{"decimal deep", statement.Type{Name: statement.Decimal, Precision: 38, Scale: 38}, &arrow.Decimal128Type{Precision: 38, Scale: 38}, raw128(0, 1), "0.00000000000000000000000000000000000001"},
	{"double", named(statement.Double), arrow.PrimitiveTypes.Float64, float64Of(1.5), "1.5"},
	{"double thin", named(statement.Double), arrow.PrimitiveTypes.Float64, float64Of(0.1), "0.1"},
	{"double large", named(statement.Double), arrow.PrimitiveTypes.Float64, float64Of(1e15), "1e+15"},
	{"double below", named(statement.Double), arrow.PrimitiveTypes.Float64, float64Of(123456789012345), "123456789012345"},
	{"double small", named(statement.Double), arrow.PrimitiveTypes.Float64, float64Of(0.0001), "0.0001"},
	{"double smaller", named(statement.Double), arrow.PrimitiveTypes.Float64, float64Of(0.00001), "1e-05"},
	{"double nan", named(statement.Double), arrow.PrimitiveTypes.Float64, float64Of(math.NaN()), "NaN"},
	{"double infinite", named(statement.Double), arrow.PrimitiveTypes.Float64, float64Of(math.Inf(-1)), "-Infinity"},
	{"float", named(statement.Float), arrow.PrimitiveTypes.Float32, float32Of(0.1), "0.1"},
	{"float large", named(statement.Float), arrow.PrimitiveTypes.Float32, float32Of(1234567), "1.234567e+06"},
	{"float infinite", named(statement.Float), arrow.PrimitiveTypes.Float32, float32Of(float32(math.Inf(1))), "Infinity"},
	{"varchar", named(statement.Varchar), arrow.BinaryTypes.String, text("grüße, 'world'"), "grüße, 'world'"},
	{"varchar empty", named(statement.Varchar), arrow.BinaryTypes.String, text(""), ""},
	{"blob", named(statement.Blob), arrow.BinaryTypes.Binary, bytesOf(0, 255, 'a', '\\'), `\x00ff615c`},
	{"bit", named(statement.Bit), arrow.BinaryTypes.Binary, bytesOf(5, 0xfd), "101"},
	{"date", named(statement.Date), arrow.FixedWidthTypes.Date32, date(20454), "2026-01-01"},
	{"date leap", named(statement.Date), arrow.FixedWidthTypes.Date32, date(11016), "2000-02-29"},
	{"date early", named(statement.Date), arrow.FixedWidthTypes.Date32, date(-719529), "0002-12-31 BC"},
	{"date early leap", named(statement.Date), arrow.FixedWidthTypes.Date32, date(-719469), "0001-02-29 BC"},
	{"date far", named(statement.Date), arrow.FixedWidthTypes.Date32, date(2932897), "10000-01-01"},
	{"date infinity", named(statement.Date), arrow.FixedWidthTypes.Date32, date(math.MaxInt32), "infinity"},
	{"date -infinity", named(statement.Date), arrow.FixedWidthTypes.Date32, date(-math.MaxInt32), "-infinity"},
	{"time", named(statement.Time), arrow.FixedWidthTypes.Time64us, clock(3723_500_000), "01:02:03.5"},
	{"time last", named(statement.Time), arrow.FixedWidthTypes.Time64us, clock(86_400_000_000), "24:00:00"},
	{"time nanoseconds", named(statement.Time), arrow.FixedWidthTypes.Time64ns, clock(3723_500_000_999), "01:02:03.5"},
	{"timestamp", named(statement.Timestamp), micros, timestamp(1767225600_000001), "2026-01-01 00:00:00.000001"},
	{"timestamp before 1970", named(statement.Timestamp), micros, timestamp(-1), "1969-12-31 23:59:59.999999"},
	{"timestamp BC", named(statement.Timestamp), micros, timestamp(-62167219200_000000 - 1), "0002-12-31 23:59:59.999999 BC"},
	{"timestamp infinity", named(statement.Timestamp), micros, timestamp(math.MaxInt64), "infinity"},
	{"timestamp -infinity", named(statement.Timestamp), micros, timestamp(-math.MaxInt64), "-infinity"},
	{"timestamp_s", named(statement.TimestampS), &arrow.TimestampType{Unit: arrow.Second}, timestamp(1767225600), "2026-01-01 00:00:00"},
	{"timestamp_s infinity", named(statement.TimestampS), &arrow.TimestampType{Unit: arrow.Second}, timestamp(math.MaxInt64), "infinity"},
	{"timestamp_ms", named(statement.TimestampMS), &arrow.TimestampType{Unit: arrow.Millisecond}, timestamp(1767225600_500), "2026-01-01 00:00:00.5"},
	{"timestamp_ns", named(statement.TimestampNS), &arrow.TimestampType{Unit: arrow.Nanosecond}, timestamp(1767225600_000001_999), "2026-01-01 00:00:00.000001"},
	{"timestamp_ns before 1970", named(statement.TimestampNS), &arrow.TimestampType{Unit: arrow.Nanosecond}, timestamp(-1), "1969-12-31 23:59:59.999999"},
	{"timestamp_ns infinity", named(statement.TimestampNS), &arrow.TimestampType{Unit: arrow.Nanosecond}, timestamp(math.MaxInt64), "infinity"},
	{"timestamptz", named(statement.TimestampTZ), microsZone, timestamp(1767225600_000000), "2026-01-01 00:00:00+00"},
	{"timestamptz infinity", named(statement.TimestampTZ), microsZone, timestamp(math.MaxInt64), "infinity"},
	{"interval", named(statement.Interval), arrow.FixedWidthTypes.MonthDayNanoInterval, interval(14, -3, 14706_700_000_000), "1 year 2 mons -3 days +04:05:06.7"},
	{"interval negative", named(statement.Interval), arrow.FixedWidthTypes.MonthDayNanoInterval, interval(-1, 2, -1_000), "-1 mons +2 days -00:00:00.000001"},
	{"interval one", named(statement.Interval), arrow.FixedWidthTypes.MonthDayNanoInterval, interval(1, 1, 0), "1 mon 1 day"},
	{"interval zero", named(statement.Interval), arrow.FixedWidthTypes.MonthDayNanoInterval, interval(0, 0, 0), "00:00:00"},
	{"interval long", named(statement.Interval), arrow.FixedWidthTypes.MonthDayNanoInterval, interval(0, 0, 360_000_000_000_000), "100:00:00"},
	{"uuid", named(statement.UUID), arrow.BinaryTypes.String, text("6f1d2b3c-0000-1111-2222-333344445555"), "6f1d2b3c-0000-1111-2222-333344445555"},
	{"uuid bytes", named(statement.UUID), &arrow.FixedSizeBinaryType{ByteWidth: 16}, add(func(b *array.FixedSizeBinaryBuilder) { b.Append([]byte("0123456789abcdef")) }), "30313233-3435-3637-3839-616263646566"},
	{"json", named(statement.JSON), arrow.BinaryTypes.String, text(`{"a": [1, null]}`), `{"a": [1, null]}`},
	{"enum", named(statement.Enum), enum, add(func(b *array.BinaryDictionaryBuilder) { _ = b.AppendString("red") }), "red"},
	{"struct", structType, structArrow, jsonValue(`{"a": 1, "b\"q": "x\n", "c": "2026-01-01T00:00:00Z"}`), `{"a":1,"b\"q":"x\n","c":"2026-01-01T00:00:00+00"}`},
	{"struct of nulls", structType, structArrow, jsonValue(`{"a": null, "b\"q": null, "c": null}`), `{"a":null,"b\"q":null,"c":null}`},
	{"map", labelsType, labelsArrow, jsonValue(`[{"key": "service", "value": "a\"b"}, {"key": "pod", "value": null}]`), `{"service":"a\"b","pod":null}`},
	{"map empty", labelsType, labelsArrow, jsonValue(`[]`), `{}`},
	{"list of bigint", listOf(bigint), arrow.ListOf(arrow.PrimitiveTypes.Int64), jsonValue(`[1, null, -3]`), `{1,NULL,-3}`},
	{"list empty", listOf(bigint), arrow.ListOf(arrow.PrimitiveTypes.Int64), jsonValue(`[]`), `{}`},
	{"list of varchar", listOf(varchar), arrow.ListOf(arrow.BinaryTypes.String), jsonValue(`["a", "", "null", "b c", "q\"\\", "{x}", "Grüße"]`), `{a,"","null","b c","q\"\\","{x}",Grüße}`},
	{"list of double", listOf(named(statement.Double)), arrow.ListOf(arrow.PrimitiveTypes.Float64), jsonValue(`[1.5, 2]`), `{1.5,2}`},
	{"list of decimal", listOf(statement.Type{Name: statement.Decimal, Precision: 18, Scale: 4}), arrow.ListOf(decimal18), jsonValue(`["1.5"]`), `{1.5000}`},
	{"list of uuid", listOf(named(statement.UUID)), arrow.ListOf(arrow.BinaryTypes.String), jsonValue(`["6f1d2b3c-0000-1111-2222-333344445555"]`), `{6f1d2b3c-0000-1111-2222-333344445555}`},
	{"list of timestamptz", listOf(named(statement.TimestampTZ)), arrow.ListOf(microsZone), jsonValue(`["2026-01-01T00:00:00Z"]`), `{"2026-01-01 00:00:00+00"}`},
	{"array", statement.Type{Name: statement.Array, Elem: &integer4, Size: 2}, arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Int32), jsonValue(`[1, 2]`), `{1,2}`},
	{"list of list", listOf(listOf(varchar)), arrow.ListOf(arrow.ListOf(arrow.BinaryTypes.String)), jsonValue(`[["a"], [], null]`), `[["a"],[],null]`},
	{"list of struct", listOf(structType), arrow.ListOf(structArrow), jsonValue(`[{"a": 1, "b\"q": null, "c": null}]`), `[{"a":1,"b\"q":null,"c":null}]`},
}

// array returns the sample between two NULLs.
func (s *sample) array(mem memory.Allocator) arrow.Array {
	b := array.NewBuilder(mem, s.arrow)
	defer b.Release()
	b.AppendNull()
	s.add(b)
	b.AppendNull()
	return b.NewArray()
}

func (s *sample) column() statement.Column { return statement.Column{Name: s.name, Type: s.typ} }

// typedSamples are the samples of select types.
func typedSamples() []*sample {
	var out []*sample
	for i := range samples {
		if !strings.Contains(samples[i].name, " ") || strings.HasPrefix(samples[i].name, "list of") {
			out = append(out, &samples[i])
		}
	}
	return out
}

func typedColumns() (cols []statement.Column) {
	for _, s := range typedSamples() {
		cols = append(cols, s.column())
	}
	return cols
}

func typedBatch(mem memory.Allocator) arrow.RecordBatch {
	var fields []arrow.Field
	var arrays []arrow.Array
	for _, s := range typedSamples() {
		a := s.array(mem)
		defer a.Release()
		fields = append(fields, arrow.Field{Name: s.name, Type: s.arrow, Nullable: true})
		arrays = append(arrays, a)
	}
	rec := array.NewRecordBatch(arrow.NewSchema(fields, nil), arrays, 3)
	defer rec.Release()
	return rec.NewSlice(1, 3) // the sample and a row of NULLs, not from the start of the arrays
}
