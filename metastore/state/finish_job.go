package state

import (
	"fmt"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// FinishOutcome is what became of a FinishJob.
type FinishOutcome uint8

// The outcomes.
const (
	Finished   FinishOutcome = iota // done, now or already before
	JobLost                         // refused: the assignment is over, or an input is gone
	JobClashes                      // refused: an object that it makes is known already
)

// String returns the outcome in words.
func (o FinishOutcome) String() string {
	switch o {
	case Finished:
		return "finished"
	case JobLost:
		return "lost"
	case JobClashes:
		return "clashes"
	}
	return fmt.Sprintf("outcome(%d)", uint8(o))
}

// FinishJob swaps a job's inputs for what was made of them, in one step; see
// [ReplaceParts]. Its answer is a FinishOutcome; a refusal changes nothing.
//
// The assignment that finished a job is answered with Finished again; any other of
// the same job is over. Long after, when that is forgotten, it is known by its
// objects, which nobody else has made: a worker that was told that they never
// became live would delete them.
type FinishJob struct {
	Job     warehouse.JobRef
	Outputs []warehouse.Part // each the only part of its object
}

// Kind returns KindFinishJob.
func (FinishJob) Kind() Kind { return KindFinishJob }

func (c FinishJob) appendTo(dst []byte) []byte {
	e := warehouse.NewEncoder(dst)
	encodeRef(e, c.Job)
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
	if f := s.fates.byID[c.Job.ID]; f.verdict == wasFinished && f.token == c.Job.Token {
		return Finished
	}
	j := s.draft.job(c.Job)
	switch {
	case j == nil && c.hasMade(s):
		return Finished
	case j == nil:
		return JobLost
	}
	change := ReplaceParts{ID: j.ID, Add: c.Outputs}
	for i := range c.Outputs {
		c.Outputs[i].Masked = j.Masked
	}
	for _, id := range j.Inputs {
		change.Remove = append(change.Remove, PartRef{Object: id, Tenant: j.Tenant, Hour: j.Hour})
	}
	if _, refused := change.refuse(s); refused {
		return JobClashes // its inputs are live: see Job
	}
	s.dropJob(j.ID)
	change.swap(s, m)
	s.seal(fate{id: j.ID, verdict: wasFinished, token: c.Job.Token}, m)
	return Finished
}

// hasMade reports whether an object that the job made is live, or was.
func (c FinishJob) hasMade(s *State) bool {
	for i := range c.Outputs {
		if s.isKnown(c.Outputs[i].Object) {
			return true
		}
	}
	return false
}
