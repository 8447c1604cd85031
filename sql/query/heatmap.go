package query

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// HeatmapRows is the number of equal ranges into which a heatmap divides values,
// as in Pyroscope.
const HeatmapRows = 20

// HeatmapRequest asks how the totals of single profiles are distributed over
// time. The slot at T counts the profiles in (T-step, T], on the grid of a
// [SeriesRequest]; its selection must not restrict samples or stacktraces.
type HeatmapRequest struct {
	Selection

	GroupBy []string // as in SeriesRequest
	StepMs  int64    // at least 1
	Limit   int64    // keeps the series with the greatest sums; 0 keeps all
}

// HeatmapSeries is the slots of one group, by time.
type HeatmapSeries struct {
	Labels warehouse.Labels
	Slots  []HeatmapSlot
}

// HeatmapSlot counts the profiles of one step by value.
type HeatmapSlot struct {
	TimeMs int64 // the end of the step, since the epoch

	// YMin is the lower bound of each of the HeatmapRows ranges, which divide
	// what lies between the smallest and the largest value of the whole answer;
	// all slots share it. The largest value belongs to the last range.
	YMin   []float64
	Counts []int32
}

// Heatmap returns one series per distinct set of the labels that the request
// groups by, ordered by them. A step without profiles has no slot.
func (s *Service) Heatmap(ctx context.Context, req HeatmapRequest) (out []HeatmapSeries, err error) {
	defer s.metrics.observe("heatmap", time.Now(), &err)
	if len(req.CallSite) > 0 || req.restrictsSamples() {
		return nil, warehouse.Errorf(warehouse.Invalid, "query heatmap: a heatmap of profiles cannot select samples")
	}
	g, err := newGrid(req.Range, req.StepMs)
	if err != nil {
		return nil, err
	}
	v, err := s.view(ctx, req.Tenant, g.covered())
	if err != nil {
		return nil, err
	}
	defer v.release()

	sr := SeriesRequest{Selection: req.Selection, GroupBy: req.GroupBy, StepMs: req.StepMs}
	b := &heatmapBuilder{
		seriesBuilder: seriesBuilder{service: s, req: &sr, grid: g, view: v, groups: map[string]*seriesGroup{}},
		values:        map[*seriesGroup][]steppedValue{},
	}
	if err := b.findSeries(ctx); err != nil {
		return nil, err
	}
	if err := b.collect(ctx); err != nil {
		return nil, err
	}
	return b.finish(req.Limit), nil
}

// heatmapBuilder is one call of [Service.Heatmap].
type heatmapBuilder struct {
	seriesBuilder
	values map[*seriesGroup][]steppedValue
}

// steppedValue is one profile: its step and its total.
type steppedValue struct{ step, value int64 }

func (b *heatmapBuilder) add(g *seriesGroup, step, value int64) {
	b.values[g] = append(b.values[g], steppedValue{step, value})
}

// collect finds the profiles, in memory where the index has the rows, by the
// engine elsewhere.
func (b *heatmapBuilder) collect(ctx context.Context) error {
	var large []target
	for _, ts := range byPart(b.found.targets) {
		switch x := b.indexes[ts[0].part]; {
		case len(x.series) == 0:
		case x.hasRows():
			if err := ctxError(ctx); err != nil {
				return err
			}
			b.eachRow(x, ts, b.add)
		default:
			large = append(large, ts...)
		}
	}
	if len(large) == 0 {
		return nil
	}
	return b.service.scan(ctx, b.view.masks, statements.profileValues, partsOf(large), warehouse.TableProfiles, b.bindings(large), func(rec arrow.RecordBatch) error {
		cols := newColumns(rec)
		ids, steps, values := cols.int64(0), cols.int64(1), cols.int64(2)
		if cols.err != nil {
			return cols.err
		}
		for i, id := range ids {
			if g := b.groupOf[warehouse.SeriesID(id)]; g != nil {
				b.add(g, steps[i], values[i])
			}
		}
		return nil
	})
}

// finish counts the values of each group and step.
func (b *heatmapBuilder) finish(limit int64) []HeatmapSeries {
	groups := slices.Collect(maps.Keys(b.values))
	byLabels := func(x, y *seriesGroup) int { return x.labels.Compare(y.labels) }
	if limit > 0 && int64(len(groups)) > limit {
		slices.SortFunc(groups, func(x, y *seriesGroup) int {
			return cmp.Or(cmp.Compare(sumOfValues(b.values[y]), sumOfValues(b.values[x])), byLabels(x, y))
		})
		groups = groups[:limit]
	}
	slices.SortFunc(groups, byLabels)
	scale := newHeatmapScale(groups, b.values)
	out := make([]HeatmapSeries, len(groups))
	for i, g := range groups {
		out[i] = HeatmapSeries{Labels: g.labels, Slots: b.slots(b.values[g], scale)}
	}
	return out
}

func (b *heatmapBuilder) slots(values []steppedValue, scale heatmapScale) []HeatmapSlot {
	slices.SortFunc(values, func(x, y steppedValue) int { return cmp.Compare(x.step, y.step) })
	var out []HeatmapSlot
	for i, v := range values {
		if i == 0 || v.step != values[i-1].step {
			out = append(out, HeatmapSlot{
				TimeMs: b.grid.at(v.step).Time().UnixMilli(),
				YMin:   scale.bounds, Counts: make([]int32, HeatmapRows),
			})
		}
		out[len(out)-1].Counts[scale.row(v.value)]++
	}
	return out
}

func sumOfValues(values []steppedValue) (sum float64) {
	for _, v := range values {
		sum += float64(v.value)
	}
	return sum
}

// heatmapScale divides the values from least to most into HeatmapRows ranges.
type heatmapScale struct {
	least, width float64
	bounds       []float64
}

func newHeatmapScale(groups []*seriesGroup, values map[*seriesGroup][]steppedValue) heatmapScale {
	var least, most int64
	first := true
	for _, g := range groups {
		for _, v := range values[g] {
			if first {
				least, most, first = v.value, v.value, false
			}
			least, most = min(least, v.value), max(most, v.value)
		}
	}
	s := heatmapScale{least: float64(least), width: (float64(most) - float64(least)) / HeatmapRows}
	for i := range HeatmapRows {
		s.bounds = append(s.bounds, s.least+float64(i)*s.width)
	}
	return s
}

// row returns the range that a value belongs to; all equal values are in the first.
func (s heatmapScale) row(value int64) int {
	if s.width == 0 {
		return 0
	}
	return max(0, min(int((float64(value)-s.least)/s.width), HeatmapRows-1))
}
