package state

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// jobWorld is a machine with two workers that crash, are late, repeat themselves and
// come back from the dead, with retention and deletions, and an account of what must
// be there. The n-th flush is of the series n modulo 3.
type jobWorld struct {
	*machine
	r       *rand.Rand
	n       int
	log     [][]byte
	content map[warehouse.ObjectID][]int // flushes that an object holds
	flushed map[place][]int              // those that must be there
	held    []*warehouse.Job             // by workers that may have lost them
	won     map[warehouse.ObjectID]uint64
	old     *View // that a planner may still look at
	met     map[string]int
	order   map[int]uint64 // of the log, at which a flush was registered
}

func newJobWorld(t *testing.T, seed uint64) *jobWorld {
	w := &jobWorld{
		machine: newMachine(t), r: rand.New(rand.NewPCG(seed, 9)),
		content: map[warehouse.ObjectID][]int{}, flushed: map[place][]int{}, won: map[warehouse.ObjectID]uint64{}, met: map[string]int{}, order: map[int]uint64{},
	}
	w.at = (hour0 + 3).Start()
	return w
}

func (w *jobWorld) do(c Command) any {
	w.log = append(w.log, Append(nil, w.at, c))
	answer, err := w.state.Apply(uint64(len(w.log)), w.log[len(w.log)-1])
	require.NoError(w.t, err)
	return answer
}

func (w *jobWorld) step() {
	w.n++
	worker := []string{"a", "b"}[w.r.IntN(2)]
	switch n := w.r.IntN(100); {
	case n < 50:
		w.flushOne()
	case n < 62:
		p := w.policy()
		if w.old == nil || w.r.IntN(3) > 0 {
			w.old = w.state.View()
		}
		jobs := w.do(TakeJobs{Worker: worker, Max: 1 + w.r.IntN(3), Lease: time.Minute, Plans: w.old.Plans(&p, w.at, 3)})
		w.held = append(w.held, jobs.([]*warehouse.Job)...)
	case n < 78 && len(w.held) > 0:
		i := w.r.IntN(len(w.held))
		w.finishJob(w.held[i])
		if w.r.IntN(3) > 0 { // else it will be asked again
			w.held = append(w.held[:i], w.held[i+1:]...)
		}
	case n < 82 && len(w.held) > 0:
		w.do(FailJob{Job: w.held[w.r.IntN(len(w.held))].JobRef, Reason: []string{"", "bad"}[w.r.IntN(2)]})
	case n < 85:
		w.do(RenewJobs{Worker: worker, Lease: time.Minute})
	case n < 86:
		w.do(ReleaseJobs{})
	case n < 88:
		w.expire()
	case n < 90:
		w.delete()
	default:
		w.at += warehouse.Micros(w.r.Int64N(120e6))
	}
}

func (w *jobWorld) flushOne() {
	p := place{simTenants[w.r.IntN(2)], hour0 + warehouse.Hour(w.r.IntN(3))}
	c := segment(w.n, nil, p)
	c.Segment.ID = born(w.n, w.at)
	c.Segment.Parts[0].Object = c.Segment.ID
	require.Equal(w.t, warehouse.AddResult{Outcome: warehouse.Added}, w.do(c))
	w.content[c.Segment.ID], w.order[w.n] = []int{w.n}, uint64(len(w.log))
	w.flushed[p] = append(w.flushed[p], w.n)
}

// expire drops an hour of a tenant, sometimes while a worker merges it.
func (w *jobWorld) expire() {
	tenant, keep := simTenants[w.r.IntN(2)], time.Duration(1+w.r.IntN(3))*time.Hour
	w.do(SetRetention{Tenant: tenant, Retention: keep})
	dropped := w.do(Expire{}).(int)
	w.do(SetRetention{Tenant: tenant, Retention: InheritRetention})
	if dropped == 0 {
		return
	}
	w.met["expired"]++
	for p := range w.flushed {
		if p.tenant == tenant && len(w.parts(p)) == 0 {
			delete(w.flushed, p)
		}
	}
}

// delete deletes a series, or all, in an hour of a tenant or two.
func (w *jobWorld) delete() {
	w.n++
	tenant, from := simTenants[w.r.IntN(2)], hour0+warehouse.Hour(w.r.IntN(3))
	d := deletion(500_000+w.n, tenant, from, from+warehouse.Hour(1+w.r.IntN(2)))
	if w.r.IntN(3) > 0 {
		d.Series = []warehouse.SeriesID{warehouse.SeriesID(w.r.IntN(3))}
	}
	require.Equal(w.t, Deleted, w.do(Delete{Deletion: d}).(DeleteResult).Outcome)
	w.met["deleted"]++
	for p, all := range w.flushed {
		if p.tenant == tenant && d.Range().Contains(p.hour.Start()) {
			w.flushed[p] = slices.DeleteFunc(all, func(n int) bool { return d.HasSeries(warehouse.SeriesID(n % 3)) })
		}
	}
}

// visible returns the flushes of a part that masks leave.
func (w *jobWorld) visible(p *warehouse.Part, masks []*warehouse.Deletion) (out []int) {
	for _, n := range w.content[p.Object] {
		if !slices.ContainsFunc(masks, func(d *warehouse.Deletion) bool { return d.Masks(p) && d.HasSeries(warehouse.SeriesID(n%3)) }) {
			out = append(out, n)
		}
	}
	return out
}

func (w *jobWorld) parts(p place) []*warehouse.Part {
	return w.state.View().Parts(p.tenant, warehouse.TimeRange{From: p.hour.Start(), To: p.hour.End() - 1})
}

func (w *jobWorld) policy() Policy {
	p := DefaultPolicy()
	p.MaxSegments, p.MaxBlocks, p.MaxParts = 2+w.r.IntN(5), 2, 4+w.r.IntN(40)
	return p
}

// finishJob hands in one or two blocks, made of the inputs as they were given out.
func (w *jobWorld) finishJob(j *warehouse.Job) {
	var all []int
	for _, p := range j.Inputs {
		all = append(all, w.visible(p, j.Masks)...)
	}
	if len(j.Masks) > 0 {
		w.met["masks applied"]++
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
	outcome := w.do(FinishJob{Job: j.JobRef, Outputs: outputs}).(FinishOutcome)
	w.met[outcome.String()]++
	token, again := w.won[j.ID]
	switch {
	case outcome != Finished:
		require.NotEqual(w.t, j.Token, token, "what was finished stays finished")
	case again:
		require.Equal(w.t, token, j.Token, "two workers cannot both have finished a job")
		w.met["finished again"]++
	default:
		w.won[j.ID] = j.Token
	}
}

// check compares what is live with what was flushed, and looks at the jobs.
func (w *jobWorld) check() {
	v := w.state.View()
	live := 0
	for p, want := range w.flushed {
		var got []int
		for _, part := range w.parts(p) {
			live++
			got = append(got, w.visible(part, v.Masks(p.tenant))...)
		}
		require.ElementsMatch(w.t, want, got, "%v: nothing lost, nothing doubled", p)
	}
	require.Equal(w.t, v.Totals().Parts, live, "nothing that was dropped is back")
	for _, d := range v.Deletions() {
		if d.AppliedAt != 0 {
			w.checkGone(v, d)
		}
	}
	claims := map[PartRef]warehouse.ObjectID{}
	for _, j := range v.Jobs() {
		require.NotNil(w.t, v.partsOf(j.Tenant, j.Hour, j.Inputs), "the inputs of a job are live")
		for _, id := range j.Inputs {
			ref := PartRef{id, j.Tenant, j.Hour}
			require.NotContains(w.t, claims, ref, "a part in two jobs")
			claims[ref] = j.ID
		}
	}
	require.Equal(w.t, w.state.claims, claims)
}

// checkGone looks for what a deletion that was applied should have taken.
func (w *jobWorld) checkGone(v *View, d *Deletion) {
	for _, p := range v.Parts(d.Tenant, d.Range()) {
		for _, n := range w.content[p.Object] {
			require.False(w.t, w.order[n] < d.Index && d.HasSeries(warehouse.SeriesID(n%3)), "flush %d is still in object %s", n, p.Object)
		}
	}
}

// TestJobInterleavings: workers that are late, lose their leases, repeat what they
// said or come back from the dead change nothing, whatever retention does
// meanwhile: what was added and not dropped is there exactly once.
func TestJobInterleavings(t *testing.T) {
	t.Parallel()
	seeds := 1000
	if testing.Short() {
		seeds = 100
	}
	met := map[string]int{}
	for seed := range seeds {
		w := newJobWorld(t, uint64(seed))
		for i := range 120 {
			w.step()
			if i%15 == 0 {
				w.check()
			}
		}
		w.check()
		want := w.state.View()
		require.Equal(t, want.Digest(), replay(t, New(), w.log, 0).Digest(), "replay = live")
		k := w.r.IntN(len(w.log))
		restored := restoreView(t, replay(t, New(), w.log[:k], 0))
		require.Equal(t, want.Digest(), replay(t, restored, w.log, k).Digest(), "snapshot at %d + tail = replay", k)
		for what, n := range w.met {
			met[what] += n
		}
		for p := range w.flushed {
			for _, part := range w.parts(p) {
				if part.Level == warehouse.LevelFinal {
					met["final"]++
				}
			}
		}
	}
	for _, what := range []string{"finished", "finished again", "lost", "expired", "final", "deleted", "masks applied"} {
		assert.Greater(t, met[what], seeds/20, "%s in %v", what, met)
	}
	t.Log(met)
}
