package block

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// sampleFile returns a file of several row groups and, with pages of the full
// size, of several pages.
func sampleFile(t *testing.T, shape shapeOf, maxRows int) (*sampleSet, []byte) {
	t.Helper()
	set := generate(3, shape)
	return set, write(t, warehouse.TableSamples, set.record(), maxRows, maxRows)
}

// TestParquetGoReads opens files with a second, independent implementation,
// page index included.
func TestParquetGoReads(t *testing.T) {
	t.Parallel()
	set, data := sampleFile(t, shapeOf{services: 2, pods: 1, profiles: 70, stacks: 500, spans: true}, MaxRowGroupRows)
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	require.Equal(t, int64(len(set.values)), f.NumRows())
	require.NotEmpty(t, f.OffsetIndexes(), "several pages need a page index")
	version, _ := f.Lookup("stackhouse.format")
	require.Equal(t, "1", version)

	want := set.rows()
	for column, text := range map[string]func(SampleRow) string{
		"time":          func(r SampleRow) string { return fmt.Sprint(int64(r.Time)) },
		"service_name":  func(r SampleRow) string { return r.Service },
		"stacktrace_id": func(r SampleRow) string { return fmt.Sprint(int64(r.Stacktrace)) },
		"profile_id":    func(r SampleRow) string { return string(r.Profile[:]) },
		"span_id":       func(r SampleRow) string { return r.Span },
		"value":         func(r SampleRow) string { return fmt.Sprint(r.Value) },
	} {
		leaf, ok := f.Schema().Lookup(column)
		require.True(t, ok)
		row := 0
		for _, group := range f.RowGroups() {
			pages := group.ColumnChunks()[leaf.ColumnIndex].Pages()
			for {
				page, err := pages.ReadPage()
				if errors.Is(err, io.EOF) {
					break
				}
				require.NoError(t, err, column)
				values := make([]parquet.Value, page.NumValues())
				_, err = page.Values().ReadValues(values)
				require.True(t, err == nil || errors.Is(err, io.EOF), "%v", err)
				for _, v := range values {
					if row++; row%13 > 0 { // all would take long
						continue
					}
					got := ""
					if !v.IsNull() {
						got = v.String()
					}
					if got != text(want[row-1]) {
						t.Fatalf("%s of row %d is %q, want %q", column, row-1, got, text(want[row-1]))
					}
				}
			}
			require.NoError(t, pages.Close())
		}
		require.Equal(t, len(want), row)
	}
}

// TestParquetGoSeeks uses the page index to jump into the middle.
func TestParquetGoSeeks(t *testing.T) {
	t.Parallel()
	set, data := sampleFile(t, shapeOf{services: 1, pods: 3, profiles: 120, stacks: 500}, MaxRowGroupRows)
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	chunk := f.RowGroups()[0].ColumnChunks()[9]
	index, err := chunk.ColumnIndex()
	require.NoError(t, err)
	require.Greater(t, index.NumPages(), 1)
	for _, row := range []int{0, pageValues - 1, pageValues, len(set.values) - 1} {
		pages := chunk.Pages()
		require.NoError(t, pages.SeekToRow(int64(row)))
		page, err := pages.ReadPage()
		require.NoError(t, err)
		var v [1]parquet.Value
		_, _ = page.Values().ReadValues(v[:])
		require.Equal(t, set.values[row], v[0].Int64())
		p := row / pageValues
		require.LessOrEqual(t, index.MinValue(p).Int64(), set.values[row])
		require.GreaterOrEqual(t, index.MaxValue(p).Int64(), set.values[row])
		require.NoError(t, pages.Close())
	}
}

// TestSchemaIsFrozen spells out what docs/FORMAT.md promises: names, types and
// field ids as an independent reader sees them.
func TestSchemaIsFrozen(t *testing.T) {
	t.Parallel()
	want := map[warehouse.Table]string{
		warehouse.TableSamples: `
			required int64 time (TIMESTAMP(isAdjustedToUTC=true,unit=MICROS)) = 1
			required binary service_name (STRING) = 2
			required binary profile_type (STRING) = 3
			required int64 series_id = 4
			required int64 stacktrace_id = 5
			required fixed_len_byte_array(16) profile_id (UUID) = 6
			optional binary span_id (STRING) = 7
			optional binary trace_id (STRING) = 8
			optional int64 attributes_id = 9
			required int64 value = 10`,
		warehouse.TableProfiles: `
			required int64 time (TIMESTAMP(isAdjustedToUTC=true,unit=MICROS)) = 1
			required binary service_name (STRING) = 2
			required binary profile_type (STRING) = 3
			required int64 series_id = 4
			required fixed_len_byte_array(16) profile_id (UUID) = 5
			required int64 duration_ns = 6
			required int64 period = 7
			required int64 value = 8
			required int32 samples = 9
			required int64 received (TIMESTAMP(isAdjustedToUTC=true,unit=MICROS)) = 10
			required int32 flags = 11`,
		warehouse.TableSeries: `
			required int64 series_id = 1
			required binary service_name (STRING) = 2
			required binary profile_type (STRING) = 3
			required group labels (MAP) = 4
			repeated group key_value = 0
			required binary key (STRING) = 5
			required binary value (STRING) = 6`,
		warehouse.TableStacktraces: `
			required int64 stacktrace_id = 1
			required group functions (LIST) = 2
			repeated group list = 0
			required binary element (STRING) = 3
			required group system_names (LIST) = 4
			repeated group list = 0
			required binary element (STRING) = 5
			required group filenames (LIST) = 6
			repeated group list = 0
			required binary element (STRING) = 7
			required group lines (LIST) = 8
			repeated group list = 0
			required int64 element = 9
			required group start_lines (LIST) = 10
			repeated group list = 0
			required int64 element = 11
			required group mappings (LIST) = 12
			repeated group list = 0
			required binary element (STRING) = 13
			required group build_ids (LIST) = 14
			repeated group list = 0
			required binary element (STRING) = 15
			required group addresses (LIST) = 16
			repeated group list = 0
			required int64 element = 17
			required group inlined (LIST) = 18
			repeated group list = 0
			required boolean element = 19`,
		warehouse.TableStackTotals: `
			required int64 hour (TIMESTAMP(isAdjustedToUTC=true,unit=MICROS)) = 1
			required binary service_name (STRING) = 2
			required binary profile_type (STRING) = 3
			required int64 stacktrace_id = 4
			required fixed_len_byte_array(16) value (DECIMAL(38,0)) = 5
			required int64 samples = 6`,
	}
	for _, table := range Tables() {
		rec := array.NewRecordBuilder(memory.DefaultAllocator, ArrowSchema(table)).NewRecordBatch()
		data := write(t, table, rec, 10, 10)
		f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
		require.NoError(t, err)
		var lines []string
		for _, e := range f.Metadata().Schema[1:] {
			typ := "group"
			if e.Type.Valid {
				typ = strings.ToLower(e.Type.V.String())
				typ = strings.ReplaceAll(typ, "byte_array", "binary")
				if e.TypeLength.Valid {
					typ = fmt.Sprintf("fixed_len_byte_array(%d)", e.TypeLength.V)
				}
			}
			line := strings.ToLower(e.RepetitionType.V.String()) + " " + typ + " " + e.Name
			if e.LogicalType.Value != nil {
				line += " (" + e.LogicalType.Value.String() + ")"
			}
			lines = append(lines, fmt.Sprintf("%s = %d", line, e.FieldID))
		}
		require.Equal(t, strings.ReplaceAll(strings.TrimSpace(want[table]), "\t", ""), strings.Join(lines, "\n"), table)
	}
}
