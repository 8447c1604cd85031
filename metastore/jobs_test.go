package metastore

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// TestJobs: a worker's whole exchange with the metastore, over a restart.
func TestJobs(t *testing.T) {
	t.Parallel()
	c := newClock()
	dir := t.TempDir()
	options := func() Options {
		o := quiet(dir)
		o.Clock = c.read
		o.Policy = DefaultPolicy()
		o.Policy.MaxSegments = 3
		return o
	}
	n := start(t, options())
	jobs, err := n.TakeJobs(n.ctx(), "w", 5)
	require.NoError(t, err)
	require.Empty(t, jobs)
	before := n.fsm.view.Load().Index()
	_, err = n.TakeJobs(n.ctx(), "w", 5)
	require.NoError(t, err)
	require.Equal(t, before, n.fsm.view.Load().Index(), "nothing was written to ask for nothing")

	for i := range 3 {
		p := part(i+1, 0, tenant, hour0+1)
		p.Object = bornAt(i+1, c.read())
		n.mustAdd(&warehouse.Segment{ID: p.Object, Size: 1000, Parts: []warehouse.Part{p}})
	}
	require.True(t, n.HasJobs())
	jobs, err = n.TakeJobs(n.ctx(), "w", 0)
	require.NoError(t, err)
	require.Empty(t, jobs, "no room")
	jobs, err = n.TakeJobs(n.ctx(), "w", 5)
	require.NoError(t, err)
	require.Len(t, jobs, 1)
	made := c.read().Truncate(time.Millisecond)
	b := n.Backlog()
	require.Equal(t, Backlog{Running: 1, Levels: [3]LevelTotals{{3, 300}}, Oldest: warehouse.MicrosOf(made)}, b)
	require.Equal(t, 3, b.Parts())
	require.EqualValues(t, 300, b.Bytes())
	require.Equal(t, time.Minute, b.OldestAge(made.Add(time.Minute)))
	n.stop()

	n = start(t, options())
	lost, err := n.RenewJobs(n.ctx(), "w", []warehouse.JobRef{jobs[0].JobRef})
	require.NoError(t, err)
	require.Empty(t, lost, "a lease outlives a restart")
	lost, err = n.RenewJobs(n.ctx(), "w", nil)
	require.NoError(t, err)
	require.Empty(t, lost)
	again, err := n.TakeJobs(n.ctx(), "w", 5)
	require.NoError(t, err)
	require.Equal(t, jobs[0].ID, again[0].ID)

	out := part(50, 1, tenant, hour0+1)
	out.Object = bornAt(50, c.read())
	err = n.FinishJob(n.ctx(), again[0].JobRef, []warehouse.Part{out}, nil)
	require.ErrorContains(t, err, "the inputs have 15")
	require.Equal(t, warehouse.Internal, warehouse.KindOf(err), "it would lose rows")
	out.Sections[0].Rows = 15
	err = n.FinishJob(n.ctx(), jobs[0].JobRef, []warehouse.Part{out}, nil)
	require.Equal(t, warehouse.NotFound, warehouse.KindOf(err), "the old token: %v", err)
	bad := out
	bad.Datasets = nil
	require.Equal(t, warehouse.Invalid, warehouse.KindOf(n.FinishJob(n.ctx(), again[0].JobRef, []warehouse.Part{bad}, nil)))
	require.NoError(t, n.FinishJob(n.ctx(), again[0].JobRef, []warehouse.Part{out}, nil))
	require.NoError(t, n.FinishJob(n.ctx(), again[0].JobRef, []warehouse.Part{out}, nil), "asked again")
	require.Equal(t, []warehouse.ObjectID{out.Object}, n.live())

	for i := range 3 {
		p := part(i+101, 0, tenant, hour0+1)
		p.Object = bornAt(i+101, c.read())
		n.mustAdd(&warehouse.Segment{ID: p.Object, Size: 1000, Parts: []warehouse.Part{p}})
	}
	for range warehouse.MaxJobFailures {
		jobs, err = n.TakeJobs(n.ctx(), "w", 1)
		require.NoError(t, err)
		require.Len(t, jobs, 1)
		require.NoError(t, n.FailJob(n.ctx(), jobs[0].JobRef, "no"))
		c.pass(time.Minute)
	}
	require.Equal(t, 1, n.Backlog().SetAside)
	s, err := n.Snapshot(n.ctx())
	require.NoError(t, err)
	require.Len(t, s.Jobs(), 1)
	job := s.Jobs()[0]
	require.Equal(t, "no", job.Reason)
	require.True(t, job.SetAside)
	require.Equal(t, 3, job.Failures)
	require.EqualValues(t, 300, job.Bytes)
	require.Zero(t, job.LeaseEnd)
	dead := s.Tombstones()
	require.Len(t, dead, 3)
	require.Equal(t, TombstoneInfo{Object: bornAt(1, made), Tenant: tenant, Hour: hour0 + 1, Bytes: 100, At: warehouse.MicrosOf(made)}, dead[0])
	require.Equal(t, Totals{Parts: 4, Objects: 4, Bytes: 400}, s.Totals())
	s.Release()
	freed, err := n.ReleaseJobs(n.ctx(), nil)
	require.NoError(t, err)
	require.Equal(t, 1, freed)
	require.True(t, n.HasJobs())
}
