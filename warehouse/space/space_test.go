package space

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const mib = 1 << 20

// disks are file systems of 1,000 MiB.
type disks struct {
	mu   sync.Mutex
	free map[string]int64
	ids  map[string]uint64
	errs map[string]error
	asks int
}

func (d *disks) usage(path string) (Usage, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asks++
	return Usage{Free: d.free[path] * mib, Total: 1000 * mib, ID: d.ids[path]}, d.errs[path]
}

func (d *disks) set(path string, free int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.free[path] = free
}

func (d *disks) asked() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asks
}

func percent(n int64) Threshold { return func(total int64) int64 { return total * n / 100 } }

func newGuard(t *testing.T, d *disks, change func(*Options)) *Guard {
	t.Helper()
	o := Options{
		Disks: []Disk{{Name: "bucket", Path: "/b"}, {Name: "metastore", Path: "/m"}}, Stop: percent(2), Warn: percent(10), Usage: d.usage,
	}
	if change != nil {
		change(&o)
	}
	g, err := New(o)
	require.NoError(t, err)
	return g
}

func newDisks() *disks {
	return &disks{free: map[string]int64{"/b": 500, "/m": 500}, ids: map[string]uint64{"/b": 1, "/m": 2}, errs: map[string]error{}}
}

// TestStates: each state begins below its threshold, and ends an eighth above it.
func TestStates(t *testing.T) {
	t.Parallel()
	d, reg := newDisks(), prometheus.NewRegistry()
	var log strings.Builder
	g := newGuard(t, d, func(o *Options) { o.Registry, o.Logger = reg, slog.New(slog.NewTextHandler(&log, nil)) })
	for i, step := range []struct {
		free int64
		want State
	}{{500, OK}, {100, OK}, {99, Low}, {100, Low}, {112, Low}, {113, OK}, {20, Low}, {19, Full}, {20, Full}, {22, Full}, {23, Low}, {5, Full}, {500, OK}} {
		d.set("/m", step.free)
		g.Look()
		require.Equal(t, step.want, g.Status()[1].State, "step %d", i)
		require.Equal(t, OK, g.Status()[0].State)
		require.Equal(t, step.want == Full, g.Err() != nil, "step %d", i)
		require.Equal(t, step.want > OK, len(g.Warnings()) == 1, "step %d", i)
	}
	require.Equal(t, 2, strings.Count(log.String(), "level=ERROR"), "a state is logged when it begins")
	require.Contains(t, log.String(), "has room again")
	d.set("/m", 10)
	g.Look()
	err := g.Err()
	require.Equal(t, warehouse.Limit, warehouse.KindOf(err))
	require.Equal(t, warehouse.ReasonDiskFull, warehouse.ReasonOf(err))
	require.EqualError(t, err, "no profiles are accepted: the disk of the metastore has 10.0 MiB of 1000.0 MiB free (1.0 %), and 20.0 MiB are kept for what is stored already")
	require.Equal(t, []string{"the disk of the metastore has 10.0 MiB of 1000.0 MiB free (1.0 %): pushes are refused until there are 22.5 MiB"}, g.Warnings())
	families, err := reg.Gather()
	require.NoError(t, err)
	names := map[string]float64{}
	for _, f := range families {
		last := f.GetMetric()[len(f.GetMetric())-1]
		names[f.GetName()] = last.GetGauge().GetValue() + last.GetCounter().GetValue()
	}
	require.Equal(t, map[string]float64{
		"stackhouse_disk_free_bytes": 10 * mib, "stackhouse_disk_size_bytes": 1000 * mib, "stackhouse_disk_state": 2, "stackhouse_disk_refused_pushes_total": 5,
	}, names)
}

// TestRoom: what merges may take leaves half of what stops pushes.
func TestRoom(t *testing.T) {
	t.Parallel()
	d := newDisks()
	g := newGuard(t, d, nil)
	require.NoError(t, g.Room("bucket", 490*mib))
	require.Equal(t, warehouse.Unavailable, warehouse.KindOf(g.Room("bucket", 491*mib)))
	d.set("/b", 15)
	require.NoError(t, g.Room("bucket", 5*mib))
	require.EqualError(t, g.Room("bucket", 6*mib), "no room for 6.0 MiB: the disk of the bucket has 15.0 MiB of 1000.0 MiB free (1.5 %), and 10.0 MiB stay free")
	require.Error(t, g.Err(), "it was measured")
	d.ids["/m"] = 1
	one := newGuard(t, d, nil)
	require.Len(t, one.Status(), 1, "one file system")
	require.Error(t, one.Room("metastore", 6*mib))
}

// TestUnmeasured: a disk that cannot be measured keeps its state, which is logged once.
func TestUnmeasured(t *testing.T) {
	t.Parallel()
	d := newDisks()
	var log strings.Builder
	g := newGuard(t, d, func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	d.set("/b", 1)
	g.Look()
	d.errs["/b"] = errors.New("stale handle")
	d.set("/b", 500)
	g.Look()
	g.Look()
	require.Error(t, g.Err())
	require.Equal(t, 1, strings.Count(log.String(), "stale handle"))
	delete(d.errs, "/b")
	g.Look()
	require.NoError(t, g.Err())
}

// TestRun: a disk is measured every two seconds, ten times as often when it is low.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisks()
		d.ids["/m"] = 1
		g := newGuard(t, d, nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- g.Run(ctx) }()
		looks := func(forTime time.Duration) int {
			before := d.asked()
			time.Sleep(forTime) //nolint:forbidigo // synctest's time
			synctest.Wait()
			return (d.asked() - before) / 2
		}
		require.Equal(t, 10, looks(20*time.Second+time.Millisecond))
		d.set("/b", 1)
		d.set("/m", 1)
		require.Equal(t, 1, looks(2*time.Second))
		require.Error(t, g.Err())
		require.InDelta(t, 50, looks(10*time.Second), 1)
		d.set("/b", 500)
		d.set("/m", 500)
		looks(200 * time.Millisecond)
		require.NoError(t, g.Err(), "it recovers by itself")
		cancel()
		require.NoError(t, <-done)
	})
}

func TestSystem(t *testing.T) {
	t.Parallel()
	u, err := usageOf(t.TempDir())
	require.NoError(t, err)
	require.Positive(t, u.Total)
	require.LessOrEqual(t, u.Free, u.Total)
	_, err = usageOf("/does/not/exist")
	require.Error(t, err)
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{}, {Disks: []Disk{{}}}, {Disks: []Disk{{}}, Stop: percent(1)}, {Disks: []Disk{{}}, Stop: percent(1), Warn: percent(1), Every: -1}} {
		_, err := New(o)
		require.Equal(t, warehouse.Invalid, warehouse.KindOf(err))
	}
	require.Equal(t, "ok", OK.String())
	require.Equal(t, "1 bytes", bytesText(1))
}
