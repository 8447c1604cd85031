package state

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

var simTenants = []warehouse.Tenant{"acme", "globex", "initech"}

// simulation draws commands from a small world, so that they often meet.
type simulation struct {
	r      *rand.Rand
	at     warehouse.Micros
	newest int              // objects and profiles are drawn around it
	held   []*warehouse.Job // by workers, whether or not they still have them
}

func newSimulation(seed uint64) *simulation {
	return &simulation{r: rand.New(rand.NewPCG(seed, 1)), at: (hour0 + 8).Start()}
}

func (s *simulation) chance(percent int) bool { return s.r.IntN(100) < percent }

// object is one of the last dozen, mostly the next.
func (s *simulation) object() int {
	if s.chance(60) {
		s.newest++
		return s.newest
	}
	return max(1, s.newest-s.r.IntN(12))
}

func (s *simulation) tenant() warehouse.Tenant { return simTenants[s.r.IntN(len(simTenants))] }
func (s *simulation) hour() warehouse.Hour     { return hour0 + warehouse.Hour(s.r.IntN(6)) }

func (s *simulation) tick() {
	switch {
	case s.chance(3):
		s.at -= warehouse.Micros(s.r.Int64N(3600e6))
	case s.chance(5):
		s.at += warehouse.Micros(s.r.Int64N(3600e6))
	default:
		s.at += warehouse.Micros(s.r.Int64N(60e6))
	}
}

// next returns a command; v is the state that it will meet.
func (s *simulation) next(v *View) Command {
	s.tick()
	if s.chance(30) {
		return s.nextOfJobs(v)
	}
	switch n := s.r.IntN(100); {
	case n < 55:
		return s.addSegment(v)
	case n < 63:
		return AbortSegment{ID: objectID(s.object())}
	case n < 83:
		return s.replaceParts(v)
	case n < 85:
		return SetTenant{Tenant: s.tenant(), Settings: []Setting{{"limit", fmt.Sprint(s.r.IntN(9))}}}
	case n < 88:
		keeps := []time.Duration{0, InheritRetention, time.Hour, 5 * time.Hour, 7 * time.Hour}
		t := append([]warehouse.Tenant{""}, simTenants...)[s.r.IntN(4)]
		return SetRetention{Tenant: t, Retention: max(keeps[s.r.IntN(len(keeps))], min(0, InheritRetention*time.Duration(len(t))))}
	case n < 93:
		return Expire{}
	case n < 96:
		return s.delete()
	}
	var c ForgetTombstones
	for _, t := range v.Tombstones() {
		if s.chance(50) {
			c.Objects = append(c.Objects, t.Part.Object)
		}
	}
	return c
}

// nextOfJobs is what a worker or the planner says, in time or not.
func (s *simulation) nextOfJobs(v *View) Command {
	worker := []string{"a", "b"}[s.r.IntN(2)]
	job := &warehouse.Job{JobRef: warehouse.JobRef{ID: objectID(s.object()), Token: s.r.Uint64N(50)}, Tenant: s.tenant(), Hour: s.hour(), Level: 1}
	if len(s.held) > 0 && s.chance(90) {
		job = s.held[max(0, len(s.held)-1-s.r.IntN(6))]
	}
	switch n := s.r.IntN(100); {
	case n < 35:
		p := busy()
		p.MaxSegments, p.MaxBlocks, p.LateAge = 1+s.r.IntN(3), 2, 0
		c := TakeJobs{Worker: worker, Max: s.r.IntN(4), Lease: time.Duration(1+s.r.IntN(100)) * time.Second, Plans: v.Plans(&p, s.at, 4)}
		if s.chance(30) {
			c.Plans = append(c.Plans, Plan{Tenant: s.tenant(), Hour: s.hour(), Level: uint8(s.r.IntN(4)), Inputs: ids(s.object(), s.object())})
		}
		return c
	case n < 60:
		c := FinishJob{Job: job.JobRef}
		for range s.r.IntN(3) {
			c.Outputs = append(c.Outputs, part(s.object(), job.Level, job.Tenant, job.Hour))
			s.vary(&c.Outputs[len(c.Outputs)-1])
		}
		return c
	case n < 75:
		return FailJob{Job: job.JobRef, Reason: []string{"", "bad", "bad"}[s.r.IntN(3)]}
	case n < 83:
		c := RenewJobs{Worker: worker, Lease: time.Minute}
		for _, j := range s.held[max(0, len(s.held)-4):] {
			c.Jobs = append(c.Jobs, j.JobRef)
		}
		return c
	case n < 88:
		return ReleaseJobs{}
	}
	found := []Found{{ID: objectID(s.object())}, {ID: objectID(s.object()), Tenant: s.tenant(), Hour: s.hour()}, {ID: objectID(100_000 + s.object())}}
	return FenceObjects{Objects: found[:1+s.r.IntN(3)]}
}

// delete is of whole hours or of a part of each, of one service or all.
func (s *simulation) delete() Command {
	h := s.hour()
	d := deletion(200_000+s.object(), s.tenant(), h, h+warehouse.Hour(1+s.r.IntN(3)))
	if s.chance(40) {
		d.From, d.To = h.Start()+warehouse.Micros(s.r.Int64N(1200e6)), h.Start()+1200e6+warehouse.Micros(s.r.IntN(2))
	}
	if s.chance(40) {
		d.Services = []string{[]string{"cart", service}[s.r.IntN(2)]}
	}
	if s.chance(20) {
		d.Series = []warehouse.SeriesID{1, 2}
	}
	return Delete{Deletion: d}
}

func (s *simulation) addSegment(v *View) Command {
	var places []place
	for _, t := range simTenants {
		if s.chance(40) {
			h := s.hour()
			places = append(places, place{t, h})
			if s.chance(20) {
				places = append(places, place{t, h + 1})
			}
		}
	}
	if len(places) == 0 {
		places = []place{{s.tenant(), s.hour()}}
	}
	var keys []warehouse.ProfileKey
	for range s.r.IntN(4) {
		keys = append(keys, key(s.tenant(), s.r.IntN(400)))
	}
	c := segment(s.object(), keys, places...)
	for i := range c.Segment.Parts {
		s.vary(&c.Segment.Parts[i])
	}
	for range s.r.IntN(2) {
		k := partition(s.tenant(), s.hour())
		e := warehouse.Epoch{Key: k, Value: v.Epoch(k)}
		if s.chance(20) {
			e.Value = s.r.Uint64N(50)
		}
		c.Segment.Epochs = append(c.Segment.Epochs, e)
	}
	return c
}

// vary gives a part another service, or two.
func (s *simulation) vary(p *warehouse.Part) {
	other := p.Datasets[0]
	other.Service = "cart"
	switch s.r.IntN(4) {
	case 0:
		p.Datasets = []warehouse.Dataset{other}
	case 1:
		p.Datasets = []warehouse.Dataset{other, p.Datasets[0]}
	}
}

func (s *simulation) replaceParts(v *View) Command {
	t := s.tenant()
	c := ReplaceParts{ID: objectID(100_000 + s.object())}
	at := s.hour()
	for _, p := range v.Parts(t, warehouse.TimeRange{From: at.Start(), To: at.End() - 1}) {
		if s.chance(70) {
			c.Remove = append(c.Remove, PartRef{p.Object, t, p.Hour})
		}
	}
	if len(c.Remove) == 0 || s.chance(5) {
		c.Remove = append(c.Remove, ref(s.object(), t, at))
	}
	for range s.r.IntN(3) {
		c.Add = append(c.Add, part(s.object(), 1, t, at))
	}
	if s.chance(30) {
		c.Undefs = append(c.Undefs, partition(t, at))
	}
	return c
}

// held is a view that somebody holds, and what it was when it was new.
type held struct {
	view   *View
	digest [sha256.Size]byte
}

// A run of random commands: State answers as the model does; views never
// change; a replay, and a snapshot at any point with the rest of the log, give
// the same state.
func TestSimulation(t *testing.T) {
	t.Parallel()
	seeds, steps := 60, 400
	if testing.Short() {
		seeds = 30
	}
	var met outcomes
	t.Cleanup(func() { met.check(t) })
	for seed := range seeds {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			simulate(t, uint64(seed), steps, &met)
		})
	}
}

// outcomes are the answers that were met.
type outcomes struct {
	mu  sync.Mutex
	met map[string]int
}

func (o *outcomes) add(cmd Command, answer any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.met == nil {
		o.met = map[string]int{}
	}
	switch a := answer.(type) {
	case warehouse.AddResult:
		o.met[a.Outcome.String()]++
	case ReplaceResult:
		o.met[a.Outcome.String()]++
	case []*warehouse.Job:
		o.met[fmt.Sprintf("%s some=%t", cmd.Kind(), len(a) > 0)]++
		for _, j := range a {
			o.met[fmt.Sprintf("job masks=%t", len(j.Masks) > 0)]++
		}
	case []warehouse.JobRef:
		o.met[fmt.Sprintf("%s some=%t", cmd.Kind(), len(a) > 0)]++
	case []warehouse.ObjectID:
		o.met[fmt.Sprintf("%s some=%t", cmd.Kind(), len(a) > 0)]++
	case DeleteResult:
		o.met[fmt.Sprintf("%s %s dropped=%t masked=%t", cmd.Kind(), a.Outcome, a.Dropped > 0, a.Masked > 0)]++
	case int:
		o.met[fmt.Sprintf("%s some=%t", cmd.Kind(), a > 0)]++
	default:
		o.met[fmt.Sprintf("%s %v", cmd.Kind(), a)]++
	}
}

// check fails if the simulation never met one of the answers: it would say
// nothing about it.
func (o *outcomes) check(t *testing.T) {
	for _, want := range []string{
		"added", "has duplicates", "has stale epochs", "was aborted", "replaced", "input gone", "output exists",
		"abort_segment true", "abort_segment false", "set_tenant <nil>", "set_retention <nil>",
		"expire some=true", "expire some=false", "forget_tombstones some=true",
		"take_jobs some=true", "take_jobs some=false", "renew_jobs some=true", "renew_jobs some=false",
		"finish_job finished", "finish_job lost", "finish_job clashes", "fail_job true", "fail_job false",
		"delete deleted dropped=true masked=false", "delete deleted dropped=false masked=true", "job masks=true", "applied later", "gone",
		"release_jobs some=true", "fence_objects some=true", "fence_objects some=false",
	} {
		assert.Positive(t, o.met[want], "%s in %v", want, o.met)
	}
}

func simulate(t *testing.T, seed uint64, steps int, met *outcomes) {
	sim, live, plain := newSimulation(seed), New(), newModel()
	var log [][]byte
	var views []held
	for i := range steps {
		v := live.View()
		cmd := sim.next(v)
		log = append(log, Append(nil, sim.at, cmd))
		answer, err := live.Apply(uint64(i+1), log[i])
		require.NoError(t, err)
		if c, ok := cmd.(AddSegment); ok {
			adoptEpochs(plain, v, c)
		}
		met.add(cmd, answer)
		if jobs, ok := answer.([]*warehouse.Job); ok {
			sim.held = append(sim.held, jobs...)
			answer = given(jobs)
		}
		require.Equal(t, plain.apply(sim.at, cmd), answer, "step %d: %T", i, cmd)
		if i%7 == 0 {
			checkAgainstModel(t, live.View(), plain)
			checkDeletions(t, live.View(), plain, met)
		}
		if i%40 == 0 {
			v := live.View()
			views = append(views, held{v, v.Digest()})
		}
	}
	final := live.View()
	want := final.Digest()
	for _, h := range views {
		require.Equal(t, h.digest, h.view.Digest(), "a view changed")
	}
	require.Equal(t, want, replay(t, New(), log, 0).Digest(), "replay = live")
	for k := 0; k <= steps; k += 1 + steps/12 {
		middle := replay(t, New(), log[:k], 0)
		restored := restoreView(t, middle)
		require.Equal(t, middle.Digest(), restored.View().Digest(), "snapshot at %d", k)
		require.Equal(t, want, replay(t, restored, log, k).Digest(), "snapshot at %d + tail = replay", k)
	}
}

// replay applies the log from entry k on and returns the view behind it.
func replay(t testing.TB, s *State, log [][]byte, k int) *View {
	for i := k; i < len(log); i++ {
		_, err := s.Apply(uint64(i+1), log[i])
		require.NoError(t, err)
		if i%13 == 0 {
			s.View() // where views are taken must not matter
		}
	}
	return s.View()
}

func restoreView(t testing.TB, v *View) *State {
	var buf bytes.Buffer
	n, err := v.WriteTo(&buf)
	require.NoError(t, err)
	require.EqualValues(t, buf.Len(), n)
	s, err := Read(&buf)
	require.NoError(t, err)
	return s
}

// adoptEpochs checks the epochs that a segment names against the model, which
// knows what they must be at least, and then lets the model know the rest: an
// hour that was dropped raises those before it, too.
func adoptEpochs(m *model, v *View, c AddSegment) {
	for _, e := range c.Segment.Epochs {
		if current := v.Epoch(e.Key); current > m.epoch(e.Key) {
			m.epochs[e.Key] = current
		}
	}
}

func checkAgainstModel(t *testing.T, v *View, m *model) {
	t.Helper()
	for _, tenant := range simTenants {
		refs := []PartRef{}
		bounds := warehouse.EmptyRange
		for _, p := range v.Parts(tenant, everything) {
			refs = append(refs, PartRef{p.Object, p.Tenant, p.Hour})
			bounds = bounds.Union(p.Range)
		}
		require.Equal(t, m.parts(tenant), refs)
		require.Equal(t, bounds, v.Bounds(tenant))
		for h := range warehouse.Hour(8) {
			k := partition(tenant, hour0+h)
			require.GreaterOrEqual(t, v.Epoch(k), m.epoch(k), "epoch of %v", k)
			checkNarrow(t, v, tenant, hour0+h)
		}
	}
	want := slices.Clone(m.dead)
	got := buried(v)
	sortIDs(want)
	sortIDs(got)
	require.Equal(t, append([]warehouse.ObjectID{}, want...), got)
	require.Equal(t, recount(v), v.Totals())
	remembered := 0
	for _, p := range m.profiles {
		if m.now-p.at <= 15*60e6 {
			remembered++
		}
	}
	require.Equal(t, remembered, v.Profiles())
	require.Len(t, v.Jobs(), len(m.jobs))
	for i, j := range m.jobs {
		require.Equal(t, []any{j.id, j.token, j.attempts, j.failed, j.failed >= 3}, []any{v.jobs[i].ID, v.jobs[i].Token, v.jobs[i].Attempts, v.jobs[i].Failures, v.jobs[i].SetAside})
	}
}

// checkDeletions compares the deletions with the model's, and how far each part is.
func checkDeletions(t *testing.T, v *View, m *model, met *outcomes) {
	t.Helper()
	known := map[warehouse.ObjectID]*Deletion{}
	for _, d := range v.Deletions() {
		known[d.ID] = d
	}
	for _, d := range m.deletions {
		got := known[d.ID]
		if got == nil {
			continue // forgotten: a deletion is long done then
		}
		require.Equal(t, d.applied, got.AppliedAt != 0, "deletion %s", d.ID)
		require.Equal(t, d.applied, !slices.ContainsFunc(v.Masks(d.Tenant), func(x *warehouse.Deletion) bool { return x.ID == d.ID }))
		for _, id := range got.Residue {
			require.Contains(t, d.residue, id)
		}
		if got.AppliedAt > got.SubmittedAt {
			met.note("applied later")
		}
		if got.GoneAt != 0 {
			met.note("gone")
		}
	}
	for _, tenant := range simTenants {
		for _, p := range v.Parts(tenant, everything) {
			i := slices.IndexFunc(m.live, func(q modelPart) bool { return q.ref == PartRef{p.Object, p.Tenant, p.Hour} })
			require.Equal(t, m.live[i].masked, p.Masked, "part %s", p.Object)
		}
	}
}

func (o *outcomes) note(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.met == nil {
		o.met = map[string]int{}
	}
	o.met[what]++
}

// checkNarrow compares a narrow range with a filter over everything.
func checkNarrow(t *testing.T, v *View, tenant warehouse.Tenant, h warehouse.Hour) {
	r := warehouse.TimeRange{From: h.Start() + 1000e6, To: (h + 1).Start() + 600e6}
	want := slices.DeleteFunc(v.Parts(tenant, everything), func(p *warehouse.Part) bool { return !p.Range.Overlaps(r) })
	assert.ElementsMatch(t, want, v.Parts(tenant, r))
}

func sortIDs(ids []warehouse.ObjectID) {
	slices.SortFunc(ids, func(a, b warehouse.ObjectID) int { return a.Compare(b) })
}
