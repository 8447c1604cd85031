package state

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

func (m *machine) delete(d *warehouse.Deletion) DeleteResult {
	m.t.Helper()
	return m.do(Delete{Deletion: d}).(DeleteResult)
}

// deletionOf returns what is known of a deletion.
func (m *machine) deletionOf(id warehouse.ObjectID) *Deletion {
	m.t.Helper()
	for _, d := range m.state.View().Deletions() {
		if d.ID == id {
			return d
		}
	}
	return nil
}

// partial deletes the minutes [10, 15) of the hour that start begins, half of a part.
func partial(n int, t warehouse.Tenant) *warehouse.Deletion {
	d := deletion(n, t, acme.hour, acme.hour+1)
	d.From, d.To = acme.hour.Start()+600e6, acme.hour.Start()+900e6
	return d
}

// machineWithDeletions has a deletion that waits, one that was applied and one that
// is done, a segment of which a part is gone, and a rule.
func machineWithDeletions(t testing.TB) *machine {
	m := newMachine(t)
	m.do(SetRetentionRule{Tenant: "acme", Rule: RetentionRule{Service: service, Keep: time.Hour}})
	for n := range 3 {
		m.flush(n+1, 100, acme, place{"globex", acme.hour})
		m.flush(n+11, 100, place{"initech", acme.hour})
	}
	m.pass(time.Minute)
	require.Equal(t, Deleted, m.delete(partial(51, "acme")).Outcome)
	require.Equal(t, 3, m.delete(deletion(52, "globex", acme.hour, acme.hour+1)).Dropped)
	d := deletion(53, "initech", acme.hour, acme.hour+1)
	d.Services, d.Selector = []string{service}, `{service_name="checkout"}`
	require.Equal(t, 3, m.delete(d).Dropped)
	var gone []warehouse.ObjectID
	for _, x := range m.state.View().Tombstones() {
		gone = append(gone, x.Part.Object)
	}
	require.Len(t, gone, 3)
	m.pass(time.Second)
	m.do(ForgetTombstones{Objects: gone})
	m.take("worker-1", 1)
	return m
}

// A part of which nothing remains goes at once; its object does when nobody else has
// a part of it, and only then the bytes are gone.
func TestDeleteWholeParts(t *testing.T) {
	t.Parallel()
	m := machineWithDeletions(t)
	v := m.state.View()
	assert.Empty(t, m.objects("globex"))
	assert.Len(t, m.objects("acme"), 3)
	assert.Empty(t, v.Masks("globex"))
	require.Len(t, v.Masks("acme"), 1)
	waits, applied, done := m.deletionOf(objectID(51)), m.deletionOf(objectID(52)), m.deletionOf(objectID(53))
	assert.Zero(t, waits.AppliedAt)
	assert.NotZero(t, applied.AppliedAt)
	assert.Zero(t, applied.GoneAt, "the segments hold its rows, and live for others")
	assert.Len(t, applied.Residue, 3)
	assert.NotZero(t, done.GoneAt)

	jobs := v.Jobs()
	require.Len(t, jobs, 1)
	job := &warehouse.Job{JobRef: warehouse.JobRef{ID: jobs[0].ID, Token: jobs[0].Token}, Tenant: "acme", Hour: acme.hour, Level: jobs[0].Level}
	out := part(61, job.Level, "acme", acme.hour)
	require.Equal(t, Finished, m.finish(job, out))
	require.NotZero(t, m.deletionOf(objectID(51)).AppliedAt)
	require.Equal(t, job.Token, m.state.View().Parts("acme", everything)[0].Masked)
	require.Zero(t, m.deletionOf(objectID(52)).GoneAt)
	m.do(ForgetTombstones{Objects: buried(m.state.View())})
	require.NotZero(t, m.deletionOf(objectID(51)).GoneAt)
	require.NotZero(t, m.deletionOf(objectID(52)).GoneAt)
	require.Empty(t, m.state.open)
	require.Empty(t, m.state.draft.remnants)

	m.pass(DeletionWindow - time.Minute)
	m.do(Expire{})
	require.Len(t, m.state.View().Deletions(), 3)
	m.pass(2 * time.Minute)
	m.do(Expire{})
	require.Empty(t, m.state.View().Deletions())
}

// What is registered behind a deletion stays, also when it is merged with what the
// deletion masks; a job from before gives a part that is still masked.
func TestDeleteTellsOldFromNew(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	p := busy()
	for n := range 3 {
		m.flush(n+1, 100, acme)
	}
	m.pass(time.Minute)
	before := m.takeBy(p, "w", 1)
	require.Len(t, before, 1)
	require.Empty(t, before[0].Masks)
	epoch := m.state.View().Epoch(partition("acme", acme.hour))
	r := m.delete(partial(51, "acme"))
	require.Equal(t, DeleteResult{Index: m.state.Index(), Masked: 3}, r)
	require.Equal(t, r.Index, m.state.View().Epoch(partition("acme", acme.hour)), "definitions go with the rows")
	require.Greater(t, r.Index, epoch)
	require.Equal(t, r, func() DeleteResult { again := m.delete(partial(51, "acme")); again.Masked = 3; return again }(), "asked again")
	fresh := m.flush(9, 100, acme)

	require.Empty(t, m.takeBy(p, "w", 1), "what the masks bind is in another job")
	require.Equal(t, Finished, m.finish(before[0], m.output(before[0], 21)))
	masks := m.state.View().Masks("acme")
	require.Len(t, masks, 1)
	for _, part := range m.state.View().Parts("acme", everything) {
		require.Equal(t, part.Object != fresh, masks[0].Masks(part))
	}
	// A plan that mixes both sides and has all that is bound applies the mask to one of them.
	both := []warehouse.ObjectID{}
	for _, part := range m.state.View().Parts("acme", everything) {
		both = append(both, part.Object)
	}
	jobs := m.do(TakeJobs{Worker: "w", Max: 1, Lease: time.Minute, Plans: []Plan{{Tenant: "acme", Hour: acme.hour, Level: 1, Inputs: both}}}).([]*warehouse.Job)
	require.Len(t, jobs, 1)
	require.Len(t, jobs[0].Masks, 1)
	require.Equal(t, Finished, m.finish(jobs[0], m.output(jobs[0], 22)))
	require.Empty(t, m.state.View().Masks("acme"))
	require.NotZero(t, m.deletionOf(objectID(51)).AppliedAt)
}

// A plan from before a deletion that has some of what it binds applies nothing, and
// is passed over if it also has something that is newer.
func TestPlansThatAreNotClosed(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a, b, c := m.flush(1, 100, acme), m.flush(2, 100, acme), m.flush(3, 100, acme)
	m.delete(partial(51, "acme"))
	d := m.flush(4, 100, acme)
	take := func(inputs ...warehouse.ObjectID) []*warehouse.Job {
		return m.do(TakeJobs{Worker: "w", Max: 1, Lease: time.Minute, Plans: []Plan{{Tenant: "acme", Hour: acme.hour, Level: 1, Inputs: inputs}}}).([]*warehouse.Job)
	}
	require.Empty(t, take(a, d), "old and new, and not all that is bound")
	jobs := take(a, b)
	require.Len(t, jobs, 1)
	require.Empty(t, jobs[0].Masks)
	require.Equal(t, Finished, m.finish(jobs[0], m.output(jobs[0], 21)))
	v := m.state.View()
	require.Len(t, v.Masks("acme"), 1)
	masked := map[warehouse.ObjectID]bool{}
	for _, p := range v.Parts("acme", everything) {
		masked[p.Object] = len(warehouse.MasksOf(v.Masks("acme"), p)) > 0
	}
	require.Equal(t, map[warehouse.ObjectID]bool{c: true, d: false, m.objects("acme")[2]: true}, masked)
}

// A job that waits is dropped when it would mix what a deletion tells apart.
func TestJobThatWaitedForTooLong(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a := m.flush(1, 100, acme)
	m.delete(partial(51, "acme"))
	b := m.flush(2, 100, acme)
	jobs := m.do(TakeJobs{Worker: "w", Max: 1, Lease: time.Minute, Plans: []Plan{{Tenant: "acme", Hour: acme.hour, Level: 1, Inputs: []warehouse.ObjectID{a, b}}}}).([]*warehouse.Job)
	require.Len(t, jobs[0].Masks, 1)
	m.do(FailJob{Job: jobs[0].JobRef})
	c := m.flush(3, 100, acme)
	m.delete(partial(52, "acme"))
	require.Empty(t, m.do(TakeJobs{Worker: "w", Max: 1, Lease: time.Minute}))
	require.Empty(t, m.state.View().Jobs())
	m.pass(time.Second)
	p := busy()
	again := m.takeBy(p, "w", 1)
	require.Len(t, again, 1)
	require.Len(t, again[0].Masks, 2)
	require.Len(t, again[0].Inputs, 3, "%s %s %s", a, b, c)
}

// The rewrite of a final part is planned although its hour is long over.
func TestDeleteInAFinalHour(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	at := place{"acme", hour0 - 3}
	m.flush(1, 100, at)
	m.flush(2, 100, at)
	m.pass(time.Minute)
	final := m.take("w", 1)
	require.Equal(t, uint8(warehouse.LevelFinal), final[0].Level)
	require.Equal(t, Finished, m.finish(final[0], m.output(final[0], 21)))
	require.Empty(t, m.take("w", 1))
	d := deletion(51, "acme", at.hour, at.hour+1)
	d.Series = []warehouse.SeriesID{5}
	require.Equal(t, 1, m.delete(d).Masked)
	require.Empty(t, m.take("w", 1), "more may follow")
	require.True(t, m.state.View().MayHaveJobs())
	m.pass(DefaultPolicy().MaskAge)
	jobs := m.take("w", 1)
	require.Len(t, jobs, 1)
	require.Equal(t, uint8(warehouse.LevelFinal), jobs[0].Level)
	require.Equal(t, Finished, m.finish(jobs[0]), "nothing may be left")
	require.Empty(t, m.objects("acme"))
	require.NotZero(t, m.deletionOf(objectID(51)).AppliedAt)
}

func TestTooManyDeletions(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.flush(1, 100, acme)
	for n := range MaxDeletions {
		require.Equal(t, Deleted, m.delete(partial(100+n, "acme")).Outcome)
	}
	require.Equal(t, DeleteResult{Outcome: TooManyDeletions}, m.delete(partial(99, "acme")))
	require.Equal(t, Deleted, m.delete(partial(98, "globex")).Outcome)
	require.Equal(t, DeletionClashes, m.delete(partial(98, "acme")).Outcome)
}

func TestRetentionRules(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	two := func(n int, h warehouse.Hour) {
		c := segment(n, nil, place{"acme", h})
		p := &c.Segment.Parts[0]
		p.Datasets = append(p.Datasets, warehouse.Dataset{Service: "longer", Types: []warehouse.TypeStats{{Type: cpu, Range: p.Range, Rows: 1}}})
		m.mustAdd(c)
	}
	two(1, hour0-3)
	two(2, hour0-10)
	m.flush(3, 100, place{"acme", hour0 - 3})
	m.flush(4, 100, place{"acme", hour0 - 11})
	m.do(SetRetention{Tenant: "acme", Retention: 6 * time.Hour})
	set := func(service, typ string, keep time.Duration) {
		require.Equal(t, false, m.do(SetRetentionRule{Tenant: "acme", Rule: RetentionRule{service, typ, keep}}))
	}
	set("longer", "", 0)
	set("", "alloc", 2*time.Hour)
	set(service, "", 3*time.Hour)
	set(service, "alloc", time.Hour)
	v := m.state.View()
	for _, tt := range []struct {
		service, typ string
		want         time.Duration
	}{
		{"longer", cpu, 0}, {"longer", "alloc", 0}, {"x", cpu, 6 * time.Hour}, {"x", "alloc", 2 * time.Hour}, {service, cpu, 3 * time.Hour}, {service, "alloc", time.Hour},
	} {
		assert.Equal(t, tt.want, v.RetentionOf("acme", tt.service, tt.typ), "%s %s", tt.service, tt.typ)
	}
	assert.Equal(t, 1, m.do(Expire{}), "the hour in which nothing is kept for longer")
	due := m.state.View().Overdue(m.at)
	require.Len(t, due, 1)
	assert.Equal(t, []string{service}, due[0].Services)
	assert.Equal(t, []string{cpu}, due[0].Types)
	assert.Equal(t, (hour0 - 2).Start(), due[0].To)
	due[0].ID = objectID(50)
	r := m.delete(due[0])
	assert.Equal(t, 3, r.Masked)
	assert.Empty(t, m.state.View().Overdue(m.at), "what is masked is not due")
	set(service, "", InheritRetention)
	assert.Equal(t, 6*time.Hour, m.state.View().RetentionOf("acme", service, cpu))
	assert.Len(t, m.state.View().RetentionRules("acme"), 3)
}
