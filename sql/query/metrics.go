package query

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// metrics are the instruments of queries. The label call is a method of Service,
// outcome is "ok" or the name of an error's kind, cache one of two.
type metrics struct {
	queries  *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// cacheCounter counts lookups.
type cacheCounter struct{ hits, misses atomic.Int64 }

func (c *cacheCounter) count(hit bool) {
	if hit {
		c.hits.Add(1)
	} else {
		c.misses.Add(1)
	}
}

func newMetrics(reg prometheus.Registerer, s *Service) *metrics {
	m := &metrics{
		queries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stackhouse_query_queries_total",
			Help: "Queries answered, by call and outcome.",
		}, []string{"call", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "stackhouse_query_duration_seconds",
			Help:    "Time to answer queries, by call.",
			Buckets: prometheus.ExponentialBuckets(0.001, 3, 10),
		}, []string{"call"}),
	}
	if reg == nil {
		return m
	}
	reg.MustRegister(m.queries, m.duration)
	for name, help := range map[string]string{
		"running": "Questions about stacktraces that are worked on.",
		"waiting": "Questions about stacktraces that wait for their turn.",
	} {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "stackhouse_query_" + name, Help: help}, func() float64 {
			running, waiting := s.turns.Count()
			if name == "running" {
				return float64(running)
			}
			return float64(waiting)
		}))
	}
	registerCache(reg, "samples", &s.samples.counter, s.samples.sizeBytes)
	registerCache(reg, "series", &s.series.counter, func() int64 { return s.series.sizeBytes() + s.defs.sizeBytes() })
	return m
}

func registerCache(reg prometheus.Registerer, cache string, c *cacheCounter, size func() int64) {
	labels := prometheus.Labels{"cache": cache}
	reg.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "stackhouse_query_cache_bytes", Help: "Bytes that a cache of queries holds.", ConstLabels: labels,
		}, func() float64 { return float64(size()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "stackhouse_query_cache_hits_total", Help: "Lookups that a cache of queries answered.", ConstLabels: labels,
		}, func() float64 { return float64(c.hits.Load()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "stackhouse_query_cache_misses_total", Help: "Lookups that a cache of queries could not answer.", ConstLabels: labels,
		}, func() float64 { return float64(c.misses.Load()) }),
	)
}

// observe counts a call that began at start; deferred, it sees the final error.
func (m *metrics) observe(call string, start time.Time, err *error) {
	outcome := "ok"
	if *err != nil {
		outcome = warehouse.KindOf(*err).String()
	}
	m.queries.WithLabelValues(call, outcome).Inc()
	m.duration.WithLabelValues(call).Observe(time.Since(start).Seconds())
}
