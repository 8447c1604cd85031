package metastore

import (
	"context"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// maxFenced is how many orphans are fenced by one command.
const maxFenced = 512

func (m *Metastore) sweepLoop(ctx context.Context) {
	if m.opts.Bucket == nil {
		return
	}
	timer := time.NewTimer(m.opts.SweepAfter)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		timer.Reset(m.opts.SweepEvery)
		if !m.leading.Load() {
			continue
		}
		if err := m.sweep(ctx); err != nil && ctx.Err() == nil {
			m.metrics.sweepErrors.Inc()
			m.opts.Logger.Warn("metastore could not sweep the bucket", "err", err)
		}
	}
}

// sweep deletes the objects in the bucket that nobody knows: those of pushes and
// jobs that ended between storing and registering, uploads that appeared after they
// were given up, and what came back after it was deleted.
//
// An object may be deleted if the state has never heard of its id, or forgot it,
// and the log says that it never can become live: that is decided by one command,
// for each object at the moment at which it is applied; see state.FenceObjects.
// Age only decides when that is tried. What is older than this metastore is not its
// own garbage: it belongs to an index that was lost, from which it can be rebuilt.
func (m *Metastore) sweep(ctx context.Context) error {
	begin := time.Now()
	s := &sweeper{Metastore: m, known: m.fsm.view.Load().Objects(), now: m.opts.Clock(), orphans: map[warehouse.ObjectID]*orphan{}}
	for _, prefix := range []string{block.SegmentPrefix, block.BlockPrefix} {
		err := m.opts.Bucket.List(ctx, prefix, func(a object.Attrs) error {
			s.see(a)
			return nil
		})
		if err != nil {
			return err
		}
	}
	for start := 0; start < len(s.order); start += maxFenced {
		if err := s.remove(ctx, s.order[start:min(start+maxFenced, len(s.order))]); err != nil {
			return err
		}
	}
	m.metrics.sweepSeconds.Observe(time.Since(begin).Seconds())
	m.metrics.unknownObjects.Set(float64(s.young + s.kept))
	if before := m.strangers.Swap(int64(s.strangers)); s.strangers > 0 && before != int64(s.strangers) {
		m.opts.Logger.Error("the bucket has objects from before this metastore, which it does not know and leaves alone", "count", s.strangers, "since", m.dir.since)
	}
	return nil
}

// orphan is an object that the state does not know, with its files.
type orphan struct {
	state.Found
	files []object.Attrs
}

// sweeper is one look at the bucket.
type sweeper struct {
	*Metastore
	known     map[warehouse.ObjectID]struct{}
	now       time.Time
	orphans   map[warehouse.ObjectID]*orphan
	order     []*orphan
	young     int // files that may still be registered
	kept      int // objects likewise, as the state decided
	strangers int // files from before the metastore
}

// see takes note of a file in the bucket.
func (s *sweeper) see(a object.Attrs) {
	found, ok := parseObject(a.Name)
	if !ok {
		return
	}
	if _, ok := s.known[found.ID]; ok {
		return
	}
	made := time.UnixMilli(int64(found.ID.Time()))
	switch {
	case made.Before(s.dir.since):
		s.strangers++
		return
	case s.now.Sub(made) <= s.opts.OrphanAge:
		s.young++
		return
	}
	o := s.orphans[found.ID]
	if o == nil {
		o = &orphan{Found: found}
		s.orphans[found.ID] = o
		s.order = append(s.order, o)
	}
	o.files = append(o.files, a)
}

// parseObject reads the name of a file in the bucket.
func parseObject(name string) (state.Found, bool) {
	id, ok := block.ParseName(name)
	if !ok {
		return state.Found{}, false
	}
	f := state.Found{ID: id}
	rest, isBlock := strings.CutPrefix(name, block.BlockPrefix)
	if !isBlock {
		return f, true
	}
	parts := strings.Split(rest, "/") // tenant, day, hour, id and file: ParseName has counted
	tenant, err := warehouse.ParseTenant(parts[0])
	if err != nil {
		return f, false
	}
	at, err := time.Parse("2006-01-02T15", parts[1]+"T"+parts[2])
	if parts[2] == dayFolder {
		at, err = time.Parse("2006-01-02", parts[1])
	}
	if err != nil {
		return f, false
	}
	f.Tenant, f.Hour = tenant, warehouse.MicrosOf(at).Hour()
	return f, true
}

// dayFolder stands for the hour in the names of blocks of a whole day, which are of
// its first hour.
const dayFolder = "day"

// remove fences orphans and deletes those that the state gives up.
func (s *sweeper) remove(ctx context.Context, orphans []*orphan) error {
	settled := orphans[:0:0]
	var c state.FenceObjects
	for _, o := range orphans {
		isYoung, err := s.isYoung(ctx, o)
		switch {
		case err != nil:
			return err
		case isYoung:
			s.kept++
		default:
			settled = append(settled, o)
			c.Objects = append(c.Objects, o.Found)
		}
	}
	if len(settled) == 0 {
		return nil
	}
	dead, err := s.fence(ctx, c)
	if err != nil {
		return err
	}
	s.kept += len(settled) - len(dead)
	var g errgroup.Group
	g.SetLimit(collectParallel)
	for _, id := range dead {
		g.Go(func() error { return s.delete(ctx, s.orphans[id]) })
	}
	return g.Wait()
}

// isYoung reports whether a file of the object was written a short time ago,
// whatever its id says: somebody is at work, or its clock was wrong. A listing may
// leave out when that was.
func (s *sweeper) isYoung(ctx context.Context, o *orphan) (bool, error) {
	for i := range o.files {
		a := &o.files[i]
		if a.Size < 0 || a.ModifiedAt.IsZero() {
			known, err := s.opts.Bucket.Stat(ctx, a.Name)
			switch {
			case warehouse.KindOf(err) == warehouse.NotFound:
				continue // it was deleted meanwhile
			case err != nil:
				return false, err
			}
			*a = known
		}
		if s.now.Sub(a.ModifiedAt) <= s.opts.OrphanAge {
			return true, nil
		}
	}
	return false, nil
}

func (s *sweeper) fence(ctx context.Context, c state.FenceObjects) ([]warehouse.ObjectID, error) {
	if err := s.opts.Failpoints.Hit(beforeFence); err != nil {
		return nil, err
	}
	answer, err := s.propose(ctx, c)
	if err != nil {
		return nil, err
	}
	dead, _ := answer.([]warehouse.ObjectID)
	return dead, s.opts.Failpoints.Hit(afterFence)
}

// delete deletes the files of an orphan.
func (s *sweeper) delete(ctx context.Context, o *orphan) error {
	var size int64
	for i := range o.files {
		if err := s.deleteFile(ctx, o.files[i].Name, beforeSweep, afterSweep); err != nil {
			return err
		}
		size += max(o.files[i].Size, 0)
	}
	s.metrics.sweptObjects.Inc()
	s.metrics.sweptBytes.Add(float64(size))
	s.opts.Logger.Info("deleted an object that nobody knows", "object", o.files[0].Name, "files", len(o.files), "bytes", size)
	if s.opts.OnDelete != nil {
		s.opts.OnDelete(o.ID)
	}
	return nil
}
