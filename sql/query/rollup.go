package query

import (
	"context"
	"slices"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

// A final block carries stack_totals: the sums of its samples by service, type and
// stacktrace. They stand for the samples of that block when a query wants all of
// them; see docs/adr/0011.

// byRollup reports whether totals stand for what the query wants of a part: all
// samples of the datasets that it names, whatever their series. Totals know nothing of
// what is deleted.
func (s *Service) byRollup(r *resolved, ts []target) bool {
	if _, ok := ts[0].part.Section(warehouse.TableStackTotals); !ok || s.opts.NoRollups || r.sel.restrictsSamples() {
		return false
	}
	return !slices.ContainsFunc(ts, func(t target) bool { return !t.covered || t.masks != nil || r.series != nil && !t.whole })
}

// rollupsOf returns the totals of the targets as slices, each with one run.
func (s *Service) rollupsOf(ctx context.Context, sel *Selection, ts []target) ([]*sampleSlice, error) {
	ts = slices.DeleteFunc(slices.Clone(ts), func(t target) bool { return t.rows == 0 })
	for i := range ts {
		ts[i].rollup = true
	}
	found, missing := s.samples.lookup(ts)
	if len(missing) == 0 {
		return found, nil
	}
	end, err := s.samples.beginFill(ctx, fillKey{sel.Tenant, sel.Type.String()})
	if err != nil {
		return nil, err
	}
	defer end()
	again, missing := s.samples.lookup(missing)
	parts := byPart(missing)
	read := make([][]*sampleSlice, len(parts))
	err = s.parallel(ctx, len(parts), func(ctx context.Context, i int) (err error) {
		read[i], err = s.readRollups(ctx, parts[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	return slices.Concat(append(read, found, again)...), nil
}

// readRollups reads a part's totals, remembers them and returns those of the
// targets. All of the part are kept while there is room: the file is decoded
// anyhow.
func (s *Service) readRollups(ctx context.Context, wanted []target) ([]*sampleSlice, error) {
	p := wanted[0].part
	section, _ := p.Section(warehouse.TableStackTotals)
	data, err := s.opts.Sections.Read(ctx, p, warehouse.TableStackTotals)
	if err != nil {
		return nil, err
	}
	ts := wanted
	if s.samples.hasRoom(section.Rows * bytesPerSample) {
		ts = allTargets(p)
		for i := range ts {
			ts[i].rollup = true
		}
	}
	f := rollupFiller{targets: ts, counts: make([]int64, len(ts))}
	for i := range ts {
		f.builders = append(f.builders, newSliceBuilder(&ts[i], s.samples.dict(&ts[i])))
	}
	all := make([]*sampleSlice, 0, len(ts))
	err = block.ReadStackTotals(data, f.add)
	if err == nil {
		err = f.check()
	}
	for _, b := range f.builders {
		all = append(all, b.finish())
	}
	if err != nil {
		s.samples.drop(all)
		return nil, partError(p, warehouse.TableStackTotals, err)
	}
	s.samples.add(all)
	out := make([]*sampleSlice, 0, len(wanted))
	for _, slice := range all {
		if slices.ContainsFunc(wanted, func(t target) bool { return t.datasetName == slice.key.datasetName }) {
			out = append(out, slice)
		}
	}
	return out, nil
}

// rollupFiller sorts rows of totals, which are sorted by service and type as the
// targets are, into slices.
type rollupFiller struct {
	targets  []target
	builders []*sliceBuilder
	counts   []int64 // samples that the rows stand for
	at       int
}

func (f *rollupFiller) add(r block.StackTotal) error {
	name := datasetName{r.Service, r.Type}
	if f.at >= len(f.targets) || f.targets[f.at].datasetName != name {
		f.at = slices.IndexFunc(f.targets, func(t target) bool { return t.datasetName == name })
		if f.at < 0 {
			f.at = len(f.targets)
			return nil // not wanted
		}
	}
	if r.Value.Sign() <= 0 {
		return warehouse.Errorf(warehouse.Corrupt, "stacktrace %d of service %q, type %q has the total %s", r.Stacktrace, r.Service, r.Type, r.Value.ToString(0))
	}
	b := f.builders[f.at]
	f.counts[f.at] += r.Samples
	if r.Value.HighBits() != 0 || r.Value.LowBits() > 1<<63-1 {
		b.slice.overflow = true // for whoever asks about this dataset
		return nil
	}
	b.slice.dict.mu.Lock()
	defer b.slice.dict.mu.Unlock()
	b.add(0, 0, r.Stacktrace, int64(r.Value.LowBits()))
	return nil
}

// check compares the samples that the totals stand for with the index.
func (f *rollupFiller) check() error {
	for i, t := range f.targets {
		if f.counts[i] != t.rows {
			return warehouse.Errorf(warehouse.Corrupt, "totals of service %q, type %q are of %d samples, want %d", t.service, t.typ, f.counts[i], t.rows)
		}
	}
	return nil
}
