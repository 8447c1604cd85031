package metastore

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/failpoint"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// Options configures a Metastore. The zero value of each field means its
// default; Dir is required.
type Options struct {
	// Dir holds the log and its snapshots. It is made if it does not exist, and
	// belongs to one process at a time.
	Dir string

	// Listen is the host:port for the other nodes of a cluster. Empty means that
	// there are none: nothing listens.
	Listen string

	// NodeID names this node in the cluster, for ever. Zero means the one that
	// the directory has, or "node-1".
	NodeID string

	// Retention is how long data of tenants without their own retention is kept.
	// Zero means for ever.
	Retention time.Duration

	// Bucket is where dead objects are deleted. Nil keeps them, and their
	// tombstones.
	Bucket object.Bucket

	// Policy says when parts are merged. The zero value means DefaultPolicy.
	Policy Policy

	// JobLease is how long a compaction job is a worker's without a renewal, in time
	// of commands. Zero means a minute.
	JobLease time.Duration

	// SweepAfter and SweepEvery are when the bucket is searched for objects that
	// nobody knows: first so long after the start, then again and again. Zero means
	// 30 s and 5 min.
	SweepAfter, SweepEvery time.Duration

	// OrphanAge is how old such an object must be, by its id and by the bucket,
	// before it is deleted. What a slower upload or job still brings is refused, not
	// lost. Zero means 15 min.
	OrphanAge time.Duration

	// GCGrace is how long a dead object is kept for readers that hold no
	// snapshot. Zero means not at all.
	GCGrace time.Duration

	// ManifestEvery is how often a manifest of the state is put into the bucket while
	// the state changes; one more comes with a clean stop. A dead object is deleted
	// once a manifest knows of its death. Zero means 60 s; less than that, never.
	ManifestEvery time.Duration

	// OnDelete is called after an object was deleted, from one of several
	// goroutines. Nil means nobody wants to know.
	OnDelete func(warehouse.ObjectID)

	Failpoints *failpoint.Points // nil has none

	Clock    func() time.Time      // nil means time.Now
	Logger   *slog.Logger          // nil discards
	Registry prometheus.Registerer // nil keeps metrics unregistered

	tuning tuning
}

// tuning is what only tests change.
type tuning struct {
	gcEvery      time.Duration // between two looks for dead objects; default 1 s
	retainEvery  time.Duration // between two looks for old hours; default 1 min
	compactEvery time.Duration // between two looks at the log's length; default 1 s
	compactAfter int           // commands behind the last snapshot; default 8192
	compactBytes int64         // bytes of them; default 32 MiB
	maxPinAge    time.Duration // default 1 h
	logSegment   int           // bytes of a file of the log; default 16 MiB
}

const defaultNodeID = "node-1"

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Policy == (Policy{}) {
		o.Policy = state.DefaultPolicy()
	}
	o.JobLease = cmp.Or(o.JobLease, time.Minute)
	o.SweepAfter = cmp.Or(o.SweepAfter, 30*time.Second)
	o.SweepEvery = cmp.Or(o.SweepEvery, 5*time.Minute)
	o.OrphanAge = cmp.Or(o.OrphanAge, 15*time.Minute)
	o.ManifestEvery = cmp.Or(o.ManifestEvery, time.Minute)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	t := &o.tuning
	t.gcEvery = cmp.Or(t.gcEvery, time.Second)
	t.retainEvery = cmp.Or(t.retainEvery, time.Minute)
	t.compactEvery = cmp.Or(t.compactEvery, time.Second)
	t.compactAfter = cmp.Or(t.compactAfter, 8192)
	t.compactBytes = cmp.Or(t.compactBytes, 32<<20)
	t.maxPinAge = cmp.Or(t.maxPinAge, time.Hour)
	t.logSegment = cmp.Or(t.logSegment, 16<<20)
	return o
}

func (o Options) validate() error {
	switch {
	case o.Dir == "":
		return warehouse.Errorf(warehouse.Invalid, "open metastore: no directory")
	case o.Retention < 0:
		return warehouse.Errorf(warehouse.Invalid, "open metastore: retention is %s", o.Retention)
	case o.GCGrace < 0:
		return warehouse.Errorf(warehouse.Invalid, "open metastore: grace is %s", o.GCGrace)
	case o.JobLease < 0, o.SweepAfter < 0, o.SweepEvery < 0, o.OrphanAge < 0:
		return warehouse.Errorf(warehouse.Invalid, "open metastore: a time of jobs or orphans is negative")
	}
	return nil
}
