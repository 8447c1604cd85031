package worker

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Pools are the workers of all tenants.
//
// Concurrency: safe for concurrent use.
type Pools struct {
	opts      Options
	planners  *pool[*Planner]
	executors *pool[*Executor]
	opened    *prometheus.CounterVec
	waits     *prometheus.HistogramVec
}

// New returns Pools without any worker. It starts no goroutine.
func New(opts Options) (*Pools, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &Pools{opts: opts}
	p.planners = newPool(opts.PerTenant, 2*opts.Total, func(t warehouse.Tenant) (*Planner, error) {
		p.opened.WithLabelValues("planner").Inc()
		return openPlanner(t, &p.opts)
	})
	p.executors = newPool(opts.PerTenant, opts.Total, func(t warehouse.Tenant) (*Executor, error) {
		p.opened.WithLabelValues("executor").Inc()
		return openExecutor(t, &p.opts)
	})
	p.measure(opts.Registry)
	return p, nil
}

// Planner takes a planner of the tenant; release gives it back.
//
// Errors: Canceled and Deadline when ctx ends before one is free; Unavailable after
// Close.
func (p *Pools) Planner(ctx context.Context, t warehouse.Tenant) (planner *Planner, release func(), err error) {
	defer p.observe("planner", time.Now())
	return p.planners.take(ctx, t)
}

// Executor is as Planner, for executors.
func (p *Pools) Executor(ctx context.Context, t warehouse.Tenant) (executor *Executor, release func(), err error) {
	defer p.observe("executor", time.Now())
	return p.executors.take(ctx, t)
}

// Run closes workers that have been idle for too long, until ctx is done.
func (p *Pools) Run(ctx context.Context) {
	tick := time.NewTicker(p.opts.IdleTimeout / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			p.planners.expire(now.Add(-p.opts.IdleTimeout))
			p.executors.expire(now.Add(-p.opts.IdleTimeout))
		}
	}
}

// Close frees all idle workers; those in use are freed when they are given back.
func (p *Pools) Close() {
	p.planners.close()
	p.executors.close()
}

func (p *Pools) observe(kind string, start time.Time) {
	p.waits.WithLabelValues(kind).Observe(time.Since(start).Seconds())
}

// measure makes the instruments. The label kind is "planner" or "executor".
func (p *Pools) measure(reg prometheus.Registerer) {
	p.opened = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "stackhouse_worker_opened_total",
		Help: "Instances opened for tenants' statements, by kind.",
	}, []string{"kind"})
	p.waits = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "stackhouse_worker_wait_seconds",
		Help:    "Time until an instance was there, the opening of one included, by kind.",
		Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9),
	}, []string{"kind"})
	if reg == nil {
		return
	}
	reg.MustRegister(p.opened, p.waits,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "stackhouse_worker_executors", Help: "Instances that run statements or wait for one.",
		}, func() float64 { all, _ := p.executors.size(); return float64(all) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "stackhouse_worker_executors_running", Help: "Instances that run a statement.",
		}, func() float64 { all, unused := p.executors.size(); return float64(all - unused) }))
}
