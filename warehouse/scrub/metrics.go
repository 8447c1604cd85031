package scrub

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// registerGauges shows what a register knows.
func registerGauges(reg prometheus.Registerer, r *Register) {
	f := promauto.With(reg)
	gauge := func(name, help string, value func() float64) {
		f.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	gauge("stackhouse_scrub_damaged_objects", "Stored objects that are known to be damaged.", func() float64 {
		n, _ := r.Damaged()
		return float64(n)
	})
	gauge("stackhouse_scrub_damaged_bytes", "Bytes of what is known to be damaged, whole sections.", func() float64 {
		_, n := r.Damaged()
		return float64(n)
	})
	gauge("stackhouse_scrub_last_pass_timestamp_seconds", "When every stored object had been verified since the pass before, as Unix time; 0 if never.", func() float64 {
		return float64(seconds(r.LastPass()))
	})
}

// metrics are the instruments of a [Scrubber].
type metrics struct {
	objects prometheus.Counter
	bytes   prometheus.Counter
	copies  prometheus.Counter
	errors  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, oldest func() time.Duration) *metrics {
	f := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "stackhouse_scrub_oldest_unverified_seconds",
		Help: "Time since the stored object was verified, or made, that waits for it the longest.",
	}, func() float64 { return oldest().Seconds() })
	return &metrics{
		objects: counter("stackhouse_scrub_verified_objects_total", "Stored objects that were verified, damaged ones included."),
		bytes:   counter("stackhouse_scrub_verified_bytes_total", "Bytes of stored objects that were read from the bucket and verified."),
		copies:  counter("stackhouse_scrub_damaged_copies_total", "Local copies of sections that were damaged and will be fetched again."),
		errors:  counter("stackhouse_scrub_errors_total", "Objects that could not be read, because the bucket or the index was away."),
	}
}
