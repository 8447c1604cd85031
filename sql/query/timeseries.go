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

// SeriesRequest asks for values over time.
//
// A point at T covers the profiles in (T-step, T]; points lie at the range's
// start and each step after it, up to its end. So profiles of the step before
// the start count, and those after the last point do not. A step without
// profiles has no point; one whose profiles are all empty has one of value 0.
type SeriesRequest struct {
	Selection

	// GroupBy names labels, stored or derived. Series with equal values of them
	// are added up; a name that a series lacks is not in the answer's labels.
	GroupBy []string

	StepMs int64 // at least 1

	// Average divides the sum of a step by the number of its profiles, each of
	// the series that a profile was split into counting as one.
	Average bool

	// Limit keeps the series with the greatest sums of points. 0 keeps all.
	Limit int64
}

// Point is a value at a time.
type Point struct {
	TimeMs int64   // since the epoch
	Value  float64 // nearest to the exact one
}

// TimeSeries is the points of one group, by time.
type TimeSeries struct {
	Labels warehouse.Labels
	Points []Point
}

// Series returns one time series per distinct set of the labels that the request
// groups by, ordered by them. With a call site, spans or traces, a profile's
// value is the sum of the samples that those select; else it is its total.
func (s *Service) Series(ctx context.Context, req SeriesRequest) (out []TimeSeries, err error) {
	defer s.metrics.observe("series", time.Now(), &err)
	g, err := newGrid(req.Range, req.StepMs)
	if err != nil {
		return nil, err
	}
	v, err := s.view(ctx, req.Tenant, g.covered())
	if err != nil {
		return nil, err
	}
	defer v.release()

	b := &seriesBuilder{service: s, req: &req, grid: g, view: v, groups: map[string]*seriesGroup{}}
	if err := b.findSeries(ctx); err != nil {
		return nil, err
	}
	if err := b.addProfiles(ctx); err != nil {
		return nil, err
	}
	if b.fromSamples() {
		if err := b.addSamples(ctx); err != nil {
			return nil, err
		}
	}
	return b.finish(), nil
}

// seriesBuilder is one call of [Service.Series].
type seriesBuilder struct {
	service *Service
	req     *SeriesRequest
	grid    grid
	view    *view

	found   *resolved
	indexes map[*warehouse.Part]*seriesIndex
	groups  map[string]*seriesGroup
	groupOf map[warehouse.SeriesID]*seriesGroup // of the series that match
}

// seriesGroup is the points of one label set.
type seriesGroup struct {
	labels  warehouse.Labels
	points  map[int64]*pointSum
	current *pointSum // the one used last, at
	at      int64
}

type pointSum struct {
	sum      wide
	profiles int64
}

func (g *seriesGroup) point(k int64) *pointSum {
	if g.current != nil && g.at == k {
		return g.current
	}
	p, ok := g.points[k]
	if !ok {
		p = &pointSum{}
		g.points[k] = p
	}
	g.current, g.at = p, k
	return p
}

// fromSamples reports whether totals of profiles are not what is asked for.
func (b *seriesBuilder) fromSamples() bool {
	return len(b.req.CallSite)+len(b.req.Spans)+len(b.req.Traces) > 0
}

// findSeries resolves the selection and groups its series.
func (b *seriesBuilder) findSeries(ctx context.Context) error {
	s := b.service
	r, err := s.resolve(ctx, b.view, &b.req.Selection)
	if err != nil {
		return err
	}
	b.found = r
	if b.indexes, err = s.indexesOf(ctx, b.view, partsOf(r.targets)); err != nil {
		return err
	}
	defs := seriesByID{}
	for i := range r.targets {
		t := &r.targets[i]
		for _, one := range b.indexes[t.part].of(t) {
			if r.series == nil || r.series[one.id] {
				defs[one.id] = nil
			}
		}
	}
	if err := s.define(ctx, b.view, defs, r.targets); err != nil {
		return err
	}
	names := slices.Compact(slices.Sorted(slices.Values(b.req.GroupBy)))
	b.groupOf = make(map[warehouse.SeriesID]*seriesGroup, len(defs))
	for id, def := range defs {
		labels := appendPicked(nil, def, names)
		key := labels.String()
		g, ok := b.groups[key]
		if !ok {
			g = &seriesGroup{labels: labels, points: map[int64]*pointSum{}}
			b.groups[key] = g
		}
		b.groupOf[id] = g
	}
	return nil
}

// addProfiles adds the profiles, and their totals if those are asked for: from
// memory where the index has the rows, by the engine elsewhere and when single
// profiles are selected.
func (b *seriesBuilder) addProfiles(ctx context.Context) error {
	var large []target
	for _, ts := range byPart(b.found.targets) {
		x := b.indexes[ts[0].part]
		switch {
		case len(x.series) == 0:
		case x.hasRows() && len(b.req.ProfileIDs) == 0:
			if err := ctxError(ctx); err != nil {
				return err
			}
			b.addRows(x, ts)
		default:
			large = append(large, ts...)
		}
	}
	return b.scanProfiles(ctx, large)
}

func (b *seriesBuilder) addRows(x *seriesIndex, ts []target) {
	withTotals := !b.fromSamples()
	b.eachRow(x, ts, func(g *seriesGroup, k, value int64) {
		p := g.point(k)
		p.profiles++
		if withTotals {
			p.sum.add(value)
		}
	})
}

// eachRow calls fn with the group, the step and the total of each selected
// profile of an index that has the rows.
func (b *seriesBuilder) eachRow(x *seriesIndex, ts []target, fn func(g *seriesGroup, k, value int64)) {
	start, within := x.part.Hour.Start(), inHour(x.part.Hour, b.view.within)
	for i := range ts {
		series := x.of(&ts[i])
		for j := range series {
			g := b.groupOf[series[j].id]
			if g == nil {
				continue
			}
			from, to := x.rows(&series[j], within)
			for n := from; n < to; n++ {
				fn(g, b.grid.of(start+warehouse.Micros(x.times[n])), x.values[n])
			}
		}
	}
}

func (b *seriesBuilder) scanProfiles(ctx context.Context, ts []target) error {
	if len(ts) == 0 {
		return nil
	}
	values := b.bindings(ts)
	restrictProfiles(values, &b.req.Selection)
	withTotals := !b.fromSamples()
	return b.service.scan(ctx, b.view.masks, statements.seriesPoints, partsOf(ts), warehouse.TableProfiles, values, func(rec arrow.RecordBatch) error {
		cols := newColumns(rec)
		ids, steps, totals, profiles := cols.int64(0), cols.int64(1), cols.decimal(2), cols.int64(3)
		if cols.err != nil {
			return cols.err
		}
		for i, id := range ids {
			g := b.groupOf[warehouse.SeriesID(id)]
			if g == nil {
				continue
			}
			p := g.point(steps[i])
			p.profiles += profiles[i]
			if withTotals {
				w, err := wideOf(totals.Value(i))
				if err != nil {
					return err
				}
				p.sum.addWide(w)
			}
		}
		return nil
	})
}

// bindings are what the statements over steps share.
func (b *seriesBuilder) bindings(ts []target) bindings {
	values := bindings{"start": int64(b.grid.start), "step": b.grid.step}
	restrict(values, &b.req.Selection, ts)
	restrictSeries(values, b.found.series)
	restrictTime(values, b.view.within)
	return values
}

// addSamples adds the values of the selected samples.
func (b *seriesBuilder) addSamples(ctx context.Context) error {
	stacks, err := b.stacksBelow(ctx)
	if err != nil || stacks != nil && len(stacks) == 0 {
		return err
	}
	ways := b.service.split(b.found, false)
	if err := b.addSlices(ctx, ways.memory, stacks); err != nil {
		return err
	}
	return b.scanSamples(ctx, slices.Concat(ways.covered, ways.partial), stacks)
}

// stacksBelow returns the stacktraces below the call site, nil if there is none.
func (b *seriesBuilder) stacksBelow(ctx context.Context) (map[warehouse.StacktraceID]struct{}, error) {
	if len(b.req.CallSite) == 0 {
		b.found.targets = withRows(b.found.targets)
		return nil, nil
	}
	s := b.service
	ids, values, err := s.stackSums(ctx, b.found)
	if err != nil {
		return nil, err
	}
	symbols, err := s.symbols(ctx, b.view, b.found.targets, ids)
	if err != nil {
		return nil, err
	}
	ids, _ = symbols.Below(b.req.CallSite, ids, values)
	out := make(map[warehouse.StacktraceID]struct{}, len(ids))
	for _, id := range ids {
		out[id] = struct{}{}
	}
	return out, nil
}

func (b *seriesBuilder) addSlices(ctx context.Context, ts []target, stacks map[warehouse.StacktraceID]struct{}) error {
	found, err := b.service.slicesOf(ctx, &b.req.Selection, ts)
	if err != nil {
		return err
	}
	for _, group := range byDict(found) {
		ids := group[0].dict.stacks()
		picked := make([]bool, len(ids))
		for n, id := range ids {
			_, picked[n] = stacks[id]
		}
		for _, slice := range group {
			if err := ctxError(ctx); err != nil {
				return err
			}
			start := slice.part.Hour.Start()
			slice.eachRun(b.found.runFilter(slice), picked, func(r *sampleRun, sum wide) {
				if g := b.groupOf[r.series]; g != nil {
					p := g.point(b.grid.of(start + warehouse.Micros(r.at)))
					p.sum.addWide(sum)
				}
			})
		}
	}
	return nil
}

func (b *seriesBuilder) scanSamples(ctx context.Context, ts []target, stacks map[warehouse.StacktraceID]struct{}) error {
	if len(ts) == 0 {
		return nil
	}
	values := b.bindings(ts)
	restrictSamples(values, &b.req.Selection)
	if stacks != nil {
		ids := make([]int64, 0, len(stacks))
		for id := range maps.Keys(stacks) {
			ids = append(ids, int64(id))
		}
		values["stacks"] = ids
	}
	return b.service.scan(ctx, b.view.masks, statements.profileSums, partsOf(ts), warehouse.TableSamples, values, func(rec arrow.RecordBatch) error {
		cols := newColumns(rec)
		ids, steps, totals := cols.int64(0), cols.int64(1), cols.decimal(2)
		if cols.err != nil {
			return cols.err
		}
		for i, id := range ids {
			w, err := wideOf(totals.Value(i))
			if err != nil {
				return err
			}
			if g := b.groupOf[warehouse.SeriesID(id)]; g != nil {
				g.point(steps[i]).sum.addWide(w)
			}
		}
		return nil
	})
}

// finish turns the groups into the answer.
func (b *seriesBuilder) finish() []TimeSeries {
	var out []TimeSeries
	for _, g := range b.groups {
		if len(g.points) > 0 {
			out = append(out, TimeSeries{Labels: g.labels, Points: b.points(g)})
		}
	}
	byLabels := func(x, y TimeSeries) int { return x.Labels.Compare(y.Labels) }
	if b.req.Limit > 0 && int64(len(out)) > b.req.Limit {
		slices.SortFunc(out, func(x, y TimeSeries) int {
			return cmp.Or(cmp.Compare(sumOf(y.Points), sumOf(x.Points)), byLabels(x, y))
		})
		out = out[:b.req.Limit:b.req.Limit]
	}
	slices.SortFunc(out, byLabels)
	return out
}

func (b *seriesBuilder) points(g *seriesGroup) []Point {
	out := make([]Point, 0, len(g.points))
	for _, k := range slices.Sorted(maps.Keys(g.points)) {
		p := g.points[k]
		value := p.sum.float64()
		if b.req.Average {
			value = p.sum.mean(max(p.profiles, 1))
		}
		out = append(out, Point{TimeMs: b.grid.at(k).Time().UnixMilli(), Value: value})
	}
	return out
}

func sumOf(points []Point) (sum float64) {
	for _, p := range points {
		sum += p.Value
	}
	return sum
}
