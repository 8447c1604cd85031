package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stackhouse-db/stackhouse/sql/confined"
)

// TestMain is the main function of worker processes, too: a server in this process
// starts them from this program.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == sqlWorker {
		os.Exit(confined.Exit())
	}
	goleak.VerifyTestMain(m)
}

// journal records what stages do, in order.
type journal struct {
	mu     sync.Mutex
	events []string
}

func (j *journal) add(event string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, event)
}

// list returns the events so far.
func (j *journal) list() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.events)
}

// last returns the newest event.
func (j *journal) last() string {
	events := j.list()
	return events[len(events)-1]
}

// stage is one that is ready after a while, and takes a while to stop.
func (j *journal) stage(name string, start, stop time.Duration) stage {
	running := make(chan struct{})
	return stage{
		name: name,
		run: func(ctx context.Context) error {
			j.add("run " + name)
			close(running)
			<-ctx.Done()
			time.Sleep(stop) //nolint:forbidigo // synctest's time
			j.add("end " + name)
			return ctx.Err()
		},
		ready: func(ctx context.Context) error {
			<-running
			time.Sleep(start) //nolint:forbidigo // synctest's time
			j.add("ready " + name)
			return nil
		},
		stop: time.Second,
	}
}

var quiet = slog.New(slog.DiscardHandler)

func TestStagesOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var j journal
		started := func() {
			j.add("started")
			time.AfterFunc(time.Hour, cancel)
		}
		err := runStages(ctx, quiet, started,
			j.stage("a", time.Second, 0), j.stage("b", 0, 500*time.Millisecond), j.stage("c", time.Second, 0))
		require.NoError(t, err)
		require.Equal(t, []string{
			"run a", "ready a", "run b", "ready b", "run c", "ready c", "started",
			"end c", "end b", "end a",
		}, j.list())
	})
}

func TestStagesDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var j journal
		var stopped time.Time
		started := func() { stopped = time.Now(); cancel() }
		err := runStages(ctx, quiet, started, j.stage("a", 0, 0), j.stage("slow", 0, time.Minute), j.stage("c", 0, 0))
		require.EqualError(t, err, "slow: did not stop within 1s")
		require.Equal(t, time.Second, time.Since(stopped), "the others do not wait longer for it")
		require.Equal(t, "end a", j.last(), "the others still stop cleanly")
		time.Sleep(time.Hour) //nolint:forbidigo // synctest's time: the slow one ends within this test
	})
}

func TestStagesFailures(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	fails := func(name string, err error) stage {
		return stage{name: name, stop: time.Second, run: func(context.Context) error { return err }}
	}
	failsToStop := func(name string, err error) stage {
		return stage{name: name, stop: time.Second, run: func(ctx context.Context) error { <-ctx.Done(); return err }}
	}
	neverReady := func(name string, err error) stage {
		s := failsToStop(name, nil)
		s.ready = func(context.Context) error { return err }
		return s
	}
	endsBeforeReady := func(name string, err error) stage {
		s := fails(name, err)
		s.ready = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		return s
	}
	tests := []struct {
		name   string
		stage  stage
		want   string
		starts bool // whether all stages came up before
	}{
		{"a stage fails", fails("b", boom), "b: boom", true},
		{"a stage ends by itself", fails("b", nil), "b: ended unexpectedly", true},
		{"a stage does not get ready", neverReady("b", boom), "b: start: boom", false},
		{"a stage fails before it is ready", endsBeforeReady("b", boom), "b: boom", false},
		{"a stage fails while it stops", failsToStop("b", boom), "b: boom", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var j journal
				started := func() { j.add("started"); time.AfterFunc(time.Hour, cancel) }
				err := runStages(ctx, quiet, started, j.stage("a", 0, 0), tt.stage)
				require.EqualError(t, err, tt.want)
				require.Equal(t, tt.starts, slices.Contains(j.list(), "started"))
				require.Equal(t, "end a", j.last(), "what ran before is stopped")
			})
		})
	}
}

// TestStagesFirstErrorWins: an error while stopping does not hide the cause.
func TestStagesFirstErrorWins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := stage{"first", func(ctx context.Context) error { <-ctx.Done(); return errors.New("late") }, nil, time.Second}
		second := stage{"second", func(context.Context) error { return errors.New("cause") }, nil, time.Second}
		err := runStages(t.Context(), quiet, func() {}, first, second)
		require.EqualError(t, err, "second: cause")
	})
}

// TestStagesStopDuringStart: a signal during the start stops what had started.
func TestStagesStopDuringStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		var j journal
		waits := j.stage("b", 0, 0)
		waits.ready = func(ctx context.Context) error { <-ctx.Done(); j.add("gives up b"); return ctx.Err() }
		err := runStages(ctx, quiet, func() { j.add("started") }, j.stage("a", 0, 0), waits, j.stage("c", 0, 0))
		require.NoError(t, err)
		require.Equal(t, []string{"run a", "ready a", "run b", "gives up b", "end b", "end a"}, j.list())
	})
}
