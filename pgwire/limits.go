package pgwire

import (
	"context"
	"time"
)

// limited runs a part of a statement so that it can be stopped: by its client's
// cancel request or departure, by statement_timeout, by the server. Which of these
// it was is the error, whatever fn made of it.
func (s *session) limited(ctx context.Context, fn func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.setRunning(cancel)
	defer s.setRunning(nil)

	if d := s.params.duration("statement_timeout"); d > 0 {
		timer := time.AfterFunc(d, func() { cancel(errTimeout) })
		defer timer.Stop()
	}
	stopWatch := s.wire.watch(func() { cancel(errGone) })
	defer stopWatch()
	defer s.boundWrites(ctx)()

	err := fn(ctx)
	if err != nil && ctx.Err() != nil {
		if cause := asPGError(context.Cause(ctx)); cause != nil {
			return cause
		}
	}
	return err
}

// boundWrites gives a client that does not read WriteGrace to do so once ctx has
// ended. After that the connection is lost: part of a message may have been sent.
func (s *session) boundWrites(ctx context.Context) (stop func()) {
	done := make(chan struct{})
	after := context.AfterFunc(ctx, func() {
		defer close(done)
		s.wire.hurry(s.srv.opts.WriteGrace)
	})
	return func() {
		if !after() {
			<-done
			s.wire.relax()
		}
	}
}

func (s *session) setRunning(cancel context.CancelCauseFunc) {
	s.running.Lock()
	defer s.running.Unlock()
	s.running.cancel = cancel
}

// cancelRunning ends the statement that runs, if any. Any goroutine may call it.
func (s *session) cancelRunning(why error) {
	s.running.Lock()
	defer s.running.Unlock()
	if s.running.cancel != nil {
		s.running.cancel(why)
	}
}

// terminate ends the session. Any goroutine may call it.
func (s *session) terminate(why error) {
	s.running.Lock()
	defer s.running.Unlock()
	if s.running.end != nil {
		s.running.end(why)
	}
	s.wire.interrupt()
}
