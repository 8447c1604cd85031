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
// and by the bucket, before it is an orphan. Whoever writes an object gives up
// after a minute at most; see state.FateWindow.
const orphanAge = 15 * time.Minute

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
// and before one is deleted, its id is made one that can never become live. An
// upload that appears after that is found by the next sweep.
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
	for _, a := range found {
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
	id, ok := block.ParseName(a.Name)
	if !ok || now.Sub(a.ModifiedAt) <= m.opts.tuning.orphanAge {
		return nil
	}
	// What it answers holds from then on: nothing makes the id live later.
	answer, err := m.propose(ctx, state.AbortSegment{ID: id})
	if err != nil {
		return err
	}
	if known, _ := answer.(bool); known {
		return nil
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
