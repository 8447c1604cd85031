package block

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// sampleFacts is what columns say of a row.
type sampleFacts struct {
	service, typ               string
	time, series, stack, value int64
}

// sampleColumnFacts returns what ReadSampleColumns says of each row, and verifies
// the promises that columns make.
func sampleColumnFacts(data []byte) (out []sampleFacts, err error) {
	err = ReadSampleColumns(data, nil, func(c *SampleColumns) error {
		n := len(c.Times)
		stacks := len(c.Stacks)
		if c.Index != nil {
			stacks = len(c.Index)
		}
		if len(c.Series) != n || len(c.Values) != n || stacks != n {
			return fmt.Errorf("%w: %d times, %d series, %d values, %d stacks", errPromise, n, len(c.Series), len(c.Values), stacks)
		}
		row := 0
		for i, d := range c.Datasets {
			if d.End <= row || i > 0 && d.Service == c.Datasets[i-1].Service && d.Type == c.Datasets[i-1].Type {
				return fmt.Errorf("%w: datasets %v", errPromise, c.Datasets)
			}
			for ; row < d.End; row++ {
				f := sampleFacts{d.Service, d.Type, c.Times[row], c.Series[row], 0, c.Values[row]}
				if c.Index == nil {
					f.stack = c.Stacks[row]
				} else {
					f.stack = c.Stacks[c.Index[row]]
				}
				out = append(out, f)
			}
		}
		if row != n {
			return fmt.Errorf("%w: datasets end at %d of %d", errPromise, row, n)
		}
		return nil
	})
	return out, err
}

func sampleRowFacts(data []byte) (out []sampleFacts, err error) {
	err = ReadSamples(data, func(r SampleRow) error {
		out = append(out, sampleFacts{r.Service, r.Type, int64(r.Time), int64(r.Series), int64(r.Stacktrace), r.Value})
		return nil
	})
	return out, err
}

// TestReadSampleColumns: columns say what rows say, in row groups of any size,
// with and without a dictionary of stacktraces.
func TestReadSampleColumns(t *testing.T) {
	t.Parallel()
	shapes := []shapeOf{
		{},
		{services: 1, pods: 1, profiles: 1, stacks: 3},
		{services: 3, pods: 2, profiles: 4, stacks: 20, spans: true}, // each stack several times
		{services: 1, pods: 1, profiles: 1, stacks: 3000},            // each once: no dictionary pays
		{services: 2, pods: 3, profiles: 20, stacks: 1500},           // several pages
	}
	indexed := map[bool]bool{}
	for i, shape := range shapes {
		for _, maxRows := range []int{7, 1000, MaxRowGroupRows} {
			if maxRows == 7 && shape.stacks > 100 {
				continue // thousands of row groups
			}
			data := write(t, warehouse.TableSamples, generate(uint64(i), shape).record(), maxRows, maxRowGroupValues)
			want, err := sampleRowFacts(data)
			require.NoError(t, err)
			got, err := sampleColumnFacts(data)
			require.NoError(t, err)
			require.Equal(t, want, got, "shape %d, row groups of %d", i, maxRows)
			require.NoError(t, ReadSampleColumns(data, nil, func(c *SampleColumns) error {
				indexed[c.Index != nil] = true
				return nil
			}))
		}
	}
	require.Len(t, indexed, 2, "both forms of stacktraces occur")
}

func TestReadSampleColumnsStops(t *testing.T) {
	t.Parallel()
	data := smallFiles(t)[warehouse.TableSamples]
	stop, calls := errors.New("stop"), 0
	require.Equal(t, stop, ReadSampleColumns(data, nil, func(*SampleColumns) error {
		calls++
		return stop
	}))
	require.Equal(t, 1, calls)
	err := ReadSampleColumns(smallFiles(t)[warehouse.TableSeries], nil, func(*SampleColumns) error { return nil })
	require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
}

// sameSamples fails unless the columns of damaged bytes are refused as Corrupt,
// or say what the rows say. Rows are refused for more: they have more columns.
func sameSamples(t testing.TB, data []byte) {
	t.Helper()
	want, wantErr := sampleRowFacts(data)
	got, err := sampleColumnFacts(data)
	if err != nil && (warehouse.KindOf(err) != warehouse.Corrupt || wantErr == nil) {
		t.Fatalf("by column: %v, by row: %v", err, wantErr)
	}
	if err == nil && wantErr == nil {
		require.Equal(t, want, got)
	}
}

// TestReadSampleColumnsDamaged flips a bit of every byte and cuts everywhere.
func TestReadSampleColumnsDamaged(t *testing.T) {
	t.Parallel()
	data := smallFiles(t)[warehouse.TableSamples]
	for i := range data {
		data[i] ^= 1 << (i % 8)
		sameSamples(t, data)
		data[i] ^= 1 << (i % 8)
		if i%5 == 0 {
			sameSamples(t, data[:i])
		}
	}
	sameSamples(t, data) // readers are reused: none is left in a bad state
}

func FuzzReadSampleColumns(f *testing.F) {
	f.Add(smallFiles(f)[warehouse.TableSamples])
	f.Fuzz(func(t *testing.T, data []byte) { sameSamples(t, data) })
}

// BenchmarkReadSampleColumns: one segment's section of about 79,000 samples.
//
//	go test -tags duckdb_arrow -run - -bench ReadSampleColumns ./warehouse/block
func BenchmarkReadSampleColumns(b *testing.B) {
	set := generate(1, shapeOf{services: 4, pods: 4, profiles: 1, stacks: 2470})
	data := write(b, warehouse.TableSamples, set.record(), MaxRowGroupRows, maxRowGroupValues)
	b.Run("columns", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			require.NoError(b, ReadSampleColumns(data, nil, func(*SampleColumns) error { return nil }))
		}
		b.ReportMetric(float64(len(set.stacks)), "rows")
	})
	b.Run("rows", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			require.NoError(b, ReadSamples(data, func(SampleRow) error { return nil }))
		}
	})
}
