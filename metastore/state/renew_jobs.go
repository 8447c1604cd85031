package state

import (
	"slices"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// RenewJobs extends the leases of all that a worker has. What it does not name is
// not being worked on, perhaps since the worker was started anew: it is freed. Its
// answer is those that the worker does not have any more, a []warehouse.JobRef.
type RenewJobs struct {
	Worker string
	Lease  time.Duration
	Jobs   []warehouse.JobRef
}

// Kind returns KindRenewJobs.
func (RenewJobs) Kind() Kind { return KindRenewJobs }

func (c RenewJobs) appendTo(dst []byte) []byte {
	e := warehouse.NewEncoder(dst)
	e.String(c.Worker)
	e.Size(int64(c.Lease))
	encodeRefs(e, c.Jobs)
	return e.Bytes()
}

func decodeRenewJobs(body []byte) (Command, error) {
	d := warehouse.NewDecoder("body", body)
	c := RenewJobs{Worker: d.String(), Lease: time.Duration(d.Size()), Jobs: decodeRefs(d)}
	return c, d.Finish()
}

func (c RenewJobs) apply(s *State, m moment) any {
	var lost []warehouse.JobRef
	for _, ref := range c.Jobs {
		if j := s.draft.job(ref); j == nil || j.Worker != c.Worker {
			lost = append(lost, ref)
		}
	}
	s.editJobs(func(j *Job) *Job {
		if j.Token == 0 || j.Worker != c.Worker {
			return j
		}
		if slices.Contains(c.Jobs, warehouse.JobRef{ID: j.ID, Token: j.Token}) {
			j.until = satAdd(m.elapsed, micros(c.Lease))
		} else {
			j.free()
		}
		return j
	})
	return lost
}
