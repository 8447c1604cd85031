package block

import (
	"bytes"
	"cmp"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// openBoth returns the second reader of a file and the columns of its first row
// group as ours has them, in memory of their own.
func openBoth(t *testing.T, data []byte, table warehouse.Table) (*secondReader, []columnValues) {
	t.Helper()
	m, err := readMetadata(data, table, tables[table])
	require.NoError(t, err)
	s, err := openSecond(data, table, tables[table], m)
	require.NoError(t, err)
	reader := chunkReaders.New().(*chunkReader)
	columns := make([]columnValues, len(tables[table].leaves))
	require.NoError(t, readGroup(reader, data, tables[table], &m.groups[0], columns))
	return s, columns
}

// TestCheckAccepts: what the encoder writes of any shape is understood equally by
// both readers, and everything that is stated about it is true.
func TestCheckAccepts(t *testing.T) {
	t.Parallel()
	records := testRecords()
	records[warehouse.TableProfiles] = ProfilesRecord(sortedProfiles(300))
	records[warehouse.TableStackTotals] = stackTotals(t, "-99999999999999999999999999999999999999", "-1", "0", "5", "99999999999999999999")
	for table, rec := range records {
		n := rec.NumRows()
		for _, rows := range []int{1, 30, MaxRowGroupRows} {
			if rows == 1 && n > 300 {
				rows = 7
			}
			rec.Retain()
			data := write(t, table, rec, rows, rows)
			require.NoError(t, Check(data, table, n), "%s in row groups of %d", table, rows)
			m, err := readMetadata(data, table, tables[table])
			require.NoError(t, err)
			checkCodecs(t, m)
		}
		empty := write(t, table, array.NewRecordBuilder(memory.DefaultAllocator, ArrowSchema(table)).NewRecordBatch(), 10, 10)
		require.NoError(t, Check(empty, table, 0))
	}
	set, data := sampleFile(t, shapeOf{services: 2, pods: 1, profiles: 70, stacks: 500, spans: true}, MaxRowGroupRows)
	require.NoError(t, Check(data, warehouse.TableSamples, int64(len(set.values))), "several pages")

	long := sortedProfiles(3)
	for i := range long {
		long[i].Service = strings.Repeat("s", 300+i)
	}
	require.NoError(t, Check(write(t, warehouse.TableProfiles, ProfilesRecord(long), 10, 10), warehouse.TableProfiles, 3), "too long to be stated")
}

func sortedProfiles(n int) []ProfileRow {
	rows := generateProfiles(2, n)
	slices.SortFunc(rows, func(a, b ProfileRow) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), cmp.Compare(a.Series, b.Series))
	})
	return rows
}

// checkCodecs: parquet-go takes the codec of a column from its first row group.
func checkCodecs(t *testing.T, m *metadata) {
	t.Helper()
	for _, g := range m.groups {
		for j := range g.chunks {
			require.Equal(t, m.groups[0].chunks[j].codec, g.chunks[j].codec, "column %d", j)
		}
	}
}

// TestCheckFindsFlips flips bits everywhere. No answer but a Corrupt error or
// none is given; of the bodies of pages every flip is found, and of the rest all
// but names, optional facts left out and bits that no reader looks at: the
// checksum of the whole file is for those.
func TestCheckFindsFlips(t *testing.T) {
	t.Parallel()
	for _, table := range Tables() {
		t.Run(table.String(), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile("testdata/v1/" + TableName(table))
			require.NoError(t, err)
			body := bodies(t, data, table)
			missed := 0
			for i := range data {
				data[i] ^= 1 << (i % 8)
				err := Check(data, table, 5)
				data[i] ^= 1 << (i % 8)
				if err == nil {
					require.False(t, body[i], "byte %d", i)
					missed++
					continue
				}
				require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err), "byte %d: %v", i, err)
				require.Contains(t, err.Error(), table.String())
			}
			require.Less(t, missed, len(data)/10)
		})
	}
}

// bodies says which bytes of a file belong to the bodies of pages.
func bodies(t *testing.T, data []byte, table warehouse.Table) []bool {
	t.Helper()
	m, err := readMetadata(data, table, tables[table])
	require.NoError(t, err)
	within := make([]bool, len(data))
	for _, g := range m.groups {
		for j := range g.chunks {
			pages, err := pagesOf(data, &g.chunks[j])
			require.NoError(t, err)
			for _, p := range pages {
				for i := p.offset + p.head(); i < p.offset+p.length; i++ {
					within[i] = true
				}
			}
		}
	}
	return within
}

// TestSecondReaderCompares: a value that one reader has otherwise is found, with
// its column and row.
func TestSecondReaderCompares(t *testing.T) {
	t.Parallel()
	files := smallFiles(t)
	files[warehouse.TableStackTotals] = write(t, warehouse.TableStackTotals, stackTotals(t, "7", "-9", "3"), 10, 10)
	tests := []struct {
		name   string
		table  warehouse.Table
		change func(c []columnValues)
		want   string
	}{
		{"nothing", warehouse.TableSamples, func([]columnValues) {}, ""},
		{"time", warehouse.TableSamples, func(c []columnValues) { c[0].ints[4]++ }, "column time, row 104: parquet-go has 17"},
		{"string", warehouse.TableSamples, func(c []columnValues) { c[1].texts[0] += "x" }, `column service_name, row 100: parquet-go has "service-000", our reader "service-000x"`},
		{"uuid", warehouse.TableSamples, func(c []columnValues) { c[5].fixed[32]++ }, "column profile_id, row 102: parquet-go has"},
		{"value for NULL", warehouse.TableSamples, func(c []columnValues) { flipPresent(c[6].present, 0) }, "parquet-go has NULL: true, our reader: false"},
		{"NULL for value", warehouse.TableSamples, func(c []columnValues) { flipPresent(c[6].present, 1) }, "parquet-go has NULL: false, our reader: true"},
		{"int32", warehouse.TableProfiles, func(c []columnValues) { c[8].ints[14]-- }, "column samples, row 114: parquet-go has"},
		{"decimal", warehouse.TableStackTotals, func(c []columnValues) { c[4].fixed[31]++ }, "column value, row 101: parquet-go has fffffffffffffffffffffffffffffff7"},
		{"key", warehouse.TableSeries, func(c []columnValues) { c[3].texts[1] = "pod" }, "column labels.key, row 10"},
		{"longer list", warehouse.TableStacktraces, func(c []columnValues) { c[4].offsets[1]++ }, "column lines, row 10"},
		{"shorter list", warehouse.TableStacktraces, func(c []columnValues) { c[1].offsets[len(c[1].offsets)-1]-- }, "is over for our reader"},
		{"missing end", warehouse.TableStacktraces, func(c []columnValues) { c[1].offsets[len(c[1].offsets)-1]++ }, "our reader has 1 values more"},
		{"bool", warehouse.TableStacktraces, func(c []columnValues) { c[9].bits[0] ^= 1 }, "column inlined, row 10"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, columns := openBoth(t, files[tt.table], tt.table)
			tt.change(columns)
			err := s.group(0, columns, 100)
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.want)
		})
	}
}

// flipPresent flips the first that is equal to from.
func flipPresent(present []level, from level) {
	for i := range present {
		if present[i] == from {
			present[i] ^= 1
			return
		}
	}
}

// TestCheckRefusesClaims: what is stated about values must be true of them.
func TestCheckRefusesClaims(t *testing.T) {
	t.Parallel()
	rows := sortedProfiles(20)
	for i := range rows {
		rows[i].Period = 0x1122334455667788 + int64(i)
	}
	data := write(t, warehouse.TableProfiles, ProfilesRecord(rows), 30, 100)
	require.NoError(t, Check(data, warehouse.TableProfiles, 20))
	tests := []struct{ name, old, text, want string }{
		{"smallest too large", "\x88\x77\x66\x55\x44\x33\x22\x11", "\x8a\x77\x66\x55\x44\x33\x22\x11", "is outside the stated"},
		{"smallest too small", "\x88\x77\x66\x55\x44\x33\x22\x11", "\x80\x77\x66\x55\x44\x33\x22\x11", "are not the smallest and largest value"},
		{"largest too small", "\x9b\x77\x66\x55\x44\x33\x22\x11", "\x90\x77\x66\x55\x44\x33\x22\x11", "is outside the stated"},
		{"largest too large", "\x9b\x77\x66\x55\x44\x33\x22\x11", "\x9c\x77\x66\x55\x44\x33\x22\x11", "are not the smallest and largest value"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := Check(refooter(t, data, tt.old, tt.text), warehouse.TableProfiles, 20)
			require.ErrorContains(t, err, "check profiles: column period")
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
		})
	}
}

// foreignFile writes a series file without rows with parquet-go, in which the
// profile type has the field id.
func foreignFile(t *testing.T, id int) []byte {
	t.Helper()
	text := func(id int) parquet.Node { return parquet.FieldID(parquet.String(), id) }
	root := parquet.Group{
		"series_id":    parquet.FieldID(parquet.Leaf(bareInt64{parquet.Int64Type}), 1),
		"service_name": text(2),
		"profile_type": text(id),
		"labels":       parquet.FieldID(parquet.Map(text(5), text(6)), 4),
	}
	var buf bytes.Buffer
	w := parquet.NewGenericWriter[any](&buf, parquet.NewSchema("schema", ordered{root, []string{"series_id", "service_name", "profile_type", "labels"}}),
		parquet.KeyValueMetadata(keyFormat, "1"), parquet.KeyValueMetadata(keyTable, "series"))
	require.NoError(t, w.Close())
	return buf.Bytes()
}

// bareInt64 is an INT64 without the INT(64, signed) that parquet-go adds.
type bareInt64 struct{ parquet.Type }

func (bareInt64) Length() int                              { return 0 }
func (bareInt64) LogicalType() *format.LogicalType         { return nil }
func (bareInt64) ConvertedType() *deprecated.ConvertedType { return nil }

// ordered is a group whose fields are in a given order and not by name.
type ordered struct {
	parquet.Group
	names []string
}

func (o ordered) Fields() []parquet.Field {
	var fields []parquet.Field
	for _, name := range o.names {
		for _, f := range o.Group.Fields() {
			if f.Name() == name {
				fields = append(fields, f)
			}
		}
	}
	return fields
}

// TestForeignFieldID: a file that another library wrote is refused for a wrong
// field id alone, by either reader.
func TestForeignFieldID(t *testing.T) {
	t.Parallel()
	tab := tables[warehouse.TableSeries]
	open := func(id int) error {
		data := foreignFile(t, id)
		_, err := openSecond(data, warehouse.TableSeries, tab, &metadata{format: "1", table: "series"})
		return err
	}
	require.NotContains(t, errorText(open(3)), "schema", "the schema is right")
	require.ErrorContains(t, open(9), `schema element 3 is "required BYTE_ARRAY profile_type STRING (converted type 0) = 9", want "required BYTE_ARRAY profile_type STRING (converted type 0) = 3"`)

	err := Check(foreignFile(t, 9), warehouse.TableSeries, 0)
	require.ErrorContains(t, err, "schema element 3")
	require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestGuarded(t *testing.T) {
	t.Parallel()
	require.NoError(t, guarded(func() error { return nil }))
	cause := errors.New("cause")
	require.ErrorIs(t, guarded(func() error { return cause }), cause)
	require.ErrorContains(t, guarded(func() error { panic("index out of range") }), "parquet-go: panic: index out of range")
}

// FuzzCheck: any bytes are a table or a Corrupt error, whatever parquet-go makes
// of them.
func FuzzCheck(f *testing.F) {
	for table, data := range smallFiles(f) {
		f.Add(uint8(table), data)
	}
	f.Fuzz(func(t *testing.T, table uint8, data []byte) {
		err := Check(data, warehouse.Table(table), 20)
		if err != nil && tables[warehouse.Table(table)] != nil && warehouse.KindOf(err) != warehouse.Corrupt {
			t.Fatalf("kind %s: %v", warehouse.KindOf(err), err)
		}
	})
}
