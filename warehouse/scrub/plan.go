package scrub

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Index is what is live; see metastore.Metastore.
type Index interface {
	// Snapshot returns the index as it is now. The objects of its parts stay until
	// it is released.
	Snapshot(ctx context.Context) (Snapshot, error)
}

// Snapshot is the index at one moment.
type Snapshot interface {
	Tenants() []warehouse.Tenant
	Bounds(t warehouse.Tenant) warehouse.TimeRange
	Parts(t warehouse.Tenant, r warehouse.TimeRange) []*warehouse.Part
	Release()
}

// objectCost is what opening an object weighs, in bytes that are read meanwhile.
const objectCost = 64 << 10

// target is a live object.
type target struct {
	id    warehouse.ObjectID
	parts []*warehouse.Part
	bytes int64
	since time.Time // when it was last verified, or else made
}

func (t *target) weight() int64 { return t.bytes + objectCost }

func (t *target) madeAt() time.Time { return time.UnixMilli(int64(t.id.Time())) } //nolint:gosec // 48 bits

func (t *target) add(p *warehouse.Part) {
	t.parts = append(t.parts, p)
	t.bytes += p.SizeBytes()
}

// part returns the object's part of a tenant and hour, or nil.
func (t *target) part(tenant warehouse.Tenant, h warehouse.Hour) *warehouse.Part {
	for _, p := range t.parts {
		if p.Tenant == tenant && p.Hour == h {
			return p
		}
	}
	return nil
}

// live returns the object with those of its parts that a snapshot has; nil without
// any.
func (t *target) live(s Snapshot) *target {
	now := &target{id: t.id, since: t.since}
	for _, p := range t.parts {
		if slices.ContainsFunc(s.Parts(p.Tenant, p.Range), func(o *warehouse.Part) bool { return o.Object == p.Object && o.Hour == p.Hour }) {
			now.add(p)
		}
	}
	if len(now.parts) == 0 {
		return nil
	}
	return now
}

// targets returns all live objects, those first that were not verified for the
// longest time, and tells the register which are left.
func (s *Scrubber) targets(ctx context.Context) ([]*target, error) {
	snap, err := s.opts.Index.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Release()
	byID := map[warehouse.ObjectID]*target{}
	for _, tenant := range snap.Tenants() {
		bounds := snap.Bounds(tenant)
		if bounds.IsEmpty() {
			continue
		}
		for _, p := range snap.Parts(tenant, bounds) {
			t := byID[p.Object]
			if t == nil {
				t = &target{id: p.Object}
				byID[p.Object] = t
			}
			t.add(p)
		}
	}
	s.opts.Register.keep(byID)
	all := make([]*target, 0, len(byID))
	for _, t := range byID {
		t.since = t.madeAt()
		if at := s.opts.Register.VerifiedAt(t.id); at.After(t.since) {
			t.since = at
		}
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b *target) int { return cmp.Or(a.since.Compare(b.since), a.id.Compare(b.id)) })
	return all, nil
}
