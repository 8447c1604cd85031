package warehousetest_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	pprof "github.com/google/pprof/profile"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/warehousetest"
)

func generate(seed uint64, shape warehousetest.Shape) []warehousetest.Generated {
	return warehousetest.Generate(rand.New(rand.NewPCG(seed, 0)), shape)
}

func TestGenerateIsAFunctionOfItsInput(t *testing.T) {
	t.Parallel()
	assert.Equal(t, generate(1, warehousetest.Shape{}), generate(1, warehousetest.Shape{}))
	assert.NotEqual(t, generate(1, warehousetest.Shape{}), generate(2, warehousetest.Shape{}))
}

func TestGenerateKeepsItsPromises(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 5, 1, 23, 59, 0, 0, time.UTC)
	rare := map[string]bool{}
	for seed := range uint64(10) {
		plain := seed%2 == 0
		last := warehouse.MicrosOf(start) - 1
		for _, g := range generate(seed, warehousetest.Shape{Profiles: 20, Start: start, Plain: plain}) {
			require.Less(t, last, g.Time, "times ascend")
			last = g.Time
			p, err := pprof.ParseData(g.Raw.Body)
			require.NoError(t, err)
			require.NoError(t, p.CheckValid())
			require.NotEmpty(t, g.Series)
			for _, s := range g.Series {
				require.Equal(t, g.Service, s.Labels.Value(warehouse.LabelService))
				var total int64
				for _, r := range s.Rows {
					require.Positive(t, r.Value)
					total += r.Value
					rare["span"] = rare["span"] || r.Span != 0
					rare["empty stack"] = rare["empty stack"] || len(r.Functions) == 0
					require.False(t, plain && (r.Span != 0 || len(r.Functions) == 0))
				}
				require.Equal(t, total, s.Total)
				rare["sample label"] = rare["sample label"] || s.Labels.Has("endpoint")
				rare["empty profile"] = rare["empty profile"] || len(s.Rows) == 0
			}
		}
	}
	assert.Equal(t, map[string]bool{"span": true, "empty stack": true, "sample label": true, "empty profile": true}, rare)
}

func TestSum(t *testing.T) {
	t.Parallel()
	gs := generate(3, warehousetest.Shape{Plain: true})
	all := warehousetest.Sum(gs, func(*warehousetest.Generated, *warehousetest.Series) bool { return true })
	var want, got int64
	for _, g := range gs {
		for _, s := range g.Series {
			want += s.Total
		}
	}
	for _, v := range all {
		got += v
	}
	assert.Equal(t, want, got)
	assert.Empty(t, warehousetest.Sum(gs, func(*warehousetest.Generated, *warehousetest.Series) bool { return false }))

	first := gs[0].Series[0].Rows[0].Functions
	root := first[len(first)-1]
	assert.True(t, slices.ContainsFunc(slices.Collect(maps.Keys(all)), func(path string) bool {
		return strings.HasPrefix(path, root)
	}), "paths begin at the root")
}

// Tests of other packages generate in parallel.
func TestGenerateInParallel(t *testing.T) {
	t.Parallel()
	want := generate(7, warehousetest.Shape{})
	var wg sync.WaitGroup
	got := make([][]warehousetest.Generated, 8)
	for i := range got {
		wg.Go(func() { got[i] = generate(7, warehousetest.Shape{}) })
	}
	wg.Wait()
	for i := range got {
		assert.Equal(t, want, got[i])
	}
}
