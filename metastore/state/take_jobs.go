package state

import (
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// TakeJobs gives jobs to a worker: those that wait, and then new ones as the policy
// wants them at the command's time. Its answer is the jobs, a []*warehouse.Job.
//
// A lease that has ended frees its job, which then gets another token. A job that
// has lost an input, to retention, is dropped.
type TakeJobs struct {
	Worker string
	Max    int
	Lease  time.Duration
	Policy Policy
}

// Kind returns KindTakeJobs.
func (TakeJobs) Kind() Kind { return KindTakeJobs }

func (c TakeJobs) appendTo(dst []byte) []byte {
	e := warehouse.NewEncoder(dst)
	e.String(c.Worker)
	p := &c.Policy
	for _, n := range []int64{
		int64(c.Max), int64(c.Lease), int64(p.MinSegments), int64(p.MaxSegments), int64(p.Age), int64(p.Share), p.SegmentBytes,
		int64(p.MaxBlocks), int64(p.Quiet), int64(p.LateShare), int64(p.MaxParts),
	} {
		e.Size(n)
	}
	return e.Bytes()
}

func decodeTakeJobs(body []byte) (Command, error) {
	d := warehouse.NewDecoder("body", body)
	c := TakeJobs{Worker: d.String(), Max: int(d.Size()), Lease: time.Duration(d.Size())}
	c.Policy = Policy{
		MinSegments: int(d.Size()), MaxSegments: int(d.Size()), Age: time.Duration(d.Size()), Share: int(d.Size()), SegmentBytes: d.Size(),
		MaxBlocks: int(d.Size()), Quiet: time.Duration(d.Size()), LateShare: int(d.Size()), MaxParts: int(d.Size()),
	}
	return c, d.Finish()
}

func (c TakeJobs) apply(s *State, m moment) any {
	var given []*warehouse.Job
	s.editJobs(func(j *Job) *Job {
		parts := s.draft.partsOf(j)
		if parts == nil {
			return nil
		}
		if j.Token != 0 && j.until <= m.elapsed {
			j.Token, j.Worker = 0, ""
		}
		if j.isWaiting(m.elapsed) && len(given) < c.Max {
			given = append(given, c.assign(j, parts, m))
		}
		return j
	})
	if len(given) == c.Max {
		return given
	}
	for n, k := range s.draft.candidates(&c.Policy, m.at) {
		if len(given) == c.Max {
			break
		}
		j := &Job{ID: jobID(m, n), Tenant: k.tenant, Hour: k.hour, Level: k.level, Since: m.at}
		for _, p := range k.inputs {
			j.Inputs = append(j.Inputs, p.Object)
			j.Bytes += p.SizeBytes()
		}
		given = append(given, c.assign(j, k.inputs, m))
		s.draft.jobs = append(s.draft.jobs, j) // editJobs has made the list ours
	}
	return given
}

// isWaiting reports whether a job may be given to a worker.
func (j *Job) isWaiting(elapsed warehouse.Micros) bool {
	return j.Token == 0 && !j.SetAside && j.retry <= elapsed
}

// assign gives a job to the worker.
func (c TakeJobs) assign(j *Job, parts []*warehouse.Part, m moment) *warehouse.Job {
	j.Token, j.Worker, j.until = m.index, c.Worker, satAdd(m.elapsed, micros(c.Lease))
	j.Attempts++
	return &warehouse.Job{
		JobRef: warehouse.JobRef{ID: j.ID, Token: j.Token},
		Tenant: j.Tenant, Hour: j.Hour, Level: j.Level, Inputs: parts, Attempt: j.Attempts,
	}
}

// HasJobs reports whether a TakeJobs at the time would give any.
func (v *View) HasJobs(p *Policy, now warehouse.Micros) bool {
	elapsed := v.clock.elapsed
	if now > v.clock.last {
		elapsed = satAdd(elapsed, now-v.clock.last)
	}
	for _, j := range v.jobs {
		if j.isWaiting(elapsed) || j.Token != 0 && j.until <= elapsed {
			return true
		}
	}
	return len(v.candidates(p, now)) > 0
}
