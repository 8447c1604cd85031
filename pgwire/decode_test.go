package pgwire

import (
	"fmt"
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stackhouse-db/stackhouse/sql/statement"
	"github.com/stretchr/testify/require"
)

var testNow = time.Date(2026, 3, 1, 23, 30, 0, 0, time.UTC)

func berlinDecoder(t testing.TB) *decoder {
	loc, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	return &decoder{loc: loc, now: testNow}
}

// What pgx encodes, in either format, is what we decode.
func TestDecodeWhatPgtypeEncodes(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)
	day := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	big38, _ := new(big.Int).SetString("12345678901234567890123456789012345678", 10)
	id := [16]byte{0x6f, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255}
	for _, tt := range []struct {
		oid  uint32
		in   any
		want any
	}{
		{oidBool, true, true},
		{oidBool, false, false},
		{oidInt2, int16(-32768), int64(-32768)},
		{oidInt4, int32(math.MaxInt32), int64(math.MaxInt32)},
		{oidInt8, int64(math.MinInt64), int64(math.MinInt64)},
		{oidOID, uint32(math.MaxUint32), int64(math.MaxUint32)},
		{oidFloat4, float32(1.5), 1.5},
		{oidFloat8, math.Inf(-1), math.Inf(-1)},
		{oidFloat8, 0.1, 0.1},
		{oidText, "grüße", "grüße"},
		{oidVarchar, "", ""},
		{oidName, "x", "x"},
		{oidUnknown, "x", "x"},
		{oidJSON, map[string]any{"a": 1}, `{"a":1}`},
		{oidJSONB, map[string]any{"a": 1}, `{"a":1}`},
		{oidBytea, []byte{0, 1, '\\', 255}, []byte{0, 1, '\\', 255}},
		{oidBytea, []byte{}, []byte{}},
		{oidUUID, id, id},
		{oidDate, day, day},
		{oidDate, pgtype.Date{InfinityModifier: pgtype.Infinity, Valid: true}, statement.Infinity(1)},
		{oidDate, time.Date(-43, 3, 15, 0, 0, 0, 0, time.UTC), time.Date(-43, 3, 15, 0, 0, 0, 0, time.UTC)},
		{oidTimestamp, at, at},
		{oidTimestamp, time.Date(1969, 12, 31, 23, 59, 59, 999999000, time.UTC), time.Date(1969, 12, 31, 23, 59, 59, 999999000, time.UTC)},
		{oidTimestamp, pgtype.Timestamp{InfinityModifier: pgtype.NegativeInfinity, Valid: true}, statement.Infinity(-1)},
		{oidTimestampTZ, at, at},
		{oidTimestampTZ, pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}, statement.Infinity(1)},
		{oidTime, pgtype.Time{Microseconds: 3723_500_000, Valid: true}, 3723_500 * time.Millisecond},
		{oidInterval, pgtype.Interval{Months: 14, Days: -3, Microseconds: 14706_700_000, Valid: true}, statement.IntervalValue{Months: 14, Days: -3, Micros: 14706_700_000}},
		{oidInterval, pgtype.Interval{Months: -1, Days: 0, Microseconds: -1, Valid: true}, statement.IntervalValue{Months: -1, Micros: -1}},
		{oidNumeric, pgtype.Numeric{Int: big.NewInt(-12345), Exp: -3, Valid: true}, statement.DecimalValue{Unscaled: big.NewInt(-12345), Scale: 3}},
		{oidNumeric, pgtype.Numeric{Int: big.NewInt(12), Exp: 5, Valid: true}, statement.DecimalValue{Unscaled: big.NewInt(1200000)}},
		{oidNumeric, pgtype.Numeric{Int: big38, Valid: true}, statement.DecimalValue{Unscaled: big38}},
		{oidNumeric, pgtype.Numeric{Int: big.NewInt(0), Valid: true}, statement.DecimalValue{Unscaled: big.NewInt(0)}},
		{oidNumeric, pgtype.Numeric{Int: big.NewInt(1), Exp: -9, Valid: true}, statement.DecimalValue{Unscaled: big.NewInt(1), Scale: 9}},
		{1016, []int64{1, -2}, []any{int64(1), int64(-2)}},
		{1016, []int64{}, []any{}},
		{1016, []*int64{nil}, []any{nil}},
		{1009, []string{"a", "", "null", "b c", `q"\`, "{x,y}", " "}, []any{"a", "", "null", "b c", `q"\`, "{x,y}", " "}},
		{1185, []time.Time{at}, []any{at}},
		{2951, [][16]byte{id}, []any{id}},
	} {
		m := pgtype.NewMap()
		for _, format := range []int16{formatText, formatBinary} {
			t.Run(fmt.Sprintf("%d %v %d", tt.oid, tt.in, format), func(t *testing.T) {
				data, err := m.Encode(tt.oid, format, tt.in, []byte{})
				if err != nil && format == formatBinary && tt.oid == oidUnknown {
					t.Skip("pgx has no binary format for it")
				}
				require.NoError(t, err)
				got, err := berlinDecoder(t).decode(param{oid: tt.oid}, format, data)
				require.NoError(t, err)
				if want, ok := tt.want.(statement.DecimalValue); ok {
					requireSameDecimal(t, statement.DecimalValue{Unscaled: new(big.Int).Set(want.Unscaled), Scale: want.Scale}, got.(statement.DecimalValue))
					return
				}
				require.Equal(t, tt.want, got)
			})
		}
	}
}

func TestDecodeTextForms(t *testing.T) {
	t.Parallel()
	utc := func(y, mo, d, h, mi, s, us int) time.Time {
		return time.Date(y, time.Month(mo), d, h, mi, s, us*1000, time.UTC)
	}
	for _, tt := range []struct {
		oid  uint32
		text string
		want any
	}{
		{oidBool, " TRUE ", true},
		{oidBool, "off", false},
		{oidInt4, " 12 ", int64(12)},
		{oidFloat8, "1e3", 1000.0},
		{oidBytea, `\x0A ff`, []byte{10, 255}},
		{oidBytea, `a\\\001`, []byte{'a', '\\', 1}},
		{oidUUID, "{6F1D2B3C-0000-1111-2222-333344445555}", [16]byte{0x6f, 0x1d, 0x2b, 0x3c, 0, 0, 0x11, 0x11, 0x22, 0x22, 0x33, 0x33, 0x44, 0x44, 0x55, 0x55}},
		{oidUUID, "6f1d2b3c000011112222333344445555", [16]byte{0x6f, 0x1d, 0x2b, 0x3c, 0, 0, 0x11, 0x11, 0x22, 0x22, 0x33, 0x33, 0x44, 0x44, 0x55, 0x55}},
		{oidTimestampTZ, "2026-01-02T03:04:05.6Z", utc(2026, 1, 2, 3, 4, 5, 600000)},
		{oidTimestampTZ, "2026-01-02 03:04:05+02", utc(2026, 1, 2, 1, 4, 5, 0)},
		{oidTimestampTZ, "2026-01-02 03:04:05 -0330", utc(2026, 1, 2, 6, 34, 5, 0)},
		{oidTimestampTZ, "2026-01-02 03:04+05:30:15", utc(2026, 1, 1, 21, 33, 45, 0)},
		{oidTimestampTZ, "2026-07-02 03:04 UTC", utc(2026, 7, 2, 3, 4, 0, 0)},
		{oidTimestampTZ, "2026-07-02 03:04", utc(2026, 7, 2, 1, 4, 0, 0)},
		{oidTimestampTZ, "2026-07-02", utc(2026, 7, 1, 22, 0, 0, 0)},
		{oidTimestampTZ, "20260702 03:04:05", utc(2026, 7, 2, 1, 4, 5, 0)},
		{oidTimestamp, "2026-07-02 03:04:05+02", utc(2026, 7, 2, 3, 4, 5, 0)},
		{oidTimestamp, "2026/07/02 03:04:05.1234567", utc(2026, 7, 2, 3, 4, 5, 123457)},
		{oidTimestamp, "7/2/2026 24:00", utc(2026, 7, 3, 0, 0, 0, 0)},
		{oidTimestamp, "0044-03-15 12:00:00 BC", utc(-43, 3, 15, 12, 0, 0, 0)},
		{oidTimestamp, "-infinity", statement.Infinity(-1)},
		{oidTimestamp, "epoch", utc(1970, 1, 1, 0, 0, 0, 0)},
		{oidTimestampTZ, "now", testNow},
		{oidTimestampTZ, "Today", utc(2026, 3, 1, 23, 0, 0, 0)},
		{oidTimestamp, "now", utc(2026, 3, 2, 0, 30, 0, 0)},
		{oidDate, "tomorrow", utc(2026, 3, 3, 0, 0, 0, 0)},
		{oidDate, "yesterday", utc(2026, 3, 1, 0, 0, 0, 0)},
		{oidDate, "2026-01-02 03:04:05", utc(2026, 1, 2, 0, 0, 0, 0)},
		{oidDate, "2024-02-29", utc(2024, 2, 29, 0, 0, 0, 0)},
		{oidTime, "03:04", 3*time.Hour + 4*time.Minute},
		{oidTime, "24:00:00", 24 * time.Hour},
		{oidInterval, "1 year 2 mons -3 days +04:05:06.7", statement.IntervalValue{Months: 14, Days: -3, Micros: 14706_700_000}},
		{oidInterval, "P1Y2M-3DT4H5M6.7S", statement.IntervalValue{Months: 14, Days: -3, Micros: 14706_700_000}},
		{oidInterval, "1.5 hours ago", statement.IntervalValue{Micros: -5400_000_000}},
		{oidInterval, "15m", statement.IntervalValue{Micros: 900_000_000}},
		{oidInterval, "@ 1 week 90", statement.IntervalValue{Days: 7, Micros: 90_000_000}},
		{oidInterval, "1.5 months", statement.IntervalValue{Months: 1, Days: 15}},
		{oidInterval, "-00:00:00.000001", statement.IntervalValue{Micros: -1}},
		{oidInterval, "2 centuries 100:00", statement.IntervalValue{Months: 2400, Micros: 360_000_000_000}},
		{1016, "{}", []any{}},
		{1016, " { 1 , NULL,-3 } ", []any{int64(1), nil, int64(-3)}},
		{1016, "[0:1]={1,2}", []any{int64(1), int64(2)}},
		{1009, `{"a,b",c d,"NULL",null,\"}`, []any{"a,b", "c d", "NULL", nil, `"`}},
		{9999, "anything", "anything"},
	} {
		got, err := berlinDecoder(t).decode(param{oid: tt.oid}, formatText, []byte(tt.text))
		require.NoError(t, err, tt.text)
		require.Equal(t, tt.want, got, tt.text)
	}
	dmy := &decoder{loc: time.UTC, now: testNow, dmy: true}
	got, err := dmy.decode(param{oid: oidDate}, formatText, []byte("1/2/2026"))
	require.NoError(t, err)
	require.Equal(t, utc(2026, 2, 1, 0, 0, 0, 0), got)
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		oid    uint32
		format int16
		data   string
		code   string
	}{
		{oidBool, 0, "maybe", "22P02"},
		{oidInt2, 0, "32768", "22003"},
		{oidInt8, 0, "9223372036854775808", "22003"},
		{oidInt8, 0, "1.5", "22P02"},
		{oidInt8, 0, "", "22P02"},
		{oidFloat8, 0, "1e999", "22003"},
		{oidFloat8, 0, "0x1p3", "22P02"},
		{oidNumeric, 0, "1.2.3", "22P02"},
		{oidNumeric, 0, "NaN", "22003"},
		{oidNumeric, 0, "1e99999", "22003"},
		{oidNumeric, 0, "", "22P02"},
		{oidNumeric, 0, "--1", "22P02"},
		{oidNumeric, 0, "1.-2", "22P02"},
		{oidBytea, 0, `\xabc`, "22P02"},
		{oidBytea, 0, `\9`, "22P02"},
		{oidUUID, 0, "6f1d2b3c-0000-1111-2222-33334444555", "22P02"},
		{oidUUID, 0, "6f1d2b3c--0000-1111-2222-333344445555", "22P02"},
		{oidDate, 0, "2026-02-30", "22007"},
		{oidDate, 0, "2026-13-01", "22007"},
		{oidDate, 0, "soon", "22007"},
		{oidTimestamp, 0, "2026-01-01 25:00", "22007"},
		{oidTimestamp, 0, "2026-01-01 10", "22007"},
		{oidTimestamp, 0, "2026-01-01 10:00 Mars/Base", "22007"},
		{oidTimestampTZ, 0, "2026-01-01 10:00+1:2", "22007"},
		{oidTime, 0, "10", "22007"},
		{oidInterval, 0, "", "22007"},
		{oidInterval, 0, "1 fortnight", "22007"},
		{oidInterval, 0, "9999999999 years", "22007"},
		{oidInterval, 0, "P1X", "22007"},
		{1016, 0, "1,2", "22P02"},
		{1016, 0, "{1,}", "22P02"},
		{1016, 0, "{,1}", "22P02"},
		{1016, 0, `{"1}`, "22P02"},
		{1016, 0, "{1,x}", "22P02"},
		{1016, 0, "{{1},{2}}", "0A000"},
		{1009, 0, `{a"b"}`, "22P02"},
		{1009, 0, `{"a"b}`, "22P02"},
		{1009, 0, `{a\}`, "22P02"},
		{oidText, 0, "\xff", "22021"},
		{oidText, 1, "\xff", "22021"},
		{oidInt8, 1, "1234567", "22P03"},
		{oidNumeric, 1, "\x00\x01\x00\x00\x00\x00\x00\x00", "22P03"},
		{oidNumeric, 1, "\x00\x01\x00\x00\x00\x00\x00\x00\x27\x10", "22P03"},
		{oidNumeric, 1, "\x00\x00\x00\x00\xc0\x00\x00\x00", "22003"},
		{oidNumeric, 1, "\x00\x00\x7f\xff\x00\x00\x00\x00", "22003"},
		{oidJSONB, 1, "{}", "22P03"},
		{oidTimeTZ, 1, "xxxxxxxxxxxx", "0A000"},
		{1016, 1, "short", "22P03"},
		{1016, 1, "\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x14", "0A000"},
		{1016, 1, "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x17\x00\x00\x00\x00\x00\x00\x00\x01", "22P03"},
		{1016, 1, "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x14\x7f\xff\xff\xff\x00\x00\x00\x01", "22P03"},
		{1016, 1, "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x14\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x09", "22P03"},
	} {
		_, err := berlinDecoder(t).decode(param{oid: tt.oid}, tt.format, []byte(tt.data))
		e := asPGError(err)
		require.NotNil(t, e, "%d %q", tt.oid, tt.data)
		require.Equal(t, tt.code, e.code, "%d %q: %s", tt.oid, tt.data, e.message)
	}
}

// A number that the client declared as numeric becomes what DuckDB's type asks for.
func TestNumbersFitTheirType(t *testing.T) {
	t.Parallel()
	d := berlinDecoder(t)
	got, err := d.decode(param{oidNumeric, named(statement.UBigInt)}, formatText, []byte("18446744073709551615"))
	require.NoError(t, err)
	require.Equal(t, uint64(math.MaxUint64), got)
	got, err = d.decode(param{oidNumeric, named(statement.HugeInt)}, formatText, []byte("-12.00"))
	require.NoError(t, err)
	require.Equal(t, big.NewInt(-12), got)
	for _, bad := range []param{{oidNumeric, named(statement.UBigInt)}, {oidNumeric, named(statement.HugeInt)}} {
		_, err = d.decode(bad, formatText, []byte("1.5"))
		require.Equal(t, "22003", asPGError(err).code)
	}
}

// Parameters of any type and any bytes are a value or an error of the client's.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{"", "1", "-1.5e3", "{1,NULL}", `{"a\"b"}`, "2026-01-01 00:00:00+02", "1 day 02:03:04", "P1DT2H", `\x00ff`, "infinity", "\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01"} {
		for _, oid := range []uint32{oidNumeric, 1016, 1009, oidTimestampTZ, oidInterval, oidBytea} {
			f.Add(oid, int16(0), []byte(s))
			f.Add(oid, int16(1), []byte(s))
		}
	}
	d := berlinDecoder(f)
	f.Fuzz(func(t *testing.T, oid uint32, format int16, data []byte) {
		v, err := d.decode(param{oid: oid}, format, data)
		if err != nil {
			require.Contains(t, []string{"22", "0A"}, asPGError(err).code[:2])
			return
		}
		require.NotNil(t, v)
	})
}
