package compactor

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

// contents is all that blocks hold.
type contents struct {
	rows     []block.SampleRow
	profiles []block.ProfileRow
	series   map[warehouse.SeriesID]warehouse.Series
	stacks   map[warehouse.StacktraceID]warehouse.Stacktrace
	totals   []block.StackTotal
}

// read reads blocks, and checks each with the second reader.
func read(t testing.TB, blocks []*Block) *contents {
	t.Helper()
	c := &contents{series: map[warehouse.SeriesID]warehouse.Series{}, stacks: map[warehouse.StacktraceID]warehouse.Stacktrace{}}
	for _, b := range blocks {
		require.NoError(t, b.Part.Validate())
		for i, f := range b.Tables {
			s := b.Part.Sections[i]
			require.Equal(t, f.Table, s.Table)
			require.NoError(t, block.Check(f.Data, f.Table, s.Rows))
			require.NoError(t, c.add(f))
		}
	}
	return c
}

func (c *contents) add(f TableFile) error {
	switch f.Table {
	case warehouse.TableSamples:
		return block.ReadSamples(f.Data, func(r block.SampleRow) error { c.rows = append(c.rows, r); return nil })
	case warehouse.TableProfiles:
		return block.ReadProfiles(f.Data, func(r block.ProfileRow) error { c.profiles = append(c.profiles, r); return nil })
	case warehouse.TableSeries:
		return block.ReadSeries(f.Data, func(s warehouse.Series) error { c.series[s.ID] = s; return nil })
	case warehouse.TableStacktraces:
		return block.ReadStacktraces(f.Data, func(s warehouse.Stacktrace) error {
			s.Frames = slices.Clone(s.Frames)
			c.stacks[s.ID] = s
			return nil
		})
	}
	return block.ReadStackTotals(f.Data, func(r block.StackTotal) error { c.totals = append(c.totals, r); return nil })
}

// random stores random facts in a number of parts, some of them blocks.
func (w *world) random(parts, facts, samples int) {
	defined := map[any]bool{}
	for range parts {
		var of []fact
		for range 1 + w.rng.IntN(facts) {
			of = append(of, w.fact(samples))
		}
		if w.rng.IntN(4) == 0 && len(w.facts) > 0 { // pushed again long after
			of = append(of, w.facts[w.rng.IntN(len(w.facts))])
		}
		if w.rng.IntN(3) == 0 {
			clear(defined) // defines again what others do
		}
		w.store(uint8(w.rng.IntN(2)), of, defined)
	}
}

func (w *world) merge(m Merge) []*Block {
	w.t.Helper()
	var blocks []*Block
	_, err := m.Run(context.Background(), w.parts, func(b *Block) error { blocks = append(blocks, b); return nil })
	require.NoError(w.t, err)
	return blocks
}

// TestMerge: whatever the inputs, the blocks hold their rows in the order of the
// format, their definitions once each, and totals by stacktrace.
func TestMerge(t *testing.T) {
	t.Parallel()
	seeds := 60
	if testing.Short() {
		seeds = 10
	}
	split := 0
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(uint64(seed), 1))
		w := newWorld(t, uint64(seed))
		w.random(1+rng.IntN(8), 1+rng.IntN(30), rng.IntN(60))
		m := Merge{Level: uint8(1 + rng.IntN(3)), NewID: ids()}
		if rng.IntN(2) == 0 {
			m.MaxBytes, m.groupRows = 1+rng.Int64N(20_000), 1+rng.IntN(200)
		}
		blocks := w.merge(m)
		if len(blocks) > 1 {
			split++
		}
		got := read(t, blocks)

		want := slices.SortedFunc(slices.Values(w.rows), compareRows)
		require.True(t, slices.IsSortedFunc(got.rows, func(a, b block.SampleRow) int {
			x, y := runKeyOf(&a), runKeyOf(&b)
			if c := x.compare(&y); c != 0 {
				return c
			}
			return int(min(max(int64(a.Stacktrace)>>1-int64(b.Stacktrace)>>1, -1), 1))
		}), "sorted, across blocks too")
		slices.SortFunc(got.rows, compareRows)
		require.Equal(t, want, got.rows, "seed %d", seed)

		require.Len(t, got.profiles, len(w.facts))
		var used []warehouse.StacktraceID
		sums := map[string]decimal128.Num{}
		for _, r := range w.rows {
			used = append(used, r.Stacktrace)
			k := fmt.Sprint(r.Service, r.Type, r.Stacktrace)
			sums[k] = sums[k].Add(decimal128.FromI64(r.Value))
		}
		for _, id := range used {
			require.Equal(t, w.stacks[id].Frames, got.stacks[id].Frames)
		}
		for _, f := range w.facts {
			require.Equal(t, f.series, got.series[f.series.ID])
		}
		w.checkIndex(blocks)
		totals := map[string]decimal128.Num{}
		for _, r := range got.totals {
			require.Equal(t, hour, r.Hour)
			k := fmt.Sprint(r.Service, r.Type, r.Stacktrace)
			totals[k] = totals[k].Add(r.Value)
		}
		if m.Level == 3 {
			require.Equal(t, sums, totals)
		} else {
			require.Empty(t, totals)
		}
	}
	require.Positive(t, split, "some merges made several blocks")
}

// checkIndex compares what the index says of blocks with what they hold.
func (w *world) checkIndex(blocks []*Block) {
	for _, b := range blocks {
		got := read(w.t, []*Block{b})
		rows := map[datasetName]int64{}
		for _, r := range got.rows {
			rows[datasetName{r.Service, r.Type}]++
			require.Contains(w.t, got.stacks, r.Stacktrace, "a block defines what it uses")
			require.Contains(w.t, got.series, r.Series)
		}
		ranges := map[datasetName]warehouse.TimeRange{}
		for _, r := range got.profiles {
			name := datasetName{r.Service, r.Type}
			at := warehouse.TimeRange{From: r.Time, To: r.Time}
			if old, ok := ranges[name]; ok {
				at = old.Union(at)
			}
			ranges[name] = at
		}
		n := 0
		for _, d := range b.Part.Datasets {
			for _, typ := range d.Types {
				n++
				name := datasetName{d.Service, typ.Type}
				require.Equal(w.t, rows[name], typ.Rows)
				require.Equal(w.t, ranges[name], typ.Range)
			}
		}
		require.Len(w.t, ranges, n)
	}
}

// TestMergeOfOnlyEmptyProfiles: profiles without samples are kept.
func TestMergeOfOnlyEmptyProfiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.store(0, []fact{w.fact(0), w.fact(0)}, nil)
	blocks := w.merge(Merge{Level: 3, NewID: ids()})
	require.Len(t, blocks, 1)
	got := read(t, blocks)
	require.Empty(t, got.rows)
	require.Len(t, got.profiles, 2)
}

// TestMergeRefuses: inputs that contradict themselves or the index fail the merge,
// with the object's name where one is to blame, and nothing is handed in.
func TestMergeRefuses(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(w *world){
		"rows of the index": func(w *world) { w.parts[1].Part.Datasets[0].Types[0].Rows++ },
		"a dataset more":    func(w *world) { w.parts[0].Part.Datasets[0].Service = "another" },
		"two definitions of a stacktrace": func(w *world) {
			for id, st := range w.stacks {
				st.Frames = slices.Clone(st.Frames)
				st.Frames[0].Line = 99999
				w.stacks[id] = st
			}
			w.store(0, w.facts[:1], nil)
		},
		"two definitions of a series": func(w *world) {
			for id, s := range w.series {
				s.Labels = s.Labels.With("more", "labels")
				w.series[id] = s
			}
			w.store(0, w.facts[:1], nil)
		},
		"totals of the profiles": func(w *world) {
			in := w.store(0, []fact{w.fact(50)}, nil)
			bad := newWorld(w.t, 99)
			f := w.facts[len(w.facts)-1]
			f.rows = f.rows[1:]
			other := bad.store(0, []fact{f}, nil)
			w.parts[len(w.parts)-1].Data = func(t warehouse.Table) ([]byte, error) {
				if t == warehouse.TableProfiles {
					return other.Data(t)
				}
				return in.Data(t)
			}
		},
		"bytes that are no file": func(w *world) {
			w.parts[0].Data = func(warehouse.Table) ([]byte, error) { return []byte("PAR1 no PAR1"), nil }
		},
		"samples out of order": func(w *world) {
			f, g := w.fact(20), w.fact(20)
			for len(f.rows) == 0 || len(g.rows) == 0 || f.series.ID == g.series.ID {
				f, g = w.fact(20), w.fact(20)
			}
			in := w.store(0, []fact{f, g}, nil)
			rows := slices.Concat(f.rows, g.rows)
			slices.SortFunc(rows, func(a, b block.SampleRow) int { return -compareRows(a, b) })
			data, err := block.AppendParquet(nil, warehouse.TableSamples, recordOfRows(w.t, rows))
			require.NoError(w.t, err)
			w.parts[len(w.parts)-1].Data = func(t warehouse.Table) ([]byte, error) {
				if t == warehouse.TableSamples {
					return data, nil
				}
				return in.Data(t)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 7)
			w.store(0, []fact{w.fact(30), w.fact(30), w.fact(30)}, nil)
			w.store(1, []fact{w.fact(30), w.fact(30)}, nil)
			spoil(w)
			_, err := Merge{Level: 3, NewID: ids()}.Run(t.Context(), w.parts, func(*Block) error {
				t.Fatal("a block was handed in")
				return nil
			})
			require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err), "%v", err)
			require.ErrorContains(t, err, "object ")
		})
	}
}

func TestMergeStops(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	w.random(3, 5, 20)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Merge{Level: 1, NewID: ids()}.Run(ctx, w.parts, nil)
	require.Equal(t, warehouse.Canceled, warehouse.KindOf(err))
	stop := fmt.Errorf("stop")
	_, err = Merge{Level: 1, NewID: ids()}.Run(t.Context(), w.parts, func(*Block) error { return stop })
	require.Equal(t, stop, err)
	_, err = Merge{}.Run(t.Context(), nil, nil)
	require.Error(t, err)
}
