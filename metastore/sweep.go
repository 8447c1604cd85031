package metastore

import (
	"context"
	"time"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// orphanAge is how old an object that the state does not know must be, by its id
// and by the bucket, before it is an orphan. Whoever writes an object gives up long
// before: an ingester after a minute, a compactor when its job is done.
const orphanAge = time.Hour

func (m *Metastore) sweepLoop(ctx context.Context) {
	if m.opts.Bucket == nil {
		return
	}
	m.every(ctx, m.opts.tuning.sweepEvery, m.sweep)
}

// sweep deletes the objects in the bucket that nobody knows: those of pushes and
// jobs that ended between storing and registering, and those that came back after
// they were deleted.
//
// An object that may still be registered is safe: one that is young is left alone,
// and before any is deleted, the state is told that none as old can become live any
// more. An upload that appears after that is found by the next sweep.
func (m *Metastore) sweep(ctx context.Context) error {
	var found []object.Attrs
	now := m.opts.Clock()
	known := m.fsm.view.Load().Objects()
	for _, prefix := range []string{block.SegmentPrefix, block.BlockPrefix} {
		err := m.opts.Bucket.List(ctx, prefix, func(a object.Attrs) error {
			id, ok := block.ParseName(a.Name)
			if _, isKnown := known[id]; ok && !isKnown && m.isOld(id, now) {
				found = append(found, a)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if len(found) == 0 {
		return nil
	}
	horizon := uint64(now.Add(-m.opts.tuning.orphanAge).UnixMilli())
	if _, err := m.propose(ctx, state.RaiseHorizon{Millis: horizon}); err != nil {
		return err
	}
	// What became live before the horizon rose is known from now on.
	known = m.fsm.view.Load().Objects()
	for _, a := range found {
		if id, _ := block.ParseName(a.Name); isIn(known, id) {
			continue
		}
		if err := m.sweepObject(ctx, a, now); err != nil {
			return err
		}
	}
	return nil
}

// isOld reports whether an object of that id is not being written any more.
func (m *Metastore) isOld(id warehouse.ObjectID, now time.Time) bool {
	return now.Sub(time.UnixMilli(int64(id.Time()))) > m.opts.tuning.orphanAge
}

func isIn(known map[warehouse.ObjectID]struct{}, id warehouse.ObjectID) bool {
	_, ok := known[id]
	return ok
}

// sweepObject deletes one file of an orphan.
func (m *Metastore) sweepObject(ctx context.Context, a object.Attrs, now time.Time) error {
	if a.ModifiedAt.IsZero() {
		var err error
		if a, err = m.opts.Bucket.Stat(ctx, a.Name); warehouse.KindOf(err) == warehouse.NotFound {
			return nil
		} else if err != nil {
			return err
		}
	}
	if now.Sub(a.ModifiedAt) <= m.opts.tuning.orphanAge {
		return nil // written lately, whatever its id says
	}
	if err := m.opts.Failpoints.Hit(beforeSweep); err != nil {
		return err
	}
	if err := m.opts.Bucket.Delete(ctx, a.Name); err != nil {
		return err
	}
	if err := m.opts.Failpoints.Hit(afterSweep); err != nil {
		return err
	}
	m.metrics.sweptObjects.Inc()
	m.opts.Logger.Info("deleted an object that nobody knows", "object", a.Name, "bytes", a.Size)
	return nil
}
