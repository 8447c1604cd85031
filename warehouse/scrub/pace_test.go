package scrub

import (
	"context"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/object/objecttest"
)

const week = 7 * 24 * time.Hour

// observed runs a scrubber for a time and returns when each object was verified.
func observed(t *testing.T, s *Scrubber, r *Register, ids []warehouse.ObjectID, forTime, step time.Duration) map[warehouse.ObjectID][]time.Time {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	seen := map[warehouse.ObjectID][]time.Time{}
	note := func() {
		for _, id := range ids {
			at := r.VerifiedAt(id)
			if n := len(seen[id]); !at.IsZero() && (n == 0 || seen[id][n-1] != at) {
				seen[id] = append(seen[id], at)
			}
		}
	}
	note()
	for end := time.Now().Add(forTime); time.Now().Before(end); {
		time.Sleep(step) //nolint:forbidigo // synctest's time
		synctest.Wait()
		note()
	}
	cancel()
	require.NoError(t, <-done)
	return seen
}

// requireWithin requires that no object ever waited for longer than a period.
func requireWithin(t *testing.T, seen map[warehouse.ObjectID][]time.Time, ids []warehouse.ObjectID, since time.Time, period time.Duration) {
	t.Helper()
	for _, id := range ids {
		last := since
		for _, at := range append(seen[id], time.Now()) {
			require.LessOrEqual(t, at.Sub(last), period, id)
			last = at
		}
	}
}

// TestPace: everything is verified within each period, and not all at once, although
// all objects are of one moment.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		began := time.Now()
		var ids []warehouse.ObjectID
		for i := range 40 {
			ids = append(ids, w.segment(t, began, 100*(i%7)).id)
		}
		s, r := w.scrubber(t, func(o *Options) { o.Every = week })
		seen := observed(t, s, r, ids, 3*week, time.Hour)
		requireWithin(t, seen, ids, began, week)
		days := map[int]int{}
		for _, id := range ids {
			require.LessOrEqual(t, len(seen[id]), 12, "more often than needed")
			for _, at := range seen[id] {
				days[int(at.Sub(began)/(24*time.Hour))]++
			}
		}
		for day, n := range days {
			require.LessOrEqual(t, n, 12, "day %d has many", day)
		}
		require.False(t, r.LastPass().IsZero())
		require.WithinDuration(t, time.Now(), r.LastPass(), week)
		require.Less(t, s.OldestAge(), week)
	})
}

// TestPaceOverRestarts: what was verified is remembered, and what was missed while
// the process was down is made up for.
func TestPaceOverRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		began := time.Now()
		var ids []warehouse.ObjectID
		for range 30 {
			ids = append(ids, w.segment(t, began, 100).id)
		}
		path := filepath.Join(t.TempDir(), "SCRUB")
		all := map[warehouse.ObjectID][]time.Time{}
		for range 8 { // two days up, a day down
			r := OpenRegister(RegisterOptions{Path: path})
			s, _ := w.scrubber(t, func(o *Options) { o.Every, o.Register = week, r })
			for id, times := range observed(t, s, r, ids, 48*time.Hour, 30*time.Minute) {
				for _, at := range times {
					if n := len(all[id]); n == 0 || at.Sub(all[id][n-1]) > time.Minute { // the file has whole seconds
						all[id] = append(all[id], at)
					}
				}
			}
			time.Sleep(24 * time.Hour) //nolint:forbidigo // synctest's time
		}
		requireWithin(t, all, ids, began, week)
		for _, id := range ids {
			require.LessOrEqual(t, len(all[id]), 8, "verified again at each start")
		}
	})
}

// TestOld: objects from long ago of which nothing is known are verified at once, with
// pauses.
func TestOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var ids []warehouse.ObjectID
		for range 20 {
			ids = append(ids, w.segment(t, time.Now().Add(-5*week), 100).id)
		}
		s, r := w.scrubber(t, func(o *Options) { o.Every = week })
		seen := observed(t, s, r, ids, time.Hour, time.Minute)
		for _, id := range ids {
			require.Len(t, seen[id], 1)
		}
	})
}

// TestYields: others come first, until an object is late.
func TestYields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		began := time.Now()
		id := w.segment(t, began, 100).id
		s, r := w.scrubber(t, func(o *Options) { o.Every, o.IsBusy = week, func() bool { return true } })
		seen := observed(t, s, r, []warehouse.ObjectID{id}, week, time.Hour)
		require.Len(t, seen[id], 1)
		require.Greater(t, seen[id][0].Sub(began), week*8/10)
	})
}

// TestDutyCycle: after each piece there is a rest that is many times as long.
func TestDutyCycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		faulty := objecttest.NewFaulty(w.files, objecttest.FaultPlan{})
		w.bucket = faulty
		began := time.Now().Add(-2 * week)
		var ids []warehouse.ObjectID
		for range 5 {
			ids = append(ids, w.block(t, began, 3*windowBytes).id)
		}
		w.bucket = slowBucket{faulty, 100 * time.Millisecond}
		s, r := w.scrubber(t, func(o *Options) { o.Every = week })
		start := time.Now()
		seen := observed(t, s, r, ids, time.Hour, time.Second)
		var last time.Time
		for _, id := range ids {
			require.Len(t, seen[id], 1)
			if seen[id][0].After(last) {
				last = seen[id][0]
			}
		}
		const reads = 5 * (3 + 1) // and the descriptions
		require.Greater(t, last.Sub(start), (reads-5)*restFactor*100*time.Millisecond)
		require.Less(t, last.Sub(start), 3*time.Minute)
	})
}

// TestDamagedIsLookedAtAgain: what is damaged is read again soon, also if nothing else
// is, so that a repair is noticed.
func TestDamagedIsLookedAtAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		seg := w.segment(t, time.Now(), 100)
		w.segment(t, time.Now(), 100)
		name := block.SegmentName(0, seg.id)
		w.edit(t, name, flipAt(3, 1))
		path := filepath.Join(t.TempDir(), "SCRUB")
		r := OpenRegister(RegisterOptions{Path: path})
		s, _ := w.scrubber(t, func(o *Options) { o.Register = r })
		_, found := pass(t, s)
		require.Len(t, found, 1)

		r = OpenRegister(RegisterOptions{Path: path}) // another process
		require.True(t, r.IsDamaged(seg.id))
		require.Contains(t, r.DamageOf(seg.parts[0]), name)
		s, _ = w.scrubber(t, func(o *Options) { o.Register = r })
		ids := []warehouse.ObjectID{seg.id}
		observed(t, s, r, ids, 10*time.Minute, time.Minute)
		require.True(t, r.IsDamaged(seg.id))
		w.edit(t, name, flipAt(3, 1))
		observed(t, s, r, ids, 3*time.Minute, time.Minute)
		require.False(t, r.IsDamaged(seg.id))
		require.Equal(t, ids, r.TakeRepaired())
		require.False(t, OpenRegister(RegisterOptions{Path: path}).IsDamaged(seg.id))
	})
}
