package metastore

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// metrics are what the metastore counts; those of its state are read when asked
// for, by collector.
type metrics struct {
	registry prometheus.Registerer // nil: unregistered
	all      []prometheus.Collector

	commands         *prometheus.CounterVec
	commandSeconds   *prometheus.HistogramVec
	addOutcomes      *prometheus.CounterVec
	snapshotSeconds  prometheus.Histogram
	snapshotBytes    prometheus.Gauge
	damagedSnapshots prometheus.Counter
	droppedPins      prometheus.Counter
	deletedObjects   prometheus.Counter
	deleteErrors     prometheus.Counter
	expiredParts     prometheus.Counter
	deletions        *prometheus.CounterVec
	deletedRows      *prometheus.CounterVec
	sweptObjects     prometheus.Counter
	sweptBytes       prometheus.Counter
	sweepErrors      prometheus.Counter
	sweepSeconds     prometheus.Histogram
	unknownObjects   prometheus.Gauge
	manifests        prometheus.Counter
	manifestErrors   prometheus.Counter
	manifestSeconds  prometheus.Histogram
	manifestBytes    prometheus.Gauge
	ingestedBytes    prometheus.Counter
	compactedBytes   *prometheus.CounterVec
}

const metricPrefix = "stackhouse_metastore_"

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{registry: reg}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: metricPrefix + name, Help: help})
		m.all = append(m.all, c)
		return c
	}
	m.commands = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: metricPrefix + "commands_total",
		Help: "Commands proposed to the log, by command and by the kind of error (ok: none).",
	}, []string{"command", "outcome"})
	m.commandSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    metricPrefix + "command_duration_seconds",
		Help:    "Time from proposing a command to its answer.",
		Buckets: prometheus.ExponentialBuckets(0.0002, 2, 16),
	}, []string{"command"})
	m.addOutcomes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: metricPrefix + "segments_total",
		Help: "Segments offered for registration, by what became of them.",
	}, []string{"outcome"})
	m.snapshotSeconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    metricPrefix + "snapshot_duration_seconds",
		Help:    "Time it took to write a snapshot of the state.",
		Buckets: prometheus.ExponentialBuckets(0.001, 2, 16),
	})
	m.snapshotBytes = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: metricPrefix + "snapshot_bytes",
		Help: "Size of the last snapshot of the state that this process wrote.",
	})
	m.sweepSeconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    metricPrefix + "sweep_duration_seconds",
		Help:    "Time it took to search the bucket for objects that nobody knows.",
		Buckets: prometheus.ExponentialBuckets(0.001, 4, 10),
	})
	m.unknownObjects = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: metricPrefix + "unknown_objects",
		Help: "Objects that nobody knows and that the last sweep left, since they may still be registered.",
	})
	m.compactedBytes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: metricPrefix + "compacted_bytes_total",
		Help: "Bytes of the blocks that compaction jobs registered, by level; by ingested_bytes_total, it is the write amplification.",
	}, []string{"level"})
	m.manifestSeconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    metricPrefix + "manifest_duration_seconds",
		Help:    "Time it took to put a manifest of the state into the bucket.",
		Buckets: prometheus.ExponentialBuckets(0.001, 2, 16),
	})
	m.manifestBytes = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: metricPrefix + "manifest_bytes",
		Help: "Size of the last manifest that this process put into the bucket.",
	})
	m.deletions = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: metricPrefix + "deletions_total",
		Help: "Deletions that were submitted, by reason: operator, or a rule of retention.",
	}, []string{"reason"})
	m.deletedRows = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: metricPrefix + "deleted_rows_total",
		Help: "Rows that compaction jobs left out because they are deleted, by table; parts that are dropped as a whole do not count.",
	}, []string{"table"})
	for _, r := range []warehouse.DeletionReason{warehouse.DeletedByOperator, warehouse.DeletedByRetention} {
		m.deletions.WithLabelValues(r.String())
	}
	m.all = append(m.all, m.deletions, m.deletedRows)
	m.all = append(m.all, m.commands, m.commandSeconds, m.addOutcomes, m.snapshotSeconds, m.snapshotBytes, m.sweepSeconds, m.unknownObjects, m.compactedBytes,
		m.manifestSeconds, m.manifestBytes)
	m.damagedSnapshots = counter("damaged_snapshots_total", "Snapshots that could not be read at the start and were moved aside.")
	m.droppedPins = counter("dropped_pins_total", "Snapshots of queries that were held for too long and lost their protection.")
	m.deletedObjects = counter("deleted_objects_total", "Dead objects that were deleted from the bucket.")
	m.deleteErrors = counter("delete_errors_total", "Deletions of dead objects that failed and will be tried again.")
	m.expiredParts = counter("expired_parts_total", "Parts that retention dropped.")
	m.sweptObjects = counter("swept_objects_total", "Objects deleted from the bucket because nobody knew them.")
	m.sweptBytes = counter("swept_bytes_total", "Bytes of the objects deleted from the bucket because nobody knew them.")
	m.sweepErrors = counter("sweep_errors_total", "Searches for objects that nobody knows that failed and will be tried again.")
	m.manifests = counter("manifests_total", "Manifests of the state that were put into the bucket.")
	m.manifestErrors = counter("manifest_errors_total", "Manifests that could not be put into the bucket and will be tried again.")
	m.ingestedBytes = counter("ingested_bytes_total", "Bytes of the segments that were registered.")
	for level := 1; level <= warehouse.LevelFinal; level++ {
		m.compactedBytes.WithLabelValues(strconv.Itoa(level))
	}
	for _, k := range state.Kinds {
		m.commands.WithLabelValues(k.String(), "ok")
	}
	return m
}

func (m *metrics) observe(k state.Kind, took time.Duration, err error) {
	outcome := "ok"
	if err != nil {
		outcome = warehouse.KindOf(err).String()
	}
	m.commands.WithLabelValues(k.String(), outcome).Inc()
	m.commandSeconds.WithLabelValues(k.String()).Observe(took.Seconds())
}

// register adds the metrics to the registry, with those of the state.
func (m *metrics) register(of *Metastore) error {
	if m.registry == nil {
		return nil
	}
	m.all = append(m.all, &collector{of})
	for i, c := range m.all {
		if err := m.registry.Register(c); err != nil {
			m.all = m.all[:i]
			return warehouse.Errorf(warehouse.Internal, "register metrics of the metastore: %w", err)
		}
	}
	return nil
}

func (m *metrics) unregister() {
	if m.registry == nil {
		return
	}
	for _, c := range m.all {
		m.registry.Unregister(c)
	}
}

// collector reads the gauges of the state.
type collector struct{ of *Metastore }

// reading is what the gauges of one collection are read from.
type reading struct {
	*Metastore
	view    *state.View
	backlog Backlog
}

var gauges = []struct {
	desc  *prometheus.Desc
	value func(*reading) float64
}{
	gauge("is_leader", "1 while this node leads and takes commands.", func(r *reading) float64 {
		if r.leading.Load() {
			return 1
		}
		return 0
	}),
	gauge("applied_index", "Log index of the last applied command.", func(r *reading) float64 { return float64(r.view.Index()) }),
	gauge("tenants", "Tenants with data or settings.", func(r *reading) float64 { return float64(len(r.view.Tenants())) }),
	gauge("parts", "Live parts.", func(r *reading) float64 { return float64(r.view.Totals().Parts) }),
	gauge("objects", "Live objects.", func(r *reading) float64 { return float64(r.view.Totals().Objects) }),
	gauge("object_bytes", "Size of the sections of live parts.", func(r *reading) float64 { return float64(r.view.Totals().Bytes) }),
	gauge("tombstones", "Dead objects that were not deleted yet.", func(r *reading) float64 { return float64(len(r.view.Tombstones())) }),
	gauge("recent_profiles", "Profiles remembered to recognise retries.", func(r *reading) float64 { return float64(r.view.Profiles()) }),
	gauge("jobs_waiting", "Compaction jobs that wait for a worker.", func(r *reading) float64 { return float64(r.backlog.Planned + r.backlog.Waiting) }),
	gauge("jobs_running", "Compaction jobs that a worker has.", func(r *reading) float64 { return float64(r.backlog.Running) }),
	gauge("jobs_set_aside", "Compaction jobs that failed too often and wait for an operator.", func(r *reading) float64 { return float64(r.backlog.SetAside) }),
	gauge("unmerged_bytes", "Size of parts below the final level.", func(r *reading) float64 { return float64(r.backlog.Bytes()) }),
	gauge("unmerged_parts", "Parts below the final level.", func(r *reading) float64 { return float64(r.backlog.Parts()) }),
	gauge("unmerged_segments", "Parts of level 0.", func(r *reading) float64 { return float64(r.backlog.Levels[warehouse.LevelSegment].Parts) }),
	gauge("oldest_segment_age_seconds", "Age of the oldest segment that is not merged, 0 without any.", func(r *reading) float64 {
		return r.backlog.OldestAge(r.opts.Clock()).Seconds()
	}),
	gauge("manifest_age_seconds", "Age of the newest manifest in the bucket, 0 while it has the whole state.", func(r *reading) float64 { return r.manifestAge().Seconds() }),
	gauge("manifest_index", "Log index up to which the newest manifest in the bucket goes.", func(r *reading) float64 { return float64(r.manifests.index.Load()) }),
	gauge("deletions_unapplied", "Deletions whose rows are hidden, but not yet gone from every live part.", func(r *reading) float64 {
		return float64(r.countDeletions(func(d *state.Deletion) bool { return d.AppliedAt == 0 }))
	}),
	gauge("deletions_unfinished", "Deletions whose bytes are not yet gone from the bucket.", func(r *reading) float64 {
		return float64(r.countDeletions(func(d *state.Deletion) bool { return d.GoneAt == 0 }))
	}),
	gauge("deletions_oldest_unfinished_seconds", "Age of the oldest deletion whose bytes are not yet gone from the bucket, 0 without any.", func(r *reading) float64 {
		for _, d := range r.view.Deletions() {
			if d.GoneAt == 0 {
				return max(r.opts.Clock().Sub(d.SubmittedAt.Time()).Seconds(), 0)
			}
		}
		return 0
	}),
	gauge("pins", "Snapshots that queries hold.", func(r *reading) float64 { return float64(r.pins.count()) }),
	gauge("foreign_objects", "Files in the bucket that are older than this metastore and that it does not know.", func(r *reading) float64 { return float64(r.strangers.Load()) }),
	gauge("log_pending_commands", "Commands in the log behind the last snapshot.", func(r *reading) float64 { return float64(r.fsm.pendingCommands.Load()) }),
	gauge("log_pending_bytes", "Size of the commands in the log behind the last snapshot.", func(r *reading) float64 { return float64(r.fsm.pendingBytes.Load()) }),
}

func (r *reading) countDeletions(of func(*state.Deletion) bool) (n int) {
	for _, d := range r.view.Deletions() {
		if of(d) {
			n++
		}
	}
	return n
}

func gauge(name, help string, value func(*reading) float64) (g struct {
	desc  *prometheus.Desc
	value func(*reading) float64
}) {
	g.desc, g.value = prometheus.NewDesc(metricPrefix+name, help, nil, nil), value
	return g
}

// Describe sends the descriptions of the gauges.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, g := range gauges {
		ch <- g.desc
	}
}

// Collect sends the values of the gauges.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	r := &reading{Metastore: c.of, view: c.of.fsm.view.Load(), backlog: c.of.Backlog()}
	for _, g := range gauges {
		ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, g.value(r))
	}
}
