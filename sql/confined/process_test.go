package confined

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/sql/engine"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

func newStarter(t testing.TB) *Starter {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	s, err := NewStarter(Options{Command: []string{self, workerArgument}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// openProcess opens an instance of 256 MiB that may read one folder and write another.
func openProcess(t testing.TB, change func(*Instance)) *Process {
	t.Helper()
	in := Instance{Threads: 2, MemoryBytes: 256 << 20, TempDir: t.TempDir(), MaxTempBytes: 64 << 20, ReadDirs: []string{t.TempDir()}}
	if change != nil {
		change(&in)
	}
	p, err := newStarter(t).Open(t.Context(), in)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p
}

// all returns the first column of a statement's rows, as text.
func all(ctx context.Context, p *Process, text string) (out []string, err error) {
	rows, err := p.Query(ctx, text)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for {
		rec, err := rows.Next(ctx)
		if errors.Is(err, engine.ErrDone) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		for i := range int(rec.NumRows()) {
			out = append(out, rec.Column(0).ValueStr(i))
		}
	}
}

func TestProcessIsAnInstance(t *testing.T) {
	t.Parallel()
	p := openProcess(t, nil)
	ctx := t.Context()
	require.NoError(t, p.Exec(ctx, "CREATE TABLE t (a BIGINT, b VARCHAR)"))
	schema := arrow.NewSchema([]arrow.Field{{Name: "a", Type: arrow.PrimitiveTypes.Int64}, {Name: "b", Type: arrow.BinaryTypes.String}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	b.Field(0).(*array.Int64Builder).AppendValues([]int64{1, 2}, nil)
	b.Field(1).(*array.StringBuilder).AppendValues([]string{"x", "y"}, nil)
	rec := b.NewRecordBatch()
	defer rec.Release()
	require.NoError(t, p.Append(ctx, "memory", "main", "t", rec))
	got, err := all(ctx, p, "SELECT a || b FROM t ORDER BY a")
	require.NoError(t, err)
	assert.Equal(t, []string{"1x", "2y"}, got)

	text, err := p.Text(ctx, "SELECT sum(a)::VARCHAR FROM t")
	require.NoError(t, err)
	assert.Equal(t, "3", text)
	d, err := p.Describe(ctx, "SELECT a, b FROM t WHERE a = $1")
	require.NoError(t, err)
	assert.Len(t, d.Params, 1)
	assert.Len(t, d.Columns, 2)
	assert.Equal(t, "b", d.Columns[1].Name)

	_, err = p.Query(ctx, "SELECT nothing FROM t")
	var fault *engine.Fault
	require.ErrorAs(t, err, &fault)
	assert.Equal(t, "Binder", fault.Class)
	assert.False(t, p.Broken())
	require.NoError(t, p.Lock(ctx))
	require.Error(t, p.Exec(ctx, "SET threads = 1"))
	require.NoError(t, p.Exec(ctx, "SET TimeZone = 'UTC'"))
}

// TestManyRows: ten million rows come in frames, none lost; half of them read, the
// next statement runs.
func TestManyRows(t *testing.T) {
	t.Parallel()
	p := openProcess(t, nil)
	for _, part := range []int64{1, 2} {
		rows, err := p.Query(t.Context(), "SELECT range AS a FROM range(1000000)")
		require.NoError(t, err)
		var n, sum int64
		for n < 1_000_000/part {
			rec, err := rows.Next(t.Context())
			require.NoError(t, err)
			for _, v := range rec.Column(0).(*array.Int64).Int64Values() {
				sum += v
			}
			n += rec.NumRows()
		}
		if part == 1 {
			assert.Equal(t, int64(1_000_000*999_999/2), sum)
			_, err = rows.Next(t.Context())
			require.ErrorIs(t, err, engine.ErrDone)
		}
		rows.Close()
		_, err = rows.Next(t.Context())
		require.Error(t, err)
	}
	assert.False(t, p.Broken())
}

func TestCancelInterrupts(t *testing.T) {
	t.Parallel()
	p := openProcess(t, nil)
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := all(ctx, p, "SELECT sum(a.range * b.range) FROM range(100000000) a, range(100000) b")
		cancel()
		require.Equal(t, warehouse.Deadline, warehouse.KindOf(err), err)
	}
	got, err := all(t.Context(), p, "SELECT 42")
	require.NoError(t, err)
	assert.Equal(t, []string{"42"}, got)
}

// TestStubbornStatementIsKilled: one that does not hear its interrupt.
func TestStubbornStatementIsKilled(t *testing.T) {
	t.Parallel()
	p := openProcess(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := all(ctx, p, "SELECT levenshtein(repeat('ab', 100000), repeat('ba', 100000))")
	var killed *Killed
	require.ErrorAs(t, err, &killed)
	assert.Contains(t, []warehouse.Kind{warehouse.Deadline, warehouse.Limit}, warehouse.KindOf(err), err)
	assert.Less(t, time.Since(began), 5*time.Second)
	assert.True(t, p.Broken())
	_, err = all(t.Context(), p, "SELECT 1")
	require.Error(t, err)
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"one value":  "SELECT length(repeat('x', 4000000000))",
		"one list":   "SELECT len(list_sort(range(200000000)))",
		"format":     "SELECT length(printf('%2000000000d', 1))",
		"hash table": "SELECT count(*) FROM (SELECT DISTINCT range, range::VARCHAR || 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' FROM range(100000000))",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := openProcess(t, nil)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_, err := all(ctx, p, text)
			require.Error(t, err)
			assert.Contains(t, []warehouse.Kind{warehouse.Limit, warehouse.Deadline, warehouse.OutOfRange, warehouse.Invalid}, warehouse.KindOf(err), err)
		})
	}
}

// TestCrashIsAnError: a process that is gone is noticed, and says how it went.
func TestCrashIsAnError(t *testing.T) {
	t.Parallel()
	p := openProcess(t, nil)
	failed := make(chan error, 1)
	go func() { _, err := all(t.Context(), p, longStatement); failed <- err }()
	p.waitBusy(t)
	require.NoError(t, syscall.Kill(p.PID(), syscall.SIGSEGV))
	err := <-failed
	var killed *Killed
	require.ErrorAs(t, err, &killed)
	assert.Equal(t, Crash, killed.Shortage)
	assert.Equal(t, warehouse.Limit, warehouse.KindOf(err))
	assert.True(t, p.Broken())
}

// TestParentsEndIsTheProcesses: a process does not outlive its parent's end of the
// connection, even while it works.
func TestParentsEndIsTheProcesses(t *testing.T) {
	t.Parallel()
	p := openProcess(t, nil)
	go func() { _, _ = all(t.Context(), p, longStatement) }()
	p.waitBusy(t)
	require.NoError(t, p.conn.Close())
	select {
	case <-p.ended:
	case <-time.After(10 * time.Second):
		t.Fatal("the process goes on")
	}
}

// TestTempSpaceIsGivenBack: what a statement spilled is gone with it.
func TestTempSpaceIsGivenBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := openProcess(t, func(in *Instance) { in.TempDir, in.MemoryBytes = dir, 64<<20 })
	_, err := all(t.Context(), p, "SELECT count(*) FROM (SELECT range::VARCHAR || repeat('x', 100) AS a FROM range(3000000) ORDER BY a)")
	require.Error(t, err, "64 MiB of memory and of space are not enough")
	assert.Equal(t, warehouse.Limit, warehouse.KindOf(err), err)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	assert.Empty(t, files)
}

// longStatement takes an hour.
const longStatement = "SELECT sum(a.range * b.range) FROM range(100000000) a, range(100000) b"

// waitBusy waits until the process computes.
func (p *Process) waitBusy(t *testing.T) {
	t.Helper()
	ticks := func() int {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
		require.NoError(t, err)
		_, rest, _ := strings.Cut(string(data), ") ")
		n, err := strconv.Atoi(strings.Fields(rest)[11]) // utime
		require.NoError(t, err)
		return n
	}
	before := ticks()
	require.Eventually(t, func() bool { return ticks() > before+5 }, 30*time.Second, time.Millisecond)
}
