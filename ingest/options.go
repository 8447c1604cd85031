package ingest

import (
	"cmp"
	"context"
	"log/slog"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/failpoint"
	"github.com/stackhouse-db/stackhouse/warehouse/profile"
)

// Store is the part of a bucket that an ingester needs: see object.Bucket.
type Store interface {
	// Put stores the whole object. When it returns nil, the object is durable.
	Put(ctx context.Context, name string, data []byte) error
	// Delete removes the object; a missing one is fine.
	Delete(ctx context.Context, name string) error
}

// Registrar makes a stored segment visible to queries.
type Registrar interface {
	// AddSegment is idempotent: the same segment may be offered again after a
	// lost answer.
	AddSegment(ctx context.Context, seg *warehouse.Segment) (warehouse.AddResult, error)
	// AbortSegment makes sure that the segment never becomes live; live reports
	// that it already is.
	AbortSegment(ctx context.Context, id warehouse.ObjectID) (live bool, err error)
}

// Retention knows how long profiles are kept: what would be deleted at once is
// refused.
type Retention interface {
	// Oldest returns the time of the oldest profile that is kept of a service and one
	// of the types; 0 if all are.
	Oldest(t warehouse.Tenant, service string, types []string) warehouse.Micros
}

// SectionSink receives the sections of registered segments, so that the first
// query needs no download.
type SectionSink interface {
	Put(p *warehouse.Part, t warehouse.Table, data []byte)
}

// Options configures an Ingester. The zero value of each field means its
// default; Store and Registrar are required.
type Options struct {
	Store     Store
	Registrar Registrar
	Sections  SectionSink // nil: sections are fetched when first queried

	// Limits bound one profile. Zero means profile.DefaultLimits.
	Limits *profile.Limits

	// Retention knows how old a profile may be. Nil means as old as it likes.
	Retention Retention

	// MemoryBytes bounds bodies and decoded profiles that wait for their answer.
	// Zero means 512 MiB.
	MemoryBytes int64

	// DefinitionBytes bounds what is remembered of registered definitions, over
	// all shards. Zero means 64 MiB.
	DefinitionBytes int64

	// Shards is the number of segments that may be on their way at once.
	// Zero means half of the processors, at least one.
	Shards int

	// MinFlushEvery and MaxFlushEvery bound the time between two seals of a
	// shard: the first when it is idle, the second when it is busy.
	// Zero means 5 ms and 100 ms, which suit a local disk.
	MinFlushEvery, MaxFlushEvery time.Duration

	// SegmentBytes is the encoded size, by estimate, at which a head is cut.
	// Zero means 16 MiB.
	SegmentBytes int64

	// GiveUpAfter is how long a segment may take to be stored and registered
	// before its pushes are answered with Unavailable. Zero means 30 s.
	GiveUpAfter time.Duration

	Failpoints *failpoint.Points // nil has none

	Clock    func() time.Time      // nil means time.Now
	Logger   *slog.Logger          // nil discards
	Registry prometheus.Registerer // nil keeps metrics unregistered
}

func (o Options) withDefaults() Options {
	if o.Limits == nil {
		l := profile.DefaultLimits()
		o.Limits = &l
	}
	o.MemoryBytes = cmp.Or(o.MemoryBytes, 512<<20)
	o.DefinitionBytes = cmp.Or(o.DefinitionBytes, 64<<20)
	o.Shards = cmp.Or(o.Shards, max(1, runtime.GOMAXPROCS(0)/2))
	o.MinFlushEvery = cmp.Or(o.MinFlushEvery, 5*time.Millisecond)
	o.MaxFlushEvery = cmp.Or(o.MaxFlushEvery, 100*time.Millisecond)
	o.SegmentBytes = cmp.Or(o.SegmentBytes, 16<<20)
	o.GiveUpAfter = cmp.Or(o.GiveUpAfter, 30*time.Second)
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) validate() error {
	switch {
	case o.Store == nil:
		return warehouse.Errorf(warehouse.Invalid, "ingest options: no store")
	case o.Registrar == nil:
		return warehouse.Errorf(warehouse.Invalid, "ingest options: no registrar")
	case o.MemoryBytes < 0 || o.DefinitionBytes < 0 || o.SegmentBytes < 0 || o.Shards < 0:
		return warehouse.Errorf(warehouse.Invalid, "ingest options: negative size")
	case o.MinFlushEvery < 0 || o.MaxFlushEvery < o.MinFlushEvery || o.GiveUpAfter < 0:
		return warehouse.Errorf(warehouse.Invalid, "ingest options: bad flush interval")
	}
	return nil
}
