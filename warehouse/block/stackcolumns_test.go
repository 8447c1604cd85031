package block

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// readColumns returns the definitions that ReadStackColumns finds, and verifies
// the promises that columns make.
func readColumns(data []byte, wanted func(warehouse.StacktraceID) bool) (out []warehouse.Stacktrace, err error) {
	err = ReadStackColumns(data, wanted, func(c *warehouse.StackColumns) error {
		if err := checkColumns(c); err != nil {
			return err
		}
		for i, id := range c.IDs {
			out = append(out, warehouse.Stacktrace{ID: id, Frames: c.AppendFrames(nil, i)})
		}
		return nil
	})
	return out, err
}

var errPromise = errors.New("columns break a promise")

func checkColumns(c *warehouse.StackColumns) error {
	if len(c.IDs) == 0 || len(c.Offsets) != len(c.IDs)+1 || c.Offsets[0] != 0 || !slices.IsSorted(c.Offsets) {
		return fmt.Errorf("%w: %d ids, offsets %d", errPromise, len(c.IDs), c.Offsets)
	}
	n := int(c.Offsets[len(c.IDs)])
	for _, t := range []warehouse.TextColumn{c.Functions, c.SystemNames, c.Filenames, c.Mappings, c.BuildIDs} {
		if len(t.Index) != n || n > 0 && int(slices.Max(t.Index)) >= len(t.Texts) {
			return fmt.Errorf("%w: %d indices of %d frames, %d texts", errPromise, len(t.Index), n, len(t.Texts))
		}
	}
	for _, length := range []int{len(c.Lines), len(c.StartLines), len(c.Addresses), len(c.Inlined)} {
		if length != n {
			return fmt.Errorf("%w: %d values of %d frames", errPromise, length, n)
		}
	}
	return nil
}

// TestReadStackColumns: columns say what rows say, of all stacktraces or of
// those that are wanted, in row groups of any size.
func TestReadStackColumns(t *testing.T) {
	t.Parallel()
	wants := map[string]func(warehouse.StacktraceID) bool{
		"all":     nil,
		"none":    func(warehouse.StacktraceID) bool { return false },
		"each":    func(warehouse.StacktraceID) bool { return true },
		"a third": func(id warehouse.StacktraceID) bool { return uint64(id)%3 == 0 },
		"a few":   func(id warehouse.StacktraceID) bool { return uint64(id)%50 == 0 },
	}
	for _, n := range []int{0, 1, 2, 9, 300} {
		for _, limits := range [][2]int{{1, 1}, {5, 5}, {100, 300}, {MaxRowGroupRows, maxRowGroupValues}} {
			stacks := generateStacks(uint64(n), n, 6)
			data := write(t, warehouse.TableStacktraces, StacktracesRecord(stacks), limits[0], limits[1])
			for name, wanted := range wants {
				var want []warehouse.Stacktrace
				for _, st := range stacks {
					if wanted == nil || wanted(st.ID) {
						want = append(want, st)
					}
				}
				got, err := readColumns(data, wanted)
				require.NoError(t, err)
				require.Equal(t, want, got, "%s of %d in %v", name, n, limits)
			}
		}
	}
}

// TestReadStackColumnsOfManyPages has columns of several pages each.
func TestReadStackColumnsOfManyPages(t *testing.T) {
	t.Parallel()
	stacks := generateStacks(9, 100, 1)
	for i := range stacks {
		for j := range 5 * pageValues / 100 {
			stacks[i].Frames = append(stacks[i].Frames, warehouse.Frame{Function: "f", Line: int64(i * j % 1000)})
		}
	}
	data := write(t, warehouse.TableStacktraces, StacktracesRecord(stacks), MaxRowGroupRows, maxRowGroupValues)
	got, err := readColumns(data, nil)
	require.NoError(t, err)
	require.Len(t, got, len(stacks))
	for i := range got {
		require.Equal(t, stacks[i].ID, got[i].ID)
		require.True(t, slices.Equal(stacks[i].Frames, got[i].Frames))
	}
}

func TestReadStackColumnsStops(t *testing.T) {
	t.Parallel()
	data := smallFiles(t)[warehouse.TableStacktraces]
	stop, calls := errors.New("stop"), 0
	require.Equal(t, stop, ReadStackColumns(data, nil, func(*warehouse.StackColumns) error {
		calls++
		return stop
	}))
	require.Equal(t, 1, calls)
	require.Equal(t, warehouse.Corrupt, warehouse.KindOf(ReadStackColumns(smallFiles(t)[warehouse.TableSeries], nil, ignoreColumns)))
}

// sameAnswer fails unless both readers accept the bytes and say the same, or
// both refuse them.
func sameAnswer(t testing.TB, data []byte) {
	t.Helper()
	var want []warehouse.Stacktrace
	wantErr := readStacks(data, func(st warehouse.Stacktrace) error {
		want = append(want, st)
		return nil
	})
	got, err := readColumns(data, nil)
	if (err == nil) != (wantErr == nil) || err != nil && warehouse.KindOf(err) != warehouse.Corrupt {
		t.Fatalf("by column: %v, by row: %v", err, wantErr)
	}
	third := func(id warehouse.StacktraceID) bool { return uint64(id)%3 == 0 }
	some, someErr := readColumns(data, third)
	if someErr != nil && (warehouse.KindOf(someErr) != warehouse.Corrupt || err == nil) {
		t.Fatalf("a third by column: %v, all: %v", someErr, err)
	}
	if err != nil {
		return
	}
	require.Equal(t, want, got)
	require.Equal(t, slices.DeleteFunc(slices.Clone(want), func(st warehouse.Stacktrace) bool { return !third(st.ID) }), append([]warehouse.Stacktrace{}, some...))
}

// TestReadStackColumnsDamaged flips a bit of every byte and cuts everywhere.
func TestReadStackColumnsDamaged(t *testing.T) {
	t.Parallel()
	data := smallFiles(t)[warehouse.TableStacktraces]
	for i := range data {
		data[i] ^= 1 << (i % 8)
		sameAnswer(t, data)
		data[i] ^= 1 << (i % 8)
		if i%5 == 0 {
			sameAnswer(t, data[:i])
		}
	}
}

func FuzzReadStackColumns(f *testing.F) {
	f.Add(smallFiles(f)[warehouse.TableStacktraces])
	f.Fuzz(func(t *testing.T, data []byte) { sameAnswer(t, data) })
}
