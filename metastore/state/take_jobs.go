package state

import (
	"math"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Plan is a job that the leader wants: parts of one tenant and hour to be merged.
type Plan struct {
	Tenant warehouse.Tenant
	Hour   warehouse.Hour
	Level  uint8                // of what is made
	Inputs []warehouse.ObjectID // at least one
}

// TakeJobs gives jobs to a worker: first those that wait, then new ones, in the
// order of the plans. A plan is passed over if one of its parts is not live any
// more, or in a job, or if it would mix rows that a deletion tells apart; a job that
// waits is dropped for the last. Its answer is the jobs, a []*warehouse.Job.
//
// A lease that has ended frees its job, which then gets another token.
//
// Why plans come in the command: how they are made will change, and replicas of
// different builds, and a replay years later, must still give the same jobs.
type TakeJobs struct {
	Worker string
	Max    int
	Lease  time.Duration
	Plans  []Plan
}

const minPlanBytes = 4

// Kind returns KindTakeJobs.
func (TakeJobs) Kind() Kind { return KindTakeJobs }

func (c TakeJobs) appendTo(dst []byte) []byte {
	e := warehouse.NewEncoder(dst)
	e.String(c.Worker)
	e.Size(int64(c.Max))
	e.Size(int64(c.Lease))
	e.Uvarint(uint64(len(c.Plans)))
	for i := range c.Plans {
		p := &c.Plans[i]
		e.String(string(p.Tenant))
		e.Varint(int64(p.Hour))
		e.Byte(p.Level)
		encodeIDs(e, p.Inputs)
	}
	return e.Bytes()
}

func decodeTakeJobs(body []byte) (Command, error) {
	d := warehouse.NewDecoder("body", body)
	c := TakeJobs{Worker: d.String(), Max: int(d.Size()), Lease: time.Duration(d.Size())}
	for range d.Count(minPlanBytes) {
		c.Plans = append(c.Plans, Plan{
			Tenant: warehouse.Tenant(d.String()), Hour: warehouse.Hour(d.Varint()), Level: d.Byte(), Inputs: decodeIDs(d),
		})
	}
	return c, d.Finish()
}

func (c TakeJobs) apply(s *State, m moment) any {
	var given []*warehouse.Job
	s.editJobs(func(j *Job) *Job {
		if j.hasEnded(m.elapsed) {
			j.free()
		}
		if len(given) < c.Max && j.isWaiting(m.elapsed) {
			parts := s.draft.partsOf(j.Tenant, j.Hour, j.Inputs)
			how, ok := s.draft.treat(j.Tenant, j.Hour, parts, m.index)
			if !ok {
				return nil // something was deleted since: its parts are planned anew
			}
			given = append(given, c.assign(j, parts, how, m))
		}
		return j
	})
	for n := 0; n < len(c.Plans) && n <= math.MaxUint16 && len(given) < c.Max; n++ {
		p := &c.Plans[n]
		parts := s.freeParts(p.Tenant, p.Hour, p.Inputs)
		if parts == nil || p.Level == 0 {
			continue
		}
		how, ok := s.draft.treat(p.Tenant, p.Hour, parts, m.index)
		if !ok {
			continue // the plan is from before a deletion
		}
		j := &Job{ID: jobID(m, n), Tenant: p.Tenant, Hour: p.Hour, Level: p.Level, Inputs: p.Inputs, Since: m.at}
		for _, part := range parts {
			j.Bytes += part.SizeBytes()
		}
		given = append(given, c.assign(j, parts, how, m))
		s.addJob(j)
	}
	return given
}

// assign gives a job to the worker.
func (c TakeJobs) assign(j *Job, parts []*warehouse.Part, how treatment, m moment) *warehouse.Job {
	j.Token, j.Worker, j.until = m.index, c.Worker, satAdd(m.elapsed, micros(c.Lease))
	j.Attempts++
	j.Masked = how.masked
	return &warehouse.Job{
		JobRef: warehouse.JobRef{ID: j.ID, Token: j.Token},
		Tenant: j.Tenant, Hour: j.Hour, Level: j.Level, Inputs: parts, Attempt: j.Attempts, Masks: how.masks,
	}
}
