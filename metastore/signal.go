package metastore

import (
	"context"
	"sync"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// signal is a channel that is closed while a condition holds.
type signal struct {
	mu sync.Mutex
	ch chan struct{}
	on bool
}

func (s *signal) init() { s.ch = make(chan struct{}) }

func (s *signal) set(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case on && !s.on:
		close(s.ch)
	case !on && s.on:
		s.ch = make(chan struct{})
	}
	s.on = on
}

func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ch
}

// bell wakes all who wait for it. The zero value is ready.
type bell struct {
	mu sync.Mutex
	ch chan struct{} // nil: nobody waits
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}

// wait returns a channel that is closed when the bell rings next.
func (b *bell) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

// gate counts commands on their way, and closes behind the last one.
type gate struct {
	mu     sync.RWMutex
	closed bool
	inside sync.WaitGroup
}

// enter reports whether the gate is open; leave must follow if it is.
func (g *gate) enter() bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.closed {
		return false
	}
	g.inside.Add(1)
	return true
}

func (g *gate) leave() { g.inside.Done() }

// close lets nobody in any more and returns a channel that is closed when
// everybody has left.
func (g *gate) close() <-chan struct{} {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	empty := make(chan struct{})
	go func() { // ends with the last command, which Raft answers in any case
		g.inside.Wait()
		close(empty)
	}()
	return empty
}

// await does something that Raft answers in its own time, and returns the error
// of do, or that the metastore failed, or that ctx ended; do goes on after that.
// With the gate closed it is not begun.
func (m *Metastore) await(ctx context.Context, what string, do func() error) error {
	if !m.gate.enter() {
		return errNotReady
	}
	done := make(chan error, 1)
	go func() { // ends when Raft answers; stopRaft waits for it
		defer m.gate.leave()
		done <- do()
	}()
	select {
	case err := <-done:
		return err
	case <-m.failure.done:
		return m.failure.err
	case <-ctx.Done():
		return errOf(ctx, what)
	}
}

// errOf maps the end of a context to the kinds of errors.
func errOf(ctx context.Context, what string) error {
	err := context.Cause(ctx)
	kind := warehouse.KindOf(ctx.Err())
	return warehouse.Errorf(kind, "%s: %w", what, err)
}
