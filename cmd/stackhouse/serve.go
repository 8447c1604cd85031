package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/stackhouse-db/stackhouse/api"
	"github.com/stackhouse-db/stackhouse/compactor"
	"github.com/stackhouse-db/stackhouse/ingest"
	"github.com/stackhouse-db/stackhouse/metastore"
	"github.com/stackhouse-db/stackhouse/metastore/backup"
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
	"github.com/stackhouse-db/stackhouse/warehouse/profile"
	"github.com/stackhouse-db/stackhouse/warehouse/scrub"
)

// currentFormats are the versions that this program reads and writes. The
// metastore's folder has a FORMAT of its own.
var currentFormats = formats{"directory": 1, "block": block.FormatVersion}

// Deadlines for stopping each stage. Together they are below ten seconds, which
// is what supervisors allow before they kill.
const (
	stopSelf      = 750 * time.Millisecond
	drainRequests = 1800 * time.Millisecond
	stopAPI       = drainRequests + 750*time.Millisecond
	drainSessions = 500 * time.Millisecond
	stopPG        = drainSessions + 250*time.Millisecond
	stopSQL       = 1250 * time.Millisecond // engines of many tenants
	stopIngest    = 1250 * time.Millisecond
	stopMetastore = 1000 * time.Millisecond
	undoJobs      = 500 * time.Millisecond
	stopCompactor = undoJobs + 500*time.Millisecond
	stopHealth    = 400 * time.Millisecond
	stopResource  = 500 * time.Millisecond
)

// maxPushBytes is the largest body of a push where memory allows it.
const maxPushBytes = 256 << 20

// serve runs the server until ctx is done: it takes the port and the data
// directory, opens what is stored, and prints the banner on stdout once
// everything is ready.
func serve(ctx context.Context, cfg *config, b budgets, points *failpoint.Points, log *slog.Logger, stdout io.Writer) error {
	b.applyGoLimit()
	ln, err := listen(ctx, "http.listen", cfg.HTTPListen)
	if err != nil {
		return err
	}
	defer ln.Close() // again, if the server had it
	pgLn, err := listen(ctx, "pg.listen", cfg.PGListen)
	if err != nil {
		return err
	}
	defer pgLn.Close() // likewise
	dir, err := openDataDir(cfg.DataDir)
	if err != nil {
		return err
	}
	defer dir.close()

	addr := ln.Addr().String()
	self, err := selfProfiling(cfg, addr, log) // from here on: the start is in its first profile
	if err != nil {
		return err
	}
	starting := answerStarting(ln)
	defer func() { _ = starting.stop() }() // if the start was not finished
	pgAddr := pgLn.Addr().String()
	n, err := newNode(cfg, cfg.policy(), b, points, dir, addr, pgAddr, log)
	if err != nil {
		return err
	}
	spareProcessor()
	started := func() {
		if err := writeBanner(stdout, cfg, dir.path, addr, pgAddr); err != nil {
			log.Warn("no banner", "err", err)
		}
		log.Info("ready", "version", buildVersion(), "http", addr, "memory", size(b.total).String())
	}
	return runStages(ctx, log, started, append(n.stages(ln, pgLn, starting), self...)...)
}

// node is everything of one process, joined and not running.
type node struct {
	log        *slog.Logger
	meta       *metastore.Metastore
	engine     *engine.Engine
	ing        *ingest.Ingester
	compactor  *compactor.Worker
	questions  *query.Service
	statements *statement.Service
	api        *api.Server
	pg         *pgwire.Server
	health

	resources []stage // what is only to be closed, in the order of opening
}

// newNode opens every component, the lower ones first. After an error, what was
// opened is left to the end of the process.
func newNode(cfg *config, policy metastore.Policy, b budgets, points *failpoint.Points, dir *dataDir, addr, pgAddr string, log *slog.Logger) (*node, error) {
	n := &node{log: log}
	reg := newRegistry()
	component := func(name string) *slog.Logger { return log.With("component", name) }

	files, err := object.NewFilesystemWith(points, dir.file(bucketDir))
	if err != nil {
		return nil, err
	}
	bucket := object.Instrument(files, reg)

	disk, err := dir.diskBytes()
	if err != nil {
		return nil, err
	}
	n.openRegister(dir, component("scrub"), reg)
	sections, err := cache.OpenSections(cache.SectionsOptions{
		Dir: dir.file(cacheDir), MaxBytes: cfg.cacheBytes(disk), Bucket: bucket, OnVerdict: n.noteVerdict,
		Logger: component("cache"), Registry: reg,
	})
	if err != nil {
		return nil, err
	}
	n.addResource("cache", sections)

	n.meta, err = metastore.Open(metastore.Options{
		Dir: dir.file(metastoreDir), Listen: cfg.PeerListen, Retention: cfg.retention(),
		Policy: policy, Failpoints: points, Bucket: bucket, GCGrace: time.Duration(cfg.GCGrace), ManifestEvery: cfg.manifestEvery(),
		OnDelete: func(id warehouse.ObjectID) { sections.Forget(id); n.register.Forget(id) },
		Logger:   component("metastore"), Registry: reg,
	})
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("--peer.listen: %s is in use by another process; stop it or choose another address", cfg.PeerListen)
	}
	if err != nil {
		return nil, err
	}

	stop, warn := cfg.diskThresholds()
	err = n.openHealth(healthOptions{
		meta: n.meta, dir: dir, bucket: bucket, copies: sections, every: time.Duration(cfg.ScrubEvery), stop: stop, warn: warn,
		component: component, registry: reg,
	})
	if err != nil {
		return nil, err
	}

	n.engine, err = engine.Open(engine.Options{
		MemoryBytes: b.engine, TempDir: dir.file(tempDir),
		AllowedDirs: []string{dir.file(cacheDir), dir.file(bucketDir)},
		Logger:      component("engine"), Registry: reg,
	})
	if err != nil {
		return nil, err
	}
	n.addResource("engine", n.engine)

	symbols := cache.NewSymbols(b.symbols)
	symbols.Register(reg)
	n.questions, err = query.New(query.Options{
		Index: index{n.meta, n.register}, Sections: sections, Symbols: symbols, Engine: n.engine,
		SeriesCacheBytes: b.series, SampleCacheBytes: b.samples, MaxWaiting: cfg.LimitWaitingQueries,
		Logger: component("query"), Registry: reg,
	})
	if err != nil {
		return nil, err
	}

	n.ing, err = ingest.New(ingest.Options{
		Store: bucket, Registrar: n.meta, Sections: sections, Failpoints: points,
		Limits: cfg.limits(), Retention: n.meta,
		MemoryBytes: b.pushes, DefinitionBytes: b.definitions,
		Logger: component("ingest"), Registry: reg,
	})
	if err != nil {
		return nil, err
	}

	n.compactor, err = compactor.New(compactor.Options{
		Jobs: n.meta, Sections: sections, Bucket: bucket, Name: "compactor", StopTimeout: undoJobs, Failpoints: points,
		Room:   n.roomForMerge,
		Logger: component("compactor"), Registry: reg,
	})
	if err != nil {
		return nil, err
	}

	starter, err := newStarter(component("sql"))
	if err != nil {
		return nil, err
	}
	pgCatalog, err := catalog.New()
	if err != nil {
		return nil, err
	}
	n.statements, err = statement.New(statement.Options{
		Index: index{n.meta, n.register}, Sections: sections, Query: n.questions, Catalog: pgCatalog,
		SectionDirs: dir.sectionDirs, Starter: starter,
		Timeout: time.Duration(cfg.SQLTimeout), MaxScanBytes: int64(cfg.SQLMaxBytes), MaxTempBytes: int64(cfg.SQLTemp),
		Slow: time.Duration(cfg.SQLSlow), Audit: cfg.SQLAudit,
		MemoryBytes: b.sql, TempDir: dir.file(tempDir),
		Logger: component("sql"), Registry: reg,
	})
	if err != nil {
		return nil, err
	}
	n.pg, err = pgwire.New(pgwire.Options{
		Statements: n.statements, Version: buildVersion(), SpoolBytes: b.spool, DrainTimeout: drainSessions,
		Logger: component("pgwire"), Registry: reg,
	})
	if err != nil {
		return nil, err
	}

	n.api, err = api.New(api.Options{
		Pusher: n.ing, Querier: n.questions, Index: index{n.meta, n.register}, Ready: n.meta.Ready,
		Admit: n.guard.Err, Warnings: n.guard.Warnings, Scrub: n.scrubAll, Jobs: jobAdmin{n.meta},
		Status: func(ctx context.Context) (*api.Status, error) { return n.status(ctx, reg) },
		Admin:  administration{n.meta, n.questions},
		Info:   func() api.Info { return cfg.info(dir.path, addr, pgAddr) }, Backups: backup.NewLeases(holdBackup(n.meta), bucket),
		Limits: api.Limits{MaxBodiesBytes: b.bodies, MaxPushBytes: min(maxPushBytes, b.bodies), DrainTimeout: drainRequests},
		Logger: component("api"), Registry: reg, Gatherer: reg,
	})
	return n, err
}

// stages lists the components in their order of starting. Requests end before
// what they call: an ingester still registers the last segment of a push.
func (n *node) stages(ln, pgLn net.Listener, starting *startingServer) []stage {
	serveAPI, apiReady := starting.handOver(func(ctx context.Context) error { return n.api.Run(ctx, ln) })
	return slices.Concat(n.resources, []stage{
		{name: "metastore", run: n.meta.Run, ready: n.meta.WaitReady, stop: stopMetastore},
		{name: "health", run: n.runHealth, stop: stopHealth},
		{name: "compactor", run: n.compactor.Run, stop: stopCompactor},
		{name: "ingest", run: n.ing.Run, stop: stopIngest},
		{name: "sql", run: n.runQueries, stop: stopSQL},
		{name: "api", run: serveAPI, ready: apiReady, stop: stopAPI},
		{name: "pgwire", run: func(ctx context.Context) error { return n.pg.Run(ctx, pgLn) }, stop: stopPG},
	})
}

// warmUp reads ahead what the first questions need.
func (n *node) warmUp(ctx context.Context) {
	began := time.Now()
	stacks, err := n.warm(ctx)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		n.log.Warn("could not read ahead", "err", err) // whoever asks for it meets the error
	default:
		n.log.Debug("read ahead", "stacktraces", stacks, "dur", time.Since(began))
	}
}

func (n *node) warm(ctx context.Context) (stacks int64, err error) {
	snap, err := n.meta.Snapshot(ctx)
	if err != nil {
		return 0, err
	}
	tenants := snap.Tenants()
	snap.Release()
	return n.questions.Warm(ctx, tenants)
}

// runQueries serves SQL until ctx is done, then frees its engines.
func (n *node) runQueries(ctx context.Context) error {
	var g errgroup.Group
	g.Go(func() error { n.warmUp(ctx); return nil })
	g.Go(func() error { return n.statements.Run(ctx) })
	return errors.Join(g.Wait(), n.statements.Close())
}

// addResource makes a stage of what has no work of its own: it is closed when
// everything that uses it has stopped.
func (n *node) addResource(name string, c io.Closer) {
	n.resources = append(n.resources, stage{name: name, run: untilDone(c.Close), stop: stopResource})
}

// untilDone is the run of a stage that works by itself and has to be stopped.
func untilDone(stop func() error) func(context.Context) error {
	return func(ctx context.Context) error {
		<-ctx.Done()
		return stop()
	}
}

// index is the metastore as queries see it, with what is known of stored bytes.
type index struct {
	meta     *metastore.Metastore
	register *scrub.Register
}

// Snapshot implements query.Index.
func (i index) Snapshot(ctx context.Context) (query.Snapshot, error) {
	s, err := i.meta.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return snapshot{s, i.register}, nil
}

// newRegistry returns the process's only registry, which has the figures of the
// process and of the Go runtime already.
func newRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "stackhouse_build_info",
		Help:        "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": buildVersion(), "commit": commit},
	})
	build.Set(1)
	reg.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		build,
	)
	return reg
}

// limits returns the bounds of one profile.
func (c *config) limits() *profile.Limits {
	l := profile.DefaultLimits()
	l.MaxBytes = int64(c.LimitProfileBytes)
	l.MaxSamples = c.LimitSamples
	l.MaxDepth = c.LimitDepth
	l.MaxSymbolBytes = int(c.LimitSymbolBytes)
	l.MaxLabels = c.LimitLabels
	l.MaxLabelName = c.LimitLabelNameBytes
	l.MaxLabelValue = c.LimitLabelValueBytes
	l.MaxSampleLabels = c.LimitSampleLabels
	return &l
}

// manifestEvery returns --manifest.every as the metastore has it: never is negative.
func (c *config) manifestEvery() time.Duration {
	if c.ManifestEvery == 0 {
		return -1
	}
	return time.Duration(c.ManifestEvery)
}

// info is what the first page says about the process.
func (c *config) info(dataPath, addr, pgAddr string) api.Info {
	return api.Info{
		Version: buildVersion(), Revision: commit, Retention: c.retention(), DataDir: filepath.Clean(dataPath),
		Addresses: []api.Address{
			{Name: "HTTP and gRPC", Address: addr},
			{Name: "Postgres", Address: pgAddr},
			{Name: "peers", Address: c.PeerListen},
		},
	}
}
