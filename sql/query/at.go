package query

import (
	"context"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// At returns a service that answers from one snapshot, with the caches of s.
//
// Ownership: the snapshot stays the caller's, who releases it after the last answer.
func (s *Service) At(snap Snapshot) *Service {
	at := *s
	at.opts.Index = pinned{snap}
	return &at
}

// pinned is an Index of one snapshot.
type pinned struct{ snap Snapshot }

func (p pinned) Snapshot(ctx context.Context) (Snapshot, error) {
	return p, ctx.Err()
}

func (p pinned) Parts(t warehouse.Tenant, r warehouse.TimeRange) []*warehouse.Part {
	return p.snap.Parts(t, r)
}

func (p pinned) Bounds(t warehouse.Tenant) warehouse.TimeRange { return p.snap.Bounds(t) }

func (p pinned) Deletions(t warehouse.Tenant) []*warehouse.Deletion { return p.snap.Deletions(t) }

// Release leaves the snapshot to its owner.
func (p pinned) Release() {}
