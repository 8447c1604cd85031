package query

import (
	"context"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Stats says whether a tenant has data, and from when to when.
type Stats struct {
	Ingested       bool
	Oldest, Newest warehouse.Micros // of its profiles' start; 0 when there are none
}

// Stats returns what the index knows about a tenant.
func (s *Service) Stats(ctx context.Context, t warehouse.Tenant) (out Stats, err error) {
	defer s.metrics.observe("stats", time.Now(), &err)
	if err := ctxError(ctx); err != nil {
		return Stats{}, err
	}
	snap, err := s.opts.Index.Snapshot(ctx)
	if err != nil {
		return Stats{}, err
	}
	defer snap.Release()
	b := snap.Bounds(t)
	if all := snap.Deletions(t); len(all) > 0 && !b.IsEmpty() {
		if b, err = s.boundsOf(ctx, t, snap, b); err != nil {
			return Stats{}, err
		}
	}
	if b.IsEmpty() {
		return Stats{}, nil
	}
	return Stats{Ingested: true, Oldest: b.From, Newest: b.To}, nil
}

// boundsOf returns the smallest range that holds all of the tenant's profiles which are
// not deleted. Parts without masks say it themselves; of the others, the profiles do.
func (s *Service) boundsOf(ctx context.Context, t warehouse.Tenant, snap Snapshot, within warehouse.TimeRange) (warehouse.TimeRange, error) {
	v := &view{tenant: t, within: clamp(within), snap: snap}
	v.parts = snap.Parts(t, v.within)
	v.masks = newMaskTable(snap.Deletions(t), v.parts)
	out := warehouse.EmptyRange
	var unsure []target
	for _, one := range v.targets(func(datasetName) int { return 0 }) {
		if one.masks == nil {
			out = out.Union(one.span)
		} else if !out.Covers(one.span) {
			unsure = append(unsure, one)
		}
	}
	indexes, err := s.indexesOf(ctx, v, partsOf(unsure))
	if err != nil {
		return out, err
	}
	for i := range unsure {
		start := unsure[i].part.Hour.Start()
		for _, one := range indexes[unsure[i].part].of(&unsure[i]) {
			out = out.Union(warehouse.TimeRange{From: start + warehouse.Micros(one.first), To: start + warehouse.Micros(one.last)})
		}
	}
	return out, nil
}
