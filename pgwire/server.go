package pgwire

import (
	"context"
	"errors"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Server answers PostgreSQL clients.
type Server struct {
	opts    Options
	metrics *metrics
	keys    *keyring
	zones   sync.Map     // name to *time.Location
	spooled atomic.Int64 // bytes that portals keep in memory

	mu       sync.Mutex
	draining bool
	wires    map[*wire]struct{}
	sessions int // past start-up
}

// New makes a server. It starts nothing.
func New(opts Options) (*Server, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{opts: opts, keys: newKeyring(), wires: map[*wire]struct{}{}}
	s.metrics = newMetrics(opts.Registry, func() float64 { return float64(s.spooled.Load()) })
	return s, nil
}

// Run serves the listener's connections until ctx ends, then drains: idle sessions
// are told to go (57P01), running statements may finish within
// Options.DrainTimeout. It closes the listener and returns when every goroutine is
// gone: nil after a drain, else why the listener failed. It may be called once.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	sessions, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()

	var wg sync.WaitGroup
	err := s.accept(ctx, ln, func(conn net.Conn) {
		wg.Go(func() { s.serveConn(sessions, conn) })
	})
	_ = ln.Close()
	s.drain(&wg, end)
	return err
}

// accept calls serve with each connection until ctx ends or the listener fails.
func (s *Server) accept(ctx context.Context, ln net.Listener, serve func(net.Conn)) error {
	const mostPause = time.Second
	pause := time.Duration(0)
	for {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			pause = 0
			serve(conn)
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return warehouse.Errorf(warehouse.Unavailable, "accept on %s: %w", ln.Addr(), err)
		default: // out of file descriptors, most likely: it passes
			pause = min(max(2*pause, 5*time.Millisecond), mostPause)
			s.opts.Logger.Warn("accept failed", "err", err)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
		}
	}
}

// serveConn handles one connection to its end.
func (s *Server) serveConn(ctx context.Context, conn net.Conn) {
	defer func() { _ = conn.Close() }()
	w := newWire(conn, s.opts, s.metrics.sentBytes)
	if !s.register(w) {
		s.metrics.accepted.WithLabelValues("refused").Inc()
		return
	}
	defer s.unregister(w)
	defer func() { // a bug costs one connection, not the process
		if v := recover(); v != nil {
			s.opts.Logger.Error("session panicked", "err", v, "stack", string(debug.Stack()))
			w.send(fatalf(stateInternal, "internal error").response())
			w.flush()
		}
	}()
	result := s.greet(ctx, w)
	s.metrics.accepted.WithLabelValues(result).Inc()
}

// register counts a connection. It is false when there are so many that not even
// their start-up is read.
func (s *Server) register(w *wire) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.wires) >= 2*s.opts.MaxConnections+16 {
		return false
	}
	s.wires[w] = struct{}{}
	s.metrics.connections.Inc()
	if s.draining {
		w.interrupt()
	}
	return true
}

func (s *Server) unregister(w *wire) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.wires, w)
	s.metrics.connections.Dec()
}

// enter counts a session, of which there may be MaxConnections; leave undoes it.
func (s *Server) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return errShutdown
	}
	if s.sessions >= s.opts.MaxConnections {
		return fatalf(stateTooManyConnections, "sorry, too many clients already").
			withDetail("The limit is %d.", s.opts.MaxConnections)
	}
	s.sessions++
	return nil
}

func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions--
}
