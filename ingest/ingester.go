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
	budget    *Budget
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
		budget:    NewBudget(o.MemoryBytes),
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

// Budget returns the memory budget of pushes, for the edge to count bodies that
// it reads before Push is called.
func (in *Ingester) Budget() *Budget { return in.budget }

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

// Push stores the profiles and returns the outcome of each, in order: an error,
// or nil when the profile is durable and visible. Errors are Invalid or Limit
// when the profile itself is refused, Unavailable when the same push may succeed
// later. A profile that is registered already, or is twice in the request under
// one client-given id, counts once and is a success.
func (in *Ingester) Push(ctx context.Context, tenant warehouse.Tenant, raws []profile.Raw) []warehouse.PushResult {
	results := make([]warehouse.PushResult, len(raws))
	flights := make([]*flight, len(raws))
	held := make([]int64, len(raws))
	in.prepareAll(ctx, tenant, raws, func(i int, p *profile.Prepared, size int64, err error) {
		results[i].Err, held[i] = err, size
		if err == nil {
			results[i].Flags = warehouse.ProfileFlags(p.Flags)
			flights[i], results[i].Err = in.launch(tenant, p)
		}
	})
	for i, f := range flights {
		if f != nil {
			results[i].Err = f.wait(ctx)
		}
		in.settle(f, held[i])
		in.metrics.pushed(results[i].Err)
	}
	return results
}

// launch sends a prepared profile to its shard, or joins the flight that carries
// it already.
func (in *Ingester) launch(tenant warehouse.Tenant, p *profile.Prepared) (*flight, error) {
	f, first := in.flights.start(tenant, p)
	if !first {
		return f, nil
	}
	if !in.shardOf(tenant, f.service).enqueue(f) {
		in.land([]*flight{f}, warehouse.Refuse(warehouse.Unavailable, reasonStopping, "the server is stopping: try again later"))
	}
	return f, nil
}

// settle gives back the memory of one profile of a push, or leaves it with the
// flight when the push goes away first.
func (in *Ingester) settle(f *flight, n int64) {
	if f == nil || !f.owe(n) {
		in.budget.Release(n)
	}
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
