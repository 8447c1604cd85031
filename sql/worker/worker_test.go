package worker

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/sql/catalog"
	"github.com/stackhouse-db/stackhouse/sql/confined"
	"github.com/stackhouse-db/stackhouse/sql/engine"
	"github.com/stackhouse-db/stackhouse/sql/macro"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, change func(*Options)) *Pools {
	t.Helper()
	opts := Options{MemoryBytes: 256 << 20, Threads: 1, TempDir: t.TempDir()}
	if change != nil {
		change(&opts)
	}
	p, err := New(opts)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p
}

// run returns the rows of a job as text.
func run(t *testing.T, e *Executor, job Job) (out []string) {
	t.Helper()
	job.Session.Now = now
	rows, err := e.Run(t.Context(), job)
	require.NoError(t, err, job.Text)
	defer rows.Close()
	for {
		rec, err := rows.Next(t.Context())
		if err != nil {
			require.ErrorIs(t, err, engine.ErrDone)
			return out
		}
		for i := range int(rec.NumRows()) {
			cells := make([]string, rec.NumCols())
			for c := range cells {
				cells[c] = strings.Clone(rec.Column(c).ValueStr(i))
			}
			out = append(out, strings.Join(cells, " "))
		}
	}
}

func TestDatabaseNames(t *testing.T) {
	t.Parallel()
	p := open(t, nil)
	for _, tenant := range []warehouse.Tenant{"anonymous", "a*'b(c)", "temp", "SYSTEM", "main", "public", "memory", "pgcat", "call", "samples", "x.y", "1"} {
		e, release, err := p.Executor(t.Context(), tenant)
		require.NoError(t, err, tenant)
		require.Equal(t, []string{Database(tenant) + " public 0"}, run(t, e, Job{Text: "SELECT current_database(), current_schema(), count(*) FROM public.samples"}), tenant)
		release()
		planner, release, err := p.Planner(t.Context(), tenant)
		require.NoError(t, err, tenant)
		plan, err := planner.Plan(t.Context(), "SELECT value FROM samples")
		require.NoError(t, err)
		require.Contains(t, plan, `"schema":"public","table":"samples"`, tenant)
		release()
	}
}

// TestExecutorIsConfined: files of other folders, and settings, are out of reach even
// for a text that nobody checked.
func TestExecutorIsConfined(t *testing.T) {
	t.Parallel()
	outside := filepath.Join(t.TempDir(), "x.csv")
	require.NoError(t, os.WriteFile(outside, []byte("a\n1\n"), 0o600))
	dir := t.TempDir()
	p := open(t, func(o *Options) { o.Dirs = func(warehouse.Tenant) []string { return []string{dir} } })
	e, release, err := p.Executor(t.Context(), "t")
	require.NoError(t, err)
	defer release()
	for _, text := range []string{
		"SELECT * FROM read_csv('" + outside + "')",
		"SELECT * FROM '" + outside + "'",
		"COPY (SELECT 1) TO '" + outside + "'",
		"ATTACH '" + outside + ".db'",
		"SET threads = 4",
		"SET enable_external_access = true",
		"RESET memory_limit",
		"LOAD httpfs",
	} {
		_, err := e.Run(t.Context(), Job{Session: Session{Now: now}, Text: text})
		require.Error(t, err, text)
	}
	require.Equal(t, []string{"[TimeZone]"}, run(t, e, Job{Text: "SELECT value FROM duckdb_settings() WHERE name = 'allowed_configs'"}))
	require.Equal(t, []string{"64.0 MiB 1"}, run(t, e, Job{Text: "SELECT current_setting('memory_limit'), current_setting('threads')"}))
}

// TestPlannerAndExecutorAgree on columns, the clock and PostgreSQL's ways.
func TestPlannerAndExecutorAgree(t *testing.T) {
	t.Parallel()
	p := open(t, nil)
	planner, release, err := p.Planner(t.Context(), "t")
	require.NoError(t, err)
	defer release()
	e, releaseE, err := p.Executor(t.Context(), "t")
	require.NoError(t, err)
	defer releaseE()
	for _, r := range catalog.Relations() {
		planned, err := planner.Describe(t.Context(), "SELECT * FROM "+r.Name)
		require.NoError(t, err)
		ran, err := e.Describe(t.Context(), "SELECT * FROM "+r.Name)
		require.NoError(t, err)
		require.Equal(t, planned.Columns, ran.Columns, r.Name)
		require.Len(t, ran.Columns, len(r.Columns), r.Name)
		for i, c := range r.Columns {
			require.Equal(t, c.Name, ran.Columns[i].Name)
		}
	}
	session := Session{TimeZone: "Asia/Tokyo", Now: now}
	require.NoError(t, planner.SetSession(t.Context(), session))
	const text = "SELECT now()::VARCHAR || current_date || localtimestamp || 7/2 || age(TIMESTAMP '2026-03-01') || today() || (now() - INTERVAL '1 hour') || transaction_timestamp() || current_time || ago(INTERVAL '1 day')"
	planned, err := planner.Text(t.Context(), text)
	require.NoError(t, err)
	require.Equal(t, []string{planned}, run(t, e, Job{Session: Session{TimeZone: "Asia/Tokyo"}, Text: text}))
	require.True(t, strings.HasPrefix(planned, "2026-03-01 21:00:00+092026-03-012026-03-01 21:00:003"), planned)
}

// TestRunBindsFiles: several files with equal ids, one file, none.
func TestRunBindsFiles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a*b[c]'?")
	require.NoError(t, os.Mkdir(dir, 0o750))
	file := func(name string, ids ...warehouse.StacktraceID) string {
		var stacks []warehouse.Stacktrace
		for _, id := range ids {
			stacks = append(stacks, warehouse.Stacktrace{ID: id, Frames: []warehouse.Frame{{Function: "f", Line: int64(id)}}})
		}
		rec := block.StacktracesRecord(stacks)
		defer rec.Release()
		data, err := block.AppendParquet(nil, warehouse.TableStacktraces, rec)
		require.NoError(t, err)
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, data, 0o600))
		return path
	}
	x, y := file("x.parquet", 1, 2, 3), file("y.parquet", 2, 3, 4)
	p := open(t, func(o *Options) { o.Dirs = func(warehouse.Tenant) []string { return []string{filepath.Dir(dir)} } })
	e, release, err := p.Executor(t.Context(), "t")
	require.NoError(t, err)
	defer release()
	const text = "SELECT count(*), count(DISTINCT stacktrace_id), coalesce(sum(lines[1]), 0) FROM stacktraces"
	bind := func(files ...string) Job {
		return Job{Text: text, Relations: map[warehouse.Table]macro.Files{warehouse.TableStacktraces: {Paths: files}}}
	}
	require.Equal(t, []string{"3 3 6"}, run(t, e, bind(x)))
	require.Equal(t, []string{"4 4 10"}, run(t, e, bind(x, y)))
	require.Equal(t, []string{"4 4 10"}, run(t, e, bind(y, x, y)))
	require.Equal(t, []string{"0 0 0"}, run(t, e, bind()))
	require.Equal(t, []string{"3 3 9"}, run(t, e, bind(y)))
	require.Equal(t, []string{"0 0 0"}, run(t, e, Job{Text: text}), "a job that names no relation leaves no file of the one before")
}

func TestRunAppendsCalls(t *testing.T) {
	t.Parallel()
	p := open(t, nil)
	e, release, err := p.Executor(t.Context(), "t")
	require.NoError(t, err)
	defer release()
	f, ok := catalog.FunctionByName("top_functions")
	require.True(t, ok)
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{
		{Name: "function", Type: arrow.BinaryTypes.String}, {Name: "self", Type: arrow.PrimitiveTypes.Int64}, {Name: "total", Type: arrow.PrimitiveTypes.Int64},
	}, nil))
	defer b.Release()
	b.Field(0).(*array.StringBuilder).Append("f")
	b.Field(1).(*array.Int64Builder).Append(1)
	b.Field(2).(*array.Int64Builder).Append(2)
	rec := b.NewRecordBatch()
	defer rec.Release()
	for range 2 {
		require.Equal(t, []string{"f 1 2"}, run(t, e, Job{Text: `SELECT * FROM call."it's 1"`, Calls: []Call{{Table: "it's 1", Function: f, Rows: rec}}}))
	}
	_, err = e.Run(t.Context(), Job{Session: Session{Now: now}, Text: `SELECT * FROM call."it's 1"`})
	require.Error(t, err, "it is gone with its job")
}

func TestRunAppendsSystemRows(t *testing.T) {
	t.Parallel()
	e, release, err := open(t, nil).Executor(t.Context(), "system")
	require.NoError(t, err)
	defer release()
	r := catalog.Relation{Name: "blocks", System: true, Columns: catalog.SystemRelations()[0].Columns[:1]}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{{Name: "object", Type: arrow.BinaryTypes.String}}, nil))
	defer b.Release()
	for n := range 2 {
		b.Field(0).(*array.StringBuilder).Append([]string{"a", "b"}[n])
		rec := b.NewRecordBatch()
		require.Equal(t, []string{[]string{"a", "b"}[n]}, run(t, e, Job{Text: "SELECT * FROM systemschema.blocks", System: []SystemRows{{r, rec}}}))
		rec.Release()
	}
	_, err = e.Run(t.Context(), Job{Session: Session{Now: now}, Text: "SELECT * FROM systemschema.blocks"})
	require.Error(t, err, "they are gone with their job")
}

// TestSpillIsRemoved: what does not fit into memory goes to the executor's own folder.
func TestSpillIsRemoved(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	p := open(t, func(o *Options) { o.TempDir, o.MemoryBytes, o.Total = temp, 64<<20, 1 })
	e, release, err := p.Executor(t.Context(), "t")
	require.NoError(t, err)
	got := run(t, e, Job{Text: "SELECT count(*) FROM (SELECT range, hash(range) h FROM range(5000000) ORDER BY h, range DESC OFFSET 1)"})
	require.Equal(t, []string{"4999999"}, got)
	release()
	p.Close()
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestPools(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	p := open(t, func(o *Options) { o.Registry, o.IdleTimeout = reg, 20*time.Millisecond })
	_, release, err := p.Executor(t.Context(), "t")
	require.NoError(t, err)
	release()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { p.Run(ctx); close(done) }()
	require.Eventually(t, func() bool { all, _ := p.executors.size(); return all == 0 }, 5*time.Second, 5*time.Millisecond)
	cancel()
	<-done
	fams, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range fams {
		require.True(t, strings.HasPrefix(f.GetName(), "stackhouse_worker_"), f.GetName())
		require.NotEmpty(t, f.GetHelp())
	}
	for _, bad := range []Options{{MemoryBytes: -1}, {Threads: -1}, {PerTenant: -1}, {Total: -1}, {IdleTimeout: -1}} {
		_, err := New(bad)
		require.Equal(t, warehouse.Invalid, warehouse.KindOf(err))
	}
}

// What a tenant's first statement waits for: go test -bench Open ./sql/worker.
func BenchmarkOpen(b *testing.B) {
	opts, err := Options{Threads: 1}.withDefaults()
	require.NoError(b, err)
	b.Run("planner", func(b *testing.B) {
		for b.Loop() {
			p, err := openPlanner("t", &opts)
			require.NoError(b, err)
			p.Close()
		}
	})
	b.Run("executor", func(b *testing.B) {
		for b.Loop() {
			e, err := openExecutor("t", &opts)
			require.NoError(b, err)
			e.Close()
		}
	})
}

// TestFoldersThatAreMadeAgain: a confined executor reads a folder that came, or was
// removed and made again, after it was opened.
func TestFoldersThatAreMadeAgain(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	starter, err := confined.NewStarter(confined.Options{Command: []string{self, "worker"}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, starter.Close()) })
	dir := filepath.Join(t.TempDir(), "tenant")
	p := open(t, func(o *Options) {
		o.Starter, o.Dirs = starter, func(warehouse.Tenant) []string { return []string{dir} }
	})
	e, release, err := p.Executor(t.Context(), "t")
	require.NoError(t, err)
	defer release()
	for range 3 {
		require.NoError(t, os.RemoveAll(dir))
		require.NoError(t, os.MkdirAll(dir, 0o750))
		path := filepath.Join(dir, "series.parquet")
		rec := block.SeriesRecord(nil)
		data, err := block.AppendParquet(nil, warehouse.TableSeries, rec)
		rec.Release()
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, data, 0o600))
		job := Job{Text: "SELECT count(*) FROM series", Relations: map[warehouse.Table]macro.Files{warehouse.TableSeries: {Paths: []string{path}}}}
		require.Equal(t, []string{"0"}, run(t, e, job))
	}
}
