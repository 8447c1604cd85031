package query

import (
	"context"
	"log/slog"
	"runtime"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/cache"
	"github.com/stackhouse-db/stackhouse/warehouse/turn"
)

// Index knows the live objects.
type Index interface {
	Snapshot(ctx context.Context) (Snapshot, error)
}

// Snapshot is the index at one instant. Its objects exist until Release.
type Snapshot interface {
	// Parts returns the tenant's parts whose Range overlaps r.
	Parts(t warehouse.Tenant, r warehouse.TimeRange) []*warehouse.Part
	// Bounds returns the smallest range that holds all of the tenant's profiles.
	Bounds(t warehouse.Tenant) warehouse.TimeRange
	// Deletions returns the tenant's deletions that may hide rows of parts, in order
	// of the log.
	Deletions(t warehouse.Tenant) []*warehouse.Deletion
	Release()
}

// Sections gives access to the verified Parquet bytes of parts.
type Sections interface {
	Acquire(ctx context.Context, p *warehouse.Part, t warehouse.Table) (*cache.Local, error)
	Read(ctx context.Context, p *warehouse.Part, t warehouse.Table) ([]byte, error)
}

// Engine runs SQL over local files: sql/engine, or a process that stands in for it.
type Engine interface {
	Query(ctx context.Context, query string, args []any, fn func(arrow.RecordBatch) error) error
}

// Options are the parts and budgets of a Service. The zero value of a budget is
// its default.
type Options struct {
	Index    Index
	Sections Sections
	Symbols  *cache.Symbols
	Engine   Engine

	// SeriesCacheBytes bounds the memory for series, their labels and the times
	// and values of their profiles. Default 64 MiB.
	SeriesCacheBytes int64

	// SampleCacheBytes bounds the memory for samples of small datasets.
	// Default 256 MiB.
	SampleCacheBytes int64

	// SmallRows is the most samples of one service and type in one part that are
	// kept in memory; more are left to the engine. Default 4 Mi; negative is
	// none. See docs/adr/0010-small-sections-in-memory.md.
	SmallRows int64

	// MaxRunning bounds the questions about stacktraces that are worked on at once;
	// more wait, tenants in turn. Default two for each processor.
	MaxRunning int

	// MaxWaiting bounds those of one tenant that wait; more are refused with a
	// Limit error. Default 100.
	MaxWaiting int

	// NoRollups leaves out the totals that final blocks carry: tests compare the
	// answers with and without.
	NoRollups bool

	// SmallProfiles is the same for the profiles table, of a whole part.
	// Default 1 Mi; negative is none.
	SmallProfiles int64

	Logger   *slog.Logger          // nil discards
	Registry prometheus.Registerer // nil keeps metrics to itself
}

func (o Options) withDefaults() (Options, error) {
	if o.Index == nil || o.Sections == nil || o.Symbols == nil || o.Engine == nil {
		return o, warehouse.Errorf(warehouse.Invalid, "new query service: index, sections, symbols and engine are required")
	}
	setDefault(&o.SeriesCacheBytes, 64<<20)
	setDefault(&o.SampleCacheBytes, 256<<20)
	setDefault(&o.SmallRows, 4<<20)
	setDefault(&o.SmallProfiles, 1<<20)
	if o.MaxRunning <= 0 {
		o.MaxRunning = 2 * runtime.GOMAXPROCS(0)
	}
	if o.MaxWaiting <= 0 {
		o.MaxWaiting = 100
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

func setDefault(v *int64, d int64) {
	if *v == 0 {
		*v = d
	}
}

// Service answers queries. It starts no goroutine that outlives a call.
//
// Concurrency: safe for concurrent use.
type Service struct {
	opts    Options
	series  *seriesCache
	defs    *definitions
	samples *sampleCache
	loaded  *loadedSymbols
	turns   *turn.Turns
	metrics *metrics
	workers int // goroutines of one query

	wholeRows, manyStacks int64 // see the constants; tests have others
}

// New returns a Service.
func New(opts Options) (*Service, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Service{
		opts:    opts,
		series:  newSeriesCache(opts.SeriesCacheBytes / 2),
		defs:    newDefinitions(opts.SeriesCacheBytes / 2),
		samples: newSampleCache(opts.SampleCacheBytes),
		loaded:  newLoadedSymbols(),
		turns:   &turn.Turns{Most: opts.MaxRunning, MaxWaiting: opts.MaxWaiting},
		workers: runtime.GOMAXPROCS(0),

		wholeRows:  wholeRows,
		manyStacks: manyStacks,
	}
	s.metrics = newMetrics(opts.Registry, s)
	return s, nil
}
