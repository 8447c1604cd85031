package main

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/stackhouse-db/stackhouse/api"
	"github.com/stackhouse-db/stackhouse/metastore"
	"github.com/stackhouse-db/stackhouse/sql/statement"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/scrub"
)

// snapshot is a snapshot of the metastore as statements see it.
type snapshot struct {
	*metastore.Snapshot
	register *scrub.Register
}

// PartHealth implements statement.Verified.
func (s snapshot) PartHealth(p *warehouse.Part) statement.Health {
	h := statement.Health{Damage: s.register.DamageOf(p)}
	if at := s.register.VerifiedAt(p.Object); !at.IsZero() {
		h.VerifiedAt = warehouse.MicrosOf(at)
	}
	return h
}

// CompactionJobs implements statement.JobLister.
func (s snapshot) CompactionJobs(t warehouse.Tenant) []statement.Job {
	var out []statement.Job
	for _, j := range s.Jobs() {
		if j.Tenant != t {
			continue
		}
		out = append(out, statement.Job{
			ID: j.ID, Level: j.Level, Hour: j.Hour, Inputs: j.Inputs, Bytes: j.Bytes, State: jobState(j), Worker: j.Worker,
			Attempts: j.Attempts, Failures: j.Failures, Reason: j.Reason, Since: j.Since, FailedAt: j.FailedAt,
		})
	}
	return out
}

// DeletionList implements statement.DeletionLister.
func (s snapshot) DeletionList(t warehouse.Tenant) []statement.Deletion {
	var out []statement.Deletion
	for _, d := range s.DeletionInfos(t) {
		out = append(out, statement.Deletion{Deletion: d.Deletion, AppliedAt: d.AppliedAt, GoneAt: d.GoneAt, Parts: d.Parts, Bytes: d.Bytes})
	}
	return out
}

func jobState(j *metastore.JobInfo) statement.JobState {
	switch {
	case j.SetAside:
		return statement.JobSetAside
	case j.Token == 0:
		return statement.JobWaiting
	}
	return statement.JobRunning
}

// status is what the page /status shows.
func (n *node) status(ctx context.Context, g prometheus.Gatherer) (*api.Status, error) {
	snap, err := n.meta.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Release()
	out := &api.Status{Jobs: jobsOf(snap), Scrub: n.scrubStatus()}
	addLevels(out, snap)
	addDeletions(out, snap)
	out.IngestedBytes, out.CompactedBytes = written(g)
	return out, nil
}

// jobsOf returns the jobs of all tenants.
func jobsOf(snap *metastore.Snapshot) (out []api.JobStatus) {
	for _, j := range snap.Jobs() {
		job := api.JobStatus{
			ID: j.ID.String(), Tenant: j.Tenant, Hour: j.Hour, Level: int(j.Level), Inputs: len(j.Inputs), Bytes: j.Bytes,
			State: string(jobState(j)), Worker: j.Worker, Attempts: j.Attempts, Failures: j.Failures, Reason: j.Reason, Since: j.Since.Time(),
		}
		if j.Failures > 0 {
			job.FailedAt = j.FailedAt.Time()
		}
		out = append(out, job)
	}
	return out
}

// addDeletions counts the deletions of all tenants that are not done.
func addDeletions(s *api.Status, snap *metastore.Snapshot) {
	for _, t := range snap.Tenants() {
		for _, d := range (snapshot{Snapshot: snap}).DeletionList(t) {
			switch d.State() {
			case "hidden":
				s.Hidden++
			case "removed":
				s.Removed++
			}
		}
	}
}

// addLevels counts the parts of all tenants.
func addLevels(s *api.Status, snap *metastore.Snapshot) {
	type levelHour struct {
		level  uint8
		tenant warehouse.Tenant
		hour   warehouse.Hour
	}
	levels, seen := map[uint8]*api.LevelStatus{}, map[levelHour]bool{}
	for _, t := range snap.Tenants() {
		bounds := snap.Bounds(t)
		if bounds.IsEmpty() {
			continue
		}
		for _, p := range snap.Parts(t, bounds) {
			l := levels[p.Level]
			if l == nil {
				l = &api.LevelStatus{Level: int(p.Level)}
				levels[p.Level] = l
			}
			l.Parts++
			l.Bytes += p.SizeBytes()
			if k := (levelHour{p.Level, t, p.Hour}); !seen[k] {
				seen[k] = true
				l.Hours++
			}
			if made := p.Object.Timestamp(); p.Level == warehouse.LevelSegment && (s.Oldest.IsZero() || made.Before(s.Oldest)) {
				s.Oldest = made
			}
		}
	}
	for _, l := range slices.SortedFunc(maps.Values(levels), func(a, b *api.LevelStatus) int { return cmp.Compare(a.Level, b.Level) }) {
		s.Levels = append(s.Levels, *l)
	}
}

// The metrics of what was written.
const (
	ingestedMetric  = "stackhouse_ingest_segment_bytes" // a histogram
	compactedMetric = "stackhouse_metastore_compacted_bytes_total"
)

// written returns how many bytes of segments and of blocks this process has stored.
// An instrument that fails hides only itself.
func written(g prometheus.Gatherer) (ingested, compacted int64) {
	families, _ := g.Gather()
	for _, f := range families {
		switch f.GetName() {
		case ingestedMetric:
			ingested = sum(f, func(m *dto.Metric) float64 { return m.GetHistogram().GetSampleSum() })
		case compactedMetric:
			compacted = sum(f, func(m *dto.Metric) float64 { return m.GetCounter().GetValue() })
		}
	}
	return ingested, compacted
}

func sum(f *dto.MetricFamily, value func(*dto.Metric) float64) int64 {
	var total float64
	for _, m := range f.GetMetric() {
		total += value(m)
	}
	return int64(total)
}
