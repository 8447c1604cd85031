package scrub

import (
	"context"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Progress is how far a pass is.
type Progress struct {
	Objects, OfObjects int   // read, and to be read
	Bytes, OfBytes     int64 // likewise; of sections
	Damaged            int   // objects
}

// Summary is what a pass has found.
type Summary struct {
	Objects  int   // that were verified
	Gone     int   // that were merged or deleted meanwhile
	Bytes    int64 // that were read
	Damaged  int   // objects
	Unread   int   // objects that could not be read, which says nothing about them
	Error    error // of the first of those, or nil
	Duration time.Duration
}

// IsClean reports whether everything is known to be in order.
func (s *Summary) IsClean() bool { return s.Damaged == 0 && s.Unread == 0 }

// Events is told how a pass goes on, from the goroutine of the pass. A function that
// is nil is not called.
type Events struct {
	Damaged  func(Finding)
	Progress func(Progress) // after each object
}

// Pass verifies every live object once, as fast as one processor does, and returns
// when it has, or with ctx's error. One pass runs at a time: a second one is an Exists
// error.
func (s *Scrubber) Pass(ctx context.Context, e Events) (*Summary, error) {
	if !s.passing.TryLock() {
		return nil, warehouse.Errorf(warehouse.Exists, "scrub: a pass is running already")
	}
	defer s.passing.Unlock()
	began := s.opts.Clock()
	all, err := s.targets(ctx)
	if err != nil {
		return nil, err
	}
	p := Progress{OfObjects: len(all)}
	for _, t := range all {
		p.OfBytes += t.bytes
	}
	sum := &Summary{}
	for _, t := range all {
		r, err := s.inspect(ctx, t, func(ctx context.Context, _ int64) error { return ctx.Err() })
		if err := ctx.Err(); err != nil {
			s.save(false)
			return nil, warehouse.Errorf(warehouse.KindOf(err), "scrub: %d of %d objects: %w", p.Objects, p.OfObjects, err)
		}
		sum.add(&r, err)
		if err != nil {
			s.metrics.errors.Inc()
		}
		p.Objects++
		p.Bytes += t.bytes
		p.Damaged = sum.Damaged
		e.tell(s, &r, p)
	}
	sum.Duration = s.opts.Clock().Sub(began)
	if sum.Unread == 0 {
		s.opts.Register.endPass(s.opts.Clock())
	}
	if all, err := s.targets(ctx); err == nil {
		s.setOldest(all)
	}
	s.save(true)
	return sum, nil
}

func (s *Summary) add(r *report, err error) {
	s.Bytes += r.bytes
	switch {
	case err != nil:
		s.Unread++
		if s.Error == nil {
			s.Error = err
		}
	case r.gone:
		s.Gone++
	default:
		s.Objects++
		if len(r.found) > 0 {
			s.Damaged++
		}
	}
}

func (e *Events) tell(s *Scrubber, r *report, p Progress) {
	if e.Damaged != nil {
		for i := range r.found {
			f := &r.found[i]
			e.Damaged(Finding{Part: *f.part, Table: f.table, At: s.opts.Clock(), Damage: f.Damage})
		}
	}
	if e.Progress != nil {
		e.Progress(p)
	}
}
