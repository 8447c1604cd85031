package statement

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the instruments of statements. The label outcome is "ok" or the
// SQLSTATE's class, its first two characters.
type metrics struct {
	statements *prometheus.CounterVec
	seconds    *prometheus.HistogramVec
	bytes      prometheus.Counter
	unplanned  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		statements: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stackhouse_statement_executions_total",
			Help: "Statements run, by outcome: ok or the class of the SQLSTATE.",
		}, []string{"outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "stackhouse_statement_seconds",
			Help:    "Time of statements by step: describe, plan, run (to the last row).",
			Buckets: prometheus.ExponentialBuckets(0.001, 3, 10),
		}, []string{"step"}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "stackhouse_statement_section_bytes_total",
			Help: "Bytes of the sections that plans left to read.",
		}),
		unplanned: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "stackhouse_statement_unplanned_total",
			Help: "Statements that read all of the retention because their plan was not understood.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.statements, m.seconds, m.bytes, m.unplanned)
	}
	return m
}

func (m *metrics) step(name string, start time.Time) time.Duration {
	d := time.Since(start)
	m.seconds.WithLabelValues(name).Observe(d.Seconds())
	return d
}

// ended counts a statement that ended with err, nil or io.EOF for success.
func (m *metrics) ended(err error) {
	outcome := "ok"
	var e *Error
	if errors.As(err, &e) {
		outcome = e.SQLState
		if len(outcome) > 2 {
			outcome = outcome[:2]
		}
	}
	m.statements.WithLabelValues(outcome).Inc()
}
