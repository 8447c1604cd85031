package cache

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/flame"
)

// definition returns a stacktrace that says its id, so that a mix-up shows.
func definition(id int) warehouse.Stacktrace {
	st := warehouse.Stacktrace{ID: warehouse.StacktraceID(id)}
	for i := range 8 {
		name := fmt.Sprintf("package%d.function%d", id%10, id*(i+1))
		st.Frames = append(st.Frames, warehouse.Frame{Function: name, SystemName: name, Filename: "file.go", Line: int64(i)})
	}
	return st
}

// ask makes sure that s knows the ids, as a query does, and returns how many it
// had to load.
func ask(s *flame.Symbols, ids ...int) (loaded int) {
	var want []warehouse.StacktraceID
	for _, id := range ids {
		want = append(want, warehouse.StacktraceID(id))
	}
	for _, id := range s.Missing(nil, want) {
		s.Add(definition(int(id)))
		loaded++
	}
	return loaded
}

// fill loads fresh ids, from first on, until s holds more than size bytes, and
// returns the next id.
func fill(s *flame.Symbols, first int, size int64) int {
	for s.SizeBytes() <= size {
		ask(s, first)
		first++
	}
	return first
}

func TestSymbolsKeepTenantsApart(t *testing.T) {
	t.Parallel()
	c := NewSymbols(1 << 20)
	a, b := c.For("a"), c.For("b")
	assert.Same(t, a, c.For("a"))
	assert.NotSame(t, a, b)
	assert.Equal(t, 1, ask(a, 1))
	assert.Equal(t, 0, ask(c.For("a"), 1))
	assert.Equal(t, 1, ask(b, 1), "b does not see what a has")
	assert.Equal(t, a.SizeBytes()+b.SizeBytes(), c.SizeBytes())

	c.Forget("a")
	assert.Equal(t, b.SizeBytes(), c.SizeBytes())
	assert.Equal(t, 1, ask(c.For("a"), 1))
}

func TestSymbolsGenerations(t *testing.T) {
	t.Parallel()
	const budget = 256 << 10
	c := NewSymbols(budget)
	first := c.For("a")
	ask(first, 1, 2, 3)
	next := fill(first, 1000, budget/2)

	second := c.For("a")
	require.NotSame(t, first, second)
	assert.Same(t, second, c.For("a"))
	assert.Zero(t, ask(second, 1, 2), "the old generation is asked")
	assert.Zero(t, ask(first, 1, 2, 3), "who holds it keeps it")

	fill(second, next, budget/2)
	third := c.For("a")
	require.NotSame(t, second, third)
	assert.Zero(t, ask(third, 1), "asked for in the second generation, so it stays")
	assert.Equal(t, 1, ask(third, 3), "not asked for in the second generation, so it left")
}

func TestSymbolsBudget(t *testing.T) {
	t.Parallel()
	const budget = 256 << 10
	c := NewSymbols(budget)
	small := c.For("small")
	ask(small, 1, 2, 3)
	next := 1000
	for i := range 60 {
		next = fill(c.For("big"), next, int64(i+1)<<13)
		c.For("big")
		require.LessOrEqual(t, c.SizeBytes(), int64(budget), "round %d", i)
	}
	assert.Same(t, small, c.For("small"))
	assert.Zero(t, ask(c.For("small"), 1, 2, 3), "one with little is not displaced by one with much")
}

// Many that want more than there is get about the same.
func TestSymbolsShareTheBudget(t *testing.T) {
	t.Parallel()
	const budget, tenants = 1 << 20, 4
	c := NewSymbols(budget)
	rng := rand.New(rand.NewPCG(1, 1))
	next := 1
	var size [tenants]int64
	for range 300 {
		i := rng.IntN(tenants)
		s := c.For(warehouse.Tenant(fmt.Sprint("t", i)))
		next = fill(s, next, s.SizeBytes()+8<<10)
		size[i] = max(size[i], s.SizeBytes())
		require.LessOrEqual(t, c.SizeBytes(), int64(budget+budget/16), "the budget and what the last query added")
	}
	for i := range size {
		assert.Greater(t, size[i], int64(budget/tenants/2), "tenant %d", i)
	}
}

func TestSymbolsWithoutBudget(t *testing.T) {
	t.Parallel()
	c := NewSymbols(0)
	s := c.For("a")
	assert.Equal(t, 2, ask(s, 1, 2))
	assert.Zero(t, ask(s, 1, 2), "a query works with what it holds")
	assert.Equal(t, 2, ask(c.For("a"), 1, 2), "nothing is kept for the next")
}

func TestFairLevel(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		sizes  []int64
		budget int64
		want   int64
	}{
		{"one", []int64{100}, 60, 60},
		{"equal", []int64{100, 100}, 60, 30},
		{"a small one keeps all", []int64{100, 10, 100}, 70, 30},
		{"several small ones", []int64{1, 2, 3, 100}, 50, 44},
		{"no budget", []int64{5, 6}, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sum := int64(0)
			level := fairLevel(tt.sizes, tt.budget)
			for _, s := range tt.sizes {
				sum += min(s, level)
			}
			assert.Equal(t, tt.want, level)
			assert.LessOrEqual(t, sum, tt.budget)
		})
	}
}

// Queries of several tenants, all at once, over a budget that is far too small:
// each gets whole answers from the generation it holds.
func TestSymbolsConcurrency(t *testing.T) {
	t.Parallel()
	c := NewSymbols(200 << 10)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 2))
			for range 30 {
				s := c.For(warehouse.Tenant(fmt.Sprint("t", i%3)))
				var ids []int
				var want []warehouse.StacktraceID
				var values []int64
				for range 30 {
					id := rng.IntN(300)
					ids, want, values = append(ids, id), append(want, warehouse.StacktraceID(id)), append(values, 1)
				}
				ask(s, ids...)
				tree, err := flame.Build(s, want, values)
				if !assert.NoError(t, err) {
					return
				}
				assert.Equal(t, int64(30), tree.Total())
				for _, id := range want {
					frames, ok := s.AppendFrames(nil, id)
					assert.True(t, ok)
					assert.Equal(t, definition(int(id)).Frames, frames)
				}
			}
		})
	}
	wg.Wait()
}

func TestSymbolsMetrics(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	c := NewSymbols(64 << 10)
	c.Register(reg)
	NewSymbols(1).Register(nil)
	fill(c.For("a"), 1, 32<<10)
	c.For("a")

	families, err := reg.Gather()
	require.NoError(t, err)
	got := map[string]float64{}
	for _, f := range families {
		require.NotEmpty(t, f.GetHelp())
		got[f.GetName()] = f.GetMetric()[0].GetGauge().GetValue() + f.GetMetric()[0].GetCounter().GetValue()
	}
	assert.Equal(t, map[string]float64{
		"stackhouse_symbols_bytes":                         float64(c.SizeBytes()),
		"stackhouse_symbols_max_bytes":                     64 << 10,
		"stackhouse_symbols_generations_total":             2,
		"stackhouse_symbols_surrendered_generations_total": 0,
	}, got)
}
