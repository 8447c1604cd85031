package statement

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stackhouse-db/stackhouse/sql/catalog"
	"github.com/stackhouse-db/stackhouse/sql/confined"
	"github.com/stackhouse-db/stackhouse/sql/query"
	"github.com/stackhouse-db/stackhouse/sql/worker"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Options are the parts and budgets of a Service. The zero value of a budget is its
// default.
type Options struct {
	Index    query.Index
	Sections query.Sections
	Query    *query.Service   // evaluates product functions
	Catalog  *catalog.Catalog // nil: statements can name nothing of PostgreSQL's catalogue

	// SectionDirs returns the folders in which Sections keeps a tenant's files.
	SectionDirs func(warehouse.Tenant) []string

	// Starter starts the processes in which statements are parsed, planned and run.
	// nil: in this process, where a statement can crash it and cannot always be
	// stopped.
	Starter *confined.Starter

	MemoryBytes  int64  // of all workers together; default 1 GiB
	Threads      int    // of one statement; default half of the cores, at least two if there are so many
	PerTenant    int    // statements of one tenant at once; default the cores, at least two
	TempDir      string // where large intermediate results spill; "" means that they do not
	MaxTempBytes int64  // of one statement; default 4 GiB

	// MaxScanBytes is the most bytes that a statement may leave to read after
	// planning. Default 0: no limit.
	MaxScanBytes int64

	// Audit logs every statement: tenant, user, fingerprint, outcome, rows, bytes and
	// time; never a literal. Those that ended their worker are logged anyway.
	Audit bool

	// Slow is how long a statement takes that is logged as a slow one. Default 0: none.
	Slow time.Duration

	// Timeout ends a statement, its rows unread or not. Default 10 minutes.
	Timeout time.Duration

	Logger   *slog.Logger          // nil discards
	Registry prometheus.Registerer // nil keeps metrics to itself

	unplanned bool // of tests: read all of the relations
}

// Service checks, plans and runs the statements of all tenants.
//
// Concurrency: safe for concurrent use.
type Service struct {
	opts    Options
	workers *worker.Pools
	metrics *metrics
	catalog *catalogue
	ledger  *ledger
}

// New returns a Service. It starts no goroutine: see Run.
func New(opts Options) (*Service, error) {
	if opts.Index == nil || opts.Sections == nil || opts.Query == nil {
		return nil, warehouse.Errorf(warehouse.Invalid, "new statement service: index, sections and query service are required")
	}
	if opts.MaxScanBytes < 0 || opts.Timeout < 0 {
		return nil, warehouse.Errorf(warehouse.Invalid, "new statement service: a budget is negative")
	}
	if opts.Timeout == 0 {
		opts.Timeout = 10 * time.Minute
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	c := &catalogue{source: opts.Catalog}
	if opts.TempDir != "" {
		c.dir = filepath.Join(opts.TempDir, "catalog")
		if err := os.MkdirAll(c.dir, 0o750); err != nil { // before any worker is opened, which decides what it may read
			return nil, warehouse.Errorf(warehouse.Unavailable, "new statement service: %w", err)
		}
	}
	workers, err := worker.New(worker.Options{
		Catalog: c, CatalogDir: c.dir, Dirs: opts.SectionDirs, Starter: opts.Starter, MemoryBytes: opts.MemoryBytes, Threads: opts.Threads,
		PerTenant: opts.PerTenant, TempDir: opts.TempDir, MaxTempBytes: opts.MaxTempBytes,
		Logger: opts.Logger, Registry: opts.Registry,
	})
	if err != nil {
		return nil, err
	}
	return &Service{opts: opts, workers: workers, metrics: newMetrics(opts.Registry), catalog: c, ledger: newLedger(&opts)}, nil
}

// Run frees workers that are idle, until ctx is done.
func (s *Service) Run(ctx context.Context) error {
	s.workers.Run(ctx)
	return nil
}

// Close frees the workers, and the starter. Those of running statements are freed when their rows are
// closed. Later statements are Unavailable.
func (s *Service) Close() error {
	if s.opts.Starter == nil {
		s.workers.Close()
		return nil
	}
	s.opts.Starter.Kill() // all at once: each takes a while to give its memory back
	s.workers.Close()
	return s.opts.Starter.Close()
}

// workerSession is what an instance is told of a session.
func (s *Service) workerSession(sess *Session, named *checked) worker.Session {
	out := worker.Session{TimeZone: sess.TimeZone, Now: sess.Now}
	if named.catalog {
		out.Catalog = &catalog.Session{User: sess.User, PID: sess.PID, Settings: sess.Settings}
	}
	return out
}
