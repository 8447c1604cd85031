package metastore

import (
	"math"
	"sync"
	"time"

	"github.com/stackhouse-db/stackhouse/metastore/state"
)

// pins knows which views are in use.
type pins struct {
	maxAge time.Duration
	clock  func() time.Time

	mu   sync.Mutex
	held map[*Snapshot]struct{}
}

func newPins(maxAge time.Duration, clock func() time.Time) *pins {
	return &pins{maxAge: maxAge, clock: clock, held: map[*Snapshot]struct{}{}}
}

// pin holds the newest view. Loading it under the lock is what makes oldest
// safe: a pin that it did not count holds a view at least as new as one loaded
// before the call.
func (p *pins) pin(newest func() *state.View, maxAge time.Duration) *Snapshot {
	s := &Snapshot{pins: p, at: p.clock(), maxAge: maxAge}
	p.mu.Lock()
	defer p.mu.Unlock()
	s.view = newest()
	p.held[s] = struct{}{}
	return s
}

func (p *pins) release(s *Snapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.held, s)
}

// renew makes a pin as young as a new one, unless it was dropped.
func (p *pins) renew(s *Snapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.at = p.clock()
}

// oldest returns the smallest index of a view in use, the largest number if
// there is none, and how many pins it dropped because they were too old.
func (p *pins) oldest() (index uint64, dropped int) {
	now := p.clock()
	index = math.MaxUint64
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := range p.held {
		if now.Sub(s.at) > s.maxAge {
			s.dropped.Store(true)
			delete(p.held, s)
			dropped++
			continue
		}
		index = min(index, s.view.Index())
	}
	return index, dropped
}

func (p *pins) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.held)
}
