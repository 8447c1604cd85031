package metastore

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/failpoint"
)

const (
	maxCollect      = 1024 // objects deleted before they are reported
	collectParallel = 8
)

func (m *Metastore) collectLoop(ctx context.Context) {
	m.every(ctx, m.opts.tuning.gcEvery, m.collect)
}

// every calls do while the node leads, and logs what goes wrong: the next time
// may be better.
func (m *Metastore) every(ctx context.Context, period time.Duration, do func(context.Context) error) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if !m.leading.Load() {
				continue
			}
			if err := do(ctx); err != nil && ctx.Err() == nil {
				m.opts.Logger.Warn("metastore could not clean up", "err", err)
			}
		}
	}
}

// collect deletes the objects that no view in use holds, and reports them.
func (m *Metastore) collect(ctx context.Context) error {
	for {
		dead := m.dead()
		if len(dead) == 0 || m.opts.Bucket == nil {
			return nil
		}
		gone, err := m.deleteObjects(ctx, dead)
		if len(gone) > 0 {
			if err := m.forget(ctx, gone); err != nil {
				return err // they are deleted again, which is fine
			}
		}
		if err != nil {
			return err
		}
	}
}

// forget reports that objects are deleted.
func (m *Metastore) forget(ctx context.Context, gone []warehouse.ObjectID) error {
	if err := m.opts.Failpoints.Hit(beforeForget); err != nil {
		return err
	}
	if _, err := m.propose(ctx, state.ForgetTombstones{Objects: gone}); err != nil {
		return err
	}
	return m.opts.Failpoints.Hit(afterForget)
}

// dead returns tombstones whose objects nobody can read any more.
func (m *Metastore) dead() []*state.Tombstone {
	view := m.fsm.view.Load() // before the pins: see pins.pin
	oldest, dropped := m.pins.oldest()
	if dropped > 0 {
		m.metrics.droppedPins.Add(float64(dropped))
		m.opts.Logger.Warn("snapshots held for too long were dropped", "count", dropped, "age", m.pins.maxAge)
	}
	until := warehouse.MicrosOf(m.opts.Clock().Add(-m.opts.GCGrace))
	all := view.Tombstones()
	n := 0
	for n < len(all) && n < maxCollect && all[n].Index <= oldest && all[n].At <= until && m.isInManifest(all[n]) {
		n++
	}
	return all[:n]
}

// isInManifest reports whether the newest manifest knows that an object is dead: what
// it names as live must be there if the metastore is rebuilt from it.
func (m *Metastore) isInManifest(t *state.Tombstone) bool {
	return t.Index <= m.manifestIndex() || m.opts.Clock().Sub(t.At.Time()) > manifestPatience
}

// deleteObjects deletes what it can and returns it, with the first error.
func (m *Metastore) deleteObjects(ctx context.Context, dead []*state.Tombstone) ([]warehouse.ObjectID, error) {
	var mu sync.Mutex
	var gone []warehouse.ObjectID
	var g errgroup.Group
	g.SetLimit(collectParallel)
	for _, t := range dead {
		g.Go(func() error {
			if err := m.deleteObject(ctx, &t.Part); err != nil {
				m.metrics.deleteErrors.Inc()
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			gone = append(gone, t.Part.Object)
			return nil
		})
	}
	err := g.Wait()
	return gone, err
}

func (m *Metastore) deleteObject(ctx context.Context, p *warehouse.Part) error {
	for _, name := range block.ObjectNames(p) {
		if err := m.deleteFile(ctx, name, beforeDelete, afterDelete); err != nil {
			return err
		}
	}
	m.metrics.deletedObjects.Inc()
	if m.opts.OnDelete != nil {
		m.opts.OnDelete(p.Object)
	}
	return nil
}

// deleteFile deletes one file, between two failpoints.
func (m *Metastore) deleteFile(ctx context.Context, name string, before, after failpoint.Name) error {
	if err := m.opts.Failpoints.Hit(before); err != nil {
		return err
	}
	if err := m.opts.Bucket.Delete(ctx, name); err != nil {
		return err
	}
	return m.opts.Failpoints.Hit(after)
}
