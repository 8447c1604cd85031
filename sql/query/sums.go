package query

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// resolved is a selection against a view: what of which parts to read.
type resolved struct {
	*view
	sel     *Selection
	filter  filter
	targets []target // ordered by part

	// series are those that the selector's labels pick; nil when they are all that
	// the targets have.
	series map[warehouse.SeriesID]bool

	maskOf map[sliceKey][]*warehouse.Deletion // of the targets that have masks
}

// resolve finds the datasets of a selection and, if its labels decide, the
// series. Datasets without such a series are left out.
func (s *Service) resolve(ctx context.Context, v *view, sel *Selection) (*resolved, error) {
	r := &resolved{view: v, sel: sel, filter: newFilter(sel.Matchers)}
	r.targets = v.targetsOf(sel.Type, r.filter)
	r.findMasks()
	if len(r.filter.series) == 0 {
		return r, nil
	}
	indexes, err := s.indexesOf(ctx, v, partsOf(r.targets))
	if err != nil {
		return nil, err
	}
	defs := seriesByID{}
	for i := range r.targets {
		t := &r.targets[i]
		for _, one := range indexes[t.part].of(t) {
			defs[one.id] = nil
		}
	}
	if err := s.define(ctx, v, defs, r.targets); err != nil {
		return nil, err
	}
	r.series = map[warehouse.SeriesID]bool{}
	for id, def := range defs {
		if def.Matches(r.filter.series) {
			r.series[id] = true
		}
	}
	r.targets = r.targetsWithSeries(indexes)
	return r, nil
}

// targetsWithSeries returns the targets that have a picked series, and notes of which
// all series are picked. If that is so of all, the labels decide nothing; but a
// service that is left out of one part and not of another is told apart by series.
func (r *resolved) targetsWithSeries(indexes map[*warehouse.Part]*seriesIndex) []target {
	var out []target
	whole := true
	kept, left := map[string]bool{}, map[string]bool{}
	for i := range r.targets {
		t := r.targets[i]
		all := indexes[t.part].of(&t)
		picked := 0
		for _, one := range all {
			if r.series[one.id] {
				picked++
			}
		}
		if picked == 0 {
			left[t.service] = true
			continue
		}
		kept[t.service] = true
		t.whole = picked == len(all)
		whole = whole && t.whole
		out = append(out, t)
	}
	for service := range left {
		whole = whole && !kept[service]
	}
	if whole {
		r.series = nil
	}
	return out
}

// split is the targets of a query by the way they are read. All targets of a
// part go the same way, so that no statement meets rows that are not its own.
type split struct {
	rollup  []target // by the totals that final blocks carry
	memory  []target
	covered []target // by the engine, all profiles lie in the range
	partial []target // by the engine, not all do
}

// split decides what totals stand for, if they may, and by size what is kept in
// memory, up to half of the budget.
func (s *Service) split(r *resolved, rollups bool) split {
	var out split
	room := s.opts.SampleCacheBytes / 2
	selected := map[string]struct{}{}
	for i := range r.targets {
		selected[r.targets[i].service] = struct{}{}
	}
	for _, ts := range byPart(r.targets) {
		rows, fits := s.memoryRows(ts)
		switch bytes := rows * bytesPerSample; {
		case rollups && s.byRollup(r, ts):
			out.rollup = append(out.rollup, ts...)
		case fits && bytes <= room && !r.sel.restrictsSamples():
			room -= bytes
			out.memory = append(out.memory, ts...)
		case isCovered(ts[0].part, r.sel.Type.String(), selected, r.within):
			out.covered = append(out.covered, ts...)
		default:
			out.partial = append(out.partial, ts...)
		}
	}
	return out
}

// bytesPerSample is about what a sample takes in memory, its share of the
// dictionary included.
const bytesPerSample = 16

// memoryRows returns the samples that memory would hold for a part's targets, and
// whether each target is small enough.
func (s *Service) memoryRows(ts []target) (rows int64, fits bool) {
	for i := range ts {
		if ts[i].rows > s.opts.SmallRows {
			return 0, false
		}
		rows += ts[i].rows
	}
	return rows, true
}

// byPart cuts targets, which are ordered by part, into those of each part.
func byPart(ts []target) [][]target {
	var out [][]target
	for len(ts) > 0 {
		n := 1
		for n < len(ts) && ts[n].part == ts[0].part {
			n++
		}
		out = append(out, ts[:n:n])
		ts = ts[n:]
	}
	return out
}

// isCovered reports whether everything that the services have of the type in the
// part lies in r: then a statement needs no filter on time.
func isCovered(p *warehouse.Part, typ string, services map[string]struct{}, r warehouse.TimeRange) bool {
	if r.Covers(p.Range) {
		return true
	}
	for i := range p.Datasets {
		d := &p.Datasets[i]
		if _, ok := services[d.Service]; !ok {
			continue
		}
		for j := range d.Types {
			if d.Types[j].Type == typ && !r.Covers(d.Types[j].Range) {
				return false
			}
		}
	}
	return true
}

// withRows returns the targets of parts that have samples of the selection.
func withRows(ts []target) []target {
	var out []target
	for _, part := range byPart(ts) {
		for i := range part {
			if part[i].rows > 0 {
				out = append(out, part...)
				break
			}
		}
	}
	return out
}

// stackSums adds the values of the selection up by stacktrace. Its order means
// nothing.
func (s *Service) stackSums(ctx context.Context, r *resolved) ([]warehouse.StacktraceID, []int64, error) {
	r.targets = withRows(r.targets)
	ways := s.split(r, true)
	sums := &stackSums{}
	rollups, err := s.rollupsOf(ctx, r.sel, ways.rollup)
	if err != nil {
		return nil, nil, err
	}
	samples, err := s.slicesOf(ctx, r.sel, ways.memory)
	if err != nil {
		return nil, nil, err
	}
	if err := s.addFromMemory(ctx, r, append(samples, rollups...), sums); err != nil {
		return nil, nil, err
	}
	if err := s.addFromEngine(ctx, r, ways.covered, false, sums); err != nil {
		return nil, nil, err
	}
	if err := s.addFromEngine(ctx, r, ways.partial, true, sums); err != nil {
		return nil, nil, err
	}
	if sums.overflow {
		return nil, nil, errTotal(r.sel)
	}
	return sums.table.ids, sums.values, nil
}

func errTotal(sel *Selection) error {
	return warehouse.Errorf(warehouse.OutOfRange, "add %s up: the total exceeds 2^63-1: ask for a shorter time range", sel.Type)
}

// addFromEngine runs one statement over the targets, which the range covers or
// cuts.
func (s *Service) addFromEngine(ctx context.Context, r *resolved, ts []target, cut bool, sums *stackSums) error {
	if len(ts) == 0 {
		return nil
	}
	values := bindings{}
	restrict(values, r.sel, ts)
	restrictSeries(values, r.series)
	restrictSamples(values, r.sel)
	if cut {
		restrictTime(values, r.within)
	}
	return s.scan(ctx, r.masks, statements.stackSums, partsOf(ts), warehouse.TableSamples, values, func(rec arrow.RecordBatch) error {
		cols := newColumns(rec)
		ids, totals := cols.int64(0), cols.decimal(1)
		if cols.err != nil {
			return cols.err
		}
		for i, id := range ids {
			w, err := wideOf(totals.Value(i))
			if err != nil {
				return err
			}
			v, ok := w.int64()
			if !ok {
				return errTotal(r.sel)
			}
			sums.add(warehouse.StacktraceID(id), v)
		}
		return nil
	})
}

// addFromMemory adds slices up, partition by partition.
func (s *Service) addFromMemory(ctx context.Context, r *resolved, found []*sampleSlice, sums *stackSums) error {
	groups := byDict(found)
	totals := make([][]int64, len(groups))
	ids := make([][]warehouse.StacktraceID, len(groups))
	err := s.parallel(ctx, len(groups), func(ctx context.Context, i int) error {
		ids[i] = groups[i][0].dict.stacks()
		totals[i] = make([]int64, len(ids[i]))
		for _, slice := range groups[i] {
			if err := ctxError(ctx); err != nil {
				return err
			}
			if !slice.addTo(totals[i], r.runFilter(slice)) {
				return errTotal(r.sel)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range groups {
		for n, v := range totals[i] {
			if v > 0 {
				sums.add(ids[i][n], v)
			}
		}
	}
	return nil
}

// runFilter returns what of a slice is meant.
func (r *resolved) runFilter(slice *sampleSlice) *runFilter {
	if slice.key.rollup {
		return &runFilter{}
	}
	f := &runFilter{series: r.series, masks: r.masksOf(slice)}
	if !r.within.Covers(slice.span) {
		times := inHour(slice.part.Hour, r.within)
		f.times = &times
	}
	return f
}

// findMasks notes the masks of the targets by name: a slice may have been made of an
// older snapshot's part.
func (r *resolved) findMasks() {
	if r.masks == nil {
		return
	}
	r.maskOf = map[sliceKey][]*warehouse.Deletion{}
	for i := range r.targets {
		if t := &r.targets[i]; t.masks != nil {
			r.maskOf[t.sliceKey()] = t.masks
		}
	}
}

// masksOf returns the masks that may hide runs of a slice.
func (r *resolved) masksOf(slice *sampleSlice) []runMask {
	var out []runMask
	start := slice.part.Hour.Start()
	for _, d := range r.maskOf[slice.key] {
		out = append(out, runMask{d, d.From - start, d.To - start})
	}
	return out
}

// byDict groups slices by their dictionary, in order of first appearance.
func byDict(all []*sampleSlice) [][]*sampleSlice {
	var out [][]*sampleSlice
	at := map[*stackDict]int{}
	for _, s := range all {
		i, ok := at[s.dict]
		if !ok {
			i = len(out)
			at[s.dict] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], s)
	}
	return out
}
