package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/space"
)

// TestDiskThresholds: a percentage has a least, a size is taken as it is.
func TestDiskThresholds(t *testing.T) {
	t.Parallel()
	of := func(stop, warn string) (s, w space.Threshold) {
		var c config
		require.NoError(t, c.DiskStop.UnmarshalText([]byte(stop)))
		require.NoError(t, c.DiskWarn.UnmarshalText([]byte(warn)))
		return c.diskThresholds()
	}
	stop, warn := of("2%", "10%")
	require.EqualValues(t, 20<<30, stop(1000<<30))
	require.EqualValues(t, 100<<30, warn(1000<<30))
	require.EqualValues(t, 64<<20, stop(1<<30))
	require.EqualValues(t, 128<<20, warn(1<<30))
	stop, warn = of("0", "1MiB")
	require.Zero(t, stop(1<<40))
	require.EqualValues(t, 1<<20, warn(1<<40))
	stop, warn = of("1GiB", "1%")
	require.EqualValues(t, 1<<30, stop(1<<30))
	require.EqualValues(t, 1<<30, warn(1<<30), "it warns no later than it stops")
}

// pushOne pushes a profile with an id of its own and returns the status.
func pushOne(t *testing.T, c *faultClient, seq *int, l *ledger) (int, http.Header) {
	t.Helper()
	id := fmt.Sprintf("guard-%d", *seq)
	l.send(id, 2)
	code, header, err := c.pushStatus(t.Context(), id, *seq)
	require.NoError(t, err)
	*seq++
	if code == http.StatusOK {
		l.ack(id)
	}
	return code, header
}

// TestDiskGuard: over disks of any size, pushes stop with 507 and come back by
// themselves; questions and merges go on.
func TestDiskGuard(t *testing.T) {
	const gib = 1 << 10 // free is in MiB
	var free atomic.Int64
	free.Store(50 * gib)
	_, final := policies()
	n := runFaultNode(t, faultSettings{
		dir: filepath.Join(t.TempDir(), "data"), policy: final,
		usage: func(string) (space.Usage, error) {
			return space.Usage{Free: free.Load() << 20, Total: 100 << 30, ID: 1}, nil
		},
	})
	c, l, seq := newFaultClient(t, n, "guard"), newLedger(), 0
	push := func() int { code, _ := pushOne(t, c, &seq, l); return code }
	ready := func() string { return n.get(t, "/ready") }
	for range 6 {
		require.Equal(t, http.StatusOK, push())
	}
	require.Equal(t, "ready\n", ready())
	free.Store(9 * gib)
	n.guard.Look()
	require.Equal(t, http.StatusOK, push())
	require.Equal(t, "ready\nwarning: the disk of the bucket has 9.0 GiB of 100.0 GiB free (9.0 %): pushes will be refused below 2.0 GiB\n", ready())
	free.Store(gib * 3 / 2)
	n.guard.Look()
	code, header := pushOne(t, c, &seq, l)
	require.Equal(t, http.StatusInsufficientStorage, code)
	require.Equal(t, "10", header.Get("Retry-After"))
	require.Contains(t, ready(), "pushes are refused until there are 2.2 GiB")
	require.Contains(t, n.statusPage(t), "pushes are refused until there are 2.2 GiB")
	require.InDelta(t, 1, n.metric(t, "stackhouse_disk_refused_pushes_total"), 0)
	got, err := c.askSQL(t.Context())
	require.NoError(t, err)
	require.NoError(t, l.check(got, l.ackedNow()))
	require.Len(t, got, 7)
	require.NoError(t, n.roomForMerge(256<<20), "half of the rest is theirs")
	n.finishJobs(t)
	free.Store(3 * gib)
	require.Eventually(t, func() bool { return push() == http.StatusOK }, 5*time.Second, 5*time.Millisecond, "it recovers by itself")
}

// get returns the body of a page.
func (o *opened) get(t *testing.T, path string) string {
	t.Helper()
	code, body := get(t, o.url+path)
	require.Equal(t, http.StatusOK, code)
	return body
}

// TestMergesWaitForRoom: without room for it, a merge waits, as long as it takes, and
// is no failure.
func TestMergesWaitForRoom(t *testing.T) {
	if testing.Short() {
		t.Skip("a merge waits for ten seconds")
	}
	var free atomic.Int64
	free.Store(50 << 30)
	never, final := policies()
	s := faultSettings{dir: filepath.Join(t.TempDir(), "data"), policy: never}
	s.usage = func(string) (space.Usage, error) { return space.Usage{Free: free.Load(), Total: 100 << 30, ID: 1}, nil }
	n := runFaultNode(t, s)
	pushMany(t, n, 6, 0, time.Now().Add(-6*time.Hour))
	n.stop()
	free.Store(1<<30 + 100)
	s.policy = final
	n = runFaultNode(t, s)
	jobs := func() (attempts int) {
		snap, err := n.meta.Snapshot(t.Context())
		require.NoError(t, err)
		defer snap.Release()
		for _, j := range snap.Jobs() {
			require.Empty(t, j.Reason)
			require.Zero(t, j.Failures)
			attempts += j.Attempts
		}
		return attempts
	}
	require.Eventually(t, func() bool { return jobs() > 0 }, 10*time.Second, 10*time.Millisecond)
	require.Positive(t, n.levels(t)[warehouse.LevelSegment])
	free.Store(50 << 30)
	require.Zero(t, n.finishJobs(t))
	require.Zero(t, n.levels(t)[warehouse.LevelSegment])
}

// TestSmallDisk fills a real disk under everything to its last two percent: pushes
// stop before the log meets a full disk, questions are answered, and pushes are
// accepted again as soon as there is space, by the same process.
func TestSmallDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a node for several seconds")
	}
	const size = 256 << 20
	s := faultSettings{dir: filepath.Join(t.TempDir(), "data"), policy: eagerPolicy(), clock: hasty(time.Minute)}
	require.NoError(t, os.MkdirAll(s.dir, 0o750))
	mountSmall(t, s.dir, size)
	n := runFaultNode(t, s)
	c, l, seq := newFaultClient(t, n, "guard"), newLedger(), 0
	c.http.Timeout = time.Minute
	push := func() int { code, _ := pushOne(t, c, &seq, l); return code }
	check := func(when string) {
		got, err := c.askSQL(t.Context())
		require.NoError(t, err, when)
		require.NoError(t, l.check(got, l.ackedNow()), when)
	}
	for range 20 {
		require.Equal(t, http.StatusOK, push())
	}
	check("before")
	filler := filepath.Join(s.dir, "filler")
	fillUpTo(t, s.dir, filler, 3<<20) // 1.2 %
	n.guard.Look()
	for range 10 {
		require.Equal(t, http.StatusInsufficientStorage, push())
	}
	check("while the disk is full")
	n.finishJobs(t)
	check("after merges on a full disk")
	require.Contains(t, n.get(t, "/ready"), "ready\nwarning: the disk of the bucket has ")
	_, err := n.meta.ReleaseJobs(t.Context(), nil)
	require.NoError(t, err, "the log takes commands")
	require.NoError(t, os.Remove(filler))
	freed := time.Now()
	require.Eventually(t, func() bool { return push() == http.StatusOK }, 5*time.Second, time.Millisecond)
	t.Logf("accepted again after %s", time.Since(freed).Round(time.Millisecond))
	check("with space again")
	require.Equal(t, "ready\n", n.get(t, "/ready"))
}

// fillUpTo writes to a file until the disk has no more than so many bytes left.
func fillUpTo(t *testing.T, disk, path string, left int64) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	g, err := space.New(space.Options{
		Disks: []space.Disk{{Name: "small", Path: disk}},
		Stop:  func(int64) int64 { return 0 }, Warn: func(int64) int64 { return 0 },
	})
	require.NoError(t, err)
	for chunk := make([]byte, 256<<10); ; {
		g.Look()
		if g.Status()[0].Free <= left {
			break
		}
		_, err := f.Write(chunk)
		require.NoError(t, err)
	}
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
}
