package state

import (
	"slices"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// modelJob is a job as the model knows it.
type modelJob struct {
	id               warehouse.ObjectID
	tenant           warehouse.Tenant
	hour             warehouse.Hour
	inputs           []warehouse.ObjectID
	token            uint64
	worker           string
	until, retry     warehouse.Micros
	attempts, failed int
	masked           uint64
}

func (j *modelJob) has(r PartRef) bool {
	return j.tenant == r.Tenant && j.hour == r.Hour && slices.Contains(j.inputs, r.Object)
}

// modelGiven is a job in an answer.
type modelGiven struct {
	ref     warehouse.JobRef
	attempt int
	inputs  []warehouse.ObjectID // sorted
	masks   []warehouse.ObjectID // deletions that it applies
}

// given is what the model would say of jobs that the state gave.
func given(jobs []*warehouse.Job) []modelGiven {
	var out []modelGiven
	for _, j := range jobs {
		g := modelGiven{ref: j.JobRef, attempt: j.Attempt}
		for _, p := range j.Inputs {
			g.inputs = append(g.inputs, p.Object)
		}
		sortIDs(g.inputs)
		for _, d := range j.Masks {
			g.masks = append(g.masks, d.ID)
		}
		out = append(out, g)
	}
	return out
}

func (m *model) applyToJobs(at warehouse.Micros, c Command) any {
	switch c := c.(type) {
	case TakeJobs:
		return m.takeJobs(at, c)
	case RenewJobs:
		return m.renewJobs(c)
	case FinishJob:
		return m.finishJob(c)
	case FailJob:
		return m.failJob(c)
	case ReleaseJobs:
		before := len(m.jobs)
		m.jobs = slices.DeleteFunc(m.jobs, func(j *modelJob) bool {
			return j.failed >= 3 && (len(c.Jobs) == 0 || slices.Contains(c.Jobs, j.id))
		})
		return before - len(m.jobs)
	case FenceObjects:
		return m.fenceObjects(c)
	}
	return nil
}

func (m *model) takeJobs(at warehouse.Micros, c TakeJobs) any {
	var out []modelGiven
	give := func(j *modelJob) bool {
		masks, masked, ok := m.treat(j)
		if !ok {
			return false
		}
		j.masked = masked
		j.token, j.worker, j.until = m.index, c.Worker, m.now+warehouse.Micros(c.Lease.Microseconds())
		j.attempts++
		inputs := slices.Clone(j.inputs)
		sortIDs(inputs)
		out = append(out, modelGiven{warehouse.JobRef{ID: j.id, Token: j.token}, j.attempts, inputs, masks})
		return true
	}
	m.jobs = slices.DeleteFunc(m.jobs, func(j *modelJob) bool {
		if j.token != 0 && j.until <= m.now {
			j.token = 0
		}
		if j.token == 0 && j.failed < 3 && j.retry <= m.now && len(out) < c.Max {
			return !give(j)
		}
		return false
	})
	for n, p := range c.Plans {
		good := len(out) < c.Max && p.Level > 0 && len(p.Inputs) > 0
		for i, id := range p.Inputs {
			ref := PartRef{id, p.Tenant, p.Hour}
			good = good && !slices.Contains(p.Inputs[:i], id) && slices.ContainsFunc(m.live, func(q modelPart) bool { return q.ref == ref }) &&
				!slices.ContainsFunc(m.jobs, func(j *modelJob) bool { return j.has(ref) })
		}
		if good {
			j := &modelJob{id: jobID(moment{index: m.index, at: at}, n), tenant: p.Tenant, hour: p.Hour, inputs: p.Inputs}
			if give(j) {
				m.jobs = append(m.jobs, j)
			}
		}
	}
	return out
}

// job returns the job of an assignment that is not over.
func (m *model) job(ref warehouse.JobRef) *modelJob {
	for _, j := range m.jobs {
		if j.id == ref.ID && j.token == ref.Token && ref.Token != 0 {
			return j
		}
	}
	return nil
}

func (m *model) renewJobs(c RenewJobs) any {
	var lost []warehouse.JobRef
	for _, ref := range c.Jobs {
		if j := m.job(ref); j == nil || j.worker != c.Worker {
			lost = append(lost, ref)
		}
	}
	for _, j := range m.jobs {
		switch {
		case j.token == 0 || j.worker != c.Worker:
		case slices.Contains(c.Jobs, warehouse.JobRef{ID: j.id, Token: j.token}):
			j.until = m.now + warehouse.Micros(c.Lease.Microseconds())
		default:
			j.token = 0
		}
	}
	return lost
}

func (m *model) finishJob(c FinishJob) any {
	if f := m.lastFate(c.Job.ID); f.verdict == wasFinished && f.token == c.Job.Token {
		return Finished
	}
	j := m.job(c.Job)
	if j == nil {
		for _, p := range c.Outputs {
			if m.isLive(p.Object) || slices.Contains(m.dead, p.Object) {
				return Finished
			}
		}
		return JobLost
	}
	r := ReplaceParts{ID: j.id, Add: c.Outputs}
	for _, id := range j.inputs {
		r.Remove = append(r.Remove, PartRef{id, j.tenant, j.hour})
	}
	if m.swap(r, modelFate{j.id, m.now, wasFinished, j.token}, j.masked).Outcome != Replaced {
		return JobClashes
	}
	return Finished // and with its inputs, the job is gone
}

func (m *model) failJob(c FailJob) any {
	j := m.job(c.Job)
	if j == nil {
		return false
	}
	j.token = 0
	if c.Reason == "" {
		return false
	}
	j.failed++
	j.retry = m.now + warehouse.Micros(j.failed)*10e6
	return j.failed >= 3
}

func (m *model) fenceObjects(c FenceObjects) any {
	var out []warehouse.ObjectID
	for _, f := range c.Objects {
		running := slices.ContainsFunc(m.jobs, func(j *modelJob) bool { return j.token != 0 && j.tenant == f.Tenant && j.hour == f.Hour })
		if m.isLive(f.ID) || slices.Contains(m.dead, f.ID) || f.Tenant != "" && running {
			continue
		}
		if v := m.fate(f.ID); v == 0 || v == wasAborted {
			m.fates = append(m.fates, modelFate{id: f.ID, at: m.now, verdict: wasFenced})
		}
		out = append(out, f.ID)
	}
	return out
}
