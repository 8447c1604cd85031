package compactor

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/cache"
	"github.com/stackhouse-db/stackhouse/warehouse/failpoint"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// planner is a planner with one job at a time, which it gives out until it is done.
type planner struct {
	mu       sync.Mutex
	job      *warehouse.Job
	token    uint64
	holder   warehouse.JobRef
	outputs  []warehouse.Part
	reasons  []string
	attempts int
	answer   func() error  // of FinishJob, after its effect
	done     chan struct{} // closed when the job is finished, or failed three times
}

func (p *planner) TakeJobs(context.Context, string, int) ([]*warehouse.Job, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.outputs != nil || p.holder.Token != 0 || len(p.reasons) == warehouse.MaxJobFailures {
		return nil, nil
	}
	p.token++
	p.attempts++
	j := *p.job
	j.Token, j.Attempt = p.token, p.attempts
	p.holder = j.JobRef
	return []*warehouse.Job{&j}, nil
}

func (p *planner) RenewJobs(_ context.Context, _ string, refs []warehouse.JobRef) (lost []warehouse.JobRef, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, ref := range refs {
		if ref != p.holder {
			lost = append(lost, ref)
		}
	}
	if !slices.Contains(refs, p.holder) {
		p.holder = warehouse.JobRef{}
	}
	return lost, nil
}

func (p *planner) FinishJob(_ context.Context, ref warehouse.JobRef, outputs []warehouse.Part, _ []warehouse.Removed) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.outputs != nil && p.job.ID == ref.ID {
		return nil // asked again
	}
	if ref != p.holder {
		return warehouse.Errorf(warehouse.NotFound, "finish job: lost")
	}
	p.outputs = outputs
	close(p.done)
	if p.answer != nil {
		return p.answer()
	}
	return nil
}

func (p *planner) FailJob(_ context.Context, ref warehouse.JobRef, reason string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ref != p.holder {
		return nil
	}
	p.holder = warehouse.JobRef{}
	if reason != "" {
		p.reasons = append(p.reasons, reason)
		if len(p.reasons) == warehouse.MaxJobFailures {
			close(p.done)
		}
	}
	return nil
}

// shop is a planner with a bucket that holds the inputs of its job.
type shop struct {
	*planner
	w        *world
	bucket   *object.Filesystem
	sections *cache.Sections
	points   *failpoint.Points
	inputs   int // files of the inputs
}

func newShop(t *testing.T, seed uint64) *shop {
	t.Helper()
	dir := t.TempDir()
	s := &shop{planner: &planner{done: make(chan struct{})}, w: newWorld(t, seed), points: &failpoint.Points{}}
	var err error
	s.bucket, err = object.NewFilesystem(filepath.Join(dir, "bucket"))
	require.NoError(t, err)
	s.sections, err = cache.OpenSections(cache.SectionsOptions{Dir: filepath.Join(dir, "cache"), MaxBytes: 1 << 30, Bucket: s.bucket})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.sections.Close()) })
	defined := map[any]bool{}
	s.job = &warehouse.Job{Tenant: tenant, Hour: hour, Level: 3}
	s.job.ID[3] = 9
	for range 4 {
		in := s.w.store(1, []fact{s.w.fact(40), s.w.fact(40), s.w.fact(40)}, defined)
		for _, sec := range in.Part.Sections {
			data, err := in.Data(sec.Table)
			require.NoError(t, err)
			require.NoError(t, s.bucket.Put(t.Context(), block.SectionName(in.Part, sec.Table), data))
			s.inputs++
		}
		s.job.Inputs = append(s.job.Inputs, in.Part)
	}
	return s
}

// run runs workers until the job is decided.
func (s *shop) run(t *testing.T, workers int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range workers {
		w, err := New(Options{Jobs: s.planner, Sections: s.sections, Bucket: s.bucket, Poll: time.Millisecond, RetryPause: time.Millisecond, Failpoints: s.points, Parallel: 1})
		require.NoError(t, err)
		wg.Go(func() { require.NoError(t, w.Run(ctx)) })
	}
	select {
	case <-s.done:
	case <-time.After(20 * time.Second):
		t.Error("the job is not decided")
	}
	cancel()
	wg.Wait()
}

// files returns the names of all objects but the inputs'.
func (s *shop) files(t *testing.T) (names []string) {
	t.Helper()
	inputs := map[string]bool{}
	for _, p := range s.job.Inputs {
		for _, name := range block.ObjectNames(p) {
			inputs[name] = true
		}
	}
	require.NoError(t, s.bucket.List(t.Context(), "", func(a object.Attrs) error {
		if !inputs[a.Name] {
			names = append(names, a.Name)
		}
		return nil
	}))
	return names
}

// check reads the outputs back from the bucket and compares them with the inputs.
func (s *shop) check(t *testing.T) {
	t.Helper()
	got := &contents{series: map[warehouse.SeriesID]warehouse.Series{}, stacks: map[warehouse.StacktraceID]warehouse.Stacktrace{}}
	var want []string
	for i := range s.outputs {
		p := &s.outputs[i]
		want = append(want, block.ObjectNames(p)...)
		for _, sec := range p.Sections {
			data, err := s.sections.Read(t.Context(), p, sec.Table)
			require.NoError(t, err)
			require.NoError(t, got.add(TableFile{sec.Table, data}))
		}
		meta, err := s.bucket.Read(t.Context(), filepath.ToSlash(filepath.Join(block.BlockDir(p), block.MetaName)), 0, -1)
		require.NoError(t, err)
		decoded, sources, err := block.DecodeMeta(meta)
		require.NoError(t, err)
		require.Equal(t, p, decoded)
		require.Len(t, sources, len(s.job.Inputs))
	}
	slices.SortFunc(got.rows, compareRows)
	require.Equal(t, slices.SortedFunc(slices.Values(s.w.rows), compareRows), got.rows)
	require.ElementsMatch(t, want, s.files(t), "nothing else is left")
}

func TestWorker(t *testing.T) {
	t.Parallel()
	s := newShop(t, 1)
	s.run(t, 1)
	require.Empty(t, s.reasons)
	s.check(t)
}

// TestWorkerFailsAtEveryFailpoint: an error at each step, at its first time or
// later, is mended by another attempt, which leaves nothing of the first.
func TestWorkerFailsAtEveryFailpoint(t *testing.T) {
	t.Parallel()
	for _, name := range []failpoint.Name{beforeTable, afterTable, beforeMeta, afterMeta, beforeFinish} {
		for _, hit := range []int64{1, 2} {
			t.Run(fmt.Sprintf("%s@%d", name, hit), func(t *testing.T) {
				t.Parallel()
				s := newShop(t, 2)
				s.points.Set(name, hit, failpoint.Error(name))
				s.run(t, 1)
				s.check(t)
			})
		}
	}
}

// TestWorkerLosesAnAnswer: whether blocks were registered is asked until it is
// known, and blocks that were are left alone.
func TestWorkerLosesAnAnswer(t *testing.T) {
	t.Parallel()
	s := newShop(t, 3)
	s.answer = func() error { return warehouse.Errorf(warehouse.Unavailable, "finish job: no answer") }
	s.run(t, 1)
	require.Empty(t, s.reasons)
	s.check(t)
}

// TestWorkerWaitsForTheBucket: a bucket that is away, however often, is no failure of
// the job.
func TestWorkerWaitsForTheBucket(t *testing.T) {
	t.Parallel()
	s := newShop(t, 6)
	away := 3 * warehouse.MaxJobFailures
	var action failpoint.Action
	action = func() error {
		if away--; away > 0 {
			s.points.Set(afterTable, 1, action)
		}
		return warehouse.Errorf(warehouse.Unavailable, "the bucket is away")
	}
	s.points.Set(afterTable, 1, action)
	s.run(t, 1)
	require.Empty(t, s.reasons)
	require.Greater(t, s.attempts, warehouse.MaxJobFailures)
	s.check(t)
}

// TestWorkerIsTooLate: a worker whose lease was given to another one hands in
// nothing, and leaves no files.
func TestWorkerIsTooLate(t *testing.T) {
	t.Parallel()
	s := newShop(t, 4)
	s.points.Set(beforeFinish, 1, func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.holder = warehouse.JobRef{} // free again
		return nil
	})
	s.run(t, 2)
	s.check(t)
}

// TestWorkerMeetsDamage: an input that is not what the index says fails the job,
// with the object's name, three times and then no more.
func TestWorkerMeetsDamage(t *testing.T) {
	t.Parallel()
	s := newShop(t, 5)
	bad := s.job.Inputs[2]
	name := block.SectionName(bad, warehouse.TableSamples)
	data, err := s.bucket.Read(t.Context(), name, 0, -1)
	require.NoError(t, err)
	data = slices.Clone(data)
	data[len(data)/2] ^= 1
	require.NoError(t, s.bucket.Put(t.Context(), name, data))
	s.run(t, 1)
	require.Len(t, s.reasons, warehouse.MaxJobFailures)
	for _, reason := range s.reasons {
		require.Contains(t, reason, bad.Object.String())
	}
	require.Empty(t, s.files(t))
	require.Nil(t, s.outputs)
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	_, err := New(Options{})
	require.Equal(t, warehouse.Invalid, warehouse.KindOf(err))
}

// mergeWorld is 64 segments of about 40,000 samples of one hour, as small pushes of
// many series leave them.
func mergeWorld(b *testing.B) (w *world, rows int) {
	b.Helper()
	w = newWorld(b, 1)
	defined := map[any]bool{}
	for range 64 {
		var facts []fact
		n := 0
		for n < 40_000 {
			f := w.fact(300)
			facts, n = append(facts, f), n+len(f.rows)
		}
		rows += n
		w.store(0, facts, defined)
	}
	return w, rows
}

func report(b *testing.B, rows int) {
	b.Helper()
	perRun := b.Elapsed().Seconds() / float64(b.N)
	b.ReportMetric(float64(rows)/perRun/1e6, "Mrows/s")
	b.ReportMetric(perRun/float64(rows)*1e6, "s/Mrow")
}

// BenchmarkMerge: see mergeWorld.
//
//	go test -tags duckdb_arrow -run - -bench 'Merge|Copy' ./compactor
func BenchmarkMerge(b *testing.B) {
	w, rows := mergeWorld(b)
	for _, level := range []uint8{1, 3} {
		b.Run(fmt.Sprintf("level %d", level), func(b *testing.B) {
			var size int64
			for b.Loop() {
				size = 0
				_, err := Merge{Level: level, NewID: ids()}.Run(b.Context(), w.parts, func(blk *Block) error {
					section, _ := blk.Part.Section(warehouse.TableSamples)
					size += section.Size
					return nil
				})
				require.NoError(b, err)
			}
			report(b, rows)
			b.ReportMetric(float64(size)/float64(rows), "B/row")
		})
	}
}
