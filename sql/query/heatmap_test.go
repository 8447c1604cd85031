package query

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// wantHeatmap counts the facts one by one, in the plainest way.
func (w *world) wantHeatmap(req HeatmapRequest) map[string]int32 {
	type cell struct {
		labels string
		at     warehouse.Micros
		value  int64
	}
	var cells []cell
	step := warehouse.Micros(req.StepMs * 1000)
	for at := req.Range.From; at <= req.Range.To; at += step {
		for _, f := range w.selected(&req.Selection, warehouse.TimeRange{From: at - step + 1, To: at}) {
			var ls warehouse.Labels
			for _, name := range req.GroupBy {
				if v := f.series.LabelValue(name); v != "" {
					ls = ls.With(name, v)
				}
			}
			c := cell{labels: ls.String(), at: at}
			for i := range f.samples {
				c.value += f.samples[i].value
			}
			cells = append(cells, c)
		}
	}
	out := map[string]int32{}
	for _, c := range cells {
		least, most := c.value, c.value
		for _, o := range cells {
			least, most = min(least, o.value), max(most, o.value)
		}
		row := 0
		for row < HeatmapRows-1 && most > least && float64(c.value) >= float64(least)+float64(row+1)*(float64(most)-float64(least))/HeatmapRows {
			row++
		}
		out[fmt.Sprint(c.labels, " ", int64(c.at)/1000, " ", row)]++
	}
	return out
}

func heatmapCounts(t *testing.T, in []HeatmapSeries) map[string]int32 {
	t.Helper()
	out := map[string]int32{}
	for _, s := range in {
		for i, slot := range s.Slots {
			require.Len(t, slot.YMin, HeatmapRows)
			require.Len(t, slot.Counts, HeatmapRows)
			require.IsNonDecreasing(t, slot.YMin)
			if i > 0 {
				require.Less(t, s.Slots[i-1].TimeMs, slot.TimeMs)
			}
			for row, n := range slot.Counts {
				if n > 0 {
					out[fmt.Sprint(s.Labels.String(), " ", slot.TimeMs, " ", row)] = n
				}
			}
		}
	}
	return out
}

func TestHeatmapEqualsOracle(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 7))
			w := newWorld(t)
			w.storeRandomly(rng, w.randomFacts(rng, 40+rng.IntN(200)))
			services := w.services()
			for range 15 {
				req := HeatmapRequest{
					Selection: randomSelection(t, rng, w),
					GroupBy:   [][]string{nil, {"pod"}, {"region", "__type__", "none"}}[rng.IntN(3)],
					StepMs:    []int64{60_000, 3_600_000, 1_234_567}[rng.IntN(3)],
				}
				req.Spans, req.Traces, req.ProfileIDs = nil, nil, nil
				want := w.wantHeatmap(req)
				for i, s := range services {
					got, err := s.Heatmap(t.Context(), req)
					require.NoError(t, err)
					require.Equal(t, want, heatmapCounts(t, got), "%s: %+v", ways[i].name, req)
				}
			}
		})
	}
}

func TestHeatmapScale(t *testing.T) {
	t.Parallel()
	g := &seriesGroup{}
	scale := func(values ...int64) heatmapScale {
		var in []steppedValue
		for _, v := range values {
			in = append(in, steppedValue{value: v})
		}
		return newHeatmapScale([]*seriesGroup{g}, map[*seriesGroup][]steppedValue{g: in})
	}
	s := scale(100, 300)
	assert.Equal(t, 100.0, s.bounds[0])
	assert.Equal(t, 290.0, s.bounds[HeatmapRows-1])
	for value, row := range map[int64]int{100: 0, 109: 0, 110: 1, 299: 19, 300: 19} {
		assert.Equal(t, row, s.row(value), "%d", value)
	}
	assert.Equal(t, 0, scale(7, 7).row(7), "equal values are in the first range")
	assert.Equal(t, HeatmapRows-1, scale(0, 1<<62).row(1<<62))
}

func TestHeatmapRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.services()[0]
	for name, req := range map[string]HeatmapRequest{
		"samples":    {Selection: Selection{Spans: []warehouse.SpanID{1}}, StepMs: 1000},
		"call sites": {Selection: Selection{CallSite: []string{"main"}}, StepMs: 1000},
		"no step":    {},
	} {
		_, err := s.Heatmap(t.Context(), req)
		assert.Equal(t, warehouse.Invalid, warehouse.KindOf(err), "%s: %v", name, err)
	}
}
