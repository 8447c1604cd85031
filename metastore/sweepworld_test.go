package metastore

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// loose is a metastore without Raft and disk: a command is applied when it is
// proposed. All else is as in production.
func loose(t *testing.T, o Options) *Metastore {
	o.ManifestEvery = -1
	m := &Metastore{opts: o.withDefaults(), dir: &directory{since: o.Clock().Add(-1000 * time.Hour)}}
	m.failure.done = make(chan struct{})
	m.ready.init()
	m.pins = newPins(m.opts.tuning.maxPinAge, m.opts.Clock)
	m.metrics = newMetrics(nil)
	m.fsm = newFSM(state.New(), m.metrics, func(err error) { require.NoError(t, err) })
	index := uint64(0)
	m.submit = func(_ context.Context, c state.Command) (any, error) {
		index++
		return m.fsm.Apply(&raft.Log{Index: index, Type: raft.LogCommand, Data: state.Append(nil, m.now(), c)}), nil
	}
	m.setLeading(true)
	return m
}

// shelf is a bucket of names whose listings are as bad as they may be.
type shelf struct {
	object.Bucket // everything that is not here panics
	mu            sync.Mutex
	rng           *rand.Rand
	clock         *clock
	files         map[string]time.Time
	onDelete      func(name string)
	onList        func() // when a listing was made, and before anybody sees it
}

func (s *shelf) put(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[name] = s.clock.read()
}

func (s *shelf) has(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.files[name]
	return ok
}

func (s *shelf) Delete(_ context.Context, name string) error {
	s.onDelete(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.files, name)
	return nil
}

func (s *shelf) Stat(_ context.Context, name string) (object.Attrs, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.files[name]
	if !ok {
		return object.Attrs{}, warehouse.Errorf(warehouse.NotFound, "stat %s", name)
	}
	return object.Attrs{Name: name, Size: 1, ModifiedAt: at}, nil
}

func (s *shelf) List(_ context.Context, prefix string, fn func(object.Attrs) error) error {
	s.mu.Lock()
	var all []object.Attrs
	for name, at := range s.files {
		if len(name) < len(prefix) || name[:len(prefix)] != prefix || s.rng.IntN(50) == 0 { // put a moment ago, and not listed yet
			continue
		}
		a := object.Attrs{Name: name, Size: 1, ModifiedAt: at}
		switch s.rng.IntN(8) {
		case 0:
			a.ModifiedAt = time.Time{}
		case 1:
			a.Size = -1
		}
		all = append(all, a)
	}
	s.mu.Unlock()
	s.onList()
	slices.SortFunc(all, func(a, b object.Attrs) int { return slices.Compare([]byte(a.Name), []byte(b.Name)) })
	for _, a := range all {
		if err := fn(a); err != nil {
			return err
		}
	}
	return nil
}

// writer is somebody between storing an object and registering it.
type writer struct {
	name  string // of a worker
	parts []warehouse.Part
	job   *warehouse.Job // nil: an ingester
	left  []string       // files that are not stored yet
}

// reader holds a snapshot.
type reader struct {
	*Snapshot
	live map[warehouse.ObjectID]struct{}
}

// sweepWorld is ingesters and workers that are slow, crash, repeat themselves and
// come back from the dead, uploads that appear when nobody expects them any more,
// deletions that are undone by a power loss, clocks that are set, readers, the
// collector, and the sweep.
type sweepWorld struct {
	*Metastore
	t        *testing.T
	rng      *rand.Rand
	clock    *clock
	shelf    *shelf
	n        int
	writers  []*writer
	pending  []string // uploads that will appear, and deletions that will be undone
	readers  []reader
	view     *state.View
	live     map[warehouse.ObjectID]struct{} // in view
	sweeping bool
	isOwner  bool // deletes its own object
	swept    map[warehouse.ObjectID]bool
	met      map[string]int
}

func newSweepWorld(t *testing.T, seed uint64) *sweepWorld {
	w := &sweepWorld{t: t, rng: rand.New(rand.NewPCG(seed, 5)), clock: newClock(), swept: map[warehouse.ObjectID]bool{}, met: map[string]int{}}
	w.shelf = &shelf{rng: rand.New(rand.NewPCG(seed, 6)), clock: w.clock, files: map[string]time.Time{}, onDelete: w.deleted, onList: w.meanwhile}
	p := DefaultPolicy()
	p.MaxSegments = 4
	w.Metastore = loose(t, Options{Clock: w.clock.read, Bucket: w.shelf, Policy: p})
	return w
}

// meanwhile is what happens while a sweep is under way.
func (w *sweepWorld) meanwhile() {
	for range w.rng.IntN(12) {
		w.goOn()
	}
}

// deleted looks at every deletion.
func (w *sweepWorld) deleted(name string) {
	f, ok := parseObject(name)
	assert.True(w.t, ok, name)
	w.shelf.mu.Lock()
	defer w.shelf.mu.Unlock()
	if v := w.fsm.view.Load(); v != w.view { // neither sweep nor collector changes what is live
		w.view, w.live = v, objectsOfView(v)
	}
	_, isLive := w.live[f.ID]
	assert.False(w.t, isLive, "a live object is deleted")
	for _, s := range w.readers {
		_, isRead := s.live[f.ID]
		assert.False(w.t, isRead && s.Err() == nil, "an object is deleted that somebody reads")
	}
	if !w.sweeping || w.isOwner {
		return
	}
	for _, d := range w.view.Tombstones() {
		assert.False(w.t, d.Part.Object == f.ID, "the sweep deletes what is the collector's")
	}
	age := w.clock.read().Sub(time.UnixMilli(int64(f.ID.Time())))
	assert.Greater(w.t, age, w.opts.OrphanAge)
	if at, ok := w.shelf.files[name]; ok {
		assert.Greater(w.t, w.clock.read().Sub(at), w.opts.OrphanAge)
	}
	if w.swept[f.ID] {
		w.met["swept again"]++
	}
	w.swept[f.ID] = true
	w.met[map[bool]string{true: "swept a segment", false: "swept a file of a block"}[f.Tenant == ""]]++
}

func (w *sweepWorld) newID() warehouse.ObjectID {
	w.n++
	skew := time.Duration(w.rng.IntN(240)-120) * time.Second
	return bornAt(w.n, w.clock.read().Add(skew))
}

func (w *sweepWorld) newPart(level uint8, h warehouse.Hour, rows int64) warehouse.Part {
	p := part(1, level, tenant, h)
	p.Object = w.newID()
	p.Sections[0].Rows = rows
	return p
}

func (w *sweepWorld) step() {
	switch n := w.rng.IntN(1000); {
	case n < 300:
		w.newSegment()
	case n < 600:
		w.goOn()
	case n < 660:
		w.newJobs()
	case n < 700:
		w.appear()
	case n < 704:
		w.crash()
	case n < 730:
		w.renew()
	case n < 760:
		w.read()
	case n < 780:
		require.NoError(w.t, w.collect(w.t.Context()))
	case n < 790:
		w.sweepNow()
	case n < 791:
		w.expire()
	case n < 793:
		w.restart()
	case n < 794: // the clock is set
		w.clock.pass(time.Duration(w.rng.IntN(240)-120) * time.Minute)
	default:
		w.clock.pass(time.Duration(w.rng.IntN(8000)) * time.Millisecond)
	}
}

func (w *sweepWorld) sweepNow() {
	w.sweeping = true
	defer func() { w.sweeping = false }()
	require.NoError(w.t, w.sweep(w.t.Context()))
}

func (w *sweepWorld) newSegment() {
	h := warehouse.MicrosOf(w.clock.read()).Hour() - warehouse.Hour(w.rng.IntN(3))
	p := w.newPart(0, h, 5)
	w.begin(&writer{parts: []warehouse.Part{p}})
}

func (w *sweepWorld) newJobs() {
	name := []string{"a", "b"}[w.rng.IntN(2)]
	jobs, err := w.TakeJobs(w.t.Context(), name, 2)
	require.NoError(w.t, err)
	for _, j := range jobs {
		var rows int64
		for _, p := range j.Inputs {
			rows += p.Rows()
		}
		w.begin(&writer{name: name, job: j, parts: []warehouse.Part{w.newPart(j.Level, j.Hour, rows)}})
	}
}

// renew extends the leases of a worker's jobs, if it was not started anew.
func (w *sweepWorld) renew() {
	for _, name := range []string{"a", "b"} {
		var jobs []warehouse.JobRef
		for _, b := range w.writers {
			if b.name == name && w.rng.IntN(50) > 0 {
				jobs = append(jobs, b.job.JobRef)
			}
		}
		_, err := w.RenewJobs(w.t.Context(), name, jobs)
		require.NoError(w.t, err)
	}
}

func (w *sweepWorld) begin(b *writer) {
	b.left = block.ObjectNames(&b.parts[0])
	w.writers = append(w.writers, b)
}

// goOn lets a writer do its next step, mostly one of the newest.
func (w *sweepWorld) goOn() {
	if len(w.writers) == 0 {
		return
	}
	i := w.rng.IntN(len(w.writers))
	if w.rng.IntN(20) > 0 {
		i = max(i, len(w.writers)-1-w.rng.IntN(4))
	}
	b := w.writers[i]
	if len(b.left) > 0 {
		name := b.left[0]
		b.left = b.left[1:]
		if w.rng.IntN(20) == 0 { // a failed upload, which will appear
			w.pending = append(w.pending, name)
			if w.rng.IntN(2) == 0 {
				w.drop(i) // and it is not tried again
			}
			return
		}
		w.shelf.put(name)
		return
	}
	w.register(i, b)
}

func (w *sweepWorld) drop(i int) { w.writers = slices.Delete(w.writers, i, i+1) }

func (w *sweepWorld) register(i int, b *writer) {
	for _, name := range block.ObjectNames(&b.parts[0]) {
		if !w.shelf.has(name) && slices.Contains(w.pending, name) {
			return // it waits, and puts it again, which is no matter here
		}
	}
	id := b.parts[0].Object
	live := w.registerOnce(b)
	if w.rng.IntN(10) == 0 {
		return // no answer came: it asks again
	}
	w.drop(i)
	if live || w.rng.IntN(3) == 0 {
		return
	}
	w.isOwner = true
	defer func() { w.isOwner = false }()
	for _, name := range block.ObjectNames(&b.parts[0]) { // its own object, which is refused
		require.NotContains(w.t, objectsOfView(w.fsm.view.Load()), id)
		require.NoError(w.t, w.shelf.Delete(w.t.Context(), name))
	}
}

func (w *sweepWorld) registerOnce(b *writer) (live bool) {
	ctx, id := w.t.Context(), b.parts[0].Object
	old := w.clock.read().Sub(time.UnixMilli(int64(id.Time()))) > state.FateWindow
	if b.job == nil {
		r, err := w.AddSegment(ctx, &warehouse.Segment{ID: id, Size: 1000, Parts: b.parts})
		require.NoError(w.t, err)
		live = r.Outcome == warehouse.Added
		switch {
		case !live && old:
			w.met["refused: too old"]++
		case !live:
			w.met["refused: fenced"]++
		}
	} else {
		err := w.FinishJob(ctx, b.job.JobRef, b.parts, nil)
		if live = err == nil; !live {
			require.Equal(w.t, warehouse.NotFound, warehouse.KindOf(err), err)
			require.NotContains(w.t, err.Error(), "clashes", "what a running job has made is not fenced")
			w.met["job lost"]++
		} else if old {
			w.met["a job of hours finished"]++
		}
	}
	if live {
		w.met["registered"]++
		w.checkObject(id, b)
	}
	return live
}

// checkObject looks at an object that was just registered, or was before.
func (w *sweepWorld) checkObject(id warehouse.ObjectID, b *writer) {
	if _, isLive := objectsOfView(w.fsm.view.Load())[id]; !isLive {
		return // long merged
	}
	require.False(w.t, w.swept[id], "object %s was swept and is live", id)
	for _, name := range block.ObjectNames(&b.parts[0]) {
		require.True(w.t, w.shelf.has(name), "object %s is live and gone", id)
	}
}

func objectsOfView(v *state.View) map[warehouse.ObjectID]struct{} {
	live := map[warehouse.ObjectID]struct{}{}
	for _, p := range v.Parts(tenant, everything) {
		live[p.Object] = struct{}{}
	}
	return live
}

// appear brings an upload that was given up, or a file whose deletion a power loss
// undid.
func (w *sweepWorld) appear() {
	if len(w.pending) == 0 {
		return
	}
	i := w.rng.IntN(len(w.pending))
	name := w.pending[i]
	w.pending = slices.Delete(w.pending, i, i+1)
	w.shelf.put(name)
	f, _ := parseObject(name)
	if w.swept[f.ID] {
		w.met["appeared after the sweep"]++
	}
}

// crash ends most writers where they are.
func (w *sweepWorld) crash() {
	for i := len(w.writers) - 1; i >= 0; i-- {
		switch w.rng.IntN(4) {
		case 0: // a zombie
		default:
			w.drop(i)
		}
	}
	for range min(2, len(w.swept)) {
		for id := range w.swept { // any
			w.pending = append(w.pending, block.SegmentName(0, id))
			break
		}
	}
}

func (w *sweepWorld) read() {
	if len(w.readers) > 3 {
		s := w.readers[0]
		w.readers = w.readers[1:]
		if s.Err() == nil {
			for _, p := range s.Parts(tenant, everything) {
				for _, name := range block.ObjectNames(p) {
					require.True(w.t, w.shelf.has(name), "object %s is read and gone", p.Object)
				}
			}
		}
		s.Release()
	}
	s, err := w.Snapshot(w.t.Context())
	require.NoError(w.t, err)
	w.readers = append(w.readers, reader{s, objectsOfView(s.view)})
}

func (w *sweepWorld) expire() {
	_, err := w.propose(w.t.Context(), state.SetRetention{Retention: 4 * time.Hour})
	require.NoError(w.t, err)
	_, err = w.propose(w.t.Context(), state.Expire{})
	require.NoError(w.t, err)
}

// restart replaces the state by what its snapshot gives back.
func (w *sweepWorld) restart() {
	var data bytes.Buffer
	_, err := w.fsm.view.Load().WriteTo(&data)
	require.NoError(w.t, err)
	require.NoError(w.t, w.fsm.Restore(io.NopCloser(&data)))
}

// TestSweepSimulation: whatever happens, no object is deleted that is live, dead and
// still read, young, or registered later; and in the end no orphan is left.
func TestSweepSimulation(t *testing.T) {
	t.Parallel()
	seeds, steps := 8, 15_000
	if testing.Short() {
		seeds = 4
	}
	var mu sync.Mutex
	met := map[string]int{}
	t.Run("seeds", func(t *testing.T) {
		for seed := range seeds {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				w := newSweepWorld(t, uint64(seed))
				for i := 0; i < steps && !t.Failed(); i++ {
					w.step()
				}
				w.end()
				mu.Lock()
				defer mu.Unlock()
				for what, n := range w.met {
					met[what] += n
				}
			})
		}
	})
	t.Log(met)
	for _, what := range []string{
		"registered", "swept a segment", "swept a file of a block", "swept again", "appeared after the sweep",
		"refused: too old", "refused: fenced", "job lost", "a job of hours finished",
	} {
		assert.Positive(t, met[what], what)
	}
}

// end lets everything come to rest, and looks at what is left.
func (w *sweepWorld) end() {
	for _, s := range w.readers {
		s.Release()
	}
	w.readers, w.writers = nil, nil
	for len(w.pending) > 0 {
		w.appear()
	}
	for _, worker := range []string{"a", "b"} {
		_, err := w.RenewJobs(w.t.Context(), worker, nil)
		require.NoError(w.t, err)
	}
	for range 20 { // a listing may leave something out
		w.clock.pass(5 * time.Hour)
		require.NoError(w.t, w.collect(w.t.Context()))
		w.sweepNow()
	}
	live := map[string]bool{}
	for _, p := range w.fsm.view.Load().Parts(tenant, everything) {
		for _, name := range block.ObjectNames(p) {
			live[name] = true
			require.True(w.t, w.shelf.has(name), "object %s is live and gone", p.Object)
		}
	}
	for name := range w.shelf.files {
		require.True(w.t, live[name], "orphan %s is left", name)
	}
}
