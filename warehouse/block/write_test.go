package block

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// plain returns the column with plain strings in place of dictionaries.
func plain(column arrow.Array) arrow.Array {
	switch a := column.(type) {
	case *array.Dictionary:
		b := array.NewStringBuilder(memory.DefaultAllocator)
		defer b.Release()
		for i := range a.Len() {
			b.Append(a.Dictionary().(*array.String).Value(a.GetValueIndex(i)))
		}
		return b.NewArray()
	case *array.Map:
		return mapArray(arrow.MapOfFields(arrow.Field{Type: arrow.BinaryTypes.String}, arrow.Field{Type: arrow.BinaryTypes.String}),
			a.Offsets(), plain(a.Keys()), plain(a.Items()))
	case *array.List:
		return listArray(a.Offsets(), plain(a.ListValues()))
	}
	column.Retain()
	return column
}

func plainRecord(rec arrow.RecordBatch) arrow.RecordBatch {
	fields, columns := []arrow.Field{}, []arrow.Array{}
	for i, c := range rec.Columns() {
		columns = append(columns, plain(c))
		fields = append(fields, arrow.Field{Name: rec.ColumnName(i), Type: columns[i].DataType()})
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), columns, rec.NumRows())
}

func testRecords() map[warehouse.Table]arrow.RecordBatch {
	return map[warehouse.Table]arrow.RecordBatch{
		warehouse.TableSamples:     generate(2, shapeOf{services: 3, pods: 2, profiles: 4, stacks: 60, spans: true}).record(),
		warehouse.TableProfiles:    ProfilesRecord(generateProfiles(2, 300)),
		warehouse.TableSeries:      SeriesRecord(generateSeries(2, 100)),
		warehouse.TableStacktraces: StacktracesRecord(generateStacks(2, 200, 6)),
	}
}

// TestAppendParquetIsCanonical: the same rows give the same bytes, however the
// record is laid out and wherever the file is appended.
func TestAppendParquetIsCanonical(t *testing.T) {
	t.Parallel()
	for table, rec := range testRecords() {
		t.Run(table.String(), func(t *testing.T) {
			t.Parallel()
			want, err := AppendParquet(nil, table, rec)
			require.NoError(t, err)
			again, err := AppendParquet([]byte("before"), table, rec)
			require.NoError(t, err)
			require.Equal(t, "before"+string(want), string(again))
			strings, err := AppendParquet(nil, table, plainRecord(rec))
			require.NoError(t, err)
			require.Equal(t, want, strings)

			// Rows in the middle of a larger record.
			part, err := AppendParquet(nil, table, rec.NewSlice(10, 60))
			require.NoError(t, err)
			samePart, err := AppendParquet(nil, table, plainRecord(rec).NewSlice(10, 60))
			require.NoError(t, err)
			require.Equal(t, part, samePart)
		})
	}
}

// TestSlice: the rows of a slice are those of the record.
func TestSlice(t *testing.T) {
	t.Parallel()
	stacks := generateStacks(4, 50, 6)
	rec := StacktracesRecord(stacks)
	for _, bounds := range [][2]int{{0, 50}, {0, 1}, {49, 50}, {13, 37}, {20, 20}} {
		slice := rec.NewSlice(int64(bounds[0]), int64(bounds[1]))
		got := collect(t, readStacks, write(t, warehouse.TableStacktraces, slice, 7, 1000))
		require.Equal(t, stacks[bounds[0]:bounds[1]], append([]warehouse.Stacktrace{}, got...))
	}
	set := generate(4, shapeOf{services: 2, pods: 2, profiles: 1, stacks: 30, spans: true})
	got := collect(t, ReadSamples, write(t, warehouse.TableSamples, set.record().NewSlice(11, 77), 13, 1000))
	require.Equal(t, set.rows()[11:77], got)
}

// TestDictionariesHoldUsedValuesOnly: a tenant's file must not show the
// services of another tenant of the same segment.
func TestDictionariesHoldUsedValuesOnly(t *testing.T) {
	t.Parallel()
	rec := SamplesRecord(Dicts{Services: []string{"secret-service", "checkout"}, Types: []string{"secret-type", "cpu"}},
		[]Run{{Service: 1, Type: 1, N: 40}}, make([]warehouse.StacktraceID, 40), make([]int64, 40), nil, nil)
	data := write(t, warehouse.TableSamples, rec, MaxRowGroupRows, 1)
	require.Contains(t, string(data), "checkout")
	require.NotContains(t, string(data), "secret")
}

func TestRowGroups(t *testing.T) {
	t.Parallel()
	groups := func(t *testing.T, table warehouse.Table, data []byte) []int64 {
		m, err := readMetadata(data, table, tables[table])
		require.NoError(t, err)
		var rows []int64
		for _, g := range m.groups {
			rows = append(rows, g.rows)
		}
		return rows
	}
	profiles := ProfilesRecord(generateProfiles(1, 10))
	require.Equal(t, []int64{4, 4, 2}, groups(t, warehouse.TableProfiles, write(t, warehouse.TableProfiles, profiles, 4, 4)))

	stacks := make([]warehouse.Stacktrace, 8)
	for i := range stacks {
		stacks[i] = warehouse.Stacktrace{ID: warehouse.StacktraceID(i), Frames: make([]warehouse.Frame, 10)}
	}
	stacks[7].Frames = make([]warehouse.Frame, 100) // longer than a row group may be
	data := write(t, warehouse.TableStacktraces, StacktracesRecord(stacks), 100, 40)
	require.Equal(t, []int64{4, 2, 1, 1}, groups(t, warehouse.TableStacktraces, data))
	require.Equal(t, stacks, collect(t, readStacks, data))
}

// TestPagesOfLongStrings: pages of plain strings end by their bytes, and bounds
// that would be long are left out.
func TestPagesOfLongStrings(t *testing.T) {
	t.Parallel()
	stacks := make([]warehouse.Stacktrace, 40)
	for i := range stacks {
		stacks[i] = warehouse.Stacktrace{ID: warehouse.StacktraceID(i), Frames: []warehouse.Frame{{Function: strings.Repeat(string(rune('a'+i)), 64<<10)}}}
	}
	data := write(t, warehouse.TableStacktraces, StacktracesRecord(stacks), MaxRowGroupRows, maxRowGroupValues)
	require.Equal(t, stacks, collect(t, readStacks, data))

	profiles := []ProfileRow{{Service: strings.Repeat("x", 2000), Type: "t"}, {Service: "y", Type: "t"}}
	data = write(t, warehouse.TableProfiles, ProfilesRecord(profiles), MaxRowGroupRows, 1)
	require.Equal(t, profiles, collect(t, ReadProfiles, data))
	require.Equal(t, [][]string{{""}}, openDuck(t, data).query(t, "SELECT stats_max_value FROM parquet_metadata(FILE) WHERE path_in_schema = 'service_name'"))
}

func TestExtremeNumbers(t *testing.T) {
	t.Parallel()
	rows := []ProfileRow{
		{Time: math.MinInt64, Series: math.MinInt64, Value: math.MaxInt64, Samples: math.MinInt32, Flags: math.MaxInt32},
		{Time: math.MaxInt64, Series: math.MaxInt64, Value: math.MinInt64, Samples: math.MaxInt32, Received: -1},
		{},
	}
	data := write(t, warehouse.TableProfiles, ProfilesRecord(rows), 100, 100)
	require.Equal(t, rows, collect(t, ReadProfiles, data))
	require.Equal(t, [][]string{{"1", "1", "1"}}, openDuck(t, data).query(t,
		"SELECT count(*) FILTER (series_id < 0)::VARCHAR, count(*) FILTER (value < 0)::VARCHAR, count(*) FILTER (samples > 0)::VARCHAR FROM read_parquet(FILE)"))
}

func TestAppendParquetRefuses(t *testing.T) {
	t.Parallel()
	records := testRecords()
	series := records[warehouse.TableSeries]
	with := func(i int, column arrow.Array) arrow.RecordBatch {
		fields, columns := series.Schema().Fields(), append([]arrow.Array{}, series.Columns()...)
		columns[i] = column
		fields[i].Type, fields[i].Nullable = column.DataType(), true
		return array.NewRecordBatch(arrow.NewSchema(fields, nil), columns, series.NumRows())
	}
	renamed := series.Schema().Fields()
	renamed[1].Name = "service"
	tests := []struct {
		name  string
		table warehouse.Table
		rec   arrow.RecordBatch
		want  string
	}{
		{"unknown table", 99, series, "table(99) has no schema"},
		{"other table", warehouse.TableSamples, series, "record has 4 columns, want 10"},
		{"other name", warehouse.TableSeries, array.NewRecordBatch(arrow.NewSchema(renamed, nil), series.Columns(), series.NumRows()), `column 1 is called "service", want "service_name"`},
		{"other type", warehouse.TableSeries, with(0, series.Column(1)), "column series_id is dictionary"},
		{"nulls", warehouse.TableSeries, with(0, nullArray(arrow.PrimitiveTypes.Int64, int(series.NumRows()))), "column series_id is int64"},
		{"list for a map", warehouse.TableSeries, with(3, listArray(series.Column(3).(*array.Map).Offsets(), series.Column(3).(*array.Map).Keys())), "column labels is list"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dst, err := AppendParquet([]byte("before"), tt.table, tt.rec)
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, warehouse.Invalid, warehouse.KindOf(err))
			require.Equal(t, "before", string(dst))
		})
	}
}

// TestNullableColumnsWithoutNulls: engines call every column nullable.
func TestNullableColumnsWithoutNulls(t *testing.T) {
	t.Parallel()
	rec := testRecords()[warehouse.TableProfiles]
	fields := rec.Schema().Fields()
	for i := range fields {
		fields[i].Nullable = true
	}
	want, err := AppendParquet(nil, warehouse.TableProfiles, rec)
	require.NoError(t, err)
	got, err := AppendParquet(nil, warehouse.TableProfiles, array.NewRecordBatch(arrow.NewSchema(fields, nil), rec.Columns(), rec.NumRows()))
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got))
}
