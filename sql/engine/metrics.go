package engine

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// metrics are the engine's instruments. The label outcome is "ok" or the name of
// an error's kind.
type metrics struct {
	queries  *prometheus.CounterVec
	duration prometheus.Histogram
	running  prometheus.Gauge
	restarts prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		queries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stackhouse_engine_queries_total",
			Help: "SQL statements run, by outcome.",
		}, []string{"outcome"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "stackhouse_engine_query_seconds",
			Help:    "Time of SQL statements, waiting for a connection included.",
			Buckets: prometheus.ExponentialBuckets(0.001, 3, 10),
		}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "stackhouse_engine_queries_running",
			Help: "SQL statements that hold a connection.",
		}),
		restarts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "stackhouse_engine_restarts_total",
			Help: "Instances replaced because DuckDB declared them broken.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.queries, m.duration, m.running, m.restarts)
	}
	return m
}

func (m *metrics) observe(d time.Duration, err error) {
	outcome := "ok"
	if err != nil {
		outcome = warehouse.KindOf(err).String()
	}
	m.queries.WithLabelValues(outcome).Inc()
	m.duration.Observe(d.Seconds())
}
