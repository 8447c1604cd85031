package metastore

import (
	"context"
	"maps"
	"time"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Policy says when parts are merged.
type Policy = state.Policy

// DefaultPolicy returns the policy of a metastore that is not told another.
func DefaultPolicy() Policy { return state.DefaultPolicy() }

const (
	// What waits for jobs looks again after so long, if time alone may have made
	// one, and not more often than that, however much is registered.
	jobTick  = time.Second
	jobPause = 200 * time.Millisecond

	// maxTaken bounds the plans of one command.
	maxTaken = 64
)

// TakeJobs plans compaction jobs, as many as most, and leases them to the worker.
// Nothing is written to the log while there is nothing to do.
//
// After an error of kind Unavailable, Canceled or Deadline the worker may have
// jobs that it does not know; its next RenewJobs frees them.
func (m *Metastore) TakeJobs(ctx context.Context, worker string, most int) ([]*warehouse.Job, error) {
	if err := m.Ready(ctx); err != nil {
		return nil, err
	}
	if most <= 0 || !m.HasJobs() {
		return nil, nil
	}
	most = min(most, maxTaken)
	plans := m.fsm.view.Load().Plans(&m.opts.Policy, m.now(), most)
	answer, err := m.take(ctx, state.TakeJobs{Worker: worker, Max: most, Lease: m.opts.JobLease, Plans: plans})
	if err != nil {
		return nil, err
	}
	jobs, _ := answer.([]*warehouse.Job)
	return jobs, nil
}

// HasJobs reports whether there is something to merge now.
func (m *Metastore) HasJobs() bool { return m.fsm.view.Load().HasJobs(&m.opts.Policy, m.now()) }

func (m *Metastore) now() warehouse.Micros { return warehouse.MicrosOf(m.opts.Clock()) }

// WaitJobs returns when there may be something to merge, and nil then. It reads no
// log, and costs nothing while nothing changes and nothing waits for its time.
// Other errors are that of ctx, and the one that ended Run.
func (m *Metastore) WaitJobs(ctx context.Context) error {
	for {
		if err := m.WaitReady(ctx); err != nil {
			return err
		}
		changed := m.fsm.changed.wait()
		view := m.fsm.view.Load()
		if view.HasJobs(&m.opts.Policy, m.now()) {
			return nil
		}
		var tick <-chan time.Time
		if view.MayHaveJobs() {
			tick = time.After(jobTick)
		}
		select {
		case <-changed:
			if err := m.pause(ctx, jobPause); err != nil {
				return err
			}
		case <-tick:
		case <-m.failure.done:
			return m.failure.err
		case <-ctx.Done():
			return errOf(ctx, "wait for jobs")
		}
	}
}

func (m *Metastore) pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-m.failure.done:
		return m.failure.err
	case <-ctx.Done():
		return errOf(ctx, "wait for jobs")
	}
}

// RenewJobs extends the leases of all jobs that a worker works on, and frees the
// others that it had. It returns those that are not the worker's any more.
//
// A worker does not call it and TakeJobs at the same time.
func (m *Metastore) RenewJobs(ctx context.Context, worker string, jobs []warehouse.JobRef) (lost []warehouse.JobRef, err error) {
	answer, err := m.take(ctx, state.RenewJobs{Worker: worker, Lease: m.opts.JobLease, Jobs: jobs})
	if err != nil {
		return nil, err
	}
	lost, _ = answer.([]warehouse.JobRef)
	return lost, nil
}

// FinishJob swaps a job's inputs for its outputs, which are stored, in one step.
// removed are the rows that the worker left out because of the job's masks. It may be
// called again after an error of kind Unavailable, Canceled or Deadline,
// which leave open whether the swap was made.
//
// NotFound: the job is not the worker's any more, or its inputs are gone; the
// outputs never become live. Internal: they do not hold what the inputs held.
func (m *Metastore) FinishJob(ctx context.Context, job warehouse.JobRef, outputs []warehouse.Part, removed []warehouse.Removed) error {
	for i := range outputs {
		if err := outputs[i].Validate(); err != nil {
			return err
		}
	}
	view := m.fsm.view.Load()
	if j, inputs := view.Job(job); j != nil {
		if err := checkSwap(j, inputs, outputs, view.JobMasks(j, inputs), removed); err != nil {
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
	for _, r := range removed {
		m.metrics.deletedRows.WithLabelValues(warehouse.TableSamples.String()).Add(float64(r.Samples))
		m.metrics.deletedRows.WithLabelValues(warehouse.TableProfiles.String()).Add(float64(r.Profiles))
	}
	for i := range outputs {
		m.metrics.compactedBytes.WithLabelValues(levelName(outputs[i].Level)).Add(float64(outputs[i].SizeBytes()))
	}
	return nil
}

// checkSwap makes sure that no row is lost or doubled by a job, as far as the index
// can know: rows are missing only where masks allow it, and as many as the worker says.
func checkSwap(j *state.Job, inputs []*warehouse.Part, outputs []warehouse.Part, masks []*warehouse.Deletion, removed []warehouse.Removed) error {
	if err := checkRemoved(j, inputs, masks, removed); err != nil {
		return err
	}
	made := make([]*warehouse.Part, len(outputs))
	for i := range outputs {
		p := &outputs[i]
		if p.Tenant != j.Tenant || p.Hour != j.Hour || p.Level != j.Level {
			return warehouse.Errorf(warehouse.Internal, "finish job %s: object %s is of tenant %s, hour %s and level %d, the job of %s, %s and %d",
				j.ID, p.Object, p.Tenant, p.Hour, p.Level, j.Tenant, j.Hour, j.Level)
		}
		made[i] = p
	}
	had, has := countRows(inputs), countRows(made)
	for _, r := range removed {
		had[rowsOf{what: "profiles"}] -= r.Profiles
		had[rowsOf{what: "samples"}] -= r.Samples
		had[samplesOf(r.Service, r.Type)] -= r.Samples
	}
	maps.DeleteFunc(had, func(_ rowsOf, n int64) bool { return n == 0 })
	maps.DeleteFunc(has, func(_ rowsOf, n int64) bool { return n == 0 })
	if !maps.Equal(had, has) {
		for k, n := range had {
			if has[k] != n {
				return warehouse.Errorf(warehouse.Internal, "finish job %s: %d %s (service %q), the inputs have %d that are not deleted", j.ID, has[k], k.what, k.service, n)
			}
		}
		return warehouse.Errorf(warehouse.Internal, "finish job %s: it has rows that the inputs have not", j.ID)
	}
	return nil
}

// rowsOf is what the index counts of a service.
type rowsOf struct{ service, what string }

func samplesOf(service, typ string) rowsOf { return rowsOf{service, "samples of " + typ} }

// checkRemoved makes sure that the rows which a worker left out may be missing: of each
// service and type at least as many as lie in parts of which masks hide all, and at
// most as many as lie in parts of which they may hide some.
func checkRemoved(j *state.Job, inputs []*warehouse.Part, masks []*warehouse.Deletion, removed []warehouse.Removed) error {
	least, most := map[rowsOf]int64{}, map[rowsOf]int64{}
	for _, p := range inputs {
		of := warehouse.MasksOf(masks, p)
		for i := range p.Datasets {
			ds := &p.Datasets[i]
			for _, t := range ds.Types {
				some, all := warehouse.MasksOfDataset(of, ds.Service, t.Type, t.Range)
				if len(some) > 0 {
					most[samplesOf(ds.Service, t.Type)] += t.Rows
				}
				if all {
					least[samplesOf(ds.Service, t.Type)] += t.Rows
				}
			}
		}
	}
	for _, r := range removed {
		k := samplesOf(r.Service, r.Type)
		may, ok := most[k]
		if !ok || r.Samples < 0 || r.Profiles < 0 || r.Samples > may {
			return warehouse.Errorf(warehouse.Internal, "finish job %s: %d profiles and %d samples of service %q, type %q were left out, masks concern %d samples",
				j.ID, r.Profiles, r.Samples, r.Service, r.Type, may)
		}
		least[k] -= r.Samples
		delete(most, k) // each once
	}
	for k, n := range least {
		if n > 0 {
			return warehouse.Errorf(warehouse.Internal, "finish job %s: %d %s (service %q) are deleted and were not left out", j.ID, n, k.what, k.service)
		}
	}
	return nil
}

func countRows(parts []*warehouse.Part) map[rowsOf]int64 {
	rows := map[rowsOf]int64{}
	for _, p := range parts {
		profiles, _ := p.Section(warehouse.TableProfiles)
		rows[rowsOf{what: "profiles"}] += profiles.Rows
		rows[rowsOf{what: "samples"}] += p.Rows()
		for i := range p.Datasets {
			for _, t := range p.Datasets[i].Types {
				rows[samplesOf(p.Datasets[i].Service, t.Type)] += t.Rows
			}
		}
	}
	return rows
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
