package compactor

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

type metrics struct {
	jobs    *prometheus.CounterVec
	seconds *prometheus.HistogramVec
	read    prometheus.Counter
	written prometheus.Counter
	samples prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		jobs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "stackhouse_compactor_jobs_total", Help: "Jobs that ended, by the level of what they make and by the kind of error (ok: none).",
		}, []string{"level", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "stackhouse_compactor_job_duration_seconds", Help: "Time from taking a job to its end.", Buckets: prometheus.ExponentialBuckets(0.01, 2, 16),
		}, []string{"level"}),
		read:    prometheus.NewCounter(prometheus.CounterOpts{Name: "stackhouse_compactor_read_bytes_total", Help: "Bytes of the inputs of jobs."}),
		written: prometheus.NewCounter(prometheus.CounterOpts{Name: "stackhouse_compactor_written_bytes_total", Help: "Bytes that jobs stored."}),
		samples: prometheus.NewCounter(prometheus.CounterOpts{Name: "stackhouse_compactor_samples_total", Help: "Samples that jobs merged."}),
	}
	if reg != nil {
		reg.MustRegister(m.jobs, m.seconds, m.read, m.written, m.samples)
	}
	return m
}

func (m *metrics) observe(j *running, s *stored, err error, now time.Time) {
	outcome := "ok"
	if err != nil {
		outcome = warehouse.KindOf(err).String()
	}
	level := strconv.Itoa(int(j.Level))
	m.jobs.WithLabelValues(level, outcome).Inc()
	m.seconds.WithLabelValues(level).Observe(now.Sub(j.began).Seconds())
	m.read.Add(float64(s.in))
	m.written.Add(float64(s.out))
	m.samples.Add(float64(s.samples()))
}
