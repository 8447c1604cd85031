package worker

import (
	"context"
	"log/slog"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stackhouse-db/stackhouse/sql/catalog"
	"github.com/stackhouse-db/stackhouse/sql/confined"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// openTimeout bounds the filling of a new instance.
const openTimeout = 30 * time.Second

// Catalog fills an instance with PostgreSQL's catalogue, once.
type Catalog interface {
	Load(ctx context.Context, to catalog.Execer) error
}

// Options are the budgets of all workers. The zero value of a budget is its default.
type Options struct {
	// Catalog is PostgreSQL's catalogue; nil leaves it out. CatalogDir is the folder
	// of its file, if it has one.
	Catalog    Catalog
	CatalogDir string

	// Dirs returns the folders of a tenant's section files. nil: it has none.
	Dirs func(warehouse.Tenant) []string

	// Starter starts the processes in which statements are parsed, planned and run.
	// nil: in this process, where a statement can crash it and cannot always be
	// stopped.
	Starter *confined.Starter

	// MemoryBytes is the memory of all workers together. Default 1 GiB.
	MemoryBytes int64

	// Threads of one statement. Default half of the cores, but two if there are two:
	// most of the time a statement is alone.
	Threads int

	// PerTenant is how many statements of one tenant run at once; others wait.
	// Default the number of cores, at least two.
	PerTenant int

	// Total is how many statements run at once; the memory is divided by it. Default
	// twice PerTenant.
	Total int

	// IdleTimeout is how long an instance waits for its tenant's next statement.
	// Default one minute.
	IdleTimeout time.Duration

	TempDir      string // where large intermediate results spill; "" means that they do not
	MaxTempBytes int64  // most bytes in TempDir of one statement; default 4 GiB

	Logger   *slog.Logger          // nil discards
	Registry prometheus.Registerer // nil keeps metrics to itself
}

func (o Options) withDefaults() (Options, error) {
	cores := runtime.GOMAXPROCS(0)
	setDefault(&o.MemoryBytes, 1<<30)
	setDefault(&o.Threads, min(cores, max(2, cores/2)))
	setDefault(&o.PerTenant, max(2, cores))
	setDefault(&o.Total, 2*o.PerTenant)
	setDefault(&o.IdleTimeout, time.Minute)
	if o.MemoryBytes < 0 || o.Threads < 0 || o.PerTenant < 0 || o.Total < 0 || o.IdleTimeout < 0 {
		return o, warehouse.Errorf(warehouse.Invalid, "new workers: a budget is negative")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// leastMemory is what an instance needs to do anything useful.
const leastMemory = 64 << 20

// memoryEach is the memory of one statement.
func (o *Options) memoryEach() int64 { return max(o.MemoryBytes/int64(o.Total), leastMemory) }

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

func (o *Options) catalogDirs() []string {
	if o.CatalogDir == "" {
		return nil
	}
	return []string{o.CatalogDir}
}

func (o *Options) dirs(t warehouse.Tenant) []string {
	if o.Dirs == nil {
		return o.catalogDirs()
	}
	return append(o.Dirs(t), o.catalogDirs()...)
}
