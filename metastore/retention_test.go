package metastore

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

func TestRetentionDropsOldHours(t *testing.T) {
	t.Parallel()
	c := startCollected(t, func(o *Options) { o.Retention = 24 * time.Hour })
	c.store(1)
	index := c.fsm.view.Load().Index()
	c.clock.pass(24*time.Hour - time.Microsecond)
	require.NoError(t, c.retain(t.Context(), c.clock.read()))
	assert.Equal(t, index, c.fsm.view.Load().Index(), "with nothing to drop nothing is logged")
	c.clock.pass(time.Microsecond)
	require.NoError(t, c.retain(t.Context(), c.clock.read()))
	assert.Empty(t, c.live())
	assert.EqualValues(t, 1, valueOf(t, c.metrics.expiredParts))
	require.NoError(t, c.collect(t.Context()))
	assert.False(t, c.has(1))
}

func TestRetentionForEver(t *testing.T) {
	t.Parallel()
	c := startCollected(t, nil)
	c.store(1)
	require.NoError(t, c.retain(t.Context(), warehouse.MaxTime.Time()))
	assert.Equal(t, idsOf(1), c.live())
}

func TestRetentionRunsByItself(t *testing.T) {
	t.Parallel()
	c := startCollected(t, func(o *Options) {
		o.Retention = time.Hour
		o.tuning.retainEvery, o.tuning.gcEvery = time.Millisecond, time.Millisecond
		early := o.Clock
		o.Clock = func() time.Time { return early().Add(2 * time.Hour) }
	})
	c.store(1)
	eventually(t, "the old segment goes", func() bool { return !c.has(1) })
}

func TestStepWatch(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	type look struct {
		wall   time.Duration // since noon
		steady time.Duration
		step   time.Duration
		paused bool
	}
	cases := []struct {
		name  string
		looks []look
	}{
		{"clocks that agree", []look{{0, 0, 0, false}, {time.Hour, time.Hour, 0, false}}},
		{"clocks that drift", []look{{0, 0, 0, false}, {64 * time.Minute, time.Hour, 0, false}}},
		{"a step ahead, and back", []look{
			{0, 0, 0, false},
			{8760*time.Hour + time.Minute, time.Minute, 8760 * time.Hour, true},
			{8760*time.Hour + 2*time.Minute, 2 * time.Minute, 0, true},
			{3 * time.Minute, 3 * time.Minute, -8760 * time.Hour, true},
			{62 * time.Minute, 62 * time.Minute, 0, true},
			{63 * time.Minute, 63 * time.Minute, 0, false},
		}},
		{"a step that stays", []look{
			{0, 0, 0, false},
			{2*time.Hour + time.Minute, time.Minute, 2 * time.Hour, true},
			{3*time.Hour + time.Minute, time.Hour + time.Minute, 0, false},
		}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var w stepWatch
			for i, l := range tc.looks {
				assert.Equal(t, l.step, w.observe(noon.Add(l.wall), l.steady), "look %d", i)
				assert.Equal(t, l.paused, w.paused(l.steady), "look %d", i)
			}
		})
	}
}
