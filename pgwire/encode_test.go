package pgwire

import (
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stackhouse-db/stackhouse/sql/statement"
	"github.com/stretchr/testify/require"
)

func utcStyle() *style { return &style{zone: newZone(time.UTC), floatDigits: 1} }

func TestTextOfEveryType(t *testing.T) {
	t.Parallel()
	for _, s := range samples {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			a := s.array(memory.DefaultAllocator)
			require.Equal(t, s.text, string(textFunc(s.typ, s.arrow, utcStyle())(nil, a, 1)))
		})
	}
}

// The binary format, read by pgx and written as text by it, is our text.
func TestBinaryAgreesWithTextThroughPgtype(t *testing.T) {
	t.Parallel()
	for _, s := range samples {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			fn, err := binaryColumn(s.column(), s.arrow, utcStyle())
			require.NoError(t, err)
			a := s.array(memory.DefaultAllocator)
			bin := fn([]byte{}, a, 1)
			oid := columnType(s.column()).oid

			m := pgtype.NewMap()
			typ, ok := m.TypeForOID(oid)
			require.True(t, ok, "oid %d", oid)
			fromBinary, err := typ.Codec.DecodeValue(m, oid, pgtype.BinaryFormatCode, bin)
			require.NoError(t, err)
			fromText, err := typ.Codec.DecodeValue(m, oid, pgtype.TextFormatCode, []byte(s.text))
			require.NoError(t, err)
			if f, ok := fromBinary.(float64); ok && f != f {
				require.Equal(t, "NaN", s.text)
				return
			}
			if n, ok := fromBinary.(pgtype.Numeric); ok {
				requireSameNumeric(t, fromText.(pgtype.Numeric), n)
				return
			}
			require.Equal(t, normal(fromText), normal(fromBinary))
		})
	}
}

// normal makes times comparable.
func normal(v any) any {
	switch v := v.(type) {
	case time.Time:
		return v.UTC()
	case []any:
		for i := range v {
			v[i] = normal(v[i])
		}
	case pgtype.Numeric:
		f, _ := v.Float64Value()
		return f
	}
	return v
}

func requireSameNumeric(t *testing.T, want, got pgtype.Numeric) {
	t.Helper()
	a, err := want.Value()
	require.NoError(t, err)
	b, err := got.Value()
	require.NoError(t, err)
	wantD, err := numericFromText(a.(string))
	require.NoError(t, err)
	gotD, err := numericFromText(b.(string))
	require.NoError(t, err)
	requireSameDecimal(t, wantD.(statement.DecimalValue), gotD.(statement.DecimalValue))
}

// requireSameDecimal compares values, whatever their scales.
func requireSameDecimal(t *testing.T, want, got statement.DecimalValue) {
	t.Helper()
	a := want.Unscaled.Mul(want.Unscaled, pow10(got.Scale))
	b := got.Unscaled.Mul(got.Unscaled, pow10(want.Scale))
	require.Equal(t, a.String(), b.String())
}

// The binary numeric is what pgx would send for the same text, byte for byte.
func TestBinaryNumericIsCanonical(t *testing.T) {
	t.Parallel()
	m := pgtype.NewMap()
	for _, s := range samples {
		if columnType(s.column()).oid != oidNumeric {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			fn, err := binaryColumn(s.column(), s.arrow, utcStyle())
			require.NoError(t, err)
			got := fn(nil, s.array(memory.DefaultAllocator), 1)
			var n pgtype.Numeric
			require.NoError(t, n.Scan(s.text))
			want, err := m.Encode(oidNumeric, pgtype.BinaryFormatCode, n, nil)
			require.NoError(t, err)
			// pgx keeps zero digits at the end and drops the scale of whole numbers; the
			// value and sign have to agree, and our form has to be the shortest.
			dGot, err := numericFromBinary(got)
			require.NoError(t, err)
			dWant, err := numericFromBinary(want)
			require.NoError(t, err)
			requireSameDecimal(t, dWant.(statement.DecimalValue), dGot.(statement.DecimalValue))
			require.LessOrEqual(t, len(got), len(want))
		})
	}
}

func TestInstantsInTheSessionsZone(t *testing.T) {
	t.Parallel()
	berlin := newZone(mustZone(t, "Europe/Berlin"))
	kolkata := newZone(mustZone(t, "Asia/Kolkata"))
	amsterdam := newZone(mustZone(t, "Africa/Monrovia"))
	for _, tt := range []struct {
		name   string
		zone   *zone
		micros int64
		want   string
	}{
		{"winter", berlin, 1767225600_000000, "2026-01-01 01:00:00+01"},
		{"summer", berlin, 1782864000_000000, "2026-07-01 02:00:00+02"},
		{"last moment of summer", berlin, 1792890000_000000 - 1, "2026-10-25 02:59:59.999999+02"},
		{"first moment of winter", berlin, 1792890000_000000, "2026-10-25 02:00:00+01"},
		{"half hours", kolkata, 1767225600_000000, "2026-01-01 05:30:00+05:30"},
		{"seconds", amsterdam, -2_000_000_000_000000, "1906-08-16 19:43:32-00:43:08"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, string(appendInstant(nil, tt.micros, tt.zone, ' ')))
		})
	}
}

func mustZone(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	require.NoError(t, err)
	return loc
}

// Days are those of package time, on both sides of every kind of leap year.
func TestCivilAgreesWithTime(t *testing.T) {
	t.Parallel()
	for days := int64(-800_000); days < 3_000_000; days += 13 {
		want := time.Unix(days*86_400, 0).UTC()
		y, m, d := civil(days)
		require.Equal(t, [3]int{want.Year(), int(want.Month()), want.Day()}, [3]int{int(y), int(m), int(d)}, days)
	}
}

func TestStyles(t *testing.T) {
	t.Parallel()
	iv := statement.IntervalValue{Months: 14, Days: -3, Micros: 14706_700_000}
	require.Equal(t, "P1Y2M-3DT4H5M6.7S", string(appendISOInterval(nil, iv)))
	require.Equal(t, "PT0S", string(appendISOInterval(nil, statement.IntervalValue{})))
	require.Equal(t, "PT-0.000001S", string(appendISOInterval(nil, statement.IntervalValue{Micros: -1})))
	require.Equal(t, `a\000\\\377`, string(appendEscaped(nil, []byte{'a', 0, '\\', 255})))
	require.Equal(t, "0.1", string(appendFloat(nil, 0.1, 64, 0)))
	require.Equal(t, "0.333333333333", string(appendFloat(nil, 1.0/3, 64, -3)))
	require.Equal(t, "0.33333334", string(appendFloat(nil, float64(float32(1.0)/3), 32, 3)))
	require.Equal(t, "0.333333", string(appendFloat(nil, float64(float32(1.0)/3), 32, 0)))
	require.Equal(t, "100000", string(appendFloat(nil, 100000, 64, 0)))
}

func TestTypmods(t *testing.T) {
	t.Parallel()
	require.Equal(t, pgType{oidNumeric, -1, 655366}, typeOf(statement.Type{Name: statement.Decimal, Precision: 10, Scale: 2}))
	require.Equal(t, pgType{oidNumeric, -1, -1}, typeOf(named(statement.HugeInt)))
	require.Equal(t, pgType{oidNumeric, -1, 20<<16 + 4}, typeOf(named(statement.UBigInt)))
	require.Equal(t, pgType{1016, -1, -1}, typeOf(listOf(bigint)))
	require.Equal(t, pgType{oidJSON, -1, -1}, typeOf(listOf(listOf(bigint))))
	require.Equal(t, pgType{oidText, -1, -1}, typeOf(named("GEOMETRY")))
	require.Equal(t, pgType{oidName, 64, -1}, columnType(statement.Column{Type: varchar, PGType: "name"}))
	require.Equal(t, pgType{1028, -1, -1}, columnType(statement.Column{Type: listOf(bigint), PGType: "oid[]"}))
	require.Equal(t, pgType{oidChar, 1, -1}, columnType(statement.Column{Type: varchar, PGType: `"char"`}))
}
