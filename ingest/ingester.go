package ingest

import (
	"context"
	"hash/maphash"
	"sync"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/profile"
)

// Ingester takes pushes and turns them into registered segments.
//
// Concurrency: Push may be called by many goroutines; Run by one, once.
type Ingester struct {
	opts      Options
	metrics   *metrics
	budget    *budget
	patience  time.Duration // how long a profile waits for memory that others hold
	flights   *flights
	shards    []*shard
	preparers *preparers
	encode    func(shard uint32, p *partBatch) (encodedPart, error)
}

// New returns an ingester that accepts pushes once Run is running. It does no
// input or output and starts no goroutine.
func New(o Options) (*Ingester, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	in := &Ingester{
		opts:      o,
		budget:    newBudget(o.MemoryBytes),
		patience:  time.Second,
		flights:   newFlights(),
		preparers: newPreparers(preparerCount()),
		encode:    encodePart,
	}
	in.metrics = newMetrics(o.Registry, in.budget)
	for i := range o.Shards {
		in.shards = append(in.shards, newShard(uint32(i), o))
	}
	return in, nil
}

// Run flushes until ctx is done; then it refuses new pushes, flushes what is
// queued, answers the pushes that wait for it, and returns.
func (in *Ingester) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, s := range in.shards {
		wg.Go(func() {
			s.run(ctx, func(s *shard, head []*flight) { in.flush(ctx, s, head) })
		})
	}
	wg.Wait()
	return nil
}

// launch sends a prepared profile to its shard, or joins the flight that carries
// it already.
func (in *Ingester) launch(tenant warehouse.Tenant, p *profile.Prepared) *flight {
	size := p.SizeBytes
	f, first := in.flights.start(tenant, p)
	switch {
	case !first:
		in.budget.release(tenant, size)
	case !in.shardOf(tenant, f.service).enqueue(f):
		in.land([]*flight{f}, warehouse.Refuse(warehouse.Unavailable, reasonStopping, "the server is stopping: try again later"))
	case f.isQuiet:
		in.preparers.hurry(1)
	}
	return f
}

// seed makes shard placement unguessable; it need not be stable over restarts.
var seed = maphash.MakeSeed()

func (in *Ingester) shardOf(tenant warehouse.Tenant, service string) *shard {
	var h maphash.Hash
	h.SetSeed(seed)
	h.WriteString(string(tenant))
	h.WriteByte(0)
	h.WriteString(service)
	return in.shards[h.Sum64()%uint64(len(in.shards))]
}

// now returns the time by the injected clock.
func (in *Ingester) now() time.Time { return in.opts.Clock() }
