package query

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

func TestWideRoundsToNearest(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	check := func(w wide) {
		n := new(big.Int).Add(new(big.Int).Lsh(new(big.Int).SetUint64(w.hi), 64), new(big.Int).SetUint64(w.lo))
		want, _ := new(big.Float).SetInt(n).Float64()
		require.Equal(t, want, w.float64(), "%x %x", w.hi, w.lo)
	}
	for _, hi := range []uint64{0, 1, 2, 3, math.MaxUint64, 1 << 63, 1<<53 + 1} {
		for _, lo := range []uint64{0, 1, math.MaxUint64, 1 << 63, 1<<63 + 1, 1 << 11, 1<<11 + 1, 1 << 10} {
			check(wide{hi, lo})
		}
	}
	for range 10_000 {
		check(wide{rng.Uint64() >> rng.IntN(65), rng.Uint64() >> rng.IntN(65)})
	}
}

func TestWideAdds(t *testing.T) {
	t.Parallel()
	var w wide
	for range 4 {
		w.add(math.MaxInt64)
	}
	_, ok := w.int64()
	require.False(t, ok)
	require.Equal(t, wide{hi: 1, lo: math.MaxUint64 - 3}, w)
	require.Equal(t, float64(math.MaxInt64), w.mean(4))

	var small wide
	small.add(7)
	require.Equal(t, 3.5, small.mean(2))
	v, ok := small.int64()
	require.True(t, ok)
	require.Equal(t, int64(7), v)
}

func TestStackSums(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(2, 2))
	want := map[warehouse.StacktraceID]int64{}
	var sums stackSums
	for range 50_000 {
		id := warehouse.StacktraceID(rng.Int64N(5000)-2500) << uint(rng.IntN(3)*20) // 0, negative and similar ones
		v := rng.Int64N(100)
		want[id] += v
		sums.add(id, v)
	}
	require.Len(t, sums.table.ids, len(want))
	for i, id := range sums.table.ids {
		require.Equal(t, want[id], sums.values[i])
	}
	require.False(t, sums.overflow)
	sums.add(7, math.MaxInt64)
	sums.add(7, math.MaxInt64)
	sums.add(7, math.MaxInt64)
	require.True(t, sums.overflow)
}

func TestAddValuesSeesEveryOverflow(t *testing.T) {
	t.Parallel()
	const most = math.MaxInt64
	require.True(t, addValues([]int64{most - 1, 0}, []uint32{0, 1}, []int64{1, most}))
	require.False(t, addValues([]int64{most}, []uint32{0}, []int64{1}))
	require.False(t, addValues([]int64{0}, []uint32{0, 0, 0, 0}, []int64{most, most, most, most}), "around and back")
	require.False(t, addValues([]int64{most}, []uint32{0, 0}, []uint32{1, 1}))
}

func TestGrid(t *testing.T) {
	t.Parallel()
	const second = 1_000_000
	now := hour0.Start()
	tests := []struct {
		name    string
		r       warehouse.TimeRange
		stepMs  int64
		first   warehouse.Micros
		last    warehouse.Micros
		isEmpty bool
	}{
		{"whole steps", warehouse.TimeRange{From: now, To: now + 3*second}, 1000, now, now + 3*second, false},
		{"a rest", warehouse.TimeRange{From: now, To: now + 3*second + 5}, 1000, now, now + 3*second, false},
		{"shorter than a step", warehouse.TimeRange{From: now, To: now + 5}, 1000, now, now, false},
		{"empty", warehouse.TimeRange{From: now, To: now - 1}, 1000, 0, 0, true},
		{"before all data", warehouse.TimeRange{From: -9 * second, To: -second}, 1000, 0, 0, true},
		{"after all data", warehouse.MillisRange(1<<60, 1<<61), 1000, 0, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g, err := newGrid(tt.r, tt.stepMs)
			require.NoError(t, err)
			if tt.isEmpty {
				require.True(t, g.covered().IsEmpty())
				return
			}
			require.Equal(t, tt.first, g.at(0))
			require.Equal(t, tt.last, g.at(g.last))
			require.Equal(t, tt.first-warehouse.Micros(g.step)+1, g.covered().From)
			require.Equal(t, tt.last, g.covered().To)
			for k := range g.last + 1 {
				require.Equal(t, k, g.of(g.at(k)))
				require.Equal(t, k, g.of(g.at(k)-warehouse.Micros(g.step)+1))
			}
		})
	}
}

// FuzzGrid: whatever the request, arithmetic does not wrap around.
func FuzzGrid(f *testing.F) {
	f.Add(int64(0), int64(1), int64(1), int64(0))
	f.Add(int64(math.MinInt64+1), int64(math.MaxInt64), int64(1), int64(hour0.Start()))
	f.Add(int64(math.MinInt64), int64(math.MaxInt64), int64(math.MaxInt64), int64(hour0.Start()))
	f.Fuzz(func(t *testing.T, from, to, stepMs, at int64) {
		g, err := newGrid(warehouse.TimeRange{From: warehouse.Micros(from), To: warehouse.Micros(to)}, stepMs)
		if err != nil {
			return
		}
		r := clamp(g.covered())
		if r.IsEmpty() {
			return
		}
		m := min(max(warehouse.Micros(at), r.From), r.To)
		k := g.of(m)
		if k < 0 || k > g.last {
			t.Fatalf("point %d of %d", k, g.last)
		}
		if p := g.at(k); p < m || k > 0 && g.at(k-1) >= m {
			t.Fatalf("%d lies in the step up to %d", m, p)
		}
	})
}

func TestStatementBindsInOrder(t *testing.T) {
	t.Parallel()
	text, args := statements.stackSums.bind(bindings{"files": []string{"f"}, "type": "t", "service": "s", "from": int64(1), "to": int64(2)})
	require.Equal(t, "SELECT stacktrace_id, sum(value) AS value\nFROM read_parquet(?)\nWHERE profile_type = ?\n  AND service_name = ?\n"+
		"  AND time BETWEEN make_timestamptz(?::BIGINT) AND make_timestamptz(?::BIGINT)\nGROUP BY stacktrace_id\n", text)
	require.Equal(t, []any{[]string{"f"}, "t", "s", int64(1), int64(2)}, args)
	require.Panics(t, func() { statements.stackSums.bind(bindings{"files": []string{"f"}}) }, "a parameter without a value")
}

func TestEscapeGlob(t *testing.T) {
	t.Parallel()
	require.Equal(t, "/a/b'c.parquet", escapeGlob("/a/b'c.parquet"))
	require.Equal(t, "/a/[*]b/[?][[]c].parquet", escapeGlob("/a/*b/?[c].parquet"))
}

func TestLRU(t *testing.T) {
	t.Parallel()
	var gone []string
	c := newLRU[int](10, func(v string) { gone = append(gone, v) })
	require.True(t, c.add(1, "a", 4))
	require.True(t, c.add(2, "b", 4))
	require.False(t, c.add(1, "again", 4))
	_, ok := c.lookup(1)
	require.True(t, ok)
	c.add(3, "c", 4)
	c.trim()
	require.Equal(t, []string{"b"}, gone, "the least recently used")
	c.add(4, "huge", 100)
	c.trim()
	require.Equal(t, []string{"b", "a", "c", "huge"}, gone)
	require.Zero(t, c.size)
}
