package query

import (
	"context"
	"slices"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

// readTinyParts reads the samples of whole parts, remembers them and returns
// those of the targets, which are given by part.
func (s *Service) readTinyParts(ctx context.Context, parts [][]target) ([]*sampleSlice, error) {
	read := make([][]*sampleSlice, len(parts))
	err := s.parallel(ctx, len(parts), func(ctx context.Context, i int) (err error) {
		read[i], err = s.readTinyPart(ctx, parts[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	return slices.Concat(read...), nil
}

func (s *Service) readTinyPart(ctx context.Context, wanted []target) ([]*sampleSlice, error) {
	p := wanted[0].part
	data, err := s.opts.Sections.Read(ctx, p, warehouse.TableSamples)
	if err != nil {
		return nil, err
	}
	r := &tinyReader{filler: newSliceFiller(s.samples, allTargets(p))}
	if err = block.ReadSamples(data, r.row); err == nil {
		err = r.flush()
	}
	if err == nil {
		err = r.filler.check()
	}
	all := r.filler.finish()
	if err != nil {
		s.samples.drop(all)
		return nil, partError(p, warehouse.TableSamples, err)
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

// allTargets returns the datasets of a part that have samples.
func allTargets(p *warehouse.Part) []target {
	v := view{tenant: p.Tenant, within: p.Range, parts: []*warehouse.Part{p}}
	return slices.DeleteFunc(v.targets(func(datasetName) int { return 0 }), func(t target) bool { return t.rows == 0 })
}

// tinyReader hands rows of a part to their slices, one dataset at a time.
type tinyReader struct {
	filler  *sliceFiller
	current int // target whose rows are collected

	series         []int64
	times          []warehouse.Micros
	stacks, values []int64
}

func (r *tinyReader) row(row block.SampleRow) error {
	if name := (datasetName{row.Service, row.Type}); name != r.name() {
		if err := r.flush(); err != nil {
			return err
		}
		for r.current++; name != r.name(); r.current++ {
			if r.current >= len(r.filler.targets) {
				return warehouse.Errorf(warehouse.Corrupt, "samples of service %q, type %q are not in their place", row.Service, row.Type)
			}
		}
	}
	r.series = append(r.series, int64(row.Series))
	r.times = append(r.times, row.Time)
	r.stacks = append(r.stacks, int64(row.Stacktrace))
	r.values = append(r.values, row.Value)
	return nil
}

func (r *tinyReader) name() datasetName {
	if r.current < len(r.filler.targets) {
		return r.filler.targets[r.current].datasetName
	}
	return datasetName{}
}

func (r *tinyReader) flush() error {
	if len(r.values) == 0 {
		return nil
	}
	err := r.filler.take(r.current, r.series, r.times, r.stacks, r.values)
	r.series, r.times, r.stacks, r.values = r.series[:0], r.times[:0], r.stacks[:0], r.values[:0]
	return err
}
