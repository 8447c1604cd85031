package block

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/duckdb/duckdb-go/v2"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// duck answers queries over a file, called FILE in the query. Every value is
// its SQL text.
type duck struct {
	db   *sql.DB
	path string
}

func openDuck(t *testing.T, data []byte) *duck {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	require.NoError(t, err)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	_, err = db.ExecContext(t.Context(), "SET threads = 2; SET TimeZone = 'UTC'")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "table.parquet")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return &duck{db, path}
}

func (d *duck) query(t *testing.T, query string) [][]string {
	t.Helper()
	rows, err := d.db.QueryContext(t.Context(), strings.ReplaceAll(query, "FILE", "'"+d.path+"'"))
	require.NoError(t, err, query)
	defer rows.Close()
	names, err := rows.Columns()
	require.NoError(t, err)
	var all [][]string
	for rows.Next() {
		row, scan := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range row {
			scan[i] = &row[i]
		}
		require.NoError(t, rows.Scan(scan...))
		texts := make([]string, len(names))
		for i := range row {
			texts[i] = row[i].String
		}
		all = append(all, texts)
	}
	require.NoError(t, rows.Err())
	return all
}

// types returns "column type" of every column.
func (d *duck) types(t *testing.T) []string {
	t.Helper()
	var types []string
	for _, row := range d.query(t, "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM read_parquet(FILE))") {
		types = append(types, row[0]+" "+row[1])
	}
	return types
}

// TestDuckDBTypes: every table has the types that users see, empty or not.
func TestDuckDBTypes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		table warehouse.Table
		empty []byte
		want  []string
	}{
		{warehouse.TableSamples, write(t, warehouse.TableSamples, SamplesRecord(Dicts{}, nil, nil, nil, nil, nil), 10, 10), []string{
			"time TIMESTAMP WITH TIME ZONE", "service_name VARCHAR", "profile_type VARCHAR", "series_id BIGINT", "stacktrace_id BIGINT",
			"profile_id UUID", "span_id VARCHAR", "trace_id VARCHAR", "attributes_id BIGINT", "value BIGINT",
		}},
		{warehouse.TableProfiles, write(t, warehouse.TableProfiles, ProfilesRecord(nil), 10, 10), []string{
			"time TIMESTAMP WITH TIME ZONE", "service_name VARCHAR", "profile_type VARCHAR", "series_id BIGINT", "profile_id UUID",
			"duration_ns BIGINT", "period BIGINT", "value BIGINT", "samples INTEGER", "received TIMESTAMP WITH TIME ZONE", "flags INTEGER",
		}},
		{warehouse.TableSeries, write(t, warehouse.TableSeries, SeriesRecord(nil), 10, 10), []string{
			"series_id BIGINT", "service_name VARCHAR", "profile_type VARCHAR", "labels MAP(VARCHAR, VARCHAR)",
		}},
		{warehouse.TableStacktraces, write(t, warehouse.TableStacktraces, StacktracesRecord(nil), 10, 10), []string{
			"stacktrace_id BIGINT", "functions VARCHAR[]", "system_names VARCHAR[]", "filenames VARCHAR[]", "lines BIGINT[]",
			"start_lines BIGINT[]", "mappings VARCHAR[]", "build_ids VARCHAR[]", "addresses BIGINT[]", "inlined BOOLEAN[]",
		}},
		{warehouse.TableStackTotals, write(t, warehouse.TableStackTotals, stackTotals(t), 10, 10), []string{
			"hour TIMESTAMP WITH TIME ZONE", "service_name VARCHAR", "profile_type VARCHAR", "stacktrace_id BIGINT", "value DECIMAL(38,0)", "samples BIGINT",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.table.String(), func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, openDuck(t, tt.empty).types(t))
		})
	}
}

func TestDuckDBSamples(t *testing.T) {
	t.Parallel()
	set := generate(7, shapeOf{services: 3, pods: 2, profiles: 3, stacks: 100, spans: true})
	d := openDuck(t, write(t, warehouse.TableSamples, set.record(), 700, 700))
	var want [][]string
	for _, r := range set.rows() {
		want = append(want, []string{
			fmt.Sprint(int64(r.Time)), r.Service, r.Type, fmt.Sprint(int64(r.Series)), fmt.Sprint(int64(r.Stacktrace)),
			r.Profile.String(), r.Span, r.Trace, "", fmt.Sprint(r.Value),
		})
	}
	require.Equal(t, want, d.query(t, `SELECT epoch_us(time)::VARCHAR, service_name, profile_type, series_id::VARCHAR, stacktrace_id::VARCHAR,
		profile_id::VARCHAR, span_id, trace_id, attributes_id::VARCHAR, value::VARCHAR FROM read_parquet(FILE)`))

	// Filters use the statistics: they must find every row they should.
	for _, r := range []int{0, 350, len(want) - 1} {
		row := want[r]
		for i, column := range []string{"epoch_us(time)", "service_name", "profile_type", "series_id", "stacktrace_id", "profile_id"} {
			n := 0
			for _, other := range want {
				if other[i] == row[i] {
					n++
				}
			}
			got := d.query(t, fmt.Sprintf("SELECT count(*)::VARCHAR FROM read_parquet(FILE) WHERE %s = '%s'", column, row[i]))
			require.Equal(t, [][]string{{fmt.Sprint(n)}}, got, "%s = %s", column, row[i])
		}
	}
	require.Equal(t, d.query(t, "SELECT count(*)::VARCHAR FROM read_parquet(FILE)"),
		d.query(t, fmt.Sprintf("SELECT count(*)::VARCHAR FROM read_parquet(FILE) WHERE time >= make_timestamptz(%d) AND time < make_timestamptz(%d)", testTime, testTime+3_600_000_000)))
}

func TestDuckDBProfiles(t *testing.T) {
	t.Parallel()
	rows := generateProfiles(7, 200)
	d := openDuck(t, write(t, warehouse.TableProfiles, ProfilesRecord(rows), 70, 70))
	var want [][]string
	for _, r := range rows {
		want = append(want, []string{
			fmt.Sprint(int64(r.Time)), r.Service, r.Type, fmt.Sprint(int64(r.Series)), r.ID.String(), fmt.Sprint(r.DurationNs),
			fmt.Sprint(r.Period), fmt.Sprint(r.Value), fmt.Sprint(r.Samples), fmt.Sprint(int64(r.Received)), fmt.Sprint(r.Flags),
		})
	}
	require.Equal(t, want, d.query(t, `SELECT epoch_us(time)::VARCHAR, service_name, profile_type, series_id::VARCHAR, profile_id::VARCHAR,
		duration_ns::VARCHAR, period::VARCHAR, value::VARCHAR, samples::VARCHAR, epoch_us(received)::VARCHAR, flags::VARCHAR FROM read_parquet(FILE)`))
}

func TestDuckDBSeries(t *testing.T) {
	t.Parallel()
	series := generateSeries(7, 200)
	d := openDuck(t, write(t, warehouse.TableSeries, SeriesRecord(series), 70, 70))
	var want [][]string
	for _, s := range series {
		var labels []string
		for _, l := range s.Labels {
			labels = append(labels, l.Name+"="+l.Value)
		}
		want = append(want, []string{fmt.Sprint(int64(s.ID)), s.Service(), s.Type.String(), strings.Join(labels, ",")})
	}
	require.Equal(t, want, d.query(t, `SELECT series_id::VARCHAR, service_name, profile_type,
		array_to_string([e.key || '=' || e.value FOR e IN map_entries(labels)], ',') FROM read_parquet(FILE)`))
}

func TestDuckDBStacktraces(t *testing.T) {
	t.Parallel()
	stacks := generateStacks(7, 300, 8)
	d := openDuck(t, write(t, warehouse.TableStacktraces, StacktracesRecord(stacks), 100, 700))
	var want [][]string
	for _, s := range stacks {
		lists := make([][]string, 9)
		for _, f := range s.Frames {
			for i, v := range []any{f.Function, f.SystemName, f.Filename, f.Line, f.StartLine, f.Mapping, f.BuildID, int64(f.Address), f.Inlined} {
				lists[i] = append(lists[i], fmt.Sprint(v))
			}
		}
		row := []string{fmt.Sprint(int64(s.ID))}
		for _, l := range lists {
			row = append(row, strings.Join(l, "|"))
		}
		want = append(want, row)
	}
	query := "SELECT stacktrace_id::VARCHAR"
	for _, c := range tables[warehouse.TableStacktraces].columns[1:] {
		query += fmt.Sprintf(", array_to_string(%s::VARCHAR[], '|')", c.name)
	}
	require.Equal(t, want, d.query(t, query+" FROM read_parquet(FILE)"))
}

func TestDuckDBStackTotals(t *testing.T) {
	t.Parallel()
	d := openDuck(t, write(t, warehouse.TableStackTotals, stackTotals(t, "1", "99999999999999999999999999999999999999", "-5", "9223372036854775808"), 2, 2))
	require.Equal(t, [][]string{{"1"}, {"99999999999999999999999999999999999999"}, {"-5"}, {"9223372036854775808"}},
		d.query(t, "SELECT value::VARCHAR FROM read_parquet(FILE)"))
	require.Equal(t, [][]string{{"2"}}, d.query(t, "SELECT count(*)::VARCHAR FROM read_parquet(FILE) WHERE value > 1"))
	require.Equal(t, [][]string{{"1"}}, d.query(t, "SELECT count(*)::VARCHAR FROM read_parquet(FILE) WHERE value < 0"))
}

// TestDuckDBFieldIDs: the ids of docs/FORMAT.md are in the file.
func TestDuckDBFieldIDs(t *testing.T) {
	t.Parallel()
	d := openDuck(t, write(t, warehouse.TableSeries, SeriesRecord(generateSeries(1, 3)), 70, 70))
	require.Equal(t, [][]string{
		{"schema", ""}, {"series_id", "1"}, {"service_name", "2"}, {"profile_type", "3"},
		{"labels", "4"}, {"key_value", ""}, {"key", "5"}, {"value", "6"},
	}, d.query(t, "SELECT name, field_id::VARCHAR FROM parquet_schema(FILE)"))
	require.Equal(t, [][]string{{"stackhouse.format", "1"}, {"stackhouse.table", "series"}},
		d.query(t, "SELECT decode(key), decode(value) FROM parquet_kv_metadata(FILE)"))
}

// TestDuckDBPages reads columns of several pages, with gaps and without.
func TestDuckDBPages(t *testing.T) {
	t.Parallel()
	set := generate(9, shapeOf{services: 2, pods: 4, profiles: 100, stacks: 300, spans: true})
	d := openDuck(t, write(t, warehouse.TableSamples, set.record(), MaxRowGroupRows, 1<<20))
	var total, spans, ids int64
	for i, v := range set.values {
		total += v
		ids ^= int64(set.stacks[i])
		if set.spans[i] != 0 {
			spans++
		}
	}
	require.Greater(t, len(set.values), pageValues)
	require.Equal(t, [][]string{{fmt.Sprint(total), fmt.Sprint(spans), fmt.Sprint(ids)}},
		d.query(t, "SELECT sum(value)::VARCHAR, count(span_id)::VARCHAR, bit_xor(stacktrace_id)::VARCHAR FROM read_parquet(FILE)"))
}
