package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestUsedShare: more than half of the machine is busy, measured over half a second or
// more.
func TestUsedShare(t *testing.T) {
	t.Parallel()
	now, used := time.Unix(0, 0), time.Duration(0)
	u := &usedShare{processors: 4, clock: func() time.Time { return now }, used: func() time.Duration { return used }}
	step := func(wall, cpu time.Duration) bool {
		now, used = now.Add(wall), used+cpu
		return u.isBusy()
	}
	require.False(t, u.isBusy(), "nothing is known yet")
	require.False(t, step(time.Second, 2*time.Second))
	require.True(t, step(time.Second, 2100*time.Millisecond))
	require.True(t, step(100*time.Millisecond, 0), "too short to tell")
	require.False(t, step(time.Second, 0))
	require.Positive(t, usedTime())
}
