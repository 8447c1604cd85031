package statement

import (
	"context"
	"fmt"
	"io"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

func (w *world) pinned() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pins
}

func (w *world) snapshots() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.taken
}

// TestDescribeDoesNotExecute: types come from the text alone.
func TestDescribeDoesNotExecute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.generate(1, 50)
	reg := prometheus.NewRegistry()
	s := w.service(func(o *Options) { o.Registry = reg })
	varchar, bigint := Type{Name: Varchar}, Type{Name: BigInt}
	tests := []struct {
		text    string
		given   []string
		params  []Type
		columns string
	}{
		{"SELECT error('it ran')", nil, nil, "error INTEGER"},
		{"SELECT count(*) AS n, sum(value), avg(value) FROM samples", nil, nil, "n BIGINT, sum HUGEINT, avg DOUBLE"},
		{"SELECT * FROM series", nil, nil, "series_id BIGINT, service_name VARCHAR, profile_type VARCHAR, labels MAP"},
		{"SELECT time, profile_id, functions FROM samples JOIN stacktraces USING (stacktrace_id)", nil, nil, "time TIMESTAMPTZ, profile_id UUID, functions LIST"},
		{"SELECT 1.50::DECIMAL(10, 2) AS d, 7 / 2 AS q", nil, nil, "d DECIMAL, q INTEGER"},
		{"SELECT value FROM samples WHERE time > $1 AND service_name = $2 AND value > $3 LIMIT $4", nil,
			[]Type{{Name: TimestampTZ}, varchar, bigint, bigint}, "value BIGINT"},
		{"SELECT $1 AS x", nil, []Type{varchar}, "x VARCHAR"},
		{"SELECT $1 AS x", []string{BigInt}, []Type{bigint}, "x BIGINT"},
		{"SELECT $2 AS x, $1 AS y", []string{BigInt, UUID}, []Type{bigint, {Name: UUID}}, "x UUID, y BIGINT"},
		{"SELECT $1 + 1 AS x", nil, []Type{bigint}, "x BIGINT"},
		{"SELECT value FROM samples WHERE time > $1", []string{Varchar}, []Type{{Name: TimestampTZ}}, "value BIGINT"},
		{"SELECT value FROM samples WHERE time > $1", []string{TimestampTZ, "", ""}, []Type{{Name: TimestampTZ}}, "value BIGINT"},
		{"SELECT $1::INT AS a, $1::INT + 1 AS b, '$2' AS c", nil, []Type{{Name: Integer}}, "a INTEGER, b INTEGER, c VARCHAR"},
		{"SELECT max(total) FROM flamegraph($1, $2, $3)", nil, []Type{varchar, {Name: TimestampTZ}, {Name: TimestampTZ}}, "max BIGINT"},
		{"SELECT * FROM top_functions('', now(), now(), $1)", nil, []Type{bigint}, "function VARCHAR, self BIGINT, total BIGINT"},
		{"EXPLAIN SELECT value FROM samples WHERE value = $1", nil, []Type{bigint}, "QUERY PLAN VARCHAR"},
	}
	for _, tt := range tests {
		p, err := s.Prepare(t.Context(), session(), tt.text, tt.given)
		require.NoError(t, err, tt.text)
		got := make([]string, len(p.Columns))
		for i, c := range p.Columns {
			got[i] = c.Name + " " + c.Type.Name
		}
		assert.Equal(t, tt.columns, strings.Join(got, ", "), tt.text)
		assert.ElementsMatch(t, tt.params, p.Params, tt.text)
		assert.Equal(t, tt.text, p.Text)
	}
	require.Zero(t, w.snapshots())
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		assert.NotContains(t, f.String(), `"executor"} value:1`, "an instance for running was opened")
	}
}

// TestParameters: values of every type reach the statement as they are.
func TestParameters(t *testing.T) {
	t.Parallel()
	s := newWorld(t).service(nil)
	at := time.Date(2026, 3, 1, 12, 30, 0, 123456000, time.UTC)
	huge, _ := new(big.Int).SetString("-170141183460469231731687303715884105728", 10)
	tests := []struct {
		typ  string
		arg  any
		want string // as DuckDB's text
	}{
		{Boolean, true, "true"},
		{TinyInt, int64(-128), "-128"},
		{BigInt, int64(-9223372036854775808), "-9223372036854775808"},
		{BigInt, nil, "(null)"},
		{UBigInt, uint64(18446744073709551615), "18446744073709551615"},
		{HugeInt, huge, "-170141183460469231731687303715884105728"},
		{Double, 1.5e-300, "1.5e-300"},
		{Double, -0.1, "-0.1"},
		{Varchar, "it's \\ a \"t€xt\" -- $1 /* ", "it's \\ a \"t€xt\" -- $1 /* "},
		{Varchar, "", ""},
		{Blob, []byte{0, 255, 'a'}, `\x00\xFFa`},
		{Date, at.Truncate(24 * time.Hour), "2026-03-01"},
		{Date, Infinity(1), "infinity"},
		{Timestamp, at, "2026-03-01 12:30:00.123456"},
		{Timestamp, Infinity(-1), "-infinity"},
		{TimestampTZ, at, "2026-03-01 13:30:00.123456+01"},
		{TimestampTZ, Infinity(1), "infinity"},
		{Time, 13*time.Hour + 5*time.Microsecond, "13:00:00.000005"},
		{Interval, IntervalValue{Months: -14, Days: 3, Micros: -1}, "-1 year -2 months 3 days -00:00:00.000001"},
		{UUID, [16]byte{0x01, 0x23, 15: 0xff}, "01230000-0000-0000-0000-0000000000ff"},
		{JSON, `{"a": [1, "x"]}`, `{"a": [1, "x"]}`},
		{"BIGINT[]", []any{int64(1), nil, int64(-3)}, "[1, NULL, -3]"},
		{"VARCHAR[]", []any{"a'b", "c"}, `['a\'b', c]`},
		{"TIMESTAMP[]", []any{at}, "['2026-03-01 12:30:00.123456']"},
		{"TIMESTAMPTZ", "2026-03-01 12:30:00Z", "2026-03-01 13:30:00+01"},
		{"DECIMAL(12,3)", DecimalValue{Unscaled: big.NewInt(-1234500), Scale: 3}, "-1234.500"},
		{"DECIMAL(12,3)", DecimalValue{Unscaled: big.NewInt(5), Scale: 3}, "0.005"},
	}
	sess := session()
	sess.TimeZone = "Europe/Berlin"
	for _, tt := range tests {
		p, err := s.Prepare(t.Context(), sess, "SELECT CAST($1 AS "+tt.typ+")::VARCHAR, $1 IS NULL", []string{tt.typ})
		require.NoError(t, err, tt.typ)
		rows, err := s.Execute(t.Context(), sess, p, []any{tt.arg})
		require.NoError(t, err, "%s %v", tt.typ, tt.arg)
		rec, err := rows.Next(t.Context())
		require.NoError(t, err, "%s %v", tt.typ, tt.arg)
		assert.Equal(t, tt.want, rec.Column(0).ValueStr(0), "%s %v", tt.typ, tt.arg)
		assert.Equal(t, fmt.Sprint(tt.arg == nil), rec.Column(1).ValueStr(0), "%s %v", tt.typ, tt.arg)
		rows.Close()
	}
	for state, arg := range map[string]any{"22021": "a\x00b", "0A000": struct{}{}} {
		assert.Equal(t, state, failure(t, s, "SELECT $1", arg).SQLState)
	}
	assert.Equal(t, "22021", failure(t, s, "SELECT $1", "\xff").SQLState)
	assert.Equal(t, "08P01", failure(t, s, "SELECT $1").SQLState)
	assert.Equal(t, "42P02", failure(t, s, "SELECT $0").SQLState)
	assert.Equal(t, "22P02", failure(t, s, "SELECT $1::INT", "x").SQLState)
	assert.Equal(t, []string{"'; SELECT 1 --"}, must(t, s, "SELECT $1", "'; SELECT 1 --"))
}

// TestResultsAreFreed: the snapshot is pinned and the worker taken until the rows end
// or are closed.
func TestResultsAreFreed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.generate(1, 100)
	s := w.service(func(o *Options) { o.PerTenant = 1 })
	p, err := s.Prepare(t.Context(), session(), "SELECT x.value FROM samples x, samples y, range(100)", nil)
	require.NoError(t, err)
	rows, err := s.Execute(t.Context(), session(), p, nil)
	require.NoError(t, err)
	_, err = rows.Next(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, w.pinned())

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = ask(ctx, s, session(), "SELECT 1")
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "57014", e.SQLState, "the only worker is taken")
	other := session()
	other.Tenant = tenantB
	_, err = ask(t.Context(), s, other, "SELECT 1")
	require.NoError(t, err, "other tenants have their own")

	rows.Close()
	rows.Close()
	require.Zero(t, w.pinned())
	_, err = rows.Next(t.Context())
	require.Error(t, err)
	require.NotErrorIs(t, err, io.EOF)

	// At the end of the rows nothing waits for Close.
	p, err = s.Prepare(t.Context(), session(), "SELECT value FROM samples LIMIT 3", nil)
	require.NoError(t, err)
	rows, err = s.Execute(t.Context(), session(), p, nil)
	require.NoError(t, err)
	defer rows.Close()
	for err == nil {
		_, err = rows.Next(t.Context())
	}
	require.ErrorIs(t, err, io.EOF)
	require.Zero(t, w.pinned())
	must(t, s, "SELECT 1")
	require.Equal(t, int64(3), rows.Stats().Rows)
	require.Positive(t, rows.Stats().ScannedBytes)
	require.Positive(t, rows.Stats().Sections)
}

const forever = "SELECT count(*) FROM range(100000000) a, range(100000000) b, samples WHERE a.range + b.range + value = -1"

func TestCancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.generate(1, 50)
	s := w.service(func(o *Options) { o.PerTenant = 1 })
	for name, cause := range map[string]string{"cancel": "user request", "deadline": "timeout"} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			if name == "deadline" {
				ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
			} else {
				time.AfterFunc(100*time.Millisecond, cancel)
			}
			defer cancel()
			start := time.Now()
			_, err := ask(ctx, s, session(), forever)
			var e *Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, "57014", e.SQLState)
			require.Contains(t, e.Message, cause)
			require.Less(t, time.Since(start), 3*time.Second)
			require.Zero(t, w.pinned())
			must(t, s, "SELECT count(*) FROM samples")
		})
	}
	t.Run("between rows", func(t *testing.T) {
		p, err := s.Prepare(t.Context(), session(), "SELECT range FROM range(100000000000)", nil)
		require.NoError(t, err)
		rows, err := s.Execute(t.Context(), session(), p, nil)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		_, err = rows.Next(ctx)
		require.NoError(t, err)
		cancel()
		_, err = rows.Next(ctx)
		var e *Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, "57014", e.SQLState)
		must(t, s, "SELECT 1")
		rows.Close()
	})
	t.Run("a storm hits nobody else", func(t *testing.T) {
		for n := range 50 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n)*300*time.Microsecond)
			_, _ = ask(ctx, s, session(), "SELECT sum(value) FROM samples, range(1000)")
			cancel()
			require.Equal(t, []string{fmt.Sprint(n)}, must(t, s, fmt.Sprintf("SELECT %d FROM samples LIMIT 1", n)))
		}
	})
	require.Zero(t, w.pinned())
}

// TestTimeout: a statement ends though nobody reads its rows.
func TestTimeout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.generate(1, 50)
	s := w.service(func(o *Options) { o.PerTenant, o.Timeout = 1, 300*time.Millisecond })
	p, err := s.Prepare(t.Context(), session(), "SELECT value FROM samples, range(100000000000)", nil)
	require.NoError(t, err)
	rows, err := s.Execute(t.Context(), session(), p, nil)
	require.NoError(t, err)
	must(t, s, "SELECT 1") // waits for the worker
	_, err = rows.Next(t.Context())
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "57014", e.SQLState)
	require.Contains(t, e.Message, "statement timeout")
	require.Zero(t, w.pinned())
	rows.Close()
	require.Equal(t, "57014", failure(t, s, forever).SQLState)
}

// TestTransaction: the statements of a transaction, functions included, see what its
// first one saw.
func TestTransaction(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.generate(1, 100)
	s := w.service(nil)
	const questions = "SELECT (SELECT count(*) FROM samples), (SELECT count(*) FROM series), (SELECT max(total) FROM flamegraph('process_cpu:cpu:nanoseconds:cpu:nanoseconds{}', '2026-01-01', '2027-01-01'))"
	sess := session()
	sess.Pin = new(Pin)
	before, err := ask(t.Context(), s, sess, questions)
	require.NoError(t, err)
	require.Equal(t, 1, w.pinned())
	w.generate(2, 100)
	again, err := ask(t.Context(), s, sess, questions)
	require.NoError(t, err)
	require.Equal(t, before.rows, again.rows)
	require.NotEqual(t, before.rows, must(t, s, questions), "another session sees the new data")
	require.Equal(t, 1, w.pinned())
	sess.Pin.Close()
	require.Zero(t, w.pinned())
}

func TestNothingStored(t *testing.T) {
	t.Parallel()
	s := newWorld(t).service(nil)
	require.Equal(t, []string{"0 | (null)"}, must(t, s, "SELECT count(*), sum(value) FROM samples"))
	require.Empty(t, must(t, s, "SELECT labels['pod'], functions[1], value + 1 FROM labeled_samples JOIN stacktraces USING (stacktrace_id) WHERE time > now()"))
	require.Empty(t, must(t, s, "SELECT * FROM labeled_profiles"))
	require.Empty(t, must(t, s, "SELECT * FROM flamegraph('process_cpu:cpu:nanoseconds:cpu:nanoseconds{}', '2026-01-01', '2027-01-01')"))
	a, err := ask(t.Context(), s, session(), "SELECT * FROM stacktraces")
	require.NoError(t, err)
	require.Equal(t, List, a.columns[1].Type.Name)
}

// TestRelationsAreBoundAnew: a statement never reads the files of the one before.
func TestRelationsAreBoundAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.generate(1, 100)
	s := w.service(func(o *Options) { o.PerTenant = 1 })
	all := must(t, s, "SELECT count(*) FROM samples")
	require.Equal(t, []string{"0"}, must(t, s, "SELECT count(*) FROM samples WHERE false"))
	require.Equal(t, []string{"0"}, must(t, s, "SELECT count(*) FROM samples WHERE time > '2030-01-01'"))
	require.NotEqual(t, all, must(t, s, "SELECT count(*) FROM samples WHERE service_name = 'api'"))
	require.Equal(t, all, must(t, s, "SELECT count(*) FROM samples"))
}

func TestMaxScanBytes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.generate(1, 200)
	s := w.service(func(o *Options) { o.MaxScanBytes = 20_000 })
	e := failure(t, s, "SELECT count(*) FROM samples")
	require.Equal(t, "54000", e.SQLState)
	require.Equal(t, warehouse.Limit, e.Kind)
	require.Contains(t, e.Message, "20000")
	require.Contains(t, e.Hint, "WHERE time >")
	must(t, s, "SELECT count(*) FROM samples WHERE time < '2026-03-01 10:00:01Z'")
	require.Zero(t, w.pinned())
}

// TestDamage: bytes that are not those of the index are an error that names the
// object, and no file.
func TestDamage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.generate(1, 100)
	s := w.service(nil)
	p := w.parts[0]
	for i := range p.Sections {
		p.Sections[i].CRC++
	}
	sess := session()
	sess.Tenant = p.Tenant
	_, err := ask(t.Context(), s, sess, "SELECT sum(value) FROM samples")
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "XX001", e.SQLState)
	require.Equal(t, warehouse.Corrupt, e.Kind)
	require.Contains(t, e.Message, p.Object.String())
	require.NotContains(t, e.Message, w.dir)
	require.Zero(t, w.pinned())
}

// TestSessions: what a statement sees of its session is its own, though sessions
// share workers.
func TestSessions(t *testing.T) {
	t.Parallel()
	s := newWorld(t).service(func(o *Options) { o.PerTenant = 1 })
	const text = "SELECT now()::VARCHAR, current_user, current_setting('application_name', true), pg_backend_pid(), current_date::VARCHAR, TIMESTAMPTZ '2026-07-01 00:00:00'::TIMESTAMPTZ = TIMESTAMPTZ '2026-06-30 15:00:00Z'"
	alice, bob := session(), session()
	alice.TimeZone, alice.Settings = "Asia/Tokyo", map[string]string{"application_name": "it's"}
	bob.User, bob.PID, bob.Now = "bob", 8, worldNow.Add(-15*time.Hour)
	for range 2 {
		a, err := ask(t.Context(), s, alice, text)
		require.NoError(t, err)
		require.Equal(t, []string{"2026-03-02 00:00:00+09 | alice | it's | 7 | 2026-03-02 | true"}, a.rows)
		b, err := ask(t.Context(), s, bob, text)
		require.NoError(t, err)
		require.Equal(t, []string{"2026-03-01 00:00:00+00 | bob | (null) | 8 | 2026-03-01 | false"}, b.rows)
	}
	p, err := s.Prepare(t.Context(), alice, "SELECT 1", nil)
	require.NoError(t, err)
	other := session()
	other.Tenant = tenantB
	_, err = s.Execute(t.Context(), other, p, nil)
	require.Error(t, err, "prepared for another tenant")
}

// TestManySessions: twenty at once, of two tenants, get their own answers.
func TestManySessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.generate(1, 100)
	s := w.service(nil)
	want := map[warehouse.Tenant]int{}
	for i := range w.samples {
		want[w.samples[i].tenant]++
	}
	var wg sync.WaitGroup
	for n := range 20 {
		wg.Go(func() {
			sess := session()
			if n%3 == 0 {
				sess.Tenant = tenantB
			}
			for i := range 3 {
				a, err := ask(t.Context(), s, sess, "SELECT count(*), $1 FROM samples", fmt.Sprint(n, i))
				if assert.NoError(t, err) {
					assert.Equal(t, []string{fmt.Sprintf("%d | %d %d", want[sess.Tenant], n, i)}, a.rows)
				}
			}
		})
	}
	wg.Wait()
	require.Zero(t, w.pinned())
}

func TestClosed(t *testing.T) {
	t.Parallel()
	s := newWorld(t).service(nil)
	must(t, s, "SELECT 1")
	require.NoError(t, s.Close())
	require.Equal(t, warehouse.Unavailable, failure(t, s, "SELECT 1").Kind)
}

func TestRunEnds(t *testing.T) {
	t.Parallel()
	s := newWorld(t).service(nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	must(t, s, "SELECT 1")
	cancel()
	require.NoError(t, <-done)
}
