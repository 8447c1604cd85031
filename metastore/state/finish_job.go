package state

import (
	"fmt"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// FinishOutcome is what became of a FinishJob.
type FinishOutcome uint8

// The outcomes.
const (
	Finished    FinishOutcome = iota // done, now or already before
	JobLost                          // refused: the assignment is over
	JobObsolete                      // refused: an input is gone, and with it the job
	JobClashes                       // refused: an object that it makes is known already
)

// String returns the outcome in words.
func (o FinishOutcome) String() string {
	switch o {
	case Finished:
		return "finished"
	case JobLost:
		return "lost"
	case JobObsolete:
		return "obsolete"
	case JobClashes:
		return "clashes"
	}
	return fmt.Sprintf("outcome(%d)", uint8(o))
}

// FinishJob swaps a job's inputs for what was made of them, in one step; see
// [ReplaceParts]. Its answer is a FinishOutcome; a refusal changes no part. A job
// that was finished before is answered with Finished and changes nothing.
type FinishJob struct {
	Job     warehouse.JobRef
	Outputs []warehouse.Part // each the only part of its object
}

// Kind returns KindFinishJob.
func (FinishJob) Kind() Kind { return KindFinishJob }

func (c FinishJob) appendTo(dst []byte) []byte {
	e := warehouse.NewEncoder(dst)
	e.Raw(c.Job.ID[:])
	e.Uvarint(c.Job.Token)
	e.Uvarint(uint64(len(c.Outputs)))
	for i := range c.Outputs {
		e.Part(&c.Outputs[i])
	}
	return e.Bytes()
}

func decodeFinishJob(body []byte) (Command, error) {
	d := warehouse.NewDecoder("body", body)
	c := FinishJob{Job: decodeRef(d)}
	for range d.Count(minFullPart) {
		c.Outputs = append(c.Outputs, *d.Part())
	}
	return c, d.Finish()
}

func (c FinishJob) apply(s *State, m moment) any {
	if s.fates.byID[c.Job.ID] == wasReplaced {
		return Finished
	}
	j := s.draft.job(c.Job)
	if j == nil {
		return JobLost
	}
	swap := ReplaceParts{ID: j.ID, Add: c.Outputs}
	for _, id := range j.Inputs {
		swap.Remove = append(swap.Remove, PartRef{Object: id, Tenant: j.Tenant, Hour: j.Hour})
	}
	switch swap.apply(s, m).(ReplaceResult).Outcome {
	case InputGone:
		s.dropJob(j.ID)
		return JobObsolete
	case OutputExists:
		return JobClashes
	}
	s.dropJob(j.ID)
	return Finished
}
