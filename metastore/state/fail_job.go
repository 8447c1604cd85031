package state

import (
	"strings"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// retryAfter is how long a job waits after its n-th failure, n times.
const retryAfter = 10 * time.Second

// maxReason is the longest reason that is kept, in bytes.
const maxReason = 1024

// FailJob gives an assignment back. A job that fails too often is set aside, and
// its parts with it: others go on. A job that was interrupted, rather than failed,
// has no reason, and that does not count. Its answer is a bool: the job is set
// aside now.
type FailJob struct {
	Job    warehouse.JobRef
	Reason string
}

// Kind returns KindFailJob.
func (FailJob) Kind() Kind { return KindFailJob }

func (c FailJob) appendTo(dst []byte) []byte {
	e := warehouse.NewEncoder(dst)
	encodeRef(e, c.Job)
	e.String(c.Reason)
	return e.Bytes()
}

func decodeFailJob(body []byte) (Command, error) {
	d := warehouse.NewDecoder("body", body)
	c := FailJob{Job: decodeRef(d), Reason: d.String()}
	return c, d.Finish()
}

func (c FailJob) apply(s *State, m moment) any {
	if s.draft.job(c.Job) == nil {
		return false
	}
	setAside := false
	s.editJobs(func(j *Job) *Job {
		if j.ID != c.Job.ID {
			return j
		}
		j.free()
		if c.Reason == "" {
			return j
		}
		j.Failures++
		j.Reason, j.FailedAt = strings.ToValidUTF8(c.Reason[:min(len(c.Reason), maxReason)], ""), m.at
		j.retry = satAdd(m.elapsed, micros(retryAfter)*warehouse.Micros(j.Failures))
		j.SetAside = j.Failures >= warehouse.MaxJobFailures
		setAside = j.SetAside
		return j
	})
	return setAside
}

// ReleaseJobs forgets jobs that were set aside, so that their parts are planned
// anew; without ids, all. Its answer is their number, an int.
type ReleaseJobs struct{ Jobs []warehouse.ObjectID }

// Kind returns KindReleaseJobs.
func (ReleaseJobs) Kind() Kind { return KindReleaseJobs }

func (c ReleaseJobs) appendTo(dst []byte) []byte {
	e := warehouse.NewEncoder(dst)
	encodeIDs(e, c.Jobs)
	return e.Bytes()
}

func decodeReleaseJobs(body []byte) (Command, error) {
	d := warehouse.NewDecoder("body", body)
	c := ReleaseJobs{Jobs: decodeIDs(d)}
	return c, d.Finish()
}

func (c ReleaseJobs) apply(s *State, _ moment) any {
	wanted := map[warehouse.ObjectID]bool{}
	for _, id := range c.Jobs {
		wanted[id] = true
	}
	before := len(s.draft.jobs)
	s.editJobs(func(j *Job) *Job {
		if j.SetAside && (len(c.Jobs) == 0 || wanted[j.ID]) {
			return nil
		}
		return j
	})
	return before - len(s.draft.jobs)
}
