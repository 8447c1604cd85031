package metastore

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Whoever waits for jobs is woken by what is registered and by time, and by nothing
// else.
func TestWaitJobs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hour := warehouse.MicrosOf(time.Now()).Hour()
		m := loose(t, Options{Clock: time.Now})
		n := 0
		add := func() {
			n++
			p := part(n, 0, tenant, hour)
			p.Object = bornAt(n, time.Now())
			r, err := m.AddSegment(t.Context(), &warehouse.Segment{ID: p.Object, Size: 1000, Parts: []warehouse.Part{p}})
			require.NoError(t, err)
			require.Equal(t, warehouse.Added, r.Outcome)
		}
		wait := func() <-chan error {
			ch := make(chan error, 1)
			go func() { ch <- m.WaitJobs(t.Context()) }()
			synctest.Wait()
			return ch
		}
		isOver := func(ch <-chan error) bool {
			synctest.Wait()
			select {
			case err := <-ch:
				require.NoError(t, err)
				return true
			default:
				return false
			}
		}
		waiting := wait()
		passed(24 * time.Hour)
		require.False(t, isOver(waiting), "nothing is there")

		hour = warehouse.MicrosOf(time.Now()).Hour()
		for range 16 {
			add()
		}
		passed(time.Second)
		require.False(t, isOver(waiting), "too young")
		for !isOver(waiting) {
			passed(100 * time.Millisecond)
		}
		index := m.fsm.view.Load().Index()
		jobs, err := m.TakeJobs(t.Context(), "w", 9)
		require.NoError(t, err)
		require.Len(t, jobs, 1)
		require.Equal(t, index+1, m.fsm.view.Load().Index(), "waiting wrote nothing to the log")

		waiting = wait()
		passed(50 * time.Second)
		require.False(t, isOver(waiting), "it is leased")
		require.NoError(t, m.FailJob(t.Context(), jobs[0].JobRef, ""))
		passed(jobPause)
		require.True(t, isOver(waiting), "it was given back")

		_, err = m.TakeJobs(t.Context(), "w", 9)
		require.NoError(t, err)
		waiting = wait()
		passed(m.opts.JobLease + jobTick)
		require.True(t, isOver(waiting), "its lease has ended")

		_, err = m.TakeJobs(t.Context(), "w", 9)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.Equal(t, warehouse.Deadline, warehouse.KindOf(m.WaitJobs(ctx)))
		m.setLeading(false)
		waiting = wait()
		passed(time.Hour)
		require.False(t, isOver(waiting), "nobody leads")
		m.setLeading(true)
		require.True(t, isOver(waiting))
		m.fail(warehouse.Errorf(warehouse.Unavailable, "the disk is gone"))
		require.ErrorContains(t, m.WaitJobs(t.Context()), "the disk is gone")
	})
}

// passed waits in the time of a bubble.
func passed(d time.Duration) { <-time.After(d) }

// An id of which the state may have forgotten what became of it is refused, unless
// it is live.
func TestOldSegmentsAreRefused(t *testing.T) {
	t.Parallel()
	c := newClock()
	m := loose(t, Options{Clock: c.read})
	segmentAt := func(n int) *warehouse.Segment {
		p := part(n, 0, tenant, hour0)
		p.Object = bornAt(n, c.read())
		return &warehouse.Segment{ID: p.Object, Size: 1000, Parts: []warehouse.Part{p}}
	}
	added, slow := segmentAt(1), segmentAt(2)
	add := func(s *warehouse.Segment) warehouse.AddOutcome {
		r, err := m.AddSegment(t.Context(), s)
		require.NoError(t, err)
		return r.Outcome
	}
	require.Equal(t, warehouse.Added, add(added))
	c.pass(state.FateWindow)
	require.Equal(t, warehouse.Added, add(slow), "just in time")
	late := segmentAt(3)
	c.pass(state.FateWindow + time.Millisecond)
	require.Equal(t, warehouse.WasAborted, add(late))
	require.Equal(t, warehouse.Added, add(added), "it is live")
	require.Equal(t, 2, m.fsm.view.Load().Totals().Parts)
	live, err := m.AbortSegment(t.Context(), late.ID)
	require.NoError(t, err)
	require.False(t, live)
}
