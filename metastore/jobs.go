package metastore

import (
	"context"
	"time"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// JobLease is how long a job is a worker's without a renewal. Leases are measured
// in command time: see state.TakeJobs.
const JobLease = time.Minute

// Policy says when parts are merged.
type Policy = state.Policy

// DefaultPolicy returns the policy of a metastore that is not told another.
func DefaultPolicy() Policy { return state.DefaultPolicy() }

// JobInfo is a compaction job as an operator sees it.
type JobInfo = state.Job

// TakeJobs plans compaction jobs, as many as most, and leases them to the worker.
// Nothing is written to the log while there is nothing to do.
func (m *Metastore) TakeJobs(ctx context.Context, worker string, most int) ([]*warehouse.Job, error) {
	if err := m.Ready(ctx); err != nil {
		return nil, err
	}
	if most <= 0 || !m.HasJobs() {
		return nil, nil
	}
	answer, err := m.take(ctx, state.TakeJobs{Worker: worker, Max: most, Lease: JobLease, Policy: m.opts.Policy})
	if err != nil {
		return nil, err
	}
	jobs, _ := answer.([]*warehouse.Job)
	return jobs, nil
}

// HasJobs reports whether there is something to merge now.
func (m *Metastore) HasJobs() bool {
	return m.fsm.view.Load().HasJobs(&m.opts.Policy, warehouse.MicrosOf(m.opts.Clock()))
}

// RenewJobs extends the leases of all jobs that a worker works on, and frees the
// others that it had. It returns those that are not the worker's any more.
func (m *Metastore) RenewJobs(ctx context.Context, worker string, jobs []warehouse.JobRef) (lost []warehouse.JobRef, err error) {
	answer, err := m.take(ctx, state.RenewJobs{Worker: worker, Lease: JobLease, Jobs: jobs})
	if err != nil {
		return nil, err
	}
	lost, _ = answer.([]warehouse.JobRef)
	return lost, nil
}

// FinishJob swaps a job's inputs for its outputs, which are stored, in one step. It
// may be called again after an error of kind Unavailable, Canceled or Deadline,
// which leave open whether the swap was made.
//
// NotFound: the job is not the worker's any more, or its inputs are gone; the
// outputs never become live.
func (m *Metastore) FinishJob(ctx context.Context, job warehouse.JobRef, outputs []warehouse.Part) error {
	for i := range outputs {
		if err := outputs[i].Validate(); err != nil {
			return err
		}
	}
	answer, err := m.take(ctx, state.FinishJob{Job: job, Outputs: outputs})
	if err != nil {
		return err
	}
	if outcome := answer.(state.FinishOutcome); outcome != state.Finished {
		return warehouse.Errorf(warehouse.NotFound, "finish job %s: %s", job.ID, outcome)
	}
	for i := range outputs {
		m.metrics.compactedBytes.Add(float64(outputs[i].SizeBytes()))
	}
	return nil
}

// FailJob gives a job back. Without a reason it was interrupted, which does not
// count; the third failure sets it aside until ReleaseJobs.
func (m *Metastore) FailJob(ctx context.Context, job warehouse.JobRef, reason string) error {
	answer, err := m.take(ctx, state.FailJob{Job: job, Reason: reason})
	if err != nil {
		return err
	}
	if setAside, _ := answer.(bool); setAside {
		m.opts.Logger.Error("a compaction job was set aside", "job", job.ID, "reason", reason)
	}
	return nil
}

// ReleaseJobs lets the parts of jobs that were set aside be planned anew, those of
// all without ids. It returns their number.
func (m *Metastore) ReleaseJobs(ctx context.Context, ids []warehouse.ObjectID) (int, error) {
	answer, err := m.take(ctx, state.ReleaseJobs{Jobs: ids})
	if err != nil {
		return 0, err
	}
	n, _ := answer.(int)
	return n, nil
}

// Jobs returns the jobs that wait, run or were set aside.
func (s *Snapshot) Jobs() []*JobInfo { return s.view.Jobs() }

// Backlog counts what waits to be merged.
type Backlog struct {
	Waiting, Running, SetAside int   // jobs
	Bytes                      int64 // of parts below the final level
	Segments                   int   // parts of level 0
	Oldest                     warehouse.Micros
}

// backlog counts what waits in the newest view; Oldest is when the oldest segment
// was made, 0 without any.
func (m *Metastore) backlog() (b Backlog) {
	v := m.fsm.view.Load()
	for _, j := range v.Jobs() {
		switch {
		case j.SetAside:
			b.SetAside++
		case j.Token == 0:
			b.Waiting++
		default:
			b.Running++
		}
	}
	v.EachLoose(func(p *warehouse.Part) {
		b.Bytes += p.SizeBytes()
		if p.Level != warehouse.LevelSegment {
			return
		}
		b.Segments++
		if made := warehouse.Micros(p.Object.Time()) * 1000; b.Oldest == 0 || made < b.Oldest {
			b.Oldest = made
		}
	})
	return b
}
