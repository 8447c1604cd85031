package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stretchr/testify/require"
)

func openTestInstance(t testing.TB, opts Options, more ...Setting) *Instance {
	t.Helper()
	i, err := OpenInstance(opts, more...)
	require.NoError(t, err)
	t.Cleanup(i.Close)
	return i
}

func text(t testing.TB, i *Instance, query string) string {
	t.Helper()
	v, err := i.Text(t.Context(), query)
	require.NoError(t, err, query)
	return v
}

func TestInstanceSettings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	i := openTestInstance(t, Options{Threads: 1, MemoryBytes: 128 << 20, AllowedDirs: []string{dir}}, Setting{"integer_division", "true"})
	require.NoError(t, i.Exec(t.Context(), `ATTACH ':memory:' AS "it's (a) tenant"; CREATE SCHEMA "it's (a) tenant".public; USE "it's (a) tenant".public`))
	require.NoError(t, i.Lock(t.Context()))

	want := map[string]string{
		"threads": "1", "memory_limit": "128.0 MiB", "enable_external_access": "false", "lock_configuration": "true",
		"autoload_known_extensions": "false", "integer_division": "true", "allowed_configs": "[TimeZone]",
	}
	for name, value := range want {
		require.Equal(t, value, text(t, i, "SELECT value FROM duckdb_settings() WHERE name = '"+name+"'"), name)
	}
	require.Equal(t, "it's (a) tenant public", text(t, i, "SELECT current_database() || ' ' || current_schema()"))
	require.Equal(t, "3", text(t, i, "SELECT 7/2"))

	require.NoError(t, i.Exec(t.Context(), "SET TimeZone = 'Europe/Berlin'"))
	require.Equal(t, "2024-01-01 01:00:00+01", text(t, i, "SELECT TIMESTAMPTZ '2024-01-01 00:00:00Z' :: VARCHAR"))
	for _, refused := range []string{"SET threads = 2", "SET enable_external_access = true", "SET GLOBAL allowed_configs = ['threads']", "RESET memory_limit"} {
		require.Error(t, i.Exec(t.Context(), refused), refused)
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	i := openTestInstance(t, Options{Threads: 1})
	require.NoError(t, i.Exec(t.Context(), "CREATE TABLE t(time TIMESTAMPTZ, name VARCHAR, value BIGINT)"))

	d, err := i.Describe(t.Context(), `SELECT sum(value) AS s, 1.5::DECIMAL(10,2) AS d, [name] AS l, MAP {'a': 1} AS m, {'x': 1, 'y': 'z'} AS st, '{}'::JSON AS j, [1,2]::INT[2] AS a
		FROM t WHERE time > $1 AND name = $2 AND value IN ($3, 4) GROUP BY ALL LIMIT $4`)
	require.NoError(t, err)
	require.Equal(t, []Param{{"1", Type{Name: "TIMESTAMPTZ"}}, {"2", Type{Name: "VARCHAR"}}, {"3", Type{Name: "BIGINT"}}, {"4", Type{Name: "BIGINT"}}}, d.Params)
	integer, varchar := Type{Name: "INTEGER"}, Type{Name: "VARCHAR"}
	require.Equal(t, []Column{
		{"s", Type{Name: "HUGEINT"}},
		{"d", Type{Name: "DECIMAL", Precision: 10, Scale: 2}},
		{"l", Type{Name: "LIST", Elem: &varchar}},
		{"m", Type{Name: "MAP", Key: &varchar, Elem: &integer}},
		{"st", Type{Name: "STRUCT", Fields: []Field{{"x", integer}, {"y", varchar}}}},
		{"j", Type{Name: "JSON"}},
		{"a", Type{Name: "ARRAY", Elem: &integer, Size: 2}},
	}, d.Columns)

	d, err = i.Describe(t.Context(), "SELECT $1, value FROM t")
	require.NoError(t, err)
	require.Equal(t, []Param{{"1", Type{}}}, d.Params)
	require.Nil(t, d.Columns)
}

func TestRowsAreMadeAsTheyAreRead(t *testing.T) {
	t.Parallel()
	i := openTestInstance(t, Options{Threads: 1, MemoryBytes: 64 << 20})
	// A result of 80 GB, of which the first rows come at once.
	rows, err := i.Query(t.Context(), "SELECT range AS n FROM range(10000000000)")
	require.NoError(t, err)
	defer rows.Close()
	var got int64
	for range 50 {
		rec, err := rows.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, got, rec.Column(0).(*array.Int64).Value(0))
		got += rec.NumRows()
	}
	rows.Close()
	rows.Close()
	_, err = rows.Next(t.Context())
	require.Error(t, err)
	require.Equal(t, "1", text(t, i, "SELECT 1"))
}

func TestRowsEnd(t *testing.T) {
	t.Parallel()
	i := openTestInstance(t, Options{Threads: 1})
	rows, err := i.Query(t.Context(), "SELECT range FROM range(5000)")
	require.NoError(t, err)
	defer rows.Close()
	n := int64(0)
	for {
		rec, err := rows.Next(t.Context())
		if errors.Is(err, ErrDone) {
			break
		}
		require.NoError(t, err)
		n += rec.NumRows()
	}
	require.Equal(t, int64(5000), n)
	_, err = rows.Next(t.Context())
	require.ErrorIs(t, err, ErrDone)

	none, err := i.Query(t.Context(), "SELECT 1 WHERE false")
	require.NoError(t, err)
	defer none.Close()
	_, err = none.Next(t.Context())
	require.ErrorIs(t, err, ErrDone)
	require.Equal(t, "1", none.Schema().Field(0).Name)
}

func TestInterrupt(t *testing.T) {
	t.Parallel()
	i := openTestInstance(t, Options{Threads: 2})
	t.Run("before the first rows", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := i.Query(ctx, "SELECT count(*) FROM range(100000000) a, range(100000000) b WHERE a.range + b.range = -1")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, warehouse.Deadline, warehouse.KindOf(err))
		require.Less(t, time.Since(start), 5*time.Second)
	})
	t.Run("between rows", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		rows, err := i.Query(ctx, "SELECT range FROM range(10000000000)")
		require.NoError(t, err)
		defer rows.Close()
		_, err = rows.Next(ctx)
		require.NoError(t, err)
		cancel()
		_, err = rows.Next(ctx)
		require.Equal(t, warehouse.Canceled, warehouse.KindOf(err))
	})
	t.Run("an interrupt never hits the next statement", func(t *testing.T) {
		for n := range 200 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n)*5*time.Microsecond)
			_, _ = i.Text(ctx, "SELECT sum(range) FROM range(30000)")
			cancel()
			require.Equal(t, fmt.Sprint(n), text(t, i, fmt.Sprintf("SELECT max(range) FROM range(%d)", n+1)))
		}
	})
}

func TestFaults(t *testing.T) {
	t.Parallel()
	i := openTestInstance(t, Options{Threads: 1})
	require.NoError(t, i.Exec(t.Context(), "CREATE TABLE t(value BIGINT); INSERT INTO t VALUES (9223372036854775807), (1)"))
	tests := []struct {
		query, class, subtype, object, name string
		offset                              int
		kind                                warehouse.Kind
	}{
		{"SELECT 'ééé', nope FROM t", "Binder", "COLUMN_NOT_FOUND", "", "nope", 17, warehouse.Invalid},
		{"SELECT * FROM nowhere", "Catalog", "MISSING_ENTRY", "Table", "nowhere", 14, warehouse.Invalid},
		{"SELECT nofn(1)", "Catalog", "MISSING_ENTRY", "Scalar Function", "nofn", 7, warehouse.Invalid},
		{"SELECT 1 FRM t x", "Parser", "SYNTAX_ERROR", "", "", 13, warehouse.Invalid},
		{"SELECT 'abc'::INT", "Conversion", "", "", "", 12, warehouse.OutOfRange},
		{"SELECT value + 1 FROM t", "Out of Range", "", "", "", -1, warehouse.OutOfRange},
		{"SELECT 1\x00", "Parser", "", "", "", 8, warehouse.Invalid},
	}
	for _, tt := range tests {
		rows, err := i.Query(t.Context(), tt.query)
		if err == nil {
			_, err = rows.Next(t.Context())
			rows.Close()
		}
		var f *Fault
		require.ErrorAs(t, err, &f, tt.query)
		require.Equal(t, tt.kind, warehouse.KindOf(err), tt.query)
		f.Message = ""
		require.Equal(t, &Fault{Class: tt.class, Subtype: tt.subtype, Object: tt.object, Name: tt.name, Offset: tt.offset}, f, tt.query)
	}
	require.False(t, i.Broken())
	require.Equal(t, &Fault{Class: "Parser", Subtype: "SYNTAX_ERROR", Message: "syntax error", Offset: 3},
		ParseFault([]byte(`{"error":true,"error_type":"parser","error_message":"syntax error","error_subtype":"SYNTAX_ERROR","position":"3"}`)))
	require.Equal(t, "Out of Memory", parseFault("Out of Memory Error: no").Class)
	require.Nil(t, ParseFault([]byte(`{"a":1}`)))
}

func TestAppend(t *testing.T) {
	t.Parallel()
	i := openTestInstance(t, Options{Threads: 1})
	require.NoError(t, i.Exec(t.Context(), `ATTACH ':memory:' AS "o'er"; CREATE SCHEMA "o'er".s; CREATE TABLE "o'er".s.t(id BIGINT, depth INTEGER, name VARCHAR, word VARCHAR)`))
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "depth", Type: arrow.PrimitiveTypes.Int32},
		{Name: "name", Type: arrow.BinaryTypes.String},
		{Name: "word", Type: &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	const rows = 5000
	for n := range rows {
		if n%7 == 0 {
			b.Field(0).AppendNull()
		} else {
			b.Field(0).(*array.Int64Builder).Append(int64(n))
		}
		b.Field(1).(*array.Int32Builder).Append(int32(n % 10))
		b.Field(2).(*array.StringBuilder).Append(strings.Repeat("é", n%20))
		require.NoError(t, b.Field(3).(*array.BinaryDictionaryBuilder).AppendString([]string{"a", "", "a long word that is not inlined"}[n%3]))
	}
	rec := b.NewRecordBatch()
	defer rec.Release()
	require.NoError(t, i.Append(t.Context(), "o'er", "s", "t", rec))
	require.Equal(t, "5000 715 10710715 22500 47500 5000 3", text(t, i, `SELECT concat_ws(' ', count(*), count(*) FILTER (id IS NULL), sum(id), sum(depth), sum(length(name)), count(name), count(DISTINCT word)) FROM "o'er".s.t`))
	require.Error(t, i.Append(t.Context(), "o'er", "s", "nothing", rec))
}

func TestAppendTimesAndLists(t *testing.T) {
	t.Parallel()
	i := openTestInstance(t, Options{Threads: 1})
	require.NoError(t, i.Exec(t.Context(), `CREATE TABLE t(moment TIMESTAMPTZ, words VARCHAR[])`))
	list := arrow.ListOf(arrow.BinaryTypes.String)
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{
		{Name: "at", Type: arrow.FixedWidthTypes.Timestamp_us, Nullable: true}, {Name: "words", Type: list, Nullable: true},
	}, nil))
	defer b.Release()
	const rows = 5000
	for n := range rows {
		times, lists := b.Field(0).(*array.TimestampBuilder), b.Field(1).(*array.ListBuilder)
		if n%7 == 0 {
			times.AppendNull()
			lists.AppendNull()
			continue
		}
		times.Append(arrow.Timestamp(n))
		lists.Append(true)
		for k := range n % 4 {
			lists.ValueBuilder().(*array.StringBuilder).Append(strings.Repeat("é", n%20+k))
		}
		if n%4 == 3 {
			lists.ValueBuilder().AppendNull()
		}
	}
	rec := b.NewRecordBatch()
	defer rec.Release()
	require.NoError(t, i.Append(t.Context(), "memory", "main", "t", rec))
	// Plain addition: what the builder got.
	var micros, items, length, nulls int
	for n := range rows {
		if n%7 == 0 {
			continue
		}
		micros, items = micros+n, items+n%4
		for k := range n % 4 {
			length += n%20 + k
		}
		if n%4 == 3 {
			items, nulls = items+1, nulls+1
		}
	}
	require.Equal(t, fmt.Sprintf("715 %d %d %d %d", micros, items, length, nulls), text(t, i, `SELECT concat_ws(' ',
		(SELECT count(*) FROM t WHERE moment IS NULL AND words IS NULL), (SELECT sum(epoch_us(moment)) FROM t), (SELECT sum(len(words)) FROM t),
		sum(length(word)), count(*) FILTER (word IS NULL)) FROM (SELECT unnest(words) AS word FROM t)`))

	millis := array.NewTimestampBuilder(memory.DefaultAllocator, &arrow.TimestampType{Unit: arrow.Millisecond})
	defer millis.Release()
	millis.Append(1)
	column := millis.NewArray()
	defer column.Release()
	other := array.NewRecordBatch(arrow.NewSchema([]arrow.Field{{Name: "at", Type: column.DataType()}}, nil), []arrow.Array{column}, 1)
	defer other.Release()
	require.ErrorContains(t, i.Append(t.Context(), "memory", "main", "t", other), "is not supported")
}

func TestBrokenInstance(t *testing.T) {
	t.Parallel()
	i := openTestInstance(t, Options{Threads: 1})
	require.Error(t, i.fault(`{"exception_type":"FATAL","exception_message":"no"}`))
	require.True(t, i.Broken())
}

func BenchmarkOpenInstance(b *testing.B) {
	for b.Loop() {
		i, err := OpenInstance(Options{Threads: 1})
		require.NoError(b, err)
		i.Close()
	}
}

// 1.2 M rows a 3 columns: go test -bench InstanceRows ./sql/engine.
func BenchmarkInstanceRows(b *testing.B) {
	i := openTestInstance(b, Options{Threads: 2})
	for b.Loop() {
		rows, err := i.Query(b.Context(), "SELECT range, range * 2, 'name ' || range % 100 FROM range(1200000)")
		require.NoError(b, err)
		for {
			if _, err := rows.Next(b.Context()); err != nil {
				require.ErrorIs(b, err, ErrDone)
				break
			}
		}
		rows.Close()
	}
}
