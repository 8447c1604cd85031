package block

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/oklog/ulid/v2"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// wholeBlock is the rows of a sound final block, which tests change and store again.
type wholeBlock struct {
	part     *warehouse.Part
	sources  []warehouse.ObjectID
	samples  []SampleRow
	profiles []ProfileRow
	series   []warehouse.Series
	stacks   []warehouse.Stacktrace
	totals   []StackTotal

	records map[warehouse.Table]func(arrow.RecordBatch) arrow.RecordBatch // changes what rows cannot
	files   map[warehouse.Table]func(t *testing.T, data []byte) []byte    // changes stored bytes, which the description follows
	after   func(b *storedFiles)                                          // changes what is stored
}

// storedFiles is the folder of a block in memory.
type storedFiles struct {
	dir   string
	files map[string][]byte
}

func (s *storedFiles) Read(_ context.Context, name string, off, n int64) ([]byte, error) {
	data, ok := s.files[path.Base(name)]
	if !ok || path.Dir(name) != s.dir {
		return nil, warehouse.Errorf(warehouse.NotFound, "read object %s: it does not exist", name)
	}
	if n < 0 {
		n = int64(len(data)) - off
	}
	return data[off : off+n], nil
}

func (s *storedFiles) entries() (out []Entry) {
	for _, name := range slices.Sorted(maps.Keys(s.files)) {
		out = append(out, Entry{name, int64(len(s.files[name]))})
	}
	return out
}

const goldenBlock = "../../testdata/block/v1/blocks/anonymous/2026-11-24/10/01M89E6RZZ0D72SE2H75GYP34G"

// loadBlock reads the golden block.
func loadBlock(t *testing.T) *wholeBlock {
	t.Helper()
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(goldenBlock, name))
		require.NoError(t, err)
		return data
	}
	b := &wholeBlock{
		records: map[warehouse.Table]func(arrow.RecordBatch) arrow.RecordBatch{}, files: map[warehouse.Table]func(*testing.T, []byte) []byte{},
		after: func(*storedFiles) {},
	}
	var err error
	b.part, b.sources, err = DecodeMeta(read(MetaName))
	require.NoError(t, err)
	b.samples = collect(t, ReadSamples, read(TableName(warehouse.TableSamples)))
	b.profiles = collect(t, ReadProfiles, read(TableName(warehouse.TableProfiles)))
	b.series = collect(t, ReadSeries, read(TableName(warehouse.TableSeries)))
	b.stacks = collect(t, readStacks, read(TableName(warehouse.TableStacktraces)))
	b.totals = collect(t, ReadStackTotals, read(TableName(warehouse.TableStackTotals)))
	return b
}

// samplesOf returns the record of samples, each as a run of its own.
func samplesOf(t *testing.T, rows []SampleRow) arrow.RecordBatch {
	t.Helper()
	var dict Dicts
	index := func(list *[]string, s string) int32 {
		i := slices.Index(*list, s)
		if i < 0 {
			i = len(*list)
			*list = append(*list, s)
		}
		return int32(i)
	}
	var runs []Run
	var stacks []warehouse.StacktraceID
	var values []int64
	var spans []warehouse.SpanID
	for _, r := range rows {
		runs = append(runs, Run{Service: index(&dict.Services, r.Service), Type: index(&dict.Types, r.Type), Series: r.Series, Time: r.Time, Profile: r.Profile, N: 1})
		stacks, values = append(stacks, r.Stacktrace), append(values, r.Value)
		var span uint64
		if r.Span != "" {
			var err error
			span, err = strconv.ParseUint(r.Span, 16, 64)
			require.NoError(t, err)
		}
		spans = append(spans, warehouse.SpanID(span))
	}
	return SamplesRecord(dict, runs, stacks, values, spans, nil)
}

// store writes the block.
func (b *wholeBlock) store(t *testing.T) *storedFiles {
	t.Helper()
	s := &storedFiles{dir: BlockDir(b.part), files: map[string][]byte{}}
	records := map[warehouse.Table]arrow.RecordBatch{
		warehouse.TableSamples: samplesOf(t, b.samples), warehouse.TableProfiles: ProfilesRecord(b.profiles), warehouse.TableSeries: SeriesRecord(b.series),
		warehouse.TableStacktraces: StacktracesRecord(b.stacks), warehouse.TableStackTotals: StackTotalsRecord(b.totals),
	}
	sections := b.part.Sections
	b.part.Sections = nil
	for _, old := range sections {
		rec := records[old.Table]
		if change := b.records[old.Table]; change != nil {
			rec = change(rec)
		}
		data, err := AppendParquet(nil, old.Table, rec)
		require.NoError(t, err)
		if change := b.files[old.Table]; change != nil {
			data = change(t, data)
		}
		s.files[TableName(old.Table)] = data
		b.part.Sections = append(b.part.Sections, warehouse.Section{Table: old.Table, Size: int64(len(data)), Rows: rec.NumRows(), CRC: crc32.Checksum(data, castagnoli)})
	}
	meta, err := EncodeMeta(b.part, b.sources)
	require.NoError(t, err)
	s.files[MetaName] = meta
	b.after(s)
	return s
}

// check checks what is stored, and returns the names of what was found.
func (s *storedFiles) check(t *testing.T) *warehouse.Report {
	t.Helper()
	var r warehouse.Report
	_, err := CheckBlock(t.Context(), s, s.dir, s.entries(), &r)
	require.NoError(t, err)
	return &r
}

// replaceColumn returns the record with another column.
func replaceColumn(rec arrow.RecordBatch, i int, column arrow.Array) arrow.RecordBatch {
	columns := slices.Clone(rec.Columns())
	columns[i] = column
	return array.NewRecordBatch(rec.Schema(), columns, rec.NumRows())
}

// oneText returns a column of strings, of which the i-th is text and the rest are NULL.
func oneText(n, i int, text string) arrow.Array {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	for j := range n {
		if j == i {
			b.Append(text)
		} else {
			b.AppendNull()
		}
	}
	return b.NewArray()
}

// refile changes the metadata of a file.
func refile(change func(*format.FileMetaData)) func(*testing.T, []byte) []byte {
	return func(t *testing.T, data []byte) []byte {
		t.Helper()
		size := int(binary.LittleEndian.Uint32(data[len(data)-8:]))
		start := len(data) - 8 - size
		var m format.FileMetaData
		require.NoError(t, thrift.Unmarshal(new(thrift.CompactProtocol), data[start:start+size], &m))
		change(&m)
		footer, err := thrift.Marshal(new(thrift.CompactProtocol), &m)
		require.NoError(t, err)
		out := append(bytes.Clone(data[:start]), footer...)
		out = binary.LittleEndian.AppendUint32(out, uint32(len(footer)))
		return append(out, magic...)
	}
}

// swap exchanges two elements.
func swap[T any](s []T, i, j int) { s[i], s[j] = s[j], s[i] }

// TestCheckBlockFinds: each promise that is broken, and only where it is, is found by
// its name.
func TestCheckBlockFinds(t *testing.T) {
	t.Parallel()
	const (
		samples, profiles, series = warehouse.TableSamples, warehouse.TableProfiles, warehouse.TableSeries
		stacks, totals            = warehouse.TableStacktraces, warehouse.TableStackTotals
	)
	other, err := ulid.ParseStrict("01JZZZZZZZ0123456789ABCDEF")
	require.NoError(t, err)
	tests := []struct {
		name   string
		change func(b *wholeBlock)
		want   []string // names of findings, sorted
		text   string   // in the first
	}{
		{"nothing", func(*wholeBlock) {}, nil, ""},

		{"meta.json is missing", func(b *wholeBlock) { b.after = func(s *storedFiles) { delete(s.files, MetaName) } }, []string{CheckMeta}, "does not exist"},
		{"meta.json is no JSON", func(b *wholeBlock) { b.after = func(s *storedFiles) { s.files[MetaName] = []byte("{") } }, []string{CheckMeta}, "decode meta"},
		{"another place", func(b *wholeBlock) {
			b.after = func(s *storedFiles) { s.dir = strings.Replace(s.dir, "anonymous", "acme", 1) }
		}, []string{CheckMetaPlace}, "it describes blocks/anonymous"},
		{"a segment's level", func(b *wholeBlock) {
			b.after = func(s *storedFiles) {
				s.files[MetaName] = bytes.Replace(s.files[MetaName], []byte(`"level": 3`), []byte(`"level": 0`), 1)
			}
		}, []string{CheckMetaLevel}, "its level is 0"},
		{"other spaces", func(b *wholeBlock) {
			b.after = func(s *storedFiles) { s.files[MetaName] = append(s.files[MetaName], ' ') }
		}, []string{CheckMetaForm}, ""},
		{"a file more", func(b *wholeBlock) { b.after = func(s *storedFiles) { s.files["notes.txt"] = nil } }, []string{CheckMetaFiles}, `"notes.txt"`},
		{"a source twice", func(b *wholeBlock) { b.sources = []warehouse.ObjectID{other, other} }, []string{CheckSources}, ""},
		{"a source of its own", func(b *wholeBlock) { b.sources = []warehouse.ObjectID{b.part.Object} }, []string{CheckSources}, ""},

		{"a file is missing", func(b *wholeBlock) { b.after = func(s *storedFiles) { delete(s.files, TableName(series)) } }, []string{CheckTableMissing}, "series"},
		{"no totals", func(b *wholeBlock) {
			b.part.Sections = slices.DeleteFunc(b.part.Sections, func(s warehouse.Section) bool { return s.Table == totals })
		}, []string{CheckTableMissing}, "a final block has totals"},
		{"a file is longer", func(b *wholeBlock) {
			b.after = func(s *storedFiles) { s.files[TableName(series)] = append(s.files[TableName(series)], 0) }
		}, []string{CheckTableChecksum, CheckFooter, CheckTableSize}, "series: it has 1308 bytes, the description says 1307"},
		{"a file is other", func(b *wholeBlock) {
			b.after = func(s *storedFiles) { s.files[TableName(totals)][6] ^= 1 }
		}, []string{CheckTableChecksum, CheckPage}, "stack_totals: it has checksum"},

		{"no Parquet", func(b *wholeBlock) {
			b.files[series] = func(*testing.T, []byte) []byte { return []byte("no Parquet at all") }
		}, []string{CheckFooter}, "do not begin and end"},
		{"another field id", func(b *wholeBlock) {
			b.files[series] = refile(func(m *format.FileMetaData) { m.Schema[2].FieldID = 77 })
		}, []string{CheckSchema}, "schema element 2"},
		{"another table", func(b *wholeBlock) {
			b.files[series] = refile(func(m *format.FileMetaData) {
				for i := range m.KeyValueMetadata {
					if m.KeyValueMetadata[i].Key == keyTable {
						m.KeyValueMetadata[i].Value = "samples"
					}
				}
			})
		}, []string{CheckMetadata}, `the file is of table "samples"`},
		{"another version of Parquet", func(b *wholeBlock) {
			b.files[series] = refile(func(m *format.FileMetaData) { m.Version = 7 })
		}, []string{CheckMetadata}, "version of Parquet is 7"},
		{"a wrong size of a row group", func(b *wholeBlock) {
			b.files[series] = refile(func(m *format.FileMetaData) { m.RowGroups[0].TotalByteSize++ })
		}, []string{CheckRowGroup}, "unpacked"},
		{"a wrong order of a row group", func(b *wholeBlock) {
			b.files[samples] = refile(func(m *format.FileMetaData) { m.RowGroups[0].SortingColumns = nil })
		}, []string{CheckRowGroup}, "stated order"},
		{"a damaged page", func(b *wholeBlock) {
			b.files[stacks] = func(_ *testing.T, data []byte) []byte { data[60] ^= 1; return data }
		}, []string{CheckPage}, "stacktraces"},
		{"a wrong smallest value", func(b *wholeBlock) {
			b.files[samples] = refile(func(m *format.FileMetaData) {
				m.RowGroups[0].Columns[9].MetaData.Statistics.MinValue = binary.LittleEndian.AppendUint64(nil, 5)
			})
		}, []string{CheckBounds}, "samples, row"},
		{"a row less than described", func(b *wholeBlock) {
			b.after = func(s *storedFiles) {
				s.files[MetaName] = bytes.Replace(s.files[MetaName], []byte(`"rows": 8,`), []byte(`"rows": 9,`), 1)
			}
		}, []string{CheckRows}, "file has 8 rows, want 9"},
		{"rows in another order", func(b *wholeBlock) { swap(b.profiles, 0, 40) }, []string{CheckOrder}, "profiles, row"},
		{"an id twice", func(b *wholeBlock) { b.series = slices.Insert(b.series, 1, b.series[0]) }, []string{CheckUnique}, "series, row 1"},
		{"lists of different length", func(b *wholeBlock) {
			b.records[stacks] = func(rec arrow.RecordBatch) arrow.RecordBatch {
				short := slices.Clone(b.stacks)
				short[3].Frames = short[3].Frames[1:]
				return replaceColumn(rec, 4, StacktracesRecord(short).Column(4))
			}
		}, []string{CheckLists}, "column lines"},

		{"a sample of another hour", func(b *wholeBlock) { b.samples[len(b.samples)-1].Time += 3_600_000_000 }, []string{CheckProfileSamples, CheckProfileValue, CheckSampleHour, CheckSampleProfile}, ""},
		{"a value of 0", func(b *wholeBlock) { b.samples[7].Value = 0 }, []string{CheckProfileValue, CheckSampleValue, CheckTotalValue}, ""},
		{"a negative value", func(b *wholeBlock) { b.samples[7].Value = -5 }, []string{CheckProfileValue, CheckSampleValue, CheckTotalValue}, ""},
		{"a sample's value", func(b *wholeBlock) { b.samples[7].Value++ }, []string{CheckProfileValue, CheckTotalValue}, ""},
		{"a span that is none", func(b *wholeBlock) {
			b.records[samples] = func(rec arrow.RecordBatch) arrow.RecordBatch {
				return replaceColumn(rec, 6, oneText(len(b.samples), 9, "ABC"))
			}
		}, []string{CheckSampleSpan}, "samples, row 9, column span_id"},
		{"a trace that is none", func(b *wholeBlock) {
			b.records[samples] = func(rec arrow.RecordBatch) arrow.RecordBatch {
				return replaceColumn(rec, 7, oneText(len(b.samples), 9, "abc"))
			}
		}, []string{CheckSampleSpan}, "column trace_id"},
		{"attributes", func(b *wholeBlock) {
			b.records[samples] = func(rec arrow.RecordBatch) arrow.RecordBatch {
				x := array.NewInt64Builder(memory.DefaultAllocator)
				for range b.samples {
					x.Append(3)
				}
				return replaceColumn(rec, 8, x.NewArray())
			}
		}, []string{CheckSampleAttributes}, "it is 3"},
		{"a profile's row is missing", func(b *wholeBlock) { b.profiles = slices.Delete(b.profiles, 5, 6) }, []string{CheckDatasets, CheckSampleProfile}, "has no row"},
		{"a profile without its samples", func(b *wholeBlock) {
			b.samples = slices.DeleteFunc(b.samples, func(r SampleRow) bool { return r.Profile == b.profiles[0].ID && r.Series == b.profiles[0].Series })
		}, []string{CheckDatasets, CheckProfileSamples, CheckProfileValue, CheckTotalValue}, ""},
		{"an undefined series", func(b *wholeBlock) { b.series = slices.Delete(b.series, 2, 3) }, []string{CheckProfileSeries, CheckSampleSeries}, "is not defined"},
		{"an undefined stacktrace", func(b *wholeBlock) { b.stacks = slices.Delete(b.stacks, 2, 3) }, []string{CheckSampleStack}, "is not defined"},

		{"a profile's value", func(b *wholeBlock) { b.profiles[3].Value++ }, []string{CheckProfileValue}, "profiles, row 3, column value"},
		{"a profile's number of samples", func(b *wholeBlock) { b.profiles[3].Samples++ }, []string{CheckProfileSamples}, "profiles, row 3, column samples"},
		{"a profile's flags", func(b *wholeBlock) { b.profiles[3].Flags = 64 }, []string{CheckProfileFlags}, "profiles, row 3"},
		{"a negative profile", func(b *wholeBlock) { b.profiles[3].Value = math.MinInt64 }, []string{CheckProfileValue}, "is negative"},
		{"a profile of another hour", func(b *wholeBlock) {
			last := b.profiles[len(b.profiles)-1]
			last.Time, last.Samples, last.Value = b.part.Hour.End(), 0, 0
			b.profiles = append(b.profiles, last)
		}, []string{CheckRange, CheckDatasets, CheckProfileHour}, ""},

		{"a series' label", func(b *wholeBlock) { b.series[1].Labels = b.series[1].Labels.With("pod", "other") }, []string{CheckSeriesID}, "series, row 1"},
		{"a series without service", func(b *wholeBlock) {
			b.series[1].Labels = slices.DeleteFunc(slices.Clone(b.series[1].Labels), func(l warehouse.Label) bool { return l.Name == warehouse.LabelService })
		}, []string{CheckProfileSeries, CheckSampleSeries, CheckSeriesID, CheckSeriesLabels}, ""},
		{"labels in another order", func(b *wholeBlock) {
			ls := slices.Clone(b.series[1].Labels)
			swap(ls, 0, 2)
			b.series[1].Labels = ls
		}, []string{CheckProfileSeries, CheckSampleSeries, CheckSeriesID, CheckSeriesLabels}, ""},
		{"a derived label", func(b *wholeBlock) { b.series[1].Labels = b.series[1].Labels.With(warehouse.LabelUnit, "x") }, []string{CheckSeriesID, CheckSeriesLabels}, ""},
		{"a series' type", func(b *wholeBlock) { b.series[1].Type.Name = "other" }, []string{CheckProfileSeries, CheckSampleSeries, CheckSeriesID}, ""},
		{"a type that is none", func(b *wholeBlock) {
			b.records[series] = func(rec arrow.RecordBatch) arrow.RecordBatch {
				return replaceColumn(rec, 2, dictionaryArray(make([]int32, len(b.series)), []string{"nonsense"}))
			}
		}, []string{CheckSeriesType}, "nonsense"},

		{"a frame's function", func(b *wholeBlock) { b.stacks[4].Frames[0].Function = "other" }, []string{CheckStackID}, `of which the first is "other"`},
		{"a frame's line", func(b *wholeBlock) { b.stacks[4].Frames[0].Line++ }, []string{CheckStackID}, "stacktraces, row 4"},
		{"a frame less", func(b *wholeBlock) { b.stacks[4].Frames = b.stacks[4].Frames[1:] }, []string{CheckStackID}, ""},
		{"a build id is a hint", func(b *wholeBlock) { b.stacks[4].Frames[0].BuildID = "other" }, nil, ""},

		{"a total's value", func(b *wholeBlock) { b.totals[2].Value = decimal128.FromI64(1) }, []string{CheckTotalValue}, "stack_totals, row 2, column value"},
		{"a total's samples", func(b *wholeBlock) { b.totals[2].Samples++ }, []string{CheckTotalValue}, "stack_totals, row 2, column samples"},
		{"a total less", func(b *wholeBlock) { b.totals = slices.Delete(b.totals, 2, 3) }, []string{CheckTotalRows}, "has samples and no row"},
		{"a total more", func(b *wholeBlock) {
			more := b.totals[len(b.totals)-1]
			more.Stacktrace = math.MaxInt64
			b.totals = append(b.totals, more)
		}, []string{CheckTotalRows}, "has no samples"},
		{"totals of a service more", func(b *wholeBlock) {
			more := b.totals[len(b.totals)-1]
			more.Service = "zzz"
			b.totals = append(b.totals, more)
		}, []string{CheckTotalRows}, "has no samples"},
		{"totals of another hour", func(b *wholeBlock) {
			for i := range b.totals {
				b.totals[i].Hour++
			}
		}, []string{CheckTotalHour}, ""},

		{"a described type's rows", func(b *wholeBlock) { b.part.Datasets[0].Types[0].Rows++ }, []string{CheckDatasets}, "a dataset is described as"},
		{"described profiles", func(b *wholeBlock) { b.part.Datasets[0].Profiles++ }, []string{CheckDatasets}, ""},
		{"a described service", func(b *wholeBlock) { b.part.Datasets[0].Service = "a" }, []string{CheckDatasets}, ""},
		{"a dataset less", func(b *wholeBlock) { b.part.Datasets = b.part.Datasets[:1] }, []string{CheckDatasets}, "the description has 1 datasets, the rows 2"},
		{"a described range", func(b *wholeBlock) { b.part.Range.To++ }, []string{CheckRange}, "the description says times"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := loadBlock(t)
			tt.change(b)
			r := b.store(t).check(t)
			var text []string
			for _, f := range r.Findings {
				text = append(text, f.String())
			}
			slices.Sort(tt.want)
			require.Equal(t, tt.want, slices.Sorted(maps.Keys(r.Found)), strings.Join(text, "\n"))
			require.Contains(t, strings.Join(text, "\n"), tt.text)
			require.Positive(t, r.Checks)
			require.Empty(t, r.Skipped)
		})
	}
}

// TestCheckBlockSplits: below the final level, definitions may be elsewhere.
func TestCheckBlockSplits(t *testing.T) {
	t.Parallel()
	b := loadBlock(t)
	b.part.Level = 1
	b.part.Sections = slices.DeleteFunc(b.part.Sections, func(s warehouse.Section) bool {
		return s.Table == warehouse.TableStackTotals || s.Table == warehouse.TableStacktraces
	})
	b.series = b.series[1:]
	require.Empty(t, b.store(t).check(t).Findings)
}

// TestCheckPartition: every id is defined in some live object of its dataset
// partition, which is one of its service.
func TestCheckPartition(t *testing.T) {
	t.Parallel()
	b := loadBlock(t)
	whole := b.store(t)
	user, definer := *b.part, *b.part
	user.Level, definer.Level = 1, 2
	user.Sections = slices.DeleteFunc(slices.Clone(b.part.Sections), func(s warehouse.Section) bool { return s.Table >= warehouse.TableSeries })
	definer.Sections = slices.DeleteFunc(slices.Clone(b.part.Sections), func(s warehouse.Section) bool {
		return s.Table != warehouse.TableSeries && s.Table != warehouse.TableStacktraces
	})
	other := definer
	other.Datasets = slices.Clone(definer.Datasets)[:1] // only "cart"
	check := func(parts ...*warehouse.Part) *warehouse.Report {
		var r warehouse.Report
		require.NoError(t, CheckPartition(parts, func(_ *warehouse.Part, table warehouse.Table) ([]byte, error) {
			return whole.files[TableName(table)], nil
		}, &r))
		return &r
	}
	require.Empty(t, check(b.part).Findings)
	require.Empty(t, check(&user, &definer).Findings)
	require.Empty(t, check(&definer, &user).Findings)

	r := check(&user)
	require.Equal(t, map[string]int{CheckDefined: len(b.profiles) + 2*len(b.samples)}, r.Found)
	require.Len(t, r.Findings, warehouse.MaxFindings)
	require.Equal(t, warehouse.Finding{
		Check: CheckDefined, Object: BlockDir(&user), Table: "profiles", Row: 0, Column: "series_id",
		Text: fmt.Sprintf("no live object of anonymous, 2026-11-24T10, service \"cart\" defines %d", b.profiles[0].Series),
	}, r.Findings[0])

	r = check(&user, &other)
	of := 0
	for i := range b.samples {
		if b.samples[i].Service == "checkout" {
			of += 2
		}
	}
	for i := range b.profiles {
		if b.profiles[i].Service == "checkout" {
			of++
		}
	}
	require.Equal(t, of, r.Found[CheckDefined], "an object without the service does not count")

	r = &warehouse.Report{}
	require.NoError(t, CheckPartition([]*warehouse.Part{b.part}, func(*warehouse.Part, warehouse.Table) ([]byte, error) {
		return nil, warehouse.Errorf(warehouse.NotFound, "gone")
	}, r))
	require.False(t, r.Failed())
	require.Equal(t, 4, r.Skipped[CheckDefined])
	cause := warehouse.Errorf(warehouse.Unavailable, "disk")
	require.ErrorIs(t, CheckPartition([]*warehouse.Part{b.part}, func(*warehouse.Part, warehouse.Table) ([]byte, error) { return nil, cause }, r), cause)
}

// TestLayoutOf: what is told of a file is what is in it.
func TestLayoutOf(t *testing.T) {
	t.Parallel()
	for _, table := range Tables() {
		data, err := os.ReadFile(filepath.Join(goldenBlock, TableName(table)))
		require.NoError(t, err)
		l, err := LayoutOf(data, table)
		require.NoError(t, err)
		require.Equal(t, "1", l.Format)
		require.Len(t, l.Groups, 1)
		require.Len(t, l.Groups[0].Columns, len(tables[table].leaves))
		require.Equal(t, l.Rows, l.Groups[0].Rows)
		_, err = LayoutOf(data[:len(data)-9], table)
		require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
	}
	data, err := os.ReadFile(filepath.Join(goldenBlock, TableName(warehouse.TableSamples)))
	require.NoError(t, err)
	l, err := LayoutOf(data, warehouse.TableSamples)
	require.NoError(t, err)
	c := l.Groups[0].Columns[0]
	require.Equal(t, "2026-11-24T10:00:00.000000Z", c.Min)
	require.Equal(t, "2026-11-24T10:30:00.000001Z", c.Max)
	id := l.Groups[0].Columns[5]
	_, err = hex.DecodeString(strings.ReplaceAll(id.Min, "-", ""))
	require.NoError(t, err)
}
