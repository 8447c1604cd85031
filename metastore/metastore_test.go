package metastore

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimEnv); dir != "" {
		victim(dir)
		return
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/stackhouse-db/stackhouse/metastore.(*logStore).mustWrite"))
}

func TestSegmentsComeAndGo(t *testing.T) {
	t.Parallel()
	n := start(t, quiet(t.TempDir()))
	n.mustAdd(segment(1))
	n.mustAdd(segment(1))
	n.mustAdd(segment(2))
	assert.Equal(t, idsOf(1, 2), n.live())

	retry := segment(3)
	retry.Profiles = append(retry.Profiles, segment(1).Profiles...)
	r, err := n.AddSegment(n.ctx(), retry)
	require.NoError(t, err)
	assert.Equal(t, warehouse.AddResult{Outcome: warehouse.HasDuplicates, Duplicates: segment(1).Profiles}, r)

	live, err := n.AbortSegment(n.ctx(), objectID(1))
	require.NoError(t, err)
	assert.True(t, live)
	live, err = n.AbortSegment(n.ctx(), objectID(3))
	require.NoError(t, err)
	assert.False(t, live)
	assert.Equal(t, warehouse.WasAborted, n.add(segment(3)))

	n.replace(10, 1, 2)
	assert.Equal(t, idsOf(10), n.live())
	n.mustAdd(segment(1))
	assert.Equal(t, idsOf(10), n.live(), "added before, and not again")

	relying := segment(4)
	relying.Epochs = []warehouse.Epoch{{Key: warehouse.PartitionKey{Tenant: tenant, Service: service, Hour: hour0}, Value: 3}}
	r, err = n.AddSegment(n.ctx(), relying)
	require.NoError(t, err)
	assert.Equal(t, warehouse.HasStaleEpochs, r.Outcome)
	require.Len(t, r.Stale, 1)
	relying.Epochs = r.Stale
	n.mustAdd(relying)
}

func TestTenants(t *testing.T) {
	t.Parallel()
	o := quiet(t.TempDir())
	o.Retention = 31 * 24 * time.Hour
	n := start(t, o)
	require.NoError(t, n.SetTenant(n.ctx(), "globex", []Setting{set("b", "2"), set("a", "1")}))
	require.NoError(t, n.SetRetention(n.ctx(), "globex", time.Hour))
	n.mustAdd(segment(1))
	s, err := n.Snapshot(n.ctx())
	require.NoError(t, err)
	defer s.Release()
	assert.Equal(t, []warehouse.Tenant{"acme", "globex"}, s.Tenants())
	assert.Equal(t, []Setting{set("a", "1"), set("b", "2")}, s.Settings("globex"))
	assert.Equal(t, time.Hour, s.Retention("globex"))
	assert.Equal(t, o.Retention, s.Retention(tenant))
	assert.Equal(t, o.Retention, n.Retention(tenant))
	assert.Equal(t, part(1, 0, tenant, hour0).Range, s.Bounds(tenant))
	assert.Zero(t, s.Epoch(warehouse.PartitionKey{Tenant: tenant}))

	require.NoError(t, n.SetRetention(n.ctx(), "globex", InheritRetention))
	assert.Equal(t, o.Retention, n.Retention("globex"))
	assert.Equal(t, time.Hour, s.Retention("globex"), "a snapshot does not change")
}

func TestDefaultRetentionFollowsOptions(t *testing.T) {
	t.Parallel()
	o := quiet(t.TempDir())
	for _, keep := range []time.Duration{time.Hour, 0, 5 * time.Hour} {
		o.Retention = keep
		n := start(t, o)
		assert.Equal(t, keep, n.Retention(tenant))
		n.stop()
	}
}

func TestCommandsRefuseWhatIsInvalid(t *testing.T) {
	t.Parallel()
	n := start(t, quiet(t.TempDir()))
	before := n.digest()
	ctx := n.ctx()
	bad := segment(1)
	bad.Parts[0].Tenant = ".."
	huge := segment(1)
	huge.Parts[0].Datasets[0].Service = strings.Repeat("x", MaxCommandBytes)
	cases := []struct {
		name string
		do   func() error
		kind warehouse.Kind
	}{
		{"segment that contradicts itself", func() error { _, err := n.AddSegment(ctx, bad); return err }, warehouse.Invalid},
		{"segment over the limit", func() error { _, err := n.AddSegment(ctx, huge); return err }, warehouse.Limit},
		{"replacement without id", func() error {
			_, err := n.ReplaceParts(ctx, Replacement{Remove: []PartRef{{}}})
			return err
		}, warehouse.Invalid},
		{"replacement of nothing", func() error { _, err := n.ReplaceParts(ctx, Replacement{ID: objectID(1)}); return err }, warehouse.Invalid},
		{"replacement by a part that contradicts itself", func() error {
			_, err := n.ReplaceParts(ctx, Replacement{ID: objectID(1), Remove: []PartRef{{}}, Add: bad.Parts})
			return err
		}, warehouse.Invalid},
		{"tenant that is none", func() error { return n.SetTenant(ctx, "a/b", nil) }, warehouse.Invalid},
		{"setting twice", func() error { return n.SetTenant(ctx, tenant, []Setting{set("a", ""), set("b", ""), set("a", "")}) }, warehouse.Invalid},
		{"setting without name", func() error { return n.SetTenant(ctx, tenant, []Setting{set("", "1")}) }, warehouse.Invalid},
		{"setting over the limit", func() error {
			return n.SetTenant(ctx, tenant, []Setting{set("a", strings.Repeat("x", MaxSettingBytes+1))})
		}, warehouse.Limit},
		{"too many settings", func() error { return n.SetTenant(ctx, tenant, make([]Setting, MaxSettings+1)) }, warehouse.Limit},
		{"retention of a tenant that is none", func() error { return n.SetRetention(ctx, "", 0) }, warehouse.Invalid},
		{"negative retention", func() error { return n.SetRetention(ctx, tenant, -2) }, warehouse.Invalid},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.do()
			require.Error(t, err)
			assert.Equal(t, tc.kind, warehouse.KindOf(err), err)
			assert.Equal(t, before, n.digest())
		})
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{}, {Dir: "x", Retention: -1}, {Dir: "x", GCGrace: -1}} {
		_, err := Open(o)
		require.Error(t, err)
		assert.Equal(t, warehouse.Invalid, warehouse.KindOf(err))
	}
}

// Before Run, after it, and once the caller's time is over, errors say what can
// be done about them.
func TestErrorsOfUnavailableTimes(t *testing.T) {
	t.Parallel()
	m, err := Open(quiet(t.TempDir()))
	require.NoError(t, err)
	unavailable := func() {
		t.Helper()
		_, err := m.AddSegment(t.Context(), segment(1))
		require.Equal(t, warehouse.Unavailable, warehouse.KindOf(err))
		_, err = m.Snapshot(t.Context())
		require.Equal(t, warehouse.Unavailable, warehouse.KindOf(err))
		require.Equal(t, warehouse.Unavailable, warehouse.KindOf(m.Ready(t.Context())))
	}
	unavailable()
	over, cancelOver := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancelOver()
	require.Equal(t, warehouse.Deadline, warehouse.KindOf(m.WaitReady(over)))

	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	require.NoError(t, m.WaitReady(within(t, 10*time.Second)))
	gone, cancelGone := context.WithCancel(t.Context())
	cancelGone()
	for range 20 { // either may win
		_, err = m.AddSegment(gone, segment(1))
		if err != nil {
			require.Equal(t, warehouse.Canceled, warehouse.KindOf(err))
		}
		_, err = m.AddSegment(over, segment(1))
		if err != nil {
			require.Equal(t, warehouse.Deadline, warehouse.KindOf(err))
		}
	}
	cancel()
	require.NoError(t, <-ended)
	unavailable()
	m.Close() // again does nothing
}

// Many callers at once: every answer is kept, every retry gets the same one,
// each profile counts once, and an aborted segment never appears.
func TestConcurrentCallers(t *testing.T) {
	t.Parallel()
	o := quiet(t.TempDir())
	o.tuning.compactEvery, o.tuning.compactAfter = time.Millisecond, 50
	n := start(t, o)
	const workers, each = 16, 40
	var mu sync.Mutex
	added, aborted := map[warehouse.ObjectID]bool{}, map[warehouse.ObjectID]bool{}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				s := segment(1 + w/2*each + i) // two workers share each segment
				r, err := n.AddSegment(context.Background(), s)
				if !assert.NoError(t, err) {
					return
				}
				live := r.Outcome == warehouse.Added
				if i%5 == w%5 {
					live, err = n.AbortSegment(context.Background(), s.ID)
					assert.NoError(t, err)
				}
				mu.Lock()
				added[s.ID] = added[s.ID] || live
				aborted[s.ID] = aborted[s.ID] || !live
				mu.Unlock()
				snap, err := n.Snapshot(context.Background())
				if assert.NoError(t, err) {
					assert.Equal(t, live, slices.Contains(objectsOf(snap), s.ID), "a snapshot shows what was answered before")
					snap.Release()
				}
			}
		})
	}
	wg.Wait()
	for id := range added {
		assert.NotEqual(t, added[id], aborted[id], "one verdict for each")
	}
	want := n.digest()
	n.stop()
	again := start(t, quiet(o.Dir))
	assert.Equal(t, want, again.digest())
}

// An abort races the registration: whoever comes first decides for both.
func TestAbortRacesAdd(t *testing.T) {
	t.Parallel()
	n := start(t, quiet(t.TempDir()))
	for i := range 100 {
		var outcome warehouse.AddOutcome
		var live bool
		var wg sync.WaitGroup
		wg.Go(func() {
			r, err := n.AddSegment(context.Background(), segment(1+i))
			assert.NoError(t, err)
			outcome = r.Outcome
		})
		wg.Go(func() {
			var err error
			live, err = n.AbortSegment(context.Background(), objectID(1+i))
			assert.NoError(t, err)
		})
		wg.Wait()
		require.Equal(t, outcome == warehouse.Added, live)
		require.Equal(t, live, slices.Contains(n.live(), objectID(1+i)))
	}
}

func TestStateIsReadyFast(t *testing.T) {
	dir := t.TempDir()
	begin := time.Now()
	n := start(t, quiet(dir))
	first := time.Since(begin)
	n.mustAdd(segment(1))
	n.stop()
	begin = time.Now()
	start(t, quiet(dir))
	assert.Less(t, first, 5*time.Second)
	assert.Less(t, time.Since(begin), 5*time.Second)
}
