package metastore

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/metastore/rebuild"
	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

var discard = slog.New(slog.DiscardHandler)

// What is read of a directory that nobody runs is what the node had.
func TestReadState(t *testing.T) {
	t.Parallel()
	o := quiet(t.TempDir())
	n := start(t, o)
	for i := range 5 {
		n.mustAdd(segment(i))
	}
	_, err := ReadState(o.Dir, discard)
	require.ErrorContains(t, err, "another process uses it")
	require.NoError(t, n.compact(t.Context()))
	for i := range 3 {
		n.mustAdd(segment(10 + i))
	}
	want := n.digest()
	n.stop()
	s, err := ReadState(o.Dir, discard)
	require.NoError(t, err)
	require.Equal(t, want, s.View().Digest(), "a snapshot, and the log behind it")
	require.Equal(t, want, start(t, o).digest(), "nothing was changed")

	_, err = ReadState(filepath.Join(t.TempDir(), "none"), discard)
	require.Equal(t, warehouse.NotFound, warehouse.KindOf(err))
}

// A directory that was made of a state runs, and goes on, and its log is one.
func TestInstall(t *testing.T) {
	t.Parallel()
	o := quiet(t.TempDir())
	n := start(t, o)
	for i := range 5 {
		n.mustAdd(segment(i))
	}
	n.stop()
	s, err := ReadState(o.Dir, discard)
	require.NoError(t, err)
	require.NoError(t, rebuild.Advance(s, 0))
	require.Equal(t, warehouse.Exists, warehouse.KindOf(Install(o.Dir, s, time.Now(), discard)))

	o.Dir = filepath.Join(t.TempDir(), "made")
	require.NoError(t, os.MkdirAll(o.Dir+".new/rest", 0o750))
	since := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	require.NoError(t, Install(o.Dir, s, since, discard))
	require.NoDirExists(t, o.Dir+".new")
	o.Listen = "127.0.0.1:0"
	for round := range 3 {
		n = start(t, o)
		require.Equal(t, since, n.dir.since)
		require.Len(t, n.live(), 5+round)
		n.mustAdd(segment(100 + round))
		require.Greater(t, n.fsm.view.Load().Index(), uint64(rebuild.Leap))
		if round == 1 {
			require.NoError(t, n.compact(t.Context()))
		}
		n.stop()
		o.Listen = ""
	}
	before, err := Guard(o.Dir)
	require.NoError(t, err)
	require.Equal(t, since, before)
	require.NoError(t, SetGuard(o.Dir, time.Time{}))
	require.True(t, start(t, o).dir.since.IsZero())
}

// The sweep leaves alone what is older than a directory that was made of a state, until
// an operator says otherwise.
func TestGuardHoldsTheSweep(t *testing.T) {
	t.Parallel()
	bucket := newStore()
	old := part(1, 0, tenant, hour0)
	old.Object = bornAt(1, time.Now().Add(-2*time.Hour))
	bucket.put(t, old)
	s := state.New()
	require.NoError(t, rebuild.Advance(s, 0))
	o := quiet(filepath.Join(t.TempDir(), "made"))
	o.Bucket, o.OrphanAge = bucket, time.Nanosecond
	require.NoError(t, Install(o.Dir, s, time.Now(), discard))
	n := start(t, o)
	require.NoError(t, n.sweep(t.Context()))
	require.True(t, bucket.has(old))
	require.EqualValues(t, 1, n.strangers.Load())
	n.stop()
	require.NoError(t, SetGuard(o.Dir, time.Time{}))
	n = start(t, o)
	require.NoError(t, n.sweep(t.Context()))
	require.False(t, bucket.has(old))
}
