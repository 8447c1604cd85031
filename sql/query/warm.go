package query

import (
	"context"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// warmRange is how far back from a tenant's newest profile questions are
// expected first.
const warmRange = warehouse.Micros(time.Hour / time.Microsecond)

// Warm reads ahead what the first questions after a start need: the definitions
// of each tenant's newest hour, up to as many as one query would load, and once
// through the engine, whose code then is in memory. Nothing depends on it; a
// question that comes meanwhile waits for nothing.
//
// It returns the number of stacktraces that it read. Errors are those of reading;
// what was read before one is of use.
func (s *Service) Warm(ctx context.Context, tenants []warehouse.Tenant) (stacks int64, err error) {
	engineIsWarm := false
	for _, t := range tenants {
		n, err := s.warmTenant(ctx, t, s.manyStacks-stacks, &engineIsWarm)
		stacks += n
		if err != nil {
			return stacks, err
		}
	}
	return stacks, nil
}

func (s *Service) warmTenant(ctx context.Context, t warehouse.Tenant, most int64, engineIsWarm *bool) (int64, error) {
	newest, err := s.newest(ctx, t)
	if err != nil {
		return 0, err
	}
	v, err := s.view(ctx, t, warehouse.TimeRange{From: max(newest, warehouse.MinTime+warmRange) - warmRange, To: newest})
	if err != nil {
		return 0, err
	}
	defer v.release()
	if !*engineIsWarm {
		if *engineIsWarm, err = s.warmEngine(ctx, v); err != nil {
			return 0, err
		}
	}
	parts := newestParts(v, most)
	if len(parts) == 0 {
		return 0, nil
	}
	return stackRows(parts), s.readWholeStacks(ctx, s.opts.Symbols.For(t), parts)
}

// newest returns the time of the tenant's newest profile.
func (s *Service) newest(ctx context.Context, t warehouse.Tenant) (warehouse.Micros, error) {
	snap, err := s.opts.Index.Snapshot(ctx)
	if err != nil {
		return 0, err
	}
	defer snap.Release()
	return snap.Bounds(t).To, nil
}

// newestParts returns the last parts that define stacktraces and of which something is
// left, as long as all of them together define at most so many.
func newestParts(v *view, most int64) []*warehouse.Part {
	var out []*warehouse.Part
	parts := v.parts
	for i := len(parts) - 1; i >= 0; i-- {
		section, ok := parts[i].Section(warehouse.TableStacktraces)
		if !ok || v.masks.hideAll(parts[i]) {
			continue
		}
		if most -= section.Rows; most < 0 {
			break
		}
		out = append(out, parts[i])
	}
	return out
}

// warmEngine asks the engine about the smallest part, and reports whether there
// is one.
func (s *Service) warmEngine(ctx context.Context, v *view) (bool, error) {
	var least *warehouse.Part
	for _, p := range v.parts {
		if p.Rows() > 0 && (least == nil || p.Rows() < least.Rows()) {
			least = p
		}
	}
	if least == nil {
		return false, nil
	}
	values := bindings{"type": ""} // which no sample has
	err := s.scan(ctx, v.masks, statements.stackSums, []*warehouse.Part{least}, warehouse.TableSamples, values, func(arrow.RecordBatch) error { return nil })
	return err == nil, err
}
