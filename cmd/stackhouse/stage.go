package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// stage is one component of a running process.
type stage struct {
	name string

	// run does the component's work until its context is done, and then ends
	// cleanly: it returns after its last goroutine. An earlier return is a
	// failure of the whole process, whatever it returns.
	run func(ctx context.Context) error

	// ready, if any, returns once later stages may rely on this one.
	ready func(ctx context.Context) error

	// stop is how long run may take to return after its context is done.
	stop time.Duration
}

// runStages starts stages in order, each when the one before is ready, and runs
// them until ctx is done or one ends. Then it stops them in reverse order, each
// after the one before has ended or used up its time. started is called once
// all are ready.
//
// It returns the first error, with the component's name; nil means that ctx
// ended and every stage stopped cleanly and in time. A stage that did not stop
// in time is left behind: the process is about to end.
func runStages(ctx context.Context, log *slog.Logger, started func(), stages ...stage) error {
	r := stageRun{log: log, ended: make(chan *running, len(stages))}
	defer r.cancelAll()

	err := r.start(ctx, stages)
	if err == nil && ctx.Err() == nil {
		started()
		err = r.wait(ctx)
	}
	if err == nil {
		log.Info("stopping")
	}
	return r.stop(err)
}

// running is a started stage.
type running struct {
	stage
	cancel   context.CancelFunc
	done     chan struct{} // closed when run has returned
	err      error         // of run; read after done
	reported bool          // err is the error that ended everything
}

type stageRun struct {
	log     *slog.Logger
	started []*running
	ended   chan *running // has room for every stage
}

// start starts stages one by one. It returns early when ctx is done or a stage
// fails; r.started holds those that were started.
func (r *stageRun) start(ctx context.Context, stages []stage) error {
	for _, s := range stages {
		if ctx.Err() != nil {
			return nil
		}
		// Stages outlive ctx: they end in reverse order, each by its own cancel.
		sctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		run := &running{stage: s, cancel: cancel, done: make(chan struct{})}
		r.started = append(r.started, run)
		go func() {
			defer func() { close(run.done); r.ended <- run }()
			run.err = run.run(sctx)
		}()
		if err := r.awaitReady(ctx, run); err != nil {
			return err
		}
	}
	return nil
}

// awaitReady returns nil when the stage is ready or ctx is done.
func (r *stageRun) awaitReady(ctx context.Context, s *running) error {
	if s.ready == nil {
		return nil
	}
	rctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var err error
	done := make(chan struct{})
	go func() { defer close(done); err = s.ready(rctx) }()
	select {
	case <-done:
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("%s: start: %w", s.name, err)
		}
		return nil
	case other := <-r.ended:
		cancel()
		<-done
		return other.failure()
	case <-ctx.Done():
		<-done
		return nil
	}
}

// wait returns when ctx is done, or the failure of a stage that ended by itself.
func (r *stageRun) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case s := <-r.ended:
		return s.failure()
	}
}

// stop stops what was started, in reverse, and returns the first error: first,
// if there was one before. Later ones are logged.
func (r *stageRun) stop(first error) error {
	for _, s := range slices.Backward(r.started) {
		switch err := r.stopOne(s); {
		case err == nil || s.reported:
		case first == nil:
			first = err
		default:
			r.log.Warn("component stopped with an error", "err", err)
		}
	}
	return first
}

func (r *stageRun) stopOne(s *running) error {
	began := time.Now()
	s.cancel()
	timer := time.NewTimer(s.stage.stop)
	defer timer.Stop()
	select {
	case <-s.done:
	case <-timer.C:
		return fmt.Errorf("%s: did not stop within %v", s.name, s.stage.stop)
	}
	r.log.Debug("component stopped", "component", s.name, "dur", time.Since(began))
	if s.err != nil && !errors.Is(s.err, context.Canceled) {
		return fmt.Errorf("%s: %w", s.name, s.err)
	}
	return nil
}

func (r *stageRun) cancelAll() {
	for _, s := range r.started {
		s.cancel()
	}
}

// failure is the error of a stage that ended while nobody had asked it to.
func (s *running) failure() error {
	s.reported = true
	if s.err == nil {
		return fmt.Errorf("%s: ended unexpectedly", s.name)
	}
	return fmt.Errorf("%s: %w", s.name, s.err)
}
