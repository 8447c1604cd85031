package api

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/grafana/pyroscope-go"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/profile"
)

// TestPyroscopeGo lets the real client push this process's own profiles, and
// prepares what arrives as ingest does: every type must get the name that
// Pyroscope gives it.
func TestPyroscopeGo(t *testing.T) {
	oldMutex := runtime.SetMutexProfileFraction(1)
	runtime.SetBlockProfileRate(1)
	defer runtime.SetMutexProfileFraction(oldMutex)
	defer runtime.SetBlockProfileRate(0)

	ts := start(t, nil)
	stop := busy(t)
	defer stop()
	p, err := pyroscope.Start(pyroscope.Config{
		ApplicationName: "shop/checkout.web",
		Tags:            map[string]string{"env": "dev", "zone": "a-1"},
		ServerAddress:   ts.URL,
		TenantID:        "team-a",
		UploadRate:      200 * time.Millisecond,
		HTTPClient:      http1(t),
		ProfileTypes: []pyroscope.ProfileType{
			pyroscope.ProfileCPU, pyroscope.ProfileAllocObjects, pyroscope.ProfileAllocSpace, pyroscope.ProfileInuseObjects,
			pyroscope.ProfileInuseSpace, pyroscope.ProfileGoroutines, pyroscope.ProfileMutexCount, pyroscope.ProfileMutexDuration,
			pyroscope.ProfileBlockCount, pyroscope.ProfileBlockDuration,
		},
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, p.Stop()) }()

	want := []string{
		"block:contentions:count:contentions:count",
		"block:delay:nanoseconds:contentions:count",
		"goroutines:goroutine:count:goroutine:count",
		"memory:alloc_objects:count:space:bytes",
		"memory:alloc_space:bytes:space:bytes",
		"memory:inuse_objects:count:space:bytes",
		"memory:inuse_space:bytes:space:bytes",
		"mutex:contentions:count:contentions:count",
		"mutex:delay:nanoseconds:contentions:count",
		"process_cpu:cpu:nanoseconds:cpu:nanoseconds",
		"process_cpu:samples:count:cpu:nanoseconds",
	}
	var got map[string]*profile.Prepared
	require.Eventually(t, func() bool {
		got = prepared(t, ts)
		return len(got) == len(want)
	}, 30*time.Second, 50*time.Millisecond, "got %v", sortedKeys(got))
	require.Equal(t, want, sortedKeys(got))

	for typ, pr := range got {
		i := slices.IndexFunc(pr.Series, func(s profile.PreparedSeries) bool { return s.Type.String() == typ })
		ls := pr.Series[i].Labels
		require.Equal(t, "shop/checkout.web", ls.Value("service_name"), typ)
		require.Equal(t, "dev", ls.Value("env"))
		require.Equal(t, "a-1", ls.Value("zone"))
		require.Equal(t, "gospy", ls.Value("pyroscope_spy"))
		require.WithinDuration(t, time.Now(), pr.Time.Time(), time.Minute)
	}
	require.Equal(t, warehouse.Tenant("team-a"), ts.Pusher.tenant(0))
}

// prepared returns the profiles that arrived, by the types of their series.
func prepared(t *testing.T, ts *testServer) map[string]*profile.Prepared {
	t.Helper()
	out := map[string]*profile.Prepared{}
	var prep profile.Preparer
	for _, raw := range ts.Pusher.pushed() {
		p, err := prep.Prepare("team-a", raw, 0, time.Now(), profile.DefaultLimits())
		require.NoError(t, err)
		for _, s := range p.Series {
			out[s.Type.String()] = p
		}
	}
	return out
}

// busy gives the profilers something to see until it is stopped: work,
// allocations, and goroutines that wait for a lock and for each other.
func busy(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var mu sync.Mutex
	var kept [][]byte
	turn := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				mu.Lock()
				kept = append(kept[:len(kept)%100], make([]byte, 64<<10))
				runtime.Gosched() // with the lock held, so that the other one waits
				mu.Unlock()
			}
		})
	}
	wg.Go(func() {
		for ctx.Err() == nil {
			turn <- struct{}{}
		}
		close(turn)
	})
	wg.Go(func() {
		for range turn {
			runtime.Gosched()
		}
	})
	return func() { cancel(); wg.Wait() }
}
