package state

import (
	"fmt"
	"math/rand/v2"
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

func (m *machine) take(worker string, most int) []*warehouse.Job {
	m.t.Helper()
	jobs, _ := m.do(TakeJobs{Worker: worker, Max: most, Lease: time.Minute, Policy: DefaultPolicy()}).([]*warehouse.Job)
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

// machineWithJobs has one job that runs, and one that failed once.
func machineWithJobs(t testing.TB) *machine {
	m := newMachine(t)
	for n := range 3 {
		m.flush(n+1, 100, acme)
		m.flush(n+11, 100, place{"globex", hour0 - 5})
	}
	p := DefaultPolicy()
	p.MaxSegments = 3
	jobs := m.do(TakeJobs{Worker: "worker-1", Max: 2, Lease: time.Minute, Policy: p}).([]*warehouse.Job)
	require.Len(t, jobs, 2)
	m.do(FailJob{Job: jobs[0].JobRef, Reason: "read object: checksum"})
	m.do(RaiseHorizon{Millis: 1_700_000_000_000})
	return m
}

func TestJobsOfAnHour(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for n := range 15 {
		m.flush(n+1, 100, acme)
	}
	m.pass(time.Minute)
	require.Empty(t, m.take("w", 9), "15 segments are left alone while the hour runs")
	m.flush(16, 100, acme)
	require.False(t, m.state.View().HasJobs(&Policy{}, m.at))
	p := DefaultPolicy()
	require.True(t, m.state.View().HasJobs(&p, m.at))
	jobs := m.take("w", 9)
	require.Len(t, jobs, 1)
	j := jobs[0]
	require.Equal(t, uint8(1), j.Level)
	require.Len(t, j.Inputs, 16)
	require.Equal(t, 1, j.Attempt)
	require.Empty(t, m.take("other", 9), "a part is in one job")
	require.False(t, m.state.View().HasJobs(&p, m.at))

	require.Equal(t, Finished, m.finish(j, m.output(j, 50)))
	require.Equal(t, Finished, m.finish(j, m.output(j, 50)), "asked again after a time-out")
	require.Equal(t, []warehouse.ObjectID{born(50, m.at)}, m.objects("acme"))
	require.Len(t, m.state.View().Tombstones(), 16)
	require.Empty(t, m.state.View().Jobs())

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
	m.pass(time.Hour)
	require.Empty(t, m.take("w", 9), "final")

	m.flush(70, 425, acme) // late, a quarter
	m.pass(time.Minute)
	require.Empty(t, m.take("w", 9), "it stays beside the final block")
	m.flush(71, 1, acme)
	m.pass(time.Minute)
	jobs = m.take("w", 9)
	require.Len(t, jobs, 1)
	require.Equal(t, uint8(3), jobs[0].Level)
	require.Len(t, jobs[0].Inputs, 3)
}

func TestJobsOfManyBlocks(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	n := 0
	for block := range 49 {
		for range 256 {
			n++
			m.flush(n, 100, acme)
		}
		jobs := m.take("w", 1)
		require.Len(t, jobs, 1, "block %d", block)
		require.Equal(t, uint8(1), jobs[0].Level)
		require.Equal(t, Finished, m.finish(jobs[0], m.output(jobs[0], 100_000+block)))
	}
	jobs := m.take("w", 1)
	require.Len(t, jobs, 1)
	require.Equal(t, uint8(2), jobs[0].Level)
	require.Len(t, jobs[0].Inputs, 49)
}

func TestLeasesAndTokens(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for n := range 256 {
		m.flush(n+1, 100, acme)
	}
	first := m.take("a", 1)[0]
	m.pass(59 * time.Second)
	require.Empty(t, m.do(RenewJobs{Worker: "a", Lease: time.Minute, Jobs: []warehouse.JobRef{first.JobRef}}))
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

	for n := range 256 {
		m.flush(n+1001, 100, acme)
	}
	third := m.take("b", 1)[0]
	require.Empty(t, m.do(RenewJobs{Worker: "b", Lease: time.Minute}), "started anew, it knows of none")
	fourth := m.take("b", 1)[0]
	require.Equal(t, third.ID, fourth.ID)
	require.Equal(t, JobLost, m.finish(third, m.output(third, 902)))
}

// What was made up to the horizon is dead for ever, but what is live stays.
func TestHorizon(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	old := m.flush(1, 100, acme)
	m.pass(time.Second)
	horizon := uint64(m.at) / 1000
	require.Equal(t, horizon, m.do(RaiseHorizon{Millis: horizon}))
	require.Equal(t, horizon, m.do(RaiseHorizon{Millis: 5}), "it never sinks")
	c := segment(2, nil, acme)
	c.Segment.ID = born(2, m.at)
	require.Equal(t, warehouse.AddResult{Outcome: warehouse.WasAborted}, m.add(c))
	m.pass(48 * time.Hour)
	require.Equal(t, warehouse.AddResult{Outcome: warehouse.WasAborted}, m.add(c), "long after")
	require.Equal(t, []warehouse.ObjectID{old}, m.objects("acme"))
	restored := restoreView(t, m.state.View())
	require.Equal(t, m.state.View().Digest(), restored.View().Digest())

	for n := range 200 {
		m.flush(n+10, 100, acme)
	}
	j := m.take("w", 1)[0]
	late := m.output(j, 900)
	late.Object = born(900, warehouse.Micros(horizon)*1000)
	require.Equal(t, JobClashes, m.finish(j, late))
	require.Equal(t, Finished, m.finish(j, m.output(j, 901)))
}

func TestFailures(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for n := range 256 {
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

	for n := range 20 { // other parts of the hour go on
		m.flush(n+1001, 100, acme)
	}
	m.pass(time.Hour)
	jobs := m.take("w", 9)
	require.Len(t, jobs, 1)
	require.Len(t, jobs[0].Inputs, 20)
	require.Equal(t, Finished, m.finish(jobs[0], m.output(jobs[0], 5000)))

	require.Equal(t, 0, m.do(ReleaseJobs{Jobs: ids(77)}))
	require.Equal(t, 1, m.do(ReleaseJobs{}))
	require.Len(t, m.take("w", 9)[0].Inputs, 257)
}

// A job whose hour retention drops goes with it, and what was made of it does not
// come back.
func TestRetentionAgainstAJob(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.do(SetRetention{Retention: 2 * time.Hour})
	for n := range 256 {
		m.flush(n+1, 100, acme)
	}
	j := m.take("w", 1)[0]
	m.pass(4 * time.Hour)
	m.do(RenewJobs{Worker: "w", Lease: time.Hour, Jobs: []warehouse.JobRef{j.JobRef}})
	require.Equal(t, 256, m.do(Expire{}))
	require.Equal(t, JobObsolete, m.finish(j, m.output(j, 900)))
	require.Empty(t, m.objects("acme"))
	require.Empty(t, m.state.View().Jobs())
	require.Equal(t, JobLost, m.finish(j, m.output(j, 900)))
}

// jobWorld is a machine with workers that crash, are late and repeat themselves.
type jobWorld struct {
	*machine
	r       *rand.Rand
	n       int
	log     [][]byte
	content map[warehouse.ObjectID][]int // flushes that an object holds
	flushed map[place][]int
	held    []*warehouse.Job // by workers that may have lost them
}

func (w *jobWorld) do(c Command) any {
	w.log = append(w.log, Append(nil, w.at, c))
	answer, err := w.state.Apply(uint64(len(w.log)), w.log[len(w.log)-1])
	require.NoError(w.t, err)
	return answer
}

func (w *jobWorld) step() {
	w.n++
	switch n := w.r.IntN(100); {
	case n < 55:
		p := place{simTenants[w.r.IntN(2)], hour0 + warehouse.Hour(w.r.IntN(3))}
		c := segment(w.n, nil, p)
		c.Segment.ID = born(w.n, w.at)
		c.Segment.Parts[0].Object = c.Segment.ID
		require.Equal(w.t, warehouse.AddResult{Outcome: warehouse.Added}, w.do(c))
		w.content[c.Segment.ID] = []int{w.n}
		w.flushed[p] = append(w.flushed[p], w.n)
	case n < 65:
		jobs, _ := w.do(TakeJobs{Worker: []string{"a", "b"}[w.r.IntN(2)], Max: 1 + w.r.IntN(3), Lease: time.Minute, Policy: w.policy()}).([]*warehouse.Job)
		w.held = append(w.held, jobs...)
	case n < 80 && len(w.held) > 0:
		i := w.r.IntN(len(w.held))
		w.finishJob(w.held[i])
		if w.r.IntN(3) > 0 { // else it will be asked again
			w.held = append(w.held[:i], w.held[i+1:]...)
		}
	case n < 84 && len(w.held) > 0:
		w.do(FailJob{Job: w.held[w.r.IntN(len(w.held))].JobRef, Reason: []string{"", "bad"}[w.r.IntN(2)]})
	case n < 88:
		w.do(RenewJobs{Worker: []string{"a", "b"}[w.r.IntN(2)], Lease: time.Minute})
	case n < 89:
		w.do(ReleaseJobs{})
	default:
		w.at += warehouse.Micros(w.r.Int64N(120e6))
	}
}

func (w *jobWorld) policy() Policy {
	p := DefaultPolicy()
	p.MinSegments, p.MaxSegments, p.MaxBlocks, p.MaxParts = 2+w.r.IntN(3), 6, 2, 4+w.r.IntN(40)
	return p
}

// finishJob hands in one or two blocks, made of the inputs as they were given out.
func (w *jobWorld) finishJob(j *warehouse.Job) {
	var all []int
	for _, p := range j.Inputs {
		all = append(all, w.content[p.Object]...)
	}
	cut := len(all)
	if j.Level == warehouse.LevelFinal {
		cut = w.r.IntN(len(all) + 1)
	}
	var outputs []warehouse.Part
	for _, of := range [][]int{all[:cut], all[cut:]} {
		if len(of) > 0 {
			w.n++
			p := w.output(j, w.n)
			w.content[p.Object] = of
			outputs = append(outputs, p)
		}
	}
	w.do(FinishJob{Job: j.JobRef, Outputs: outputs})
}

// check compares what is live with what was flushed, and looks at the jobs.
func (w *jobWorld) check() {
	v := w.state.View()
	for p, want := range w.flushed {
		var got []int
		for _, part := range v.Parts(p.tenant, warehouse.TimeRange{From: p.hour.Start(), To: p.hour.End() - 1}) {
			got = append(got, w.content[part.Object]...)
		}
		require.ElementsMatch(w.t, want, got, "%v: nothing lost, nothing doubled", p)
	}
	in := map[warehouse.ObjectID]bool{}
	for _, j := range v.Jobs() {
		for _, id := range j.Inputs {
			require.False(w.t, in[id], "a part in two jobs")
			in[id] = true
		}
	}
}

// TestJobSimulation: workers that are late, lose their leases, repeat what they
// said or come back from the dead change nothing: what was added is there exactly
// once, whatever they do.
func TestJobSimulation(t *testing.T) {
	t.Parallel()
	seeds := 60
	if testing.Short() {
		seeds = 10
	}
	finals := 0
	for seed := range seeds {
		w := &jobWorld{machine: newMachine(t), r: rand.New(rand.NewPCG(uint64(seed), 9)), content: map[warehouse.ObjectID][]int{}, flushed: map[place][]int{}}
		for i := range 600 {
			w.step()
			if i%20 == 0 {
				w.check()
			}
		}
		w.check()
		want := w.state.View()
		require.Equal(t, want.Digest(), replay(t, New(), w.log, 0).Digest(), "replay = live")
		for _, k := range []int{0, len(w.log) / 3, len(w.log) - 1} {
			restored := restoreView(t, replay(t, New(), w.log[:k], 0))
			require.Equal(t, want.Digest(), replay(t, restored, w.log, k).Digest(), "snapshot at %d + tail = replay", k)
		}
		for _, tenant := range simTenants {
			for _, p := range want.Parts(tenant, everything) {
				if p.Level == warehouse.LevelFinal {
					finals++
				}
			}
		}
	}
	require.Positive(t, finals, "hours became final")
}

// TestPolicy plays an hour of constant ingest and reports what it costs. A merged
// byte is taken to stay a byte; small segments are in truth larger.
func TestPolicy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		perSecond  float64
		size       int64
		mostParts  int
		mostWrites float64 // rewrites of a byte
	}{
		{1. / 15, 200 << 10, 40, 2.05},
		{1, 200 << 10, 230, 2.05},
		{10, 50 << 10, 260, 3.05}, // level 2
	} {
		t.Run(fmt.Sprintf("%.2f segments a second", tt.perSecond), func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			var written, flushed int64
			most, n := 0, 0
			for second := range 3700 {
				for ; float64(n) < float64(second)*tt.perSecond && second < 3600; n++ {
					m.flush(n+1, tt.size, acme)
					flushed += tt.size
				}
				for _, j := range m.take("w", 4) {
					p := m.output(j, 1_000_000+second)
					written += p.SizeBytes()
					require.Equal(t, Finished, m.finish(j, p))
				}
				most = max(most, len(m.objects("acme")))
				m.pass(time.Second)
			}
			writes := float64(written) / float64(flushed)
			t.Logf("%d segments: a byte is rewritten %.2f times; at most %d parts, %d at the end", n, writes, most, len(m.objects("acme")))
			require.Len(t, m.objects("acme"), 1)
			require.LessOrEqual(t, most, tt.mostParts)
			require.LessOrEqual(t, writes, tt.mostWrites)
		})
	}
}
