package cache

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// sectionMetrics are the instruments of [Sections]. Labels are bounded: outcome
// has the values named in each help text.
type sectionMetrics struct {
	acquires  *prometheus.CounterVec
	reads     *prometheus.CounterVec
	puts      *prometheus.CounterVec
	fetched   prometheus.Counter
	verified  prometheus.Counter
	evictions prometheus.Counter
	damaged   prometheus.Counter
	corrupt   prometheus.Counter
	bytes     prometheus.Gauge
	files     prometheus.Gauge
	pins      prometheus.Gauge
}

// The outcomes.
const (
	outcomeHit      = "hit"      // verified before
	outcomeVerified = "verified" // a file that had to be verified first
	outcomeFetched  = "fetched"  // from the bucket
	outcomeFailed   = "failed"
	outcomeStored   = "stored"
	outcomePresent  = "present" // nothing to do
)

func newSectionMetrics(reg prometheus.Registerer) *sectionMetrics {
	f := promauto.With(reg)
	counter := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	vec := func(name, help string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"outcome"})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return f.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	return &sectionMetrics{
		acquires:  vec("stackhouse_cache_section_acquires_total", "Sections acquired as files, by outcome: hit, verified, fetched, failed."),
		reads:     vec("stackhouse_cache_section_reads_total", "Sections read into memory, by outcome: hit, fetched, failed."),
		puts:      vec("stackhouse_cache_section_puts_total", "Sections offered by their writer, by outcome: stored, present, failed."),
		fetched:   counter("stackhouse_cache_section_fetched_bytes_total", "Bytes of sections read from the bucket."),
		verified:  counter("stackhouse_cache_section_verified_bytes_total", "Bytes of files whose checksum was computed."),
		evictions: counter("stackhouse_cache_section_evictions_total", "Copies of sections removed to keep the budget."),
		damaged:   counter("stackhouse_cache_section_damaged_copies_total", "Copies that were not what the index says, and were fetched again."),
		corrupt:   counter("stackhouse_cache_section_corrupt_total", "Requests refused because the bucket's bytes are missing or not what the index says."),
		bytes:     gauge("stackhouse_cache_section_disk_bytes", "Disk space of the copies."),
		files:     gauge("stackhouse_cache_section_files", "Sections known to the cache, copies and files read in place."),
		pins:      gauge("stackhouse_cache_section_pins", "Sections acquired and not yet released."),
	}
}
