package metastore

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/stackhouse-db/stackhouse/metastore/manifest"
	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Snapshot is the index at one moment. It never changes, and the objects of its
// parts are not deleted before Release.
//
// A snapshot that is held for over an hour is dropped: it goes on to answer, but
// objects may be gone. A holder that meets a missing object asks Err why.
//
// Concurrency: all methods may be called at the same time.
// Ownership: parts and slices that it returns are shared; do not change them.
type Snapshot struct {
	view    *state.View
	pins    *pins
	at      time.Time // under the lock of pins
	maxAge  time.Duration
	dropped atomic.Bool
}

// Snapshot returns the index with every command that was answered before the
// call. The caller must Release it. Unavailable means that no leader is known.
func (m *Metastore) Snapshot(ctx context.Context) (*Snapshot, error) {
	if err := m.barrier(ctx); err != nil {
		return nil, err
	}
	return m.pins.pin(m.fsm.view.Load, m.pins.maxAge), nil
}

// Hold is Snapshot for who works longer than a query: the snapshot is dropped when it
// was not renewed for the lease.
func (m *Metastore) Hold(ctx context.Context, lease time.Duration) (*Snapshot, error) {
	if err := m.barrier(ctx); err != nil {
		return nil, err
	}
	return m.pins.pin(m.fsm.view.Load, lease), nil
}

// barrier makes sure that the newest view is current. An answered command was
// applied by this leader before its answer, or by one before it, which lead
// waited for. What remains is that this node may have been deposed without
// knowing it; a node alone cannot be.
func (m *Metastore) barrier(ctx context.Context) error {
	if err := m.Ready(ctx); err != nil {
		return err
	}
	if m.peers == nil || !m.peers.hasPeers.Load() {
		return nil
	}
	r := m.raft.Load()
	err := m.await(ctx, "read index", func() error { return r.VerifyLeader().Error() })
	if err != nil {
		return warehouse.Errorf(warehouse.Unavailable, "read index: %w", err)
	}
	return nil
}

// Release ends the use of the snapshot. Releasing it again does nothing.
func (s *Snapshot) Release() { s.pins.release(s) }

// Err returns a Deadline error if the snapshot was dropped because it was held
// for too long.
func (s *Snapshot) Err() error {
	if s.dropped.Load() {
		return warehouse.Errorf(warehouse.Deadline, "read snapshot %d: it is older than %s and no longer protected", s.view.Index(), s.maxAge)
	}
	return nil
}

// Renew makes the snapshot as young as a new one. Deadline: it was dropped.
func (s *Snapshot) Renew() error {
	s.pins.renew(s)
	return s.Err()
}

// Manifest returns the byte form of the whole index; see package manifest.
func (s *Snapshot) Manifest() ([]byte, error) {
	return manifest.Encode(s.view, warehouse.MicrosOf(s.pins.clock()))
}

// EachPart calls fn with every live part.
func (s *Snapshot) EachPart(fn func(*warehouse.Part)) { s.view.EachPart(fn) }

// Index returns the log index of the last command that the snapshot includes.
func (s *Snapshot) Index() uint64 { return s.view.Index() }

// Parts returns the tenant's live parts with an instant in r, by hour, then in
// order of registration. A part's definitions may be needed by others of its
// hour: to find definitions, ask for whole hours.
func (s *Snapshot) Parts(t warehouse.Tenant, r warehouse.TimeRange) []*warehouse.Part {
	return s.view.Parts(t, r)
}

// Bounds returns the smallest range that holds all of the tenant's live parts;
// it is empty if there are none.
func (s *Snapshot) Bounds(t warehouse.Tenant) warehouse.TimeRange { return s.view.Bounds(t) }

// Tenants returns the tenants with live parts or settings of their own, sorted.
func (s *Snapshot) Tenants() []warehouse.Tenant { return s.view.Tenants() }

// Retention returns how long the tenant's data is kept; 0 is for ever.
func (s *Snapshot) Retention(t warehouse.Tenant) time.Duration { return s.view.Retention(t) }

// Settings returns what was set for the tenant, sorted by name.
func (s *Snapshot) Settings(t warehouse.Tenant) []Setting { return s.view.Settings(t) }

// RetentionOf returns how long profiles of a service and type are kept; 0 is for ever.
func (s *Snapshot) RetentionOf(t warehouse.Tenant, service, typ string) time.Duration {
	return s.view.RetentionOf(t, service, typ)
}

// Deletions returns the tenant's deletions that rows of live parts may still fall
// under, in order of the log: a reader leaves those rows out. See warehouse.MasksOf.
func (s *Snapshot) Deletions(t warehouse.Tenant) []*warehouse.Deletion { return s.view.Masks(t) }

// Epoch returns the current epoch of a dataset partition.
func (s *Snapshot) Epoch(k warehouse.PartitionKey) uint64 { return s.view.Epoch(k) }
