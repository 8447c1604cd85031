package block

import (
	"fmt"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// write encodes and releases the record, in row groups and pages as small as
// asked for.
func write(tb testing.TB, t warehouse.Table, rec arrow.RecordBatch, maxRows, maxValues int) []byte {
	tb.Helper()
	defer rec.Release()
	data, err := appendParquet(nil, t, rec, maxRows, maxValues, pageValues)
	require.NoError(tb, err)
	return data
}

func collect[T any](tb testing.TB, read func([]byte, func(T) error) error, data []byte) []T {
	tb.Helper()
	var rows []T
	require.NoError(tb, read(data, func(row T) error {
		rows = append(rows, row)
		return nil
	}))
	return rows
}

func readStacks(data []byte, fn func(warehouse.Stacktrace) error) error {
	return ReadStacktraces(data, func(s warehouse.Stacktrace) error {
		s.Frames = append([]warehouse.Frame(nil), s.Frames...)
		return fn(s)
	})
}

// TestRoundTrip writes tables of many sizes in row groups of many sizes: what is
// read is what was written.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 2, 7, 8, 9, 300} {
		for _, rows := range []int{1, 5, 100, MaxRowGroupRows} {
			t.Run(fmt.Sprintf("rows=%d/group=%d", n, rows), func(t *testing.T) {
				t.Parallel()
				samples := generate(uint64(n), shapeOf{services: 2, pods: 1, profiles: 1, stacks: n, spans: n%2 == 1})
				require.Equal(t, samples.rows(), collect(t, ReadSamples, write(t, warehouse.TableSamples, samples.record(), rows, rows)))
				profiles := generateProfiles(uint64(n), n)
				require.Equal(t, slices.Clip(profiles), append([]ProfileRow{}, collect(t, ReadProfiles, write(t, warehouse.TableProfiles, ProfilesRecord(profiles), rows, rows))...))
				series := generateSeries(uint64(n), n)
				got := collect(t, ReadSeries, write(t, warehouse.TableSeries, SeriesRecord(series), rows, rows))
				require.Len(t, got, len(series))
				for i := range got {
					require.Equal(t, fmt.Sprint(series[i]), fmt.Sprint(got[i]))
				}
				stacks := generateStacks(uint64(n), n, 6)
				require.Equal(t, stacks, append([]warehouse.Stacktrace{}, collect(t, readStacks, write(t, warehouse.TableStacktraces, StacktracesRecord(stacks), rows, rows))...))
			})
		}
	}
}
