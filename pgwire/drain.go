package pgwire

import (
	"context"
	"sync"
	"time"
)

// errShutdown is what sessions hear when the server stops.
var errShutdown = fatalf(stateAdminShutdown, "terminating connection due to administrator command")

// drain ends every session: at once where nothing runs, else when its statement
// has ended or DrainTimeout is over. Clients that do not read are left after
// WriteGrace.
func (s *Server) drain(wg *sync.WaitGroup, end context.CancelCauseFunc) {
	s.interruptAll()
	done := make(chan struct{})
	go func() { defer close(done); wg.Wait() }()
	if ended(done, s.opts.DrainTimeout) {
		return
	}
	end(errShutdown)
	if ended(done, s.opts.WriteGrace) {
		return
	}
	s.closeAll()
	<-done
}

func ended(done <-chan struct{}, within time.Duration) bool {
	t := time.NewTimer(within)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		return false
	}
}

// isDraining reports whether Run is ending.
func (s *Server) isDraining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

func (s *Server) interruptAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	for w := range s.wires {
		w.interrupt()
	}
}

func (s *Server) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.wires {
		_ = w.conn.Close()
	}
}
