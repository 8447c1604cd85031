package scrub

import (
	"context"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

const (
	// Shares of the period. Nothing is verified that was verified or made less than
	// young ago; a pass over everything takes spread of it, and an object that would
	// have to wait for longer than late is next. The rest is for what comes between.
	young  = 0.25
	spread = 0.60
	late   = 0.90

	// restFactor times as long as it took to read a piece, nothing is read after it:
	// one part in 25 is 4 % of a processor at most, and of a disk.
	restFactor = 24

	// lookEvery is the time between two looks at the index, and two saves.
	lookEvery = time.Minute

	// recheckEvery is the time between two looks at an object that is damaged, or that
	// could not be read.
	recheckEvery = time.Minute

	complainEvery = 10 * time.Minute
	quietPoll     = time.Second
)

// pace is how far Run is.
type pace struct {
	queue      []*target // by the time for which they wait
	lookAt     time.Time // when the index is looked at again
	weight     int64     // of all objects
	last       time.Time // when the last object was verified
	notBefore  time.Time // when the rest after it ends
	mark       time.Time // when the piece was asked for that is read now
	tried      map[warehouse.ObjectID]time.Time
	complained time.Time
}

func newPace() pace { return pace{tried: map[warehouse.ObjectID]time.Time{}} }

// next returns the object that is verified next, and when. Without one it is the time
// at which to ask again.
func (s *Scrubber) next(ctx context.Context) (*target, time.Time) {
	now := s.opts.Clock()
	if !now.Before(s.pace.lookAt) {
		s.look(ctx)
	}
	best, at := (*target)(nil), s.pace.lookAt
	for _, t := range s.pace.queue {
		due, isOrdinary := s.due(t, now)
		if due.Before(at) {
			best, at = t, due
		}
		if isOrdinary && s.opts.Register.damagedCount() == 0 && len(s.pace.tried) == 0 {
			break // those behind it wait for less
		}
	}
	return best, at
}

// due returns when an object is to be verified, and whether that is for its turn and
// not for what is wrong with it.
func (s *Scrubber) due(t *target, now time.Time) (time.Time, bool) {
	p := &s.pace
	if tried, ok := p.tried[t.id]; ok {
		return latest(tried.Add(recheckEvery), p.notBefore), false
	}
	if s.opts.Register.IsDamaged(t.id) {
		return latest(now, p.notBefore), false // found by a reader, or by an earlier process
	}
	if s.opts.Every == 0 {
		return now.Add(2 * lookEvery), true // which is after the next look
	}
	every := float64(s.opts.Every)
	turn := p.last.Add(time.Duration(spread * every * float64(t.weight()) / float64(max(p.weight, 1))))
	turn = latest(turn, t.since.Add(time.Duration(young*every)))
	if end := t.since.Add(time.Duration(late * every)); end.Before(turn) {
		turn = end
	}
	return latest(turn, p.notBefore), true
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// look reads the index.
func (s *Scrubber) look(ctx context.Context) {
	p, began := &s.pace, s.opts.Clock()
	all, err := s.targets(ctx)
	if err != nil {
		p.lookAt = began.Add(lookEvery)
		if ctx.Err() == nil && warehouse.KindOf(err) != warehouse.Unavailable {
			s.complain(err)
		}
		return
	}
	s.setOldest(all)
	s.endPass(all, began)
	p.queue, p.weight = all, 0
	live := make(map[warehouse.ObjectID]bool, len(p.tried))
	for _, t := range all {
		p.weight += t.weight()
		if at := s.opts.Register.VerifiedAt(t.id); at.After(p.last) {
			p.last = at // of an earlier process, or of a pass
		}
		if _, ok := p.tried[t.id]; ok {
			live[t.id] = true
		}
	}
	for id := range p.tried {
		if !live[id] {
			delete(p.tried, id)
		}
	}
	now := s.opts.Clock()
	if p.last.IsZero() {
		p.last = now
	}
	p.lookAt = now.Add(max(lookEvery, 100*now.Sub(began)))
	s.save(true)
}

// endPass notes that a pass has ended, if every object was verified since the one
// before that is not too young for it.
func (s *Scrubber) endPass(all []*target, now time.Time) {
	last := s.opts.Register.LastPass()
	madeBefore := last
	if last.IsZero() {
		madeBefore = now.Add(-time.Duration(young * float64(s.opts.Every)))
	}
	n := 0
	for _, t := range all {
		at := s.opts.Register.VerifiedAt(t.id)
		switch {
		case !at.IsZero() && at.After(last):
			n++
		case t.madeAt().Before(madeBefore):
			return
		}
	}
	if n > 0 && s.opts.Every > 0 {
		s.opts.Register.endPass(now)
	}
}

// done notes that an object was read, or could not be.
func (p *pace) done(t *target, began, ended time.Time, err error) {
	p.notBefore = ended.Add(ended.Sub(latest(began, p.mark)) * restFactor)
	p.mark = time.Time{}
	p.last = ended
	delete(p.tried, t.id)
	for i, o := range p.queue {
		if o == t {
			p.queue = append(p.queue[:i:i], p.queue[i+1:]...)
			break
		}
	}
	if err != nil {
		p.tried[t.id] = ended
	}
}

// rest is the pause after a piece was read.
func (s *Scrubber) rest(ctx context.Context, _ int64) error {
	now := s.opts.Clock()
	if !s.pace.mark.IsZero() {
		if err := sleep(ctx, now.Sub(s.pace.mark)*restFactor); err != nil {
			return err
		}
		now = s.opts.Clock()
	}
	s.pace.mark = now
	return nil
}

// awaitQuiet waits until nobody else needs the machine, or the object is late.
func (s *Scrubber) awaitQuiet(ctx context.Context, t *target) bool {
	end := t.since.Add(time.Duration(late * float64(s.opts.Every)))
	for s.opts.IsBusy() && s.opts.Clock().Before(end) {
		if sleep(ctx, quietPoll) != nil {
			return false
		}
	}
	s.pace.mark = s.opts.Clock()
	return true
}
