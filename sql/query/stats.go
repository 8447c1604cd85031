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
	if b.IsEmpty() {
		return Stats{}, nil
	}
	return Stats{Ingested: true, Oldest: b.From, Newest: b.To}, nil
}
