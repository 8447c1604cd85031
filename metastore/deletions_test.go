package metastore

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

const cpu = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"

// typed is a part that has profiles of one type.
func typed(n int, level uint8) warehouse.Part {
	p := part(n, level, tenant, hour0)
	p.Datasets[0].Types = []warehouse.TypeStats{{Type: cpu, Range: p.Range, Rows: 5}}
	return p
}

func (c *collected) storeTyped(n int) {
	c.t.Helper()
	p := typed(n, 0)
	c.bucket.put(c.t, p)
	c.mustAdd(&warehouse.Segment{ID: p.Object, Size: 1000, Parts: []warehouse.Part{p}})
}

// half deletes the first half of the hour's parts.
func half() *warehouse.Deletion {
	p := part(1, 0, tenant, hour0)
	return &warehouse.Deletion{
		Tenant: tenant, From: p.Range.From, To: p.Range.From + (p.Range.To-p.Range.From)/2, Selector: "{}", Reason: warehouse.DeletedByOperator,
	}
}

// TestDelete: what is deleted is told apart by snapshots, survives a restart, and is
// done when its objects are deleted.
func TestDelete(t *testing.T) {
	t.Parallel()
	c := startCollected(t, nil)
	c.storeTyped(1)
	before, err := c.Snapshot(c.ctx())
	require.NoError(t, err)
	d := half()
	r, err := c.Delete(c.ctx(), d)
	require.NoError(t, err)
	require.Equal(t, 1, r.Masked)
	require.NotZero(t, d.ID)
	again, err := c.Delete(c.ctx(), d)
	require.NoError(t, err)
	require.Equal(t, r.Index, again.Index)
	require.Empty(t, before.Deletions(tenant))
	before.Release()

	s, err := c.Snapshot(c.ctx())
	require.NoError(t, err)
	defer s.Release()
	require.Len(t, s.Deletions(tenant), 1)
	require.Empty(t, s.Deletions("another"))
	infos := s.DeletionInfos(tenant)
	require.Len(t, infos, 1)
	assert.Equal(t, 1, infos[0].Parts)
	assert.EqualValues(t, 100, infos[0].Bytes)
	assert.Zero(t, infos[0].AppliedAt)
	assert.EqualValues(t, 2, valueOf(t, c.metrics.deletions.WithLabelValues("operator")))

	c.clock.pass(time.Second)
	jobs, err := c.TakeJobs(c.ctx(), "w", 1)
	require.NoError(t, err)
	require.Len(t, jobs, 1)
	require.Equal(t, s.Deletions(tenant)[0].ID, jobs[0].Masks[0].ID)
	require.NoError(t, c.FinishJob(c.ctx(), jobs[0].JobRef, nil, []warehouse.Removed{{Service: service, Type: cpu, Samples: 5}}))
	require.Empty(t, c.live())
	s.Release()
	require.NoError(t, c.collect(t.Context()))
	s, err = c.Snapshot(c.ctx())
	require.NoError(t, err)
	require.NotZero(t, s.DeletionInfos(tenant)[0].GoneAt)
	assert.EqualValues(t, 5, valueOf(t, c.metrics.deletedRows.WithLabelValues("samples")))
}

// TestFinishJobAccountsForWhatIsDeleted: rows may be missing only where masks allow it,
// and as many as the worker says.
func TestFinishJobAccountsForWhatIsDeleted(t *testing.T) {
	t.Parallel()
	c := startCollected(t, nil)
	c.storeTyped(1)
	_, err := c.Delete(c.ctx(), half())
	require.NoError(t, err)
	c.clock.pass(time.Second)
	jobs, err := c.TakeJobs(c.ctx(), "w", 1)
	require.NoError(t, err)
	out := typed(50, 1)
	out.Sections[0].Rows, out.Datasets[0].Types[0].Rows = 2, 2
	finish := func(removed ...warehouse.Removed) error {
		return c.FinishJob(c.ctx(), jobs[0].JobRef, []warehouse.Part{out}, removed)
	}
	for name, err := range map[string]error{
		"nothing was left out":  finish(),
		"too few":               finish(warehouse.Removed{Service: service, Type: cpu, Samples: 2}),
		"more than there are":   finish(warehouse.Removed{Service: service, Type: cpu, Samples: 6}),
		"of another service":    finish(warehouse.Removed{Service: "x", Type: cpu, Samples: 3}),
		"twice":                 finish(warehouse.Removed{Service: service, Type: cpu, Samples: 1}, warehouse.Removed{Service: service, Type: cpu, Samples: 2}),
		"profiles as well":      finish(warehouse.Removed{Service: service, Type: cpu, Samples: 3, Profiles: 1}),
		"less than nothing":     finish(warehouse.Removed{Service: service, Type: cpu, Samples: 3, Profiles: -1}),
		"a service of no input": finish(warehouse.Removed{Service: service, Type: cpu, Samples: 3}, warehouse.Removed{Service: "x", Type: cpu}),
	} {
		require.Error(t, err, name)
		require.Equal(t, warehouse.Internal, warehouse.KindOf(err), name)
	}
	require.NoError(t, finish(warehouse.Removed{Service: service, Type: cpu, Samples: 3}))
}

func TestDeleteRefuses(t *testing.T) {
	t.Parallel()
	c := startCollected(t, nil)
	for name, tt := range map[string]struct {
		change func(*warehouse.Deletion)
		kind   warehouse.Kind
		want   string
	}{
		"no time":       {func(d *warehouse.Deletion) { d.To = d.From }, warehouse.Invalid, "is not before to"},
		"a bad tenant":  {func(d *warehouse.Deletion) { d.Tenant = "" }, warehouse.Invalid, "tenant"},
		"not sorted":    {func(d *warehouse.Deletion) { d.Services = []string{"b", "a"} }, warehouse.Invalid, "not sorted"},
		"no reason":     {func(d *warehouse.Deletion) { d.Reason = 0 }, warehouse.Invalid, "reason"},
		"many series":   {func(d *warehouse.Deletion) { d.Series = numbered(MaxDeletionSeries + 1) }, warehouse.Limit, "the limit is 131072"},
		"many services": {func(d *warehouse.Deletion) { d.Services = names(MaxDeletionServices + 1) }, warehouse.Limit, "the limit is 4096"},
	} {
		d := half()
		tt.change(d)
		_, err := c.Delete(c.ctx(), d)
		require.ErrorContains(t, err, tt.want, name)
		require.Equal(t, tt.kind, warehouse.KindOf(err), name)
	}
	require.Equal(t, warehouse.Invalid, warehouse.KindOf(c.SetRetentionRule(c.ctx(), tenant, RetentionRule{Keep: time.Hour})))
	require.Equal(t, warehouse.Invalid, warehouse.KindOf(c.SetRetentionRule(c.ctx(), tenant, RetentionRule{Type: "x", Keep: time.Hour})))
	require.Equal(t, warehouse.Invalid, warehouse.KindOf(c.SetRetentionRule(c.ctx(), tenant, RetentionRule{Service: "x", Keep: -5})))
}

func numbered(n int) (out []warehouse.SeriesID) {
	for i := range n {
		out = append(out, warehouse.SeriesID(i))
	}
	return out
}

func names(n int) (out []string) {
	for i := range n {
		out = append(out, string([]byte{byte('a' + i/676), byte('a' + i/26%26), byte('a' + i%26)}))
	}
	return out
}

// TestRetentionOfRules: what a rule does not keep is deleted by the leader, and what a
// rule keeps stays beyond the tenant's retention.
func TestRetentionOfRules(t *testing.T) {
	t.Parallel()
	c := startCollected(t, func(o *Options) { o.Retention = 24 * time.Hour })
	c.storeTyped(1)
	require.NoError(t, c.SetRetentionRule(c.ctx(), tenant, RetentionRule{Service: service, Keep: 48 * time.Hour}))
	now := (hour0 + 1).Start().Time()
	require.NoError(t, c.retain(t.Context(), now.Add(47*time.Hour)))
	require.Len(t, c.live(), 1, "the rule counts, not the tenant's retention")
	require.NoError(t, c.SetRetentionRule(c.ctx(), tenant, RetentionRule{Type: cpu, Keep: time.Hour}))
	require.NoError(t, c.retain(t.Context(), now.Add(47*time.Hour)))
	require.Len(t, c.live(), 1, "that about the service comes first")
	require.NoError(t, c.SetRetentionRule(c.ctx(), tenant, RetentionRule{Service: service, Keep: InheritRetention}))
	require.NoError(t, c.retain(t.Context(), now.Add(time.Hour)))
	require.Empty(t, c.live())

	s, err := c.Snapshot(c.ctx())
	require.NoError(t, err)
	defer s.Release()
	require.Equal(t, RetentionInfo{Default: 24 * time.Hour, Own: InheritRetention, Rules: []RetentionRule{{Type: cpu, Keep: time.Hour}}}, s.RetentionInfo(tenant))
	require.Equal(t, c.clock.read().Add(-time.Hour).UnixMicro(), int64(c.Oldest(tenant, service, []string{cpu})))
	require.Equal(t, c.clock.read().Add(-24*time.Hour).UnixMicro(), int64(c.Oldest(tenant, service, []string{cpu, "another"})), "the longest counts")
}
