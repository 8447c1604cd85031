package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// JobAdmin is what an operator can do about compaction jobs.
type JobAdmin interface {
	// Jobs returns the jobs of all tenants that are not done, in order of planning.
	Jobs(ctx context.Context) ([]JobStatus, error)

	// ReleaseJobs lets the parts of jobs that were set aside be planned anew, those of
	// all without ids. It returns their number.
	ReleaseJobs(ctx context.Context, ids []warehouse.ObjectID) (int, error)
}

// AdminJob is a job in the answer to GET /api/v1/admin/jobs.
type AdminJob struct {
	ID       string     `json:"id"`
	Tenant   string     `json:"tenant"`
	Hour     string     `json:"hour"` // 2006-01-02T15, UTC
	Level    int        `json:"level"`
	Inputs   int        `json:"inputs"`
	Bytes    int64      `json:"bytes"`
	State    string     `json:"state"`
	Worker   string     `json:"worker,omitempty"`
	Attempts int        `json:"attempts"`
	Failures int        `json:"failures"`
	Reason   string     `json:"reason,omitempty"`
	Since    time.Time  `json:"since"`
	FailedAt *time.Time `json:"failed_at,omitempty"`
}

// AdminJobs is the answer to GET /api/v1/admin/jobs.
type AdminJobs struct {
	Jobs []AdminJob `json:"jobs"`
}

// ReleaseJobsRequest is the body of POST /api/v1/admin/jobs/release: ids, or all.
type ReleaseJobsRequest struct {
	Jobs []string `json:"jobs,omitempty"`
	All  bool     `json:"all,omitempty"`
}

// ReleaseJobsAnswer is the answer to it.
type ReleaseJobsAnswer struct {
	Released int `json:"released"`
}

// adminJobs lists the jobs of all tenants.
func (s *Server) adminJobs(x *exchange, r *http.Request) error {
	if s.jobs == nil {
		return unsupported("listing jobs is")
	}
	jobs, err := s.jobs.Jobs(r.Context())
	if err != nil {
		return err
	}
	out := AdminJobs{Jobs: make([]AdminJob, 0, len(jobs))}
	for i := range jobs {
		j := &jobs[i]
		a := AdminJob{
			ID: j.ID, Tenant: string(j.Tenant), Hour: j.Hour.String(), Level: j.Level, Inputs: j.Inputs, Bytes: j.Bytes,
			State: j.State, Worker: j.Worker, Attempts: j.Attempts, Failures: j.Failures, Reason: j.Reason, Since: j.Since,
		}
		if !j.FailedAt.IsZero() {
			a.FailedAt = &j.FailedAt
		}
		out.Jobs = append(out.Jobs, a)
	}
	return writeJSON(x, out)
}

// adminReleaseJobs lets jobs that were set aside be planned anew.
func (s *Server) adminReleaseJobs(x *exchange, r *http.Request) error {
	if s.jobs == nil {
		return unsupported("releasing jobs is")
	}
	ids, err := releaseRequest(r.Body)
	if err != nil {
		return err
	}
	n, err := s.jobs.ReleaseJobs(r.Context(), ids)
	if err != nil {
		return err
	}
	return writeJSON(x, ReleaseJobsAnswer{Released: n})
}

// releaseRequest returns the ids that a body names; none stand for all.
func releaseRequest(body io.Reader) ([]warehouse.ObjectID, error) {
	var req ReleaseJobsRequest
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(&req); err != nil {
		var known *warehouse.Error
		if errors.As(err, &known) {
			return nil, err
		}
		return nil, warehouse.Errorf(warehouse.Invalid, "body: %w: want {\"jobs\": [\"ID\"]} or {\"all\": true}", err)
	}
	if req.All == (len(req.Jobs) > 0) {
		return nil, warehouse.Errorf(warehouse.Invalid, "body: want either \"jobs\" or \"all\"")
	}
	ids := make([]warehouse.ObjectID, len(req.Jobs))
	for i, text := range req.Jobs {
		id, err := ulid.ParseStrict(text)
		if err != nil {
			return nil, warehouse.Errorf(warehouse.Invalid, "jobs: %.64q is no id of a job: %w", text, err)
		}
		ids[i] = id
	}
	return ids, nil
}
