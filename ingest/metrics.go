package ingest

import (
	"cmp"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Reasons under which profiles are counted that were refused here; those of
// warehouse/profile come on top. All are bounded sets.
const (
	reasonStopping = "stopping"
	reasonStore    = "store_unavailable"
)

// metrics are the ingester's instruments. Labels are bounded; tenant never is one.
type metrics struct {
	profiles   *prometheus.CounterVec // by outcome: stored, refused, unavailable
	discarded  *prometheus.CounterVec // by reason
	rows       prometheus.Counter
	duplicates prometheus.Counter
	flushes    *prometheus.CounterVec // by outcome
	flushTime  prometheus.Histogram
	flushBytes prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer, budget *budget) *metrics {
	f := promauto.With(reg) // nil is valid: counted, not exposed
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "stackhouse_ingest_pending_bytes",
		Help: "Memory held by pushes that wait for their answer.",
	}, func() float64 { return float64(budget.used()) })
	return &metrics{
		profiles: f.NewCounterVec(prometheus.CounterOpts{
			Name: "stackhouse_ingest_profiles_total",
			Help: "Profiles received, by outcome: stored, refused, unavailable.",
		}, []string{"outcome"}),
		discarded: f.NewCounterVec(prometheus.CounterOpts{
			Name: "stackhouse_ingest_discarded_profiles_total",
			Help: "Profiles not stored, by reason.",
		}, []string{"reason"}),
		rows: f.NewCounter(prometheus.CounterOpts{
			Name: "stackhouse_ingest_rows_total",
			Help: "Sample rows stored and registered.",
		}),
		duplicates: f.NewCounter(prometheus.CounterOpts{
			Name: "stackhouse_ingest_duplicate_profiles_total",
			Help: "Profiles that were registered already and counted once.",
		}),
		flushes: f.NewCounterVec(prometheus.CounterOpts{
			Name: "stackhouse_ingest_flushes_total",
			Help: "Segments offered to the metastore, by outcome.",
		}, []string{"outcome"}),
		flushTime: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "stackhouse_ingest_flush_seconds",
			Help:    "Time from sealing a head to its segment being registered.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 15),
		}),
		flushBytes: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "stackhouse_ingest_segment_bytes",
			Help:    "Size of stored segments.",
			Buckets: prometheus.ExponentialBuckets(4096, 4, 8),
		}),
	}
}

func (m *metrics) pushed(err error) {
	outcome := "stored"
	if err != nil {
		outcome = "refused"
		switch warehouse.KindOf(err) {
		case warehouse.Unavailable, warehouse.Canceled, warehouse.Deadline, warehouse.Internal:
			outcome = "unavailable"
		}
		m.discarded.WithLabelValues(cmp.Or(warehouse.ReasonOf(err), "other")).Inc()
	}
	m.profiles.WithLabelValues(outcome).Inc()
}

func (m *metrics) flushed(outcome string, bytes int, took time.Duration) {
	m.flushes.WithLabelValues(outcome).Inc()
	if outcome == warehouse.Added.String() {
		m.flushTime.Observe(took.Seconds())
		m.flushBytes.Observe(float64(bytes))
	}
}
