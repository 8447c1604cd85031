package block

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// smallFiles are one file of each table with a reader, as small as they can be.
func smallFiles(tb testing.TB) map[warehouse.Table][]byte {
	tb.Helper()
	files := map[warehouse.Table][]byte{}
	for table, rec := range map[warehouse.Table]arrow.RecordBatch{
		warehouse.TableSamples:     generate(2, shapeOf{services: 2, pods: 1, profiles: 1, stacks: 10, spans: true}).record(),
		warehouse.TableProfiles:    ProfilesRecord(generateProfiles(2, 20)),
		warehouse.TableSeries:      SeriesRecord(generateSeries(2, 20)),
		warehouse.TableStacktraces: StacktracesRecord(generateStacks(2, 20, 3)),
	} {
		files[table] = write(tb, table, rec, 15, 100)
	}
	return files
}

func readAny(data []byte, t warehouse.Table) error {
	switch t {
	case warehouse.TableSamples:
		return ReadSamples(data, func(SampleRow) error { return nil })
	case warehouse.TableProfiles:
		return ReadProfiles(data, func(ProfileRow) error { return nil })
	case warehouse.TableSeries:
		return ReadSeries(data, func(warehouse.Series) error { return nil })
	}
	return ReadStacktraces(data, func(warehouse.Stacktrace) error { return nil })
}

// TestReadDamaged flips a bit of every byte and cuts everywhere: readers do not verify
// checksums, but whatever they find is an answer or a Corrupt error.
func TestReadDamaged(t *testing.T) {
	t.Parallel()
	for table, data := range smallFiles(t) {
		t.Run(table.String(), func(t *testing.T) {
			t.Parallel()
			for i := range data {
				data[i] ^= 1 << (i % 8)
				if err := readAny(data, table); err != nil && warehouse.KindOf(err) != warehouse.Corrupt {
					t.Fatalf("byte %d: %v", i, err)
				}
				data[i] ^= 1 << (i % 8)
				if i%5 > 0 {
					continue
				}
				if err := readAny(data[:i], table); warehouse.KindOf(err) != warehouse.Corrupt {
					t.Fatalf("cut at %d: %v", i, err)
				}
			}
			require.NoError(t, readAny(data, table))
		})
	}
}

func FuzzRead(f *testing.F) {
	for table, data := range smallFiles(f) {
		f.Add(uint8(table), data)
	}
	f.Fuzz(func(t *testing.T, table uint8, data []byte) {
		err := readAny(data, warehouse.Table(table))
		if err != nil && warehouse.KindOf(err) != warehouse.Corrupt {
			t.Fatalf("kind %s: %v", warehouse.KindOf(err), err)
		}
	})
}

// refooter replaces a text in the footer by another of the same length.
func refooter(tb testing.TB, data []byte, old, text string) []byte {
	tb.Helper()
	require.Len(tb, text, len(old))
	size := int(binary.LittleEndian.Uint32(data[len(data)-8:]))
	at := len(data) - 8 - size
	require.Contains(tb, string(data[at:]), old)
	return append(bytes.Clone(data[:at]), bytes.ReplaceAll(data[at:], []byte(old), []byte(text))...)
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	files := smallFiles(t)
	series := files[warehouse.TableSeries]
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "0 bytes do not begin and end as Parquet"},
		{"other table", files[warehouse.TableSamples], `of table "samples"`},
		{"newer version", refooter(t, series, "stackhouse.format\x18\x011", "stackhouse.format\x18\x012"), "format version 2 is newer than 1"},
		{"no version", refooter(t, series, "stackhouse.format", "stackhouse.farmat"), `stackhouse.format is ""`},
		{"other column", refooter(t, series, "series_id", "series_no"), "schema element 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := readAny(tt.data, warehouse.TableSeries)
			require.ErrorContains(t, err, tt.want)
			require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
		})
	}
}

// TestReadStops: the caller's error ends the reading and comes back as it is.
func TestReadStops(t *testing.T) {
	t.Parallel()
	stop := errors.New("stop")
	files, calls := smallFiles(t), 0
	count := func() error {
		calls++
		return stop
	}
	require.Equal(t, stop, ReadSamples(files[warehouse.TableSamples], func(SampleRow) error { return count() }))
	require.Equal(t, stop, ReadProfiles(files[warehouse.TableProfiles], func(ProfileRow) error { return count() }))
	require.Equal(t, stop, ReadSeries(files[warehouse.TableSeries], func(warehouse.Series) error { return count() }))
	require.Equal(t, stop, ReadStacktraces(files[warehouse.TableStacktraces], func(warehouse.Stacktrace) error { return count() }))
	require.Equal(t, 4, calls)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	set := generate(2, shapeOf{services: 2, pods: 2, profiles: 2, stacks: 20, spans: true})
	data := write(t, warehouse.TableSamples, set.record(), 30, 1)
	require.NoError(t, Check(data, warehouse.TableSamples, int64(len(set.values))))
	require.ErrorContains(t, Check(data, warehouse.TableSamples, 1), "want 1")

	set.stacks[40], set.stacks[41] = set.stacks[41], set.stacks[40]
	err := Check(write(t, warehouse.TableSamples, set.record(), 30, 1), warehouse.TableSamples, int64(len(set.values)))
	require.ErrorContains(t, err, "row 41 is not behind")
	require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))

	stacks := generateStacks(2, 5, 2)
	require.NoError(t, Check(write(t, warehouse.TableStacktraces, StacktracesRecord(stacks), 2, 100), warehouse.TableStacktraces, 5))
	stacks[2].ID = stacks[1].ID
	require.ErrorContains(t, Check(write(t, warehouse.TableStacktraces, StacktracesRecord(stacks), 2, 100), warehouse.TableStacktraces, 5), "row 2 is not behind")
	series := []warehouse.Series{{ID: 1, Type: warehouse.ProfileType{}}}
	require.ErrorContains(t, Check(write(t, warehouse.TableSeries, SeriesRecord(series), 2, 1), warehouse.TableSeries, 1), "must not be empty")
	totals := write(t, warehouse.TableStackTotals, stackTotals(t, "1", "2"), 2, 1)
	require.NoError(t, Check(totals, warehouse.TableStackTotals, 2))
	require.Equal(t, warehouse.Invalid, warehouse.KindOf(Check(totals, 77, 2)))
}
