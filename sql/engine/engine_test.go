package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/duckdb/duckdb-go/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, opts Options) *Engine {
	t.Helper()
	e, err := Open(opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

// column returns the first column of the answer as text.
func column(t testing.TB, e *Engine, query string, args ...any) []string {
	t.Helper()
	var out []string
	require.NoError(t, e.Query(t.Context(), query, args, func(rec arrow.RecordBatch) error {
		for i := range int(rec.NumRows()) {
			out = append(out, strings.Clone(rec.Column(0).ValueStr(i))) // it points into the batch
		}
		return nil
	}))
	return out
}

// value returns what a counter or gauge stands at.
func value(t testing.TB, c prometheus.Collector) float64 {
	t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(c)
	fams, err := reg.Gather()
	require.NoError(t, err)
	require.Len(t, fams, 1)
	m := fams[0].GetMetric()[0]
	return m.GetCounter().GetValue() + m.GetGauge().GetValue()
}

func discard(arrow.RecordBatch) error { return nil }

func TestOpenAppliesEveryBudget(t *testing.T) {
	t.Parallel()
	temp, data := t.TempDir(), t.TempDir()
	e := open(t, Options{Threads: 2, MemoryBytes: 256 << 20, TempDir: temp, MaxTempBytes: 64 << 20, AllowedDirs: []string{data}})
	want := map[string]string{
		"threads":                      "2",
		"memory_limit":                 "256.0 MiB",
		"temp_directory":               temp,
		"max_temp_directory_size":      "64.0 MiB",
		"preserve_insertion_order":     "false",
		"parquet_metadata_cache":       "true",
		"enable_external_file_cache":   "false",
		"TimeZone":                     "UTC",
		"autoinstall_known_extensions": "false",
		"autoload_known_extensions":    "false",
		"allow_community_extensions":   "false",
		"allow_persistent_secrets":     "false",
		"enable_external_access":       "false",
		"lock_configuration":           "true",
	}
	for name, value := range want {
		require.Equal(t, []string{value}, column(t, e, "SELECT value FROM duckdb_settings() WHERE name = ?", name), name)
	}
	dirs := column(t, e, "SELECT value FROM duckdb_settings() WHERE name = 'allowed_directories'")
	require.Contains(t, dirs[0], data)
	require.Len(t, want, len(Options{}.settings())-1, "a setting without a test")
}

func TestSettingsHoldOnEveryConnection(t *testing.T) {
	t.Parallel()
	e := open(t, Options{Connections: 3})
	require.NoError(t, e.Query(t.Context(), "SELECT 1", nil, func(arrow.RecordBatch) error {
		require.Equal(t, []string{"UTC"}, column(t, e, "SELECT current_setting('TimeZone')"))
		return nil
	}))
}

func TestReadsOnlyAllowedDirs(t *testing.T) {
	t.Parallel()
	data, other := t.TempDir(), t.TempDir()
	inside, outside := filepath.Join(data, "a.parquet"), filepath.Join(other, "a.parquet")
	writeParquet(t, inside, "SELECT 42 AS x")
	writeParquet(t, outside, "SELECT 43 AS x")
	e := open(t, Options{AllowedDirs: []string{data}, TempDir: t.TempDir()})

	require.Equal(t, []string{"42"}, column(t, e, "SELECT x FROM read_parquet(?)", []string{inside}))

	refused := []struct {
		name, query string
		args        []any
	}{
		{"another folder", "SELECT x FROM read_parquet(?)", []any{[]string{outside}}},
		{"up and over", "SELECT x FROM read_parquet(?)", []any{[]string{data + "/../" + filepath.Base(other) + "/a.parquet"}}},
		{"a sibling with the same beginning", "SELECT x FROM read_parquet(?)", []any{[]string{data + "x/a.parquet"}}},
		{"csv", "SELECT * FROM read_csv('/etc/passwd')", nil},
		{"text", "SELECT * FROM read_text('/etc/passwd')", nil},
		{"network", "SELECT * FROM read_parquet('http://127.0.0.1:1/a.parquet')", nil},
		{"extension", "INSTALL httpfs", nil},
		{"unlock", "SET enable_external_access = true", nil},
		{"more memory", "SET memory_limit = '100GB'", nil},
		{"copy out", "COPY (SELECT 1) TO '" + other + "/b.parquet'", nil},
		{"attach", "ATTACH '" + other + "/x.db'", nil},
	}
	for _, tt := range refused {
		t.Run(tt.name, func(t *testing.T) {
			require.Error(t, e.Query(t.Context(), tt.query, tt.args, discard))
		})
	}
}

func TestQueryBindsValues(t *testing.T) {
	t.Parallel()
	e := open(t, Options{})
	hostile := `x'; DROP TABLE y; --`
	require.Equal(t, []string{hostile}, column(t, e, "SELECT ?::VARCHAR", hostile))
	require.Equal(t, []string{"3"}, column(t, e, "SELECT len(?::BIGINT[])", []int64{1, 2, 3}))
}

func TestQueryDecimalSums(t *testing.T) {
	t.Parallel()
	e := open(t, Options{})
	require.NoError(t, e.Query(t.Context(), "SELECT sum(x) FROM (VALUES (9223372036854775807::BIGINT), (1)) t(x)", nil, func(rec arrow.RecordBatch) error {
		n := rec.Column(0).(*array.Decimal128).Value(0)
		require.Equal(t, int64(0), n.HighBits())
		require.Equal(t, uint64(1)<<63, n.LowBits())
		return nil
	}))
}

func TestCancelInterrupts(t *testing.T) {
	t.Parallel()
	e := open(t, Options{Threads: 1})
	const endless = "SELECT count(*) FROM range(1000000000000) a, range(1000000) b WHERE (a.range * b.range) % 7 = 3"

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Query(ctx, endless, nil, discard) }()
	require.Eventually(t, func() bool { return value(t, e.metrics.running) == 1 }, 10*time.Second, time.Millisecond)
	cancel()
	select {
	case err := <-done:
		require.Equal(t, warehouse.Canceled, warehouse.KindOf(err))
		require.ErrorIs(t, err, context.Canceled)
	case <-time.After(20 * time.Second):
		t.Fatal("the query did not stop")
	}

	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := e.Query(ctx, endless, nil, discard)
	require.Equal(t, warehouse.Deadline, warehouse.KindOf(err))
	require.ErrorIs(t, err, context.DeadlineExceeded)

	require.Equal(t, []string{"1"}, column(t, e, "SELECT 1"), "the connection serves the next query")
}

func TestPoolIsBoundedAndWaitsWithTheContext(t *testing.T) {
	t.Parallel()
	e := open(t, Options{Connections: 1})
	require.NoError(t, e.Query(t.Context(), "SELECT 1", nil, func(arrow.RecordBatch) error {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		err := e.Query(ctx, "SELECT 2", nil, discard)
		require.Equal(t, warehouse.Deadline, warehouse.KindOf(err))
		return nil
	}))
}

func TestConcurrentQueries(t *testing.T) {
	t.Parallel()
	e := open(t, Options{Connections: 3})
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			var got string
			err := e.Query(t.Context(), "SELECT sum(range) FROM range(?::BIGINT)", []any{int64(i + 1)}, func(rec arrow.RecordBatch) error {
				got = strings.Clone(rec.Column(0).ValueStr(0))
				return nil
			})
			if err != nil || got != fmt.Sprint(i*(i+1)/2) {
				t.Errorf("query %d: %q %v", i, got, err)
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, len(e.db.idle), 3)
}

func TestErrorKinds(t *testing.T) {
	t.Parallel()
	e := open(t, Options{MemoryBytes: 64 << 20, Threads: 1})
	tests := []struct {
		name, query string
		want        warehouse.Kind
		text        string
	}{
		{"no spill space", "SELECT count(*) FROM (SELECT range, hash(range) h FROM range(100000000) ORDER BY h, range DESC) WHERE range % 2 = 0 GROUP BY h", warehouse.Limit, "--memory"},
		{"cast", "SELECT 9223372036854775808::HUGEINT::BIGINT", warehouse.OutOfRange, ""},
		{"syntax", "SELEC 1", warehouse.Invalid, ""},
		{"no column", "SELECT nothing", warehouse.Invalid, ""},
		{"no table", "SELECT * FROM nothing", warehouse.Invalid, ""},
		{"not allowed", "SELECT * FROM read_parquet('/nowhere/a.parquet')", warehouse.Denied, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := e.Query(t.Context(), tt.query, nil, discard)
			require.Error(t, err)
			require.Equal(t, tt.want, warehouse.KindOf(err), err)
			require.Contains(t, err.Error(), tt.text)
		})
	}
}

func TestCallbackErrorIsReturnedAsItIs(t *testing.T) {
	t.Parallel()
	e := open(t, Options{})
	want := errors.New("enough")
	calls := 0
	err := e.Query(t.Context(), "SELECT range FROM range(100000)", nil, func(arrow.RecordBatch) error { calls++; return want })
	require.Same(t, want, err)
	require.Equal(t, 1, calls)
	require.Equal(t, []string{"1"}, column(t, e, "SELECT 1"))
}

func TestSpillsToTempDir(t *testing.T) {
	t.Parallel()
	e := open(t, Options{MemoryBytes: 96 << 20, Threads: 1, TempDir: filepath.Join(t.TempDir(), "spill"), MaxTempBytes: 2 << 30})
	got := column(t, e, "SELECT count(*) FROM (SELECT range, hash(range) h FROM range(6000000) ORDER BY h, range DESC OFFSET 1)")
	require.Equal(t, []string{"5999999"}, got)
}

func TestBrokenInstanceIsReplaced(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	e := open(t, Options{Registry: reg})
	first := e.db
	db, conn, err := e.take(t.Context())
	require.NoError(t, err)
	require.True(t, isFatal(fmt.Errorf("run: %w", &duckdb.Error{Type: duckdb.ErrorTypeFatal})))
	e.giveBack(db, conn, true)
	require.Equal(t, []string{"UTC"}, column(t, e, "SELECT current_setting('TimeZone')"))
	require.NotSame(t, first, e.db)
	require.Equal(t, 1.0, value(t, e.metrics.restarts))
}

func TestClosed(t *testing.T) {
	t.Parallel()
	e, err := Open(Options{})
	require.NoError(t, err)
	require.NoError(t, e.Close())
	require.NoError(t, e.Close())
	require.Equal(t, warehouse.Unavailable, warehouse.KindOf(e.Query(t.Context(), "SELECT 1", nil, discard)))
}

func TestMetricsAreNamedAndHelped(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	e := open(t, Options{Registry: reg})
	column(t, e, "SELECT 1")
	require.Error(t, e.Query(t.Context(), "SELEC", nil, discard))
	fams, err := reg.Gather()
	require.NoError(t, err)
	require.Len(t, fams, 4)
	for _, f := range fams {
		require.True(t, strings.HasPrefix(f.GetName(), "stackhouse_engine_"), f.GetName())
		require.NotEmpty(t, f.GetHelp())
	}
	require.Equal(t, 1.0, value(t, e.metrics.queries.WithLabelValues("invalid")))
}

func writeParquet(t testing.TB, path, query string) {
	t.Helper()
	connector, err := duckdb.NewConnector(":memory:", nil)
	require.NoError(t, err)
	defer connector.Close()
	conn, err := connector.Connect(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.(*duckdb.Conn).ExecContext(t.Context(), "COPY ("+query+") TO "+quote(path)+" (FORMAT parquet)", nil)
	require.NoError(t, err)
	_, err = os.Stat(path)
	require.NoError(t, err)
}
