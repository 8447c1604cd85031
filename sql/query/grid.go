package query

import (
	"math"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// grid is the instants of a time series: start + k·step for k from 0 to last. The
// point at an instant covers the step before it, (T-step, T], so the first one
// covers profiles from before the range's start; those after the last instant
// belong to no point.
type grid struct {
	start warehouse.Micros
	step  int64 // microseconds
	last  int64 // -1 if there is no point
}

func newGrid(r warehouse.TimeRange, stepMs int64) (grid, error) {
	if stepMs < 1 {
		return grid{}, warehouse.Errorf(warehouse.Invalid, "query series: step is %d ms, want at least 1", stepMs)
	}
	g := grid{step: min(stepMs, math.MaxInt64/1000) * 1000, last: -1}
	if r.IsEmpty() || r.To < warehouse.MinTime || r.From > warehouse.MaxTime {
		return g, nil
	}
	g.start = r.From
	if r.From < warehouse.MinTime {
		// Whole steps forward, to keep clear of the ends of int64.
		ahead := uint64(warehouse.MinTime) - uint64(r.From)
		g.start += warehouse.Micros(ahead / uint64(g.step) * uint64(g.step))
	}
	if g.start > r.To {
		return g, nil
	}
	// The last instant may lie as much as a step beyond where profiles can be.
	g.last = int64((uint64(r.To) - uint64(g.start)) / uint64(g.step))
	return g, nil
}

// covered returns the range of the profiles that the points cover.
func (g grid) covered() warehouse.TimeRange {
	if g.last < 0 {
		return warehouse.EmptyRange
	}
	from := warehouse.Micros(math.MinInt64)
	if int64(g.start) >= math.MinInt64+g.step {
		from = g.start - warehouse.Micros(g.step) + 1
	}
	return warehouse.TimeRange{From: from, To: g.at(g.last)}
}

// at returns the k-th instant.
func (g grid) at(k int64) warehouse.Micros { return g.start + warehouse.Micros(k*g.step) }

// of returns the point that covers t, which lies in the covered range.
func (g grid) of(t warehouse.Micros) int64 {
	if t <= g.start {
		return 0
	}
	return (int64(t-g.start)-1)/g.step + 1
}
