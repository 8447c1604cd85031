package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/api"
	"github.com/stackhouse-db/stackhouse/compactor"
	"github.com/stackhouse-db/stackhouse/ingest"
	"github.com/stackhouse-db/stackhouse/metastore"
	"github.com/stackhouse-db/stackhouse/metastore/backup"
	"github.com/stackhouse-db/stackhouse/metastore/manifest"
	"github.com/stackhouse-db/stackhouse/pgwire"
	"github.com/stackhouse-db/stackhouse/sql/catalog"
	"github.com/stackhouse-db/stackhouse/sql/engine"
	"github.com/stackhouse-db/stackhouse/sql/query"
	"github.com/stackhouse-db/stackhouse/sql/statement"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/cache"
	"github.com/stackhouse-db/stackhouse/warehouse/failpoint"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
	"github.com/stackhouse-db/stackhouse/warehouse/object/objecttest"
	"github.com/stackhouse-db/stackhouse/warehouse/space"
)

// faultSettings say how a faultNode is joined.
type faultSettings struct {
	dir       string
	policy    metastore.Policy
	clock     func() time.Time  // of the metastore; nil means time.Now
	faulty    bool              // nothing is read in place, and the bucket can be broken
	points    *failpoint.Points // of ingest and compactor; nil has none
	manifests time.Duration     // how often one is written; 0 means often
	forget    bool              // what is decoded for one question is not kept for the next

	scrubEvery time.Duration
	usage      func(path string) (space.Usage, error) // of disks; nil asks the system
}

// faultNode is a node whose bucket belongs to the test.
type faultNode struct {
	*opened
	files    *object.Filesystem
	faulty   *objecttest.Faulty // nil if it was not asked for
	bucket   object.Bucket      // what the components use
	sections *cache.Sections
	registry *prometheus.Registry
}

// runFaultNode runs the node until its stop: newNode with another bucket.
func runFaultNode(t *testing.T, s faultSettings) *faultNode {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background()) // ended by stop
	log := slog.New(slog.DiscardHandler)
	ln, err := listen(ctx, "http.listen", "127.0.0.1:0")
	require.NoError(t, err)
	pgLn, err := listen(ctx, "pg.listen", "127.0.0.1:0")
	require.NoError(t, err)
	data, err := openDataDir(s.dir)
	require.NoError(t, err)
	n, err := newFaultNode(s, data, log)
	require.NoError(t, err)
	n.url = "http://" + ln.Addr().String()
	n.dsn = fmt.Sprintf("host=127.0.0.1 port=%d user=alice sslmode=disable", pgLn.Addr().(*net.TCPAddr).Port)
	stages := n.stages(ln, pgLn, answerStarting(ln))
	for i := range stages {
		stages[i].stop = time.Minute // of a busy machine: how fast stages stop is another test's matter
	}
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- runStages(ctx, log, func() { close(ready) }, stages...) }()
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	stopped := false
	n.stop = func() {
		if stopped {
			return
		}
		stopped = true
		http.DefaultClient.CloseIdleConnections()
		cancel()
		ended := <-done
		data.close()
		require.NoError(t, ended)
	}
	t.Cleanup(n.stop)
	return n
}

// newFaultNode opens every component, as newNode does.
func newFaultNode(s faultSettings, dir *dataDir, log *slog.Logger) (*faultNode, error) {
	n := &faultNode{opened: &opened{node: &node{log: log}}, registry: newRegistry()}
	b := newBudgets(1 << 30)
	var err error
	if n.files, err = object.NewFilesystem(dir.file(bucketDir)); err != nil {
		return nil, err
	}
	var bucket object.Bucket = n.files
	if s.faulty {
		n.faulty = objecttest.NewFaulty(n.files, objecttest.FaultPlan{})
		bucket = n.faulty
	}
	bucket = object.Instrument(bucket, n.registry)
	n.bucket = bucket
	n.openRegister(dir, log, n.registry)
	n.sections, err = cache.OpenSections(cache.SectionsOptions{
		Dir: dir.file(cacheDir), MaxBytes: 1 << 30, Bucket: bucket, OnVerdict: n.noteVerdict, Registry: n.registry,
	})
	if err != nil {
		return nil, err
	}
	n.addResource("cache", n.sections)
	n.meta, err = metastore.Open(metastore.Options{
		Dir: dir.file(metastoreDir), Policy: s.policy, Bucket: bucket, Clock: s.clock, Registry: n.registry,
		ManifestEvery: cmp.Or(s.manifests, 200*time.Millisecond),
		OnDelete:      func(id warehouse.ObjectID) { n.sections.Forget(id); n.register.Forget(id) },
	})
	if err != nil {
		return nil, err
	}
	err = n.openHealth(healthOptions{
		meta: n.meta, dir: dir, bucket: bucket, copies: n.sections, every: s.scrubEvery,
		stop: percentOf(2), warn: percentOf(10), usage: s.usage,
		component: func(string) *slog.Logger { return log }, registry: n.registry,
	})
	if err != nil {
		return nil, err
	}
	n.ing, err = ingest.New(ingest.Options{
		Store: bucket, Registrar: n.meta, Sections: n.sections, Retention: n.meta, MemoryBytes: b.pushes, DefinitionBytes: b.definitions, Registry: n.registry,
		Failpoints: s.points,
	})
	if err != nil {
		return nil, err
	}
	n.compactor, err = compactor.New(compactor.Options{
		Jobs: n.meta, Sections: n.sections, Bucket: bucket, StopTimeout: undoJobs, Failpoints: s.points,
		Poll: 20 * time.Millisecond, Renew: 500 * time.Millisecond, Room: n.roomForMerge, Registry: n.registry,
	})
	if err != nil {
		return nil, err
	}
	return n, n.openQueries(s, dir, b)
}

// percentOf is a threshold.
func percentOf(percent int64) space.Threshold {
	return func(total int64) int64 { return total * percent / 100 }
}

// openQueries opens what answers questions, and the edges.
func (n *faultNode) openQueries(s faultSettings, dir *dataDir, b budgets) (err error) {
	if s.forget {
		b.symbols, b.series, b.samples = 1, 1, 1
	}
	dirs := []string{dir.file(cacheDir), dir.file(bucketDir)}
	n.engine, err = engine.Open(engine.Options{MemoryBytes: b.engine, TempDir: dir.file(tempDir), AllowedDirs: dirs})
	if err != nil {
		return err
	}
	n.addResource("engine", n.engine)
	n.questions, err = query.New(query.Options{
		Index: index{n.meta, n.register}, Sections: n.sections, Symbols: cache.NewSymbols(b.symbols), Engine: n.engine,
		SeriesCacheBytes: b.series, SampleCacheBytes: b.samples, Registry: n.registry,
	})
	if err != nil {
		return err
	}
	pgCatalog, err := catalog.New()
	if err != nil {
		return err
	}
	n.statements, err = statement.New(statement.Options{
		Index: index{n.meta, n.register}, Sections: n.sections, Query: n.questions, Catalog: pgCatalog, SectionDirs: dir.sectionDirs,
		MemoryBytes: b.sql, TempDir: dir.file(tempDir), Registry: n.registry,
	})
	if err != nil {
		return err
	}
	n.pg, err = pgwire.New(pgwire.Options{Statements: n.statements, Version: buildVersion(), SpoolBytes: b.spool, DrainTimeout: drainSessions})
	if err != nil {
		return err
	}
	n.api, err = api.New(api.Options{
		Pusher: n.ing, Querier: n.questions, Index: index{n.meta, n.register}, Ready: n.meta.Ready,
		Status: func(ctx context.Context) (*api.Status, error) { return n.status(ctx, n.registry) },
		Admit:  n.guard.Err, Warnings: n.guard.Warnings, Scrub: n.scrubAll, Jobs: jobAdmin{n.meta},
		Admin: administration{n.meta, n.questions},
		Info:  func() api.Info { return api.Info{} }, Backups: backup.NewLeases(holdBackup(n.meta), n.bucket),
		Limits:   api.Limits{MaxBodiesBytes: b.bodies, MaxPushBytes: min(maxPushBytes, b.bodies), DrainTimeout: drainRequests},
		Registry: n.registry, Gatherer: n.registry,
	})
	return err
}

// metric returns the sum of a counter or gauge over its labels.
func (n *faultNode) metric(t *testing.T, name string) (total float64) {
	t.Helper()
	families, err := n.registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			total += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return total
}

// finishJobs waits until nothing is left to merge, and releases what was set aside
// until then. It returns how many jobs that were.
func (n *faultNode) finishJobs(t *testing.T) (released int) {
	t.Helper()
	var left []string
	isDone := func() bool {
		ids, _ := n.setAside(t)
		if len(ids) > 0 {
			k, err := n.meta.ReleaseJobs(t.Context(), ids)
			require.NoError(t, err)
			released += k
			return false
		}
		snap, err := n.meta.Snapshot(t.Context())
		require.NoError(t, err)
		defer snap.Release()
		left = nil
		for _, j := range snap.Jobs() {
			left = append(left, fmt.Sprintf("%s of level %d: %d inputs, token %d, attempt %d, %d failures: %s", jobState(j), j.Level, len(j.Inputs), j.Token, j.Attempts, j.Failures, j.Reason))
		}
		return len(left) == 0 && !n.meta.HasJobs()
	}
	if !assert.Eventually(t, isDone, time.Minute, 20*time.Millisecond) {
		t.Fatalf("merges do not end, after %d jobs were released; parts by level %v; there are %q", released, n.levels(t), left)
	}
	return released
}

// setAside returns the jobs that failed too often, with their reasons.
func (n *faultNode) setAside(t *testing.T) (ids []warehouse.ObjectID, reasons []string) {
	t.Helper()
	snap, err := n.meta.Snapshot(t.Context())
	require.NoError(t, err)
	defer snap.Release()
	for _, j := range snap.Jobs() {
		if j.SetAside {
			ids, reasons = append(ids, j.ID), append(reasons, j.Reason)
		}
	}
	return ids, reasons
}

// objects returns the names in the bucket: those of live parts, and others. A live
// part without one of its objects fails the test.
func (n *faultNode) objects(t *testing.T) (live, orphans []string) {
	t.Helper()
	require.Eventually(t, func() bool { return n.metric(t, "stackhouse_metastore_tombstones") == 0 },
		30*time.Second, 20*time.Millisecond, "dead objects are not deleted")
	snap, err := n.meta.Snapshot(t.Context())
	require.NoError(t, err)
	defer snap.Release()
	isLive := map[string]bool{}
	for _, p := range everyPart(snap) {
		for _, name := range block.ObjectNames(p) {
			isLive[name] = true
		}
	}
	require.NoError(t, n.files.List(t.Context(), "", func(a object.Attrs) error {
		if _, ok := manifest.ParseName(a.Name); ok {
			return nil
		}
		if isLive[a.Name] {
			live = append(live, a.Name)
		} else {
			orphans = append(orphans, a.Name)
		}
		return nil
	}))
	require.Len(t, live, len(isLive), "a live object is gone")
	return live, orphans
}

// levels counts the live parts at each level.
func (n *faultNode) levels(t *testing.T) map[uint8]int {
	t.Helper()
	snap, err := n.meta.Snapshot(t.Context())
	require.NoError(t, err)
	defer snap.Release()
	levels := map[uint8]int{}
	for _, p := range everyPart(snap) {
		levels[p.Level]++
	}
	return levels
}

func everyPart(snap *metastore.Snapshot) (all []*warehouse.Part) {
	for _, tenant := range snap.Tenants() {
		all = slices.Concat(all, snap.Parts(tenant, warehouse.TimeRange{From: warehouse.MinTime, To: warehouse.MaxTime}))
	}
	return all
}

// sweepOrphans lets the metastore of a stopped node look for orphans once, hours
// after now.
func sweepOrphans(t *testing.T, dir string, now time.Time) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		files, err := object.NewFilesystem(filepath.Join(dir, bucketDir))
		require.NoError(t, err)
		began := time.Now() // of the bubble
		later := func() time.Time { return now.Add(3*time.Hour + time.Since(began)) }
		meta, err := metastore.Open(metastore.Options{Dir: filepath.Join(dir, metastoreDir), Bucket: files, Clock: later})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- meta.Run(ctx) }()
		require.NoError(t, meta.WaitReady(ctx))
		time.Sleep(6 * time.Minute) //nolint:forbidigo // synctest's time: one sweep is within it
		cancel()
		require.NoError(t, <-done)
	})
}
