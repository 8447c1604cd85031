package state

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Job is a compaction job: parts of one tenant and hour that are to be merged.
//
// Invariant: a part is in at most one job.
// Invariant: a published Job never changes; State replaces it by an edited copy.
type Job struct {
	ID     warehouse.ObjectID
	Tenant warehouse.Tenant
	Hour   warehouse.Hour
	Level  uint8 // of what is made
	Inputs []warehouse.ObjectID
	Bytes  int64            // of the inputs
	Since  warehouse.Micros // the leader's time when it was planned

	Token    uint64 // of the assignment; 0: it waits for a worker
	Worker   string
	until    warehouse.Micros // end of the lease, in elapsed time
	Attempts int

	Failures int
	Reason   string           // of the last failure
	FailedAt warehouse.Micros // the leader's time of it
	retry    warehouse.Micros // not before, in elapsed time
	SetAside bool             // failed too often: it waits for ReleaseJobs
}

// Jobs returns the jobs that wait, run or were set aside, in order of planning.
func (v *View) Jobs() []*Job { return v.jobs }

// jobID makes the id of the n-th job of a command.
func jobID(m moment, n int) (id warehouse.ObjectID) {
	_ = id.SetTime(uint64(max(m.at, 0)) / 1000) // the year 10889 is far
	binary.BigEndian.PutUint64(id[6:], m.index)
	binary.BigEndian.PutUint16(id[14:], uint16(n))
	return id
}

// editJobs replaces the draft's list of jobs by that of those which edit returns;
// it may change the job, which is a copy, and drops it by returning nil.
func (s *State) editJobs(edit func(*Job) *Job) {
	jobs := make([]*Job, 0, len(s.draft.jobs))
	for _, j := range s.draft.jobs {
		edited := *j
		if kept := edit(&edited); kept != nil {
			jobs = append(jobs, kept)
		}
	}
	s.draft.jobs = jobs
}

func (s *State) dropJob(id warehouse.ObjectID) {
	s.draft.jobs = slices.DeleteFunc(slices.Clone(s.draft.jobs), func(j *Job) bool { return j.ID == id })
}

// job returns the job that a reference names, or nil if it was assigned again, or
// is gone.
func (v *View) job(ref warehouse.JobRef) *Job {
	for _, j := range v.jobs {
		if j.ID == ref.ID && j.Token == ref.Token && j.Token != 0 {
			return j
		}
	}
	return nil
}

// partsOf returns a job's inputs, or nil if one is not live any more.
func (v *View) partsOf(j *Job) []*warehouse.Part {
	t := v.tenant(j.Tenant)
	if t == nil {
		return nil
	}
	i, ok := t.find(j.Hour)
	if !ok {
		return nil
	}
	parts := make([]*warehouse.Part, 0, len(j.Inputs))
	for _, p := range t.hours[i].parts {
		if slices.Contains(j.Inputs, p.Object) {
			parts = append(parts, p)
		}
	}
	if len(parts) != len(j.Inputs) {
		return nil
	}
	return parts
}

func encodeRefs(e *warehouse.Encoder, refs []warehouse.JobRef) {
	e.Uvarint(uint64(len(refs)))
	for i := range refs {
		e.Raw(refs[i].ID[:])
		e.Uvarint(refs[i].Token)
	}
}

func decodeRefs(d *warehouse.Decoder) []warehouse.JobRef {
	var refs []warehouse.JobRef
	for range d.Count(len(warehouse.ObjectID{}) + 1) {
		refs = append(refs, decodeRef(d))
	}
	return refs
}

func decodeRef(d *warehouse.Decoder) (r warehouse.JobRef) {
	copy(r.ID[:], d.Raw(len(r.ID)))
	r.Token = d.Uvarint()
	return r
}

// encodeJob appends a job as snapshots have it:
//
//	id[16] ‖ string(tenant) ‖ varint(hour) ‖ level[1] ‖ uvarint(n) ‖ n×id[16] ‖ size(bytes) ‖ varint(since)
//	   ‖ uvarint(token) ‖ string(worker) ‖ size(until) ‖ size(attempts)
//	   ‖ size(failures) ‖ string(reason) ‖ varint(failed at) ‖ size(retry) ‖ set aside[1]
func encodeJob(e *warehouse.Encoder, j *Job) {
	e.Raw(j.ID[:])
	e.String(string(j.Tenant))
	e.Varint(int64(j.Hour))
	e.Byte(j.Level)
	e.Uvarint(uint64(len(j.Inputs)))
	for i := range j.Inputs {
		e.Raw(j.Inputs[i][:])
	}
	e.Size(j.Bytes)
	e.Varint(int64(j.Since))
	e.Uvarint(j.Token)
	e.String(j.Worker)
	e.Size(int64(j.until))
	e.Size(int64(j.Attempts))
	e.Size(int64(j.Failures))
	e.String(j.Reason)
	e.Varint(int64(j.FailedAt))
	e.Size(int64(j.retry))
	setAside := byte(0)
	if j.SetAside {
		setAside = 1
	}
	e.Byte(setAside)
}

func (s *State) readJob(d *warehouse.Decoder) {
	j := &Job{}
	copy(j.ID[:], d.Raw(len(j.ID)))
	j.Tenant = warehouse.Tenant(d.String())
	j.Hour = warehouse.Hour(d.Varint())
	j.Level = d.Byte()
	for range d.Count(len(j.ID)) {
		var id warehouse.ObjectID
		copy(id[:], d.Raw(len(id)))
		j.Inputs = append(j.Inputs, id)
	}
	j.Bytes = d.Size()
	j.Since = warehouse.Micros(d.Varint())
	j.Token = d.Uvarint()
	j.Worker = d.String()
	j.until = warehouse.Micros(d.Size())
	j.Attempts = int(d.Size())
	j.Failures = int(d.Size())
	j.Reason = d.String()
	j.FailedAt = warehouse.Micros(d.Varint())
	j.retry = warehouse.Micros(d.Size())
	j.SetAside = d.Byte() == 1
	if d.Err() == nil {
		s.draft.jobs = append(s.draft.jobs, j)
	}
}

func micros(d time.Duration) warehouse.Micros { return warehouse.Micros(d.Microseconds()) }
