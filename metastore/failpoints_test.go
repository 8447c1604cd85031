package metastore

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/failpoint"
)

// Each step that changes something outside of memory fails, before it or behind it:
// what was answered is there afterwards, and what was to be cleaned up is, too.
func TestFailpoints(t *testing.T) {
	t.Parallel()
	n := 0
	for _, point := range failpoint.All() {
		if !strings.HasPrefix(string(point.Name), "metastore.") {
			continue
		}
		n++
		t.Run(string(point.Name), func(t *testing.T) {
			t.Parallel()
			points := &failpoint.Points{}
			bucket := newStore()
			o := quiet(t.TempDir())
			o.Bucket, o.OrphanAge = bucket, time.Nanosecond
			o.tuning.logSegment = 64 << 10
			o.ManifestEvery = time.Hour
			early := o
			early.Clock = func() time.Time { return time.Now().Add(-time.Hour) } // so that nothing is older than the directory
			start(t, early).stop()

			reached := false
			points.Set(point.Name, 1, func() error {
				reached = true
				return warehouse.Errorf(warehouse.Unavailable, "failpoint")
			})

			live := map[warehouse.ObjectID]bool{}
			o.Failpoints = points
			try(t, o, bucket, live)
			// Whatever ended the node, the next one goes on.
			o.Failpoints = nil
			again := start(t, o)
			require.True(t, reached, "the scenario comes by")
			now := map[warehouse.ObjectID]bool{}
			for _, id := range again.live() {
				now[id] = true
			}
			for id := range live {
				require.True(t, now[id], "object %s was answered and is lost", id)
			}
			require.NoError(t, again.saveManifest(t.Context()))
			require.NoError(t, again.collect(t.Context()))
			require.NoError(t, again.sweep(t.Context()))
			require.Empty(t, again.fsm.view.Load().Tombstones())
			files := 0
			for _, p := range again.fsm.view.Load().Parts(tenant, everything) {
				require.True(t, bucket.has(*p))
				files += map[bool]int{true: 1, false: 2}[p.Level == 0]
			}
			require.Equal(t, files, bucket.count(t))
		})
	}
	require.GreaterOrEqual(t, n, 18)
}

// try runs a node through everything that it does, until something fails, and takes
// note of what must be live.
func try(t *testing.T, o Options, bucket *store, live map[warehouse.ObjectID]bool) {
	m, err := Open(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	defer func() {
		cancel()
		<-ended
	}()
	if m.WaitReady(within(t, 2*time.Second)) != nil {
		return
	}
	add := func(n int) {
		p := part(n, 0, tenant, hour0)
		p.Object = bornAt(n, time.Now().Add(-time.Minute))
		bucket.put(t, p)
		if n%10 == 9 {
			return // an orphan
		}
		if r, err := m.AddSegment(ctx, &warehouse.Segment{ID: p.Object, Size: 1000, Parts: []warehouse.Part{p}}); err == nil && r.Outcome == warehouse.Added {
			live[p.Object] = true
		}
	}
	for round := range 3 {
		for n := range 10 {
			add(100*round + n)
		}
		parts := m.fsm.view.Load().Parts(tenant, everything)
		if len(parts) > 2 {
			out := part(100*round+50, 1, tenant, hour0)
			out.Object = bornAt(100*round+50, time.Now())
			bucket.put(t, out)
			r := Replacement{ID: objectID(500 + round), Add: []warehouse.Part{out}}
			for _, p := range parts[:2] {
				r.Remove = append(r.Remove, PartRef{Object: p.Object, Tenant: tenant, Hour: hour0})
				delete(live, p.Object) // if there is no answer, either may be
			}
			if _, err := m.ReplaceParts(ctx, r); err == nil {
				live[out.Object] = true
			}
		}
		_ = m.compact(within(t, 5*time.Second))
		_ = m.saveManifest(ctx)
		_ = m.collect(ctx)
		_ = m.sweep(ctx)
	}
}
