package state

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// born is the id of the n-th object, made at a time.
func born(n int, at warehouse.Micros) warehouse.ObjectID {
	id := objectID(n)
	_ = id.SetTime(uint64(at) / 1000)
	return id
}

// flush adds a segment of n samples that is made now.
func (m *machine) flush(n int, size int64, places ...place) warehouse.ObjectID {
	m.t.Helper()
	c := segment(n, nil, places...)
	c.Segment.ID = born(n, m.at)
	for i := range c.Segment.Parts {
		c.Segment.Parts[i].Object = c.Segment.ID
		c.Segment.Parts[i].Sections[0].Size = size
	}
	m.mustAdd(c)
	return c.Segment.ID
}

// take leases up to so many jobs to a worker, as the leader does.
func (m *machine) take(worker string, most int) []*warehouse.Job {
	m.t.Helper()
	return m.takeBy(DefaultPolicy(), worker, most)
}

func (m *machine) takeBy(p Policy, worker string, most int) []*warehouse.Job {
	m.t.Helper()
	v := m.state.View()
	has := v.HasJobs(&p, m.at)
	jobs := m.do(TakeJobs{Worker: worker, Max: most, Lease: time.Minute, Plans: v.Plans(&p, m.at, most)}).([]*warehouse.Job)
	require.Equal(m.t, has, len(jobs) > 0 || most == 0, "HasJobs foretells TakeJobs")
	return jobs
}

// output is a block of a job that is made now.
func (m *machine) output(j *warehouse.Job, n int) warehouse.Part {
	p := part(n, j.Level, j.Tenant, j.Hour)
	p.Object = born(n, m.at)
	p.Sections[0].Size = 0
	for _, in := range j.Inputs {
		p.Sections[0].Size += in.SizeBytes()
	}
	return p
}

func (m *machine) finish(j *warehouse.Job, outputs ...warehouse.Part) FinishOutcome {
	m.t.Helper()
	return m.do(FinishJob{Job: j.JobRef, Outputs: outputs}).(FinishOutcome)
}

var acme = place{"acme", hour0 + 1} // the hour that start begins

// machineWithJobs has a job that runs, one that failed once, one that was finished,
// and an orphan.
func machineWithJobs(t testing.TB) *machine {
	m := newMachine(t)
	for n := range 3 {
		m.flush(n+1, 100, acme)
		m.flush(n+11, 100, place{"globex", hour0 - 5})
		m.flush(n+21, 100, place{"initech", hour0})
	}
	m.pass(time.Minute)
	jobs := m.takeBy(busy(), "worker-1", 3)
	require.Len(t, jobs, 3)
	m.do(FailJob{Job: jobs[0].JobRef, Reason: "read object: checksum"})
	require.Equal(t, Finished, m.finish(jobs[1], m.output(jobs[1], 31)))
	require.Equal(t, ids(41), m.do(FenceObjects{Objects: []Found{{ID: objectID(41)}}}))
	return m
}

// busy is a policy that merges three segments.
func busy() Policy {
	p := DefaultPolicy()
	p.MaxSegments = 3
	return p
}

func TestJobsOfAnHour(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for n := range 15 {
		m.flush(n+1, 100, acme)
	}
	m.pass(10 * time.Minute)
	require.Empty(t, m.take("w", 9), "15 segments are left alone while the hour runs")
	m.flush(16, 100, acme)
	jobs := m.take("w", 9)
	require.Len(t, jobs, 1)
	j := jobs[0]
	require.Equal(t, uint8(1), j.Level)
	require.Len(t, j.Inputs, 16)
	require.Equal(t, 1, j.Attempt)
	require.Equal(t, born(1, start), j.Inputs[0].Object, "in order of registration")
	require.Empty(t, m.take("other", 9), "a part is in one job")

	require.Equal(t, Finished, m.finish(j, m.output(j, 50)))
	require.Equal(t, Finished, m.finish(j, m.output(j, 50)), "asked again after a time-out")
	require.Equal(t, []warehouse.ObjectID{born(50, m.at)}, m.objects("acme"))
	require.Len(t, m.state.View().Tombstones(), 16)
	require.Empty(t, m.state.View().Jobs())
	require.Empty(t, m.state.claims)

	m.at = acme.hour.End() - 10e6
	m.flush(60, 100, acme)
	m.pass(20 * time.Second)
	require.Empty(t, m.take("w", 9), "over, but something came 20 s ago")
	m.pass(10 * time.Second)
	jobs = m.take("w", 9)
	require.Len(t, jobs, 1)
	require.Equal(t, uint8(3), jobs[0].Level)
	require.Len(t, jobs[0].Inputs, 2)
	final := m.output(jobs[0], 61)
	require.Equal(t, Finished, m.finish(jobs[0], final))
	require.Equal(t, int64(1700), final.SizeBytes())
	require.False(t, m.state.View().MayHaveJobs())
	m.pass(time.Hour)
	require.Empty(t, m.take("w", 9), "final")
}

// What comes late stays beside a final block as a small one until it is over a
// quarter of it.
func TestLateData(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	old := place{"acme", hour0 - 2000} // backfilled
	m.flush(1, 1000, old)
	m.pass(30 * time.Second)
	j := m.take("w", 9)[0]
	require.Equal(t, uint8(3), j.Level)
	require.Equal(t, Finished, m.finish(j, m.output(j, 2)))

	m.flush(3, 200, old)
	m.pass(4 * time.Minute)
	require.Empty(t, m.take("w", 9))
	m.pass(time.Minute)
	j = m.take("w", 9)[0]
	require.Equal(t, uint8(1), j.Level, "its object is set free")
	require.Len(t, j.Inputs, 1)
	require.Equal(t, Finished, m.finish(j, m.output(j, 4)))
	require.Empty(t, m.take("w", 9))

	m.flush(5, 51, old)
	require.Empty(t, m.take("w", 9), "there may be more")
	m.pass(30 * time.Second)
	j = m.take("w", 9)[0]
	require.Equal(t, uint8(3), j.Level)
	require.Len(t, j.Inputs, 3)
	require.Equal(t, Finished, m.finish(j, m.output(j, 6)))

	for n := range 10 { // without a pause, and more than what is final
		m.flush(10+n, 200, old)
		m.pass(10 * time.Second)
		jobs := m.take("w", 9)
		if n >= 6 {
			require.Equal(t, uint8(3), jobs[0].Level)
			return
		}
		require.Empty(t, jobs)
	}
	require.Fail(t, "never final")
}

// What the late data of weeks leaves is not many small blocks.
func TestLateTrickle(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	old := place{"acme", hour0 - 2000}
	m.flush(1, 1<<30, old)
	n, most := 1, 0
	for range 3000 {
		n++
		m.flush(n, 100, old)
		m.pass(10 * time.Minute)
		for _, j := range m.take("w", 9) {
			n++
			require.Equal(t, Finished, m.finish(j, m.output(j, n)))
		}
		most = max(most, len(m.objects("acme")))
	}
	require.Less(t, most, 40)
}

// A backlog becomes several jobs of bounded size, and then final.
func TestBacklog(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	p := DefaultPolicy()
	n := 0
	for ; n < 2000; n++ {
		m.flush(n, 1<<20, acme)
	}
	m.at = acme.hour.End() + 3600e6
	jobs := m.takeBy(p, "w", 100)
	require.Len(t, jobs, 2000/256+1)
	for _, j := range jobs {
		require.Equal(t, uint8(1), j.Level)
		require.LessOrEqual(t, int64(len(j.Inputs))<<20, p.MaxBytes)
	}
	for n := range 1500 {
		m.flush(10_000+n, 100, place{"globex", hour0})
	}
	more := m.takeBy(p, "w", 100)
	require.Len(t, more, 2)
	for _, j := range more {
		require.LessOrEqual(t, len(j.Inputs), p.MaxParts)
	}
	require.Len(t, m.state.View().Jobs(), len(jobs)+2)
	for _, j := range append(jobs, more...) {
		n++
		require.Equal(t, Finished, m.finish(j, m.output(j, n)))
	}
	m.pass(time.Minute)
	jobs = m.takeBy(p, "w", 100)
	require.Len(t, jobs, 2)
	for _, j := range jobs {
		require.Equal(t, uint8(3), j.Level)
		require.Equal(t, Finished, m.finish(j, m.output(j, n+int(j.Level)+len(j.Tenant))))
	}
	require.Len(t, m.objects("acme"), 1)
}

// Blocks of the first part of an hour are merged once more, those of the rest not.
func TestJobsOfManyBlocks(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	levels := map[uint8]int{}
	n := 0
	for m.at < acme.hour.End()-60e6 {
		for range 16 {
			n++
			m.flush(n, 100, acme)
		}
		m.pass(time.Minute)
		p := DefaultPolicy()
		p.MaxSegments, p.MaxBlocks = 16, 4
		for _, j := range m.takeBy(p, "w", 3) {
			n++
			levels[j.Level]++
			require.Equal(t, Finished, m.finish(j, m.output(j, n)))
		}
	}
	require.Equal(t, map[uint8]int{1: 59, 2: 7}, levels)
}

// Plans that the state has overtaken are passed over.
func TestStalePlans(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	a, b, c := m.flush(1, 100, acme), m.flush(2, 100, acme), m.flush(3, 100, acme)
	plan := func(level uint8, inputs ...warehouse.ObjectID) Plan {
		return Plan{Tenant: "acme", Hour: acme.hour, Level: level, Inputs: inputs}
	}
	elsewhere := plan(1, a)
	elsewhere.Hour++
	stranger := plan(1, a)
	stranger.Tenant = "nobody"
	jobs := m.do(TakeJobs{Worker: "w", Max: 99, Lease: time.Minute, Plans: []Plan{
		{}, plan(1), plan(0, a), plan(1, a, a), plan(1, a, objectID(7)), elsewhere, stranger,
		plan(1, b, a), plan(1, a, c), plan(3, b), plan(1, c),
	}}).([]*warehouse.Job)
	require.Len(t, jobs, 2)
	require.Equal(t, []warehouse.ObjectID{a, b}, []warehouse.ObjectID{jobs[0].Inputs[0].Object, jobs[0].Inputs[1].Object})
	require.Equal(t, c, jobs[1].Inputs[0].Object)
	require.NotEqual(t, jobs[0].ID, jobs[1].ID)
	require.Empty(t, m.do(TakeJobs{Worker: "w", Max: 99, Lease: time.Minute, Plans: []Plan{plan(1, c)}}))
	require.Equal(t, m.state.claims, restoreView(t, m.state.View()).claims)
}

func TestLeasesAndTokens(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for n := range 512 {
		m.flush(n+1, 100, acme)
	}
	first := m.take("a", 1)[0]
	m.pass(59 * time.Second)
	require.Empty(t, m.do(RenewJobs{Worker: "a", Lease: time.Minute, Jobs: []warehouse.JobRef{first.JobRef}}))
	require.Equal(t, m.at+60e6, m.state.View().LeaseEnd(m.state.View().Jobs()[0]))
	m.pass(59 * time.Second)
	require.Empty(t, m.take("b", 1), "renewed")
	m.pass(time.Second)
	second := m.take("b", 1)[0]
	require.Equal(t, first.ID, second.ID)
	require.Greater(t, second.Token, first.Token)
	require.Equal(t, 2, second.Attempt)

	require.Equal(t, JobLost, m.finish(first, m.output(first, 900)), "the old token")
	require.Equal(t, []warehouse.JobRef{first.JobRef}, m.do(RenewJobs{Worker: "a", Lease: time.Minute, Jobs: []warehouse.JobRef{first.JobRef}}))
	require.Equal(t, false, m.do(FailJob{Job: first.JobRef, Reason: "late"}))
	require.Zero(t, m.state.View().Jobs()[0].Failures, "a failure of the old assignment is none")
	require.Equal(t, Finished, m.finish(second, m.output(second, 901)))
	require.Equal(t, JobLost, m.finish(first, m.output(first, 900)), "the other has finished it: these blocks never become live")
	require.Equal(t, Finished, m.finish(second, m.output(second, 901)), "asked again")
	restored := restoreView(t, m.state.View())
	m.state = restored
	require.Equal(t, JobLost, m.finish(first, m.output(first, 900)))
	out := m.output(second, 901)
	require.Equal(t, Finished, m.finish(second, out))
	m.pass(48 * time.Hour)
	require.Equal(t, JobLost, m.finish(first, m.output(first, 900)), "long after")
	require.Equal(t, Finished, m.finish(second, out), "long after")

	m = newMachine(t)
	for n := range 512 {
		m.flush(n+1001, 100, acme)
	}
	third := m.take("b", 1)[0]
	require.Empty(t, m.do(RenewJobs{Worker: "b", Lease: time.Minute}), "started anew, it knows of none")
	fourth := m.take("b", 1)[0]
	require.Equal(t, third.ID, fourth.ID)
	require.Equal(t, JobLost, m.finish(third, m.output(third, 902)))
}

func TestFinishRefuses(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for n := range 3 {
		m.flush(n+1, 100, acme)
	}
	j := m.takeBy(busy(), "w", 1)[0]
	before := m.objects("acme")
	twice := m.output(j, 50)
	require.Equal(t, JobClashes, m.finish(j, twice, twice))
	require.Equal(t, JobClashes, m.finish(j, *j.Inputs[0]))
	m.do(AbortSegment{ID: born(51, m.at)})
	require.Equal(t, JobClashes, m.finish(j, m.output(j, 51)))
	require.Equal(t, before, m.objects("acme"))
	require.Equal(t, Finished, m.finish(j, m.output(j, 52)), "and still it may be finished")
}

func TestFailures(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for n := range 512 {
		m.flush(n+1, 100, acme)
	}
	for n := range warehouse.MaxJobFailures {
		j := m.take("w", 1)[0]
		require.Equal(t, false, m.do(FailJob{Job: j.JobRef}), "an interruption does not count")
		j = m.take("w", 1)[0]
		require.Equal(t, n == warehouse.MaxJobFailures-1, m.do(FailJob{Job: j.JobRef, Reason: fmt.Sprintf("reason %d", n)}))
		require.Empty(t, m.take("w", 1), "not again at once")
		m.pass(time.Minute)
	}
	require.Empty(t, m.take("w", 1))
	j := m.state.View().Jobs()[0]
	require.True(t, j.SetAside)
	require.Equal(t, "reason 2", j.Reason)
	require.Equal(t, 6, j.Attempts)
	require.Zero(t, m.state.View().LeaseEnd(j))

	for n := range 20 { // other parts of the hour go on, and other hours
		m.flush(n+1001, 100, acme)
	}
	m.flush(2000, 100, place{"acme", hour0})
	m.at = acme.hour.End()
	m.pass(time.Hour)
	jobs := m.take("w", 9)
	require.Len(t, jobs, 2)
	for _, j := range jobs {
		require.Equal(t, uint8(3), j.Level)
		require.Equal(t, Finished, m.finish(j, m.output(j, 5000+len(j.Inputs))))
	}
	require.Empty(t, m.take("w", 9))

	require.Equal(t, 0, m.do(ReleaseJobs{Jobs: ids(77)}))
	require.Equal(t, 1, m.do(ReleaseJobs{Jobs: []warehouse.ObjectID{j.ID}}))
	require.Equal(t, 0, m.do(ReleaseJobs{}))
	jobs = m.take("w", 9)
	require.Len(t, jobs, 1)
	require.Equal(t, uint8(3), jobs[0].Level)
	require.Len(t, jobs[0].Inputs, 513)
}

// A job whose hour retention drops goes with it, and what was made of it does not
// come back.
func TestRetentionAgainstAJob(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.do(SetRetention{Retention: 2 * time.Hour})
	for n := range 512 {
		m.flush(n+1, 100, acme)
	}
	j := m.take("w", 1)[0]
	m.pass(4 * time.Hour)
	m.do(RenewJobs{Worker: "w", Lease: time.Hour, Jobs: []warehouse.JobRef{j.JobRef}})
	require.Equal(t, 512, m.do(Expire{}))
	require.Empty(t, m.state.View().Jobs())
	require.Empty(t, m.state.claims)
	require.Equal(t, JobLost, m.finish(j, m.output(j, 900)))
	require.Equal(t, []warehouse.JobRef{j.JobRef}, m.do(RenewJobs{Worker: "w", Lease: time.Hour, Jobs: []warehouse.JobRef{j.JobRef}}))
	require.Empty(t, m.objects("acme"))
}

func TestFenceObjects(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for n := range 3 {
		m.flush(n+1, 100, acme)
	}
	j := m.takeBy(busy(), "w", 1)[0]
	fence := func(f ...Found) any { return m.do(FenceObjects{Objects: f}) }
	block := func(n int, p place) Found { return Found{ID: objectID(n), Tenant: p.tenant, Hour: p.hour} }
	live := Found{ID: j.Inputs[0].Object}

	require.Nil(t, fence(live), "it is live")
	require.Nil(t, fence(block(50, acme)), "the job may be about to register it")
	require.Equal(t, ids(51, 60), fence(block(51, place{"acme", acme.hour + 1}), live, Found{ID: objectID(60)}))
	require.Equal(t, ids(60), fence(Found{ID: objectID(60)}), "again")
	require.Equal(t, warehouse.WasAborted, m.add(segment(60, nil, acme)).Outcome)
	require.Equal(t, false, m.do(AbortSegment{ID: objectID(60)}))
	require.Equal(t, JobClashes, m.finish(j, part(51, 1, "acme", acme.hour)))

	out := m.output(j, 50)
	require.Equal(t, Finished, m.finish(j, out))
	require.Nil(t, fence(live), "it is dead and not yet deleted")
	m.do(ForgetTombstones{Objects: []warehouse.ObjectID{live.ID}})
	require.Equal(t, []warehouse.ObjectID{live.ID}, fence(live), "it is back after its deletion")
	require.Equal(t, warehouse.Added, m.add(segmentOf(live.ID)).Outcome, "as before")
	require.Equal(t, []warehouse.ObjectID{out.Object}, m.objects("acme"))
	require.Equal(t, ids(50), fence(block(50, acme)), "no job is running")

	m.do(AbortSegment{ID: objectID(70)})
	require.Equal(t, ids(70), fence(Found{ID: objectID(70)}))
	m.pass(FenceWindow - time.Second)
	m.state = restoreView(t, m.state.View())
	for _, n := range []int{60, 70} {
		require.Equal(t, warehouse.WasAborted, m.add(segment(n, nil, acme)).Outcome, "long after")
	}
	m.pass(2 * time.Second)
	m.mustAdd(segment(60, nil, acme))
	require.Empty(t, m.state.View().fences)
}

func segmentOf(id warehouse.ObjectID) AddSegment {
	c := segment(0, nil, acme)
	c.Segment.ID, c.Segment.Parts[0].Object = id, id
	return c
}
