package api

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stackhouse-db/stackhouse/sql/query"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/profile"
)

// Pusher stores profiles. The answer has one result per profile, in order; a
// result without error means that the profile is durable and visible.
//
// Ownership: the profiles' memory is the Pusher's until it returns.
type Pusher interface {
	Push(ctx context.Context, t warehouse.Tenant, raws []profile.Raw) []warehouse.PushResult
}

// Info is what the first page and the build info say about the process.
type Info struct {
	Version   string        // for example v0.1.0
	Revision  string        // of the source
	BuiltAt   string        // free text
	Retention time.Duration // 0 means for ever
	DataDir   string
	Addresses []Address // where the process listens
}

// Address is one listener and what it is for.
type Address struct {
	Name    string // for example "HTTP"
	Address string // host:port
}

// Options configures a Server. Pusher and Querier are required.
type Options struct {
	Pusher  Pusher
	Querier Querier

	// Index fills the first page's table of services. Nil leaves it out.
	Index query.Index

	// Ready returns nil when the process can serve, else why not. Nil means
	// always ready.
	Ready func(ctx context.Context) error

	// Admit returns nil if profiles are accepted, else why they are not; one of reason
	// [warehouse.ReasonDiskFull] is answered with 507. Nil means that they always are.
	Admit func() error

	// Warnings are sentences about what an operator should look at. Nil means none.
	Warnings func() []string

	// Scrub verifies all that is stored and tells emit how it goes on; an error of emit
	// ends it. Nil means that there is none.
	Scrub func(ctx context.Context, emit func(ScrubEvent) error) error

	// Jobs are the compaction jobs, for their operator. Nil means that there are none.
	Jobs JobAdmin

	// Status tells how profiles are stored and merged, for the page /status. Nil
	// means that it is not known.
	Status func(ctx context.Context) (*Status, error)

	// Backups lets clients copy all that is stored. Nil serves no such thing.
	Backups Backups

	// Admin deletes profiles and sets how long they are kept. Nil means that this
	// process does not.
	Admin Admin

	// Info describes the process. Nil means nothing is known.
	Info func() Info

	Limits   Limits
	Logger   *slog.Logger          // nil discards
	Registry prometheus.Registerer // nil keeps metrics unregistered
	Gatherer prometheus.Gatherer   // what /metrics shows; nil means nothing
}

// Limits bound requests. The zero value of each field means its default.
type Limits struct {
	// MaxPushBytes is the largest body of a push, inflated. Zero means 256 MiB.
	MaxPushBytes int64

	// MaxQueryBytes is the largest body of any other request. Zero means 4 MiB.
	MaxQueryBytes int64

	// MaxBodiesBytes is the memory that bodies being read may hold in all.
	// Zero means twice MaxPushBytes. It must hold one body.
	MaxBodiesBytes int64

	// BodyTimeout is the time a client has to send a small body; large ones get
	// a second more per 64 KiB. Zero means 30 s.
	BodyTimeout time.Duration

	// WriteTimeout is the time a client has to take 64 KiB of an answer. Zero
	// means 30 s. The time an answer takes to be found is not limited.
	WriteTimeout time.Duration

	// DrainTimeout is the time that requests get to finish once Run's context
	// is done. Zero means 8 s.
	DrainTimeout time.Duration
}

// Bounds of max_nodes, those of the reference.
const (
	DefaultMaxNodes = 8192
	MaxMaxNodes     = 1 << 20
)

func (o Options) withDefaults() Options {
	l := &o.Limits
	l.MaxPushBytes = cmp.Or(l.MaxPushBytes, 256<<20)
	l.MaxQueryBytes = cmp.Or(l.MaxQueryBytes, 4<<20)
	l.MaxBodiesBytes = cmp.Or(l.MaxBodiesBytes, 2*l.MaxPushBytes)
	l.BodyTimeout = cmp.Or(l.BodyTimeout, 30*time.Second)
	l.WriteTimeout = cmp.Or(l.WriteTimeout, 30*time.Second)
	l.DrainTimeout = cmp.Or(l.DrainTimeout, 8*time.Second)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	if o.Ready == nil {
		o.Ready = func(context.Context) error { return nil }
	}
	if o.Warnings == nil {
		o.Warnings = func() []string { return nil }
	}
	if o.Info == nil {
		o.Info = func() Info { return Info{} }
	}
	if o.Gatherer == nil {
		o.Gatherer = prometheus.NewRegistry()
	}
	return o
}

func (o Options) validate() error {
	l := o.Limits
	switch {
	case o.Pusher == nil:
		return warehouse.Errorf(warehouse.Invalid, "api options: no pusher")
	case o.Querier == nil:
		return warehouse.Errorf(warehouse.Invalid, "api options: no querier")
	case l.MaxPushBytes < 0 || l.MaxQueryBytes < 0 || min(l.BodyTimeout, l.WriteTimeout, l.DrainTimeout) < 0:
		return warehouse.Errorf(warehouse.Invalid, "api options: negative limit")
	case l.MaxBodiesBytes < max(l.MaxPushBytes, l.MaxQueryBytes):
		return warehouse.Errorf(warehouse.Invalid, "api options: all bodies get %d bytes, one may have %d",
			l.MaxBodiesBytes, max(l.MaxPushBytes, l.MaxQueryBytes))
	}
	return nil
}
