package cache

import (
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/flame"
)

// Symbols keeps the definitions of stacktraces in memory, by tenant, within a
// budget of bytes for all tenants together.
//
// A [flame.Symbols] only grows, so what is not used any more leaves by
// generations: when a tenant's current generation has grown to half of what the
// tenant may hold, the next query starts a new one, which copies from the old
// one what queries ask for. What nobody asked for while the new generation grew
// leaves with the old one.
//
// One tenant may use the whole budget. When all together are above it, those who
// hold most give back first: everyone keeps what he holds up to a level, equal
// for all, at which the sum is the budget. A tenant with little is never
// displaced by one with much.
//
// The budget is enforced when a query begins. What queries add meanwhile, and
// what they hold of generations that were given up, comes on top.
//
// Concurrency: all methods may be called by many goroutines.
type Symbols struct {
	maxBytes int64

	mu struct {
		sync.Mutex
		tenants     map[warehouse.Tenant]*generations
		started     int64 // generations, ever
		surrendered int64 // generations given up to stay within the budget
	}
}

// generations are the definitions of one tenant.
type generations struct {
	current  *flame.Symbols
	previous *flame.Symbols // what current takes over from; nil if there is none
}

// NewSymbols returns an empty cache that holds about maxBytes.
func NewSymbols(maxBytes int64) *Symbols {
	c := &Symbols{maxBytes: maxBytes}
	c.mu.tenants = map[warehouse.Tenant]*generations{}
	return c
}

// For returns the tenant's current generation. A query calls it once and uses
// what it got to its end: definitions that were added or found in it stay there.
func (c *Symbols) For(t warehouse.Tenant) *flame.Symbols {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.mu.tenants[t]
	if g == nil {
		g = &generations{}
		c.mu.tenants[t] = g
		c.start(g, nil)
	}
	if g.current.SizeBytes() > c.maxBytes/2 {
		c.start(g, g.current)
	}
	if c.sizeBytes() > c.maxBytes {
		c.shrink()
	}
	return g.current
}

// Forget drops all definitions of a tenant.
func (c *Symbols) Forget(t warehouse.Tenant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.mu.tenants, t)
}

// SizeBytes returns what the cache holds.
func (c *Symbols) SizeBytes() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sizeBytes()
}

// Register exposes the cache's metrics. A nil registry is valid.
func (c *Symbols) Register(reg prometheus.Registerer) {
	f := promauto.With(reg)
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "stackhouse_symbols_bytes",
		Help: "Bytes of definitions of stacktraces in memory.",
	}, func() float64 { return float64(c.SizeBytes()) })
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "stackhouse_symbols_max_bytes",
		Help: "Budget for definitions of stacktraces in memory.",
	}, func() float64 { return float64(c.maxBytes) })
	f.NewCounterFunc(prometheus.CounterOpts{
		Name: "stackhouse_symbols_generations_total",
		Help: "Generations of definitions started.",
	}, func() float64 { return c.counter(&c.mu.started) })
	f.NewCounterFunc(prometheus.CounterOpts{
		Name: "stackhouse_symbols_surrendered_generations_total",
		Help: "Generations of definitions given up to stay within the budget.",
	}, func() float64 { return c.counter(&c.mu.surrendered) })
}

func (c *Symbols) counter(v *int64) float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return float64(*v)
}

// start begins a generation that takes over from previous, or from nothing.
func (c *Symbols) start(g *generations, previous *flame.Symbols) {
	c.mu.started++
	if previous == nil {
		*g = generations{current: flame.NewSymbols()}
		return
	}
	*g = generations{current: flame.NewSymbolsFrom(previous), previous: previous}
}

func (c *Symbols) sizeBytes() int64 {
	var n int64
	for _, g := range c.mu.tenants {
		n += g.sizeBytes()
	}
	return n
}

func (g *generations) sizeBytes() int64 {
	n := g.current.SizeBytes()
	if g.previous != nil {
		n += g.previous.SizeBytes()
	}
	return n
}

// shrink makes every tenant above the level give up its previous generation,
// and the current one too if that is not enough.
func (c *Symbols) shrink() {
	sizes := make([]int64, 0, len(c.mu.tenants))
	for _, g := range c.mu.tenants {
		sizes = append(sizes, g.sizeBytes())
	}
	level := fairLevel(sizes, c.maxBytes)
	for _, g := range c.mu.tenants {
		if g.sizeBytes() > level && g.previous != nil {
			g.current.Detach()
			g.previous = nil
			c.mu.surrendered++
		}
		if g.sizeBytes() > level {
			c.start(g, nil)
			c.mu.surrendered++
		}
	}
}

// fairLevel returns the greatest level at which Σ min(size, level) fits the
// budget. It sorts sizes.
func fairLevel(sizes []int64, budget int64) int64 {
	slices.Sort(sizes)
	for i, s := range sizes {
		share := budget / int64(len(sizes)-i) // for this one and all greater ones
		if s > share {
			return share
		}
		budget -= s
	}
	return budget
}
