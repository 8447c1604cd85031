package pgwire

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stackhouse-db/stackhouse/sql/engine"
	"github.com/stackhouse-db/stackhouse/sql/statement"
	"github.com/stretchr/testify/require"
)

// What DuckDB really delivers for each type, as PostgreSQL writes it: the Arrow
// types of the other tests are no invention.
func TestTextOfWhatDuckDBDelivers(t *testing.T) {
	t.Parallel()
	e, err := engine.Open(engine.Options{Threads: 1, MemoryBytes: 128 << 20})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })

	union := statement.Type{Name: statement.Union, Fields: []statement.Field{{Name: "n", Type: integer4}, {Name: "s", Type: varchar}}}
	for _, tt := range []struct {
		expr string
		typ  statement.Type
		want string
	}{
		{"true", named(statement.Boolean), "t"},
		{"(-128)::tinyint", named(statement.TinyInt), "-128"},
		{"65535::usmallint", named(statement.USmallInt), "65535"},
		{"18446744073709551615::ubigint", named(statement.UBigInt), "18446744073709551615"},
		{"(-170141183460469231731687303715884105728)::hugeint", named(statement.HugeInt), "-170141183460469231731687303715884105728"},
		{"340282366920938463463374607431768211455::uhugeint", named(statement.UHugeInt), "340282366920938463463374607431768211455"},
		{"sum(1::bigint)", named(statement.HugeInt), "1"},
		{"1.25::decimal(4,2)", statement.Type{Name: statement.Decimal, Precision: 4, Scale: 2}, "1.25"},
		{"-0.001::decimal(38,3)", statement.Type{Name: statement.Decimal, Precision: 38, Scale: 3}, "-0.001"},
		{"'infinity'::double", named(statement.Double), "Infinity"},
		{"1e300", named(statement.Double), "1e+300"},
		{"'a' || chr(252)", varchar, "aü"},
		{"'\\x00\\xFF'::blob", named(statement.Blob), `\x00ff`},
		{"'1011'::bit", named(statement.Bit), "1011"},
		{"date '2026-02-28'", named(statement.Date), "2026-02-28"},
		{"'infinity'::date", named(statement.Date), "infinity"},
		{"'-infinity'::date", named(statement.Date), "-infinity"},
		{"date '0044-03-15 (BC)'", named(statement.Date), "0044-03-15 BC"},
		{"time '01:02:03.5'", named(statement.Time), "01:02:03.5"},
		{"time_ns '01:02:03.000001999'", named("TIME_NS"), "01:02:03.000001"},
		{"timetz '01:02:03+02'", named(statement.TimeTZ), "01:02:03"},
		{"timestamp '2026-01-01 00:00:00.25'", named(statement.Timestamp), "2026-01-01 00:00:00.25"},
		{"timestamp_s '2026-01-01'", named(statement.TimestampS), "2026-01-01 00:00:00"},
		{"timestamp_ms '2026-01-01 00:00:00.5'", named(statement.TimestampMS), "2026-01-01 00:00:00.5"},
		{"timestamp_ns '2026-01-01 00:00:00.000001999'", named(statement.TimestampNS), "2026-01-01 00:00:00.000001"},
		{"'infinity'::timestamp", named(statement.Timestamp), "infinity"},
		{"'-infinity'::timestamptz", named(statement.TimestampTZ), "-infinity"},
		{"timestamptz '2026-01-01 00:00:00+02'", named(statement.TimestampTZ), "2025-12-31 22:00:00+00"},
		{"interval '14 months -3 days 04:05:06.7'", named(statement.Interval), "1 year 2 mons -3 days +04:05:06.7"},
		{"'6f1d2b3c-0000-1111-2222-333344445555'::uuid", named(statement.UUID), "6f1d2b3c-0000-1111-2222-333344445555"},
		{`'{"a": [1]}'::json`, named(statement.JSON), `{"a": [1]}`},
		{"'red'::enum('blue', 'red')", named(statement.Enum), "red"},
		{"['a', NULL, 'b c']", listOf(varchar), `{a,NULL,"b c"}`},
		{"[1, 2]::integer[2]", statement.Type{Name: statement.Array, Elem: &integer4, Size: 2}, "{1,2}"},
		{"['x'::enum('x')]", listOf(named(statement.Enum)), "{x}"},
		{"[['a'], []]", listOf(listOf(varchar)), `[["a"],[]]`},
		{"map {'a': 'b', 'c': NULL}", labelsType, `{"a":"b","c":null}`},
		{"map {1: 2.5::double}", statement.Type{Name: statement.Map, Key: &integer4, Elem: &statement.Type{Name: statement.Double}}, `{"1":2.5}`},
		{"{'a': 1, 'f': 'nan'::float, 'b': true, 't': 'x' || chr(1) || chr(8364) || chr(9)}", statement.Type{Name: statement.Struct}, `{"a":1,"f":"NaN","b":true,"t":"x\u0001€\t"}`},
		{"{'j': '[1]'::json, 'd': date '2026-01-01', 'n': NULL::integer}", statement.Type{Name: statement.Struct, Fields: []statement.Field{
			{Name: "j", Type: named(statement.JSON)}, {Name: "d", Type: named(statement.Date)}, {Name: "n", Type: integer4},
		}}, `{"j":[1],"d":"2026-01-01","n":null}`},
		{"union_value(s := 'x')::union(n integer, s varchar)", union, `"x"`},
		{"union_value(n := 7)::union(n integer, s varchar)", union, "7"},
	} {
		t.Run(tt.expr, func(t *testing.T) {
			var got string
			err := e.Query(t.Context(), "SELECT "+tt.expr, nil, func(rec arrow.RecordBatch) error {
				col := rec.Column(0)
				got = string(textFunc(tt.typ, col.DataType(), utcStyle())(nil, col, 0))
				_, err := binaryColumn(statement.Column{Type: tt.typ}, col.DataType(), utcStyle())
				return err
			})
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}
