package state

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Job is a compaction job: parts of one tenant and hour that are to be merged.
//
// Invariant: its inputs are live, and a part is in at most one job.
// Invariant: a published Job never changes; State replaces it by an edited copy.
type Job struct {
	ID     warehouse.ObjectID
	Tenant warehouse.Tenant
	Hour   warehouse.Hour
	Level  uint8 // of what is made
	Inputs []warehouse.ObjectID
	Masked uint64           // of what is made: see warehouse.Part
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

// LeaseEnd returns when the lease of a job ends, in the leader's time if that runs
// on from the view's; 0 if nobody has it.
func (v *View) LeaseEnd(j *Job) warehouse.Micros {
	if j.Token == 0 {
		return 0
	}
	return satAdd(v.clock.last, max(j.until-v.clock.elapsed, 0))
}

// isWaiting reports whether a job may be given to a worker.
func (j *Job) isWaiting(elapsed warehouse.Micros) bool {
	return j.Token == 0 && !j.SetAside && j.retry <= elapsed
}

// hasEnded reports whether somebody has the job whose lease is over.
func (j *Job) hasEnded(elapsed warehouse.Micros) bool { return j.Token != 0 && j.until <= elapsed }

// free makes a job one that waits for a worker.
func (j *Job) free() { j.Token, j.Worker, j.until = 0, "", 0 }

// jobID makes the id of the n-th job of a command.
func jobID(m moment, n int) (id warehouse.ObjectID) {
	_ = id.SetTime(uint64(max(m.at, 0)) / 1000) // the year 10889 is far
	binary.BigEndian.PutUint64(id[6:], m.index)
	binary.BigEndian.PutUint16(id[14:], uint16(n))
	return id
}

// addJob adds a job. Its inputs are free.
func (s *State) addJob(j *Job) {
	s.draft.jobs = append(slices.Clip(s.draft.jobs), j) // views share the list
	for _, id := range j.Inputs {
		s.claims[PartRef{id, j.Tenant, j.Hour}] = j.ID
	}
}

// editJobs replaces the draft's list of jobs by that of those which edit returns;
// it may change the job, which is a copy, and drops it by returning nil.
func (s *State) editJobs(edit func(*Job) *Job) {
	jobs := make([]*Job, 0, len(s.draft.jobs))
	for _, j := range s.draft.jobs {
		edited := *j
		if kept := edit(&edited); kept != nil {
			jobs = append(jobs, kept)
			continue
		}
		for _, id := range j.Inputs {
			delete(s.claims, PartRef{id, j.Tenant, j.Hour})
		}
	}
	s.draft.jobs = jobs
}

func (s *State) dropJob(id warehouse.ObjectID) {
	s.editJobs(func(j *Job) *Job {
		if j.ID == id {
			return nil
		}
		return j
	})
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

// Job returns the job that a reference names, with its inputs in order of
// registration, or nil if it was assigned again, or is gone.
func (v *View) Job(ref warehouse.JobRef) (*Job, []*warehouse.Part) {
	j := v.job(ref)
	if j == nil {
		return nil, nil
	}
	return j, v.partsOf(j.Tenant, j.Hour, j.Inputs)
}

// partsOf returns the parts of an hour that objects have, in order of registration,
// or nil if one is not live or named twice.
func (v *View) partsOf(name warehouse.Tenant, at warehouse.Hour, objects []warehouse.ObjectID) []*warehouse.Part {
	t := v.tenant(name)
	if t == nil {
		return nil
	}
	i, ok := t.find(at)
	if !ok {
		return nil
	}
	wanted := make(map[warehouse.ObjectID]struct{}, len(objects))
	for _, id := range objects {
		wanted[id] = struct{}{}
	}
	parts := make([]*warehouse.Part, 0, len(objects))
	for _, p := range t.hours[i].parts {
		if _, ok := wanted[p.Object]; ok {
			parts = append(parts, p)
		}
	}
	if len(parts) != len(objects) {
		return nil
	}
	return parts
}

func encodeRefs(e *warehouse.Encoder, refs []warehouse.JobRef) {
	e.Uvarint(uint64(len(refs)))
	for i := range refs {
		encodeRef(e, refs[i])
	}
}

func decodeRefs(d *warehouse.Decoder) []warehouse.JobRef {
	var refs []warehouse.JobRef
	for range d.Count(len(warehouse.ObjectID{}) + 1) {
		refs = append(refs, decodeRef(d))
	}
	return refs
}

func encodeRef(e *warehouse.Encoder, r warehouse.JobRef) {
	e.Raw(r.ID[:])
	e.Uvarint(r.Token)
}

func decodeRef(d *warehouse.Decoder) (r warehouse.JobRef) {
	copy(r.ID[:], d.Raw(len(r.ID)))
	r.Token = d.Uvarint()
	return r
}

func encodeIDs(e *warehouse.Encoder, ids []warehouse.ObjectID) {
	e.Uvarint(uint64(len(ids)))
	for i := range ids {
		e.Raw(ids[i][:])
	}
}

func decodeIDs(d *warehouse.Decoder) []warehouse.ObjectID {
	n := d.Count(len(warehouse.ObjectID{}))
	if n == 0 {
		return nil
	}
	ids := make([]warehouse.ObjectID, n)
	for i := range ids {
		copy(ids[i][:], d.Raw(len(ids[i])))
	}
	return ids
}

// encodeJob appends a job as snapshots have it:
//
//	id[16] ‖ string(tenant) ‖ varint(hour) ‖ level[1] ‖ uvarint(n) ‖ n×id[16] ‖ size(bytes) ‖ varint(since)
//	   ‖ uvarint(token) ‖ string(worker) ‖ size(until) ‖ size(attempts)
//	   ‖ size(failures) ‖ string(reason) ‖ varint(failed at) ‖ size(retry) ‖ bool(set aside)
//	   ‖ uvarint(masked), from version 3 on
func encodeJob(e *warehouse.Encoder, j *Job) {
	e.Raw(j.ID[:])
	e.String(string(j.Tenant))
	e.Varint(int64(j.Hour))
	e.Byte(j.Level)
	encodeIDs(e, j.Inputs)
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
	e.Bool(j.SetAside)
	e.Uvarint(j.Masked)
}

func (s *State) readJob(d *warehouse.Decoder) {
	j := &Job{}
	copy(j.ID[:], d.Raw(len(j.ID)))
	j.Tenant = warehouse.Tenant(d.String())
	j.Hour = warehouse.Hour(d.Varint())
	j.Level = d.Byte()
	j.Inputs = decodeIDs(d)
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
	j.SetAside = d.Bool()
	if s.reading >= 3 {
		j.Masked = d.Uvarint()
	}
	switch {
	case d.Err() != nil:
	case s.freeParts(j.Tenant, j.Hour, j.Inputs) == nil:
		d.Failf("job %s: an input is not there or in another job", j.ID)
	default:
		s.addJob(j)
	}
}

// freeParts returns the parts of an hour that objects have, or nil if one is not
// live, is in a job, or if there are none.
func (s *State) freeParts(t warehouse.Tenant, h warehouse.Hour, objects []warehouse.ObjectID) []*warehouse.Part {
	for _, id := range objects {
		if _, ok := s.claims[PartRef{id, t, h}]; ok {
			return nil
		}
	}
	if len(objects) == 0 {
		return nil
	}
	return s.draft.partsOf(t, h, objects)
}

func micros(d time.Duration) warehouse.Micros { return warehouse.Micros(d.Microseconds()) }
