package api

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are the server's instruments. Labels are bounded: route is a row of
// the route table, status an HTTP status.
type metrics struct {
	requests *prometheus.CounterVec   // by route, status
	seconds  *prometheus.HistogramVec // by route
	received *prometheus.CounterVec   // by route
	sent     *prometheus.CounterVec   // by route
	profiles *prometheus.CounterVec   // by outcome: stored, refused
	inflight prometheus.Gauge
	bodies   prometheus.Gauge
	panics   prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg) // nil reg is valid: counted, not exposed
	return &metrics{
		requests: f.NewCounterVec(prometheus.CounterOpts{
			Name: "stackhouse_api_requests_total",
			Help: "Requests answered, by route and HTTP status; failed gRPC calls count under the status that stands for their code.",
		}, []string{"route", "status"}),
		seconds: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "stackhouse_api_request_seconds",
			Help:    "Time from a request's headers to the end of its answer, by route.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 13),
		}, []string{"route"}),
		received: f.NewCounterVec(prometheus.CounterOpts{
			Name: "stackhouse_api_received_bytes_total",
			Help: "Bytes of request bodies, inflated, by route.",
		}, []string{"route"}),
		sent: f.NewCounterVec(prometheus.CounterOpts{
			Name: "stackhouse_api_sent_bytes_total",
			Help: "Bytes of answers' bodies as sent, by route.",
		}, []string{"route"}),
		profiles: f.NewCounterVec(prometheus.CounterOpts{
			Name: "stackhouse_api_pushed_profiles_total",
			Help: "Profiles pushed, by outcome: stored or refused.",
		}, []string{"outcome"}),
		inflight: f.NewGauge(prometheus.GaugeOpts{
			Name: "stackhouse_api_inflight_requests",
			Help: "Requests being served.",
		}),
		bodies: f.NewGauge(prometheus.GaugeOpts{
			Name: "stackhouse_api_bodies_bytes",
			Help: "Bytes of request bodies that are being held.",
		}),
		panics: f.NewCounter(prometheus.CounterOpts{
			Name: "stackhouse_api_panics_total",
			Help: "Panics that were turned into answers: each one is a bug.",
		}),
	}
}

// done counts a request that has ended.
func (m *metrics) done(route string, x *exchange, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(x.outcome())).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
	m.received.WithLabelValues(route).Add(float64(x.read))
	m.sent.WithLabelValues(route).Add(float64(x.sent))
}
