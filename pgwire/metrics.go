package pgwire

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are the instruments of one server.
type metrics struct {
	connections prometheus.Gauge
	accepted    *prometheus.CounterVec
	statements  *prometheus.CounterVec
	seconds     prometheus.Histogram
	rows        prometheus.Counter
	sentBytes   prometheus.Counter
	cancels     *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer, spooled func() float64) *metrics {
	f := promauto.With(reg)
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "stackhouse_pgwire_spooled_bytes",
		Help: "Memory of the rows that portals and cursors keep for their clients.",
	}, spooled)
	return &metrics{
		connections: f.NewGauge(prometheus.GaugeOpts{
			Name: "stackhouse_pgwire_connections",
			Help: "Connections open now, those still in start-up included.",
		}),
		accepted: f.NewCounterVec(prometheus.CounterOpts{
			Name: "stackhouse_pgwire_connections_total",
			Help: "Connections accepted, by how their start-up ended: session, cancel, refused or failed.",
		}, []string{"result"}),
		statements: f.NewCounterVec(prometheus.CounterOpts{
			Name: "stackhouse_pgwire_statements_total",
			Help: "Statements ended, by the class of their SQLSTATE (00 is success).",
		}, []string{"class"}),
		seconds: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "stackhouse_pgwire_statement_duration_seconds",
			Help:    "Time from a statement's start to its last row sent or its suspension.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 9),
		}),
		rows: f.NewCounter(prometheus.CounterOpts{
			Name: "stackhouse_pgwire_rows_total",
			Help: "Rows sent to clients.",
		}),
		sentBytes: f.NewCounter(prometheus.CounterOpts{
			Name: "stackhouse_pgwire_sent_bytes_total",
			Help: "Bytes written to clients.",
		}),
		cancels: f.NewCounterVec(prometheus.CounterOpts{
			Name: "stackhouse_pgwire_cancel_requests_total",
			Help: "CancelRequests, by whether their key was that of a session: match or unknown.",
		}, []string{"result"}),
	}
}

// ended counts a statement and how it ended; nil is success.
func (m *metrics) ended(took time.Duration, err *pgError) {
	class := "00"
	if err != nil {
		class = err.code[:2]
	}
	m.statements.WithLabelValues(class).Inc()
	m.seconds.Observe(took.Seconds())
}
