package query

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

func never() bool { return false }

// one stores an object with one sample.
func (w *world) one(t warehouse.Tenant, s warehouse.Series, at warehouse.Micros, value int64, path ...string) *warehouse.Part {
	w.store(1, []fact{{tenant: t, series: s, time: at, id: profileID(len(w.facts)), samples: []sampleFact{{stack: w.stack(path...), value: value}}}}, never)
	return w.parts[len(w.parts)-1]
}

func TestNoData(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, s := range w.services() {
		sel := Selection{Tenant: tenantA, Type: cpu, Range: whole, Matchers: matchers(t, `{pod="x"}`)}
		tree, err := s.Tree(t.Context(), sel)
		require.NoError(t, err)
		require.Zero(t, tree.Total())
		p, err := s.Pprof(t.Context(), sel)
		require.NoError(t, err)
		require.Empty(t, p.Sample)
		series, err := s.Series(t.Context(), SeriesRequest{Selection: sel, StepMs: 1})
		require.NoError(t, err)
		require.Empty(t, series)
		names, err := s.LabelNames(t.Context(), tenantA, nil, whole)
		require.NoError(t, err)
		require.Empty(t, names)
		stats, err := s.Stats(t.Context(), tenantA)
		require.NoError(t, err)
		require.Equal(t, Stats{}, stats)
	}
}

// TestProfilesWithoutSamples: they have no rows and may have no samples section,
// but their labels exist and their points are 0.
func TestProfilesWithoutSamples(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	empty := seriesOf(cpu, "api", "pod", "idle")
	at := hour0.Start() + 30_000_000
	w.store(0, []fact{{tenant: tenantA, series: empty, time: at, id: profileID(0)}}, never)
	w.store(1, []fact{
		{tenant: tenantA, series: empty, time: at + 1, id: profileID(1)},
		{tenant: tenantA, series: seriesOf(cpu, "api", "pod", "busy"), time: at, id: profileID(2), samples: []sampleFact{{stack: w.stack("main"), value: 9}}},
	}, never)
	for i, s := range w.services() {
		sel := Selection{Tenant: tenantA, Type: cpu, Range: warehouse.TimeRange{From: hour0.Start(), To: hour0.Start() + 60_000_000}}
		req := SeriesRequest{Selection: sel, StepMs: 60_000, GroupBy: []string{"pod"}}
		checkTree(t, w, []*Service{s}, sel)
		got, err := s.Series(t.Context(), req)
		require.NoError(t, err)
		point := func(v float64) []Point { return []Point{{int64(hour0.Start())/1000 + 60_000, v}} }
		require.Equal(t, []TimeSeries{{warehouse.LabelsOf("pod", "busy"), point(9)}, {warehouse.LabelsOf("pod", "idle"), point(0)}}, got, ways[i].name)

		req.GroupBy, req.Average = nil, true
		got, err = s.Series(t.Context(), req)
		require.NoError(t, err)
		require.Equal(t, []TimeSeries{{Points: point(3)}}, got, ways[i].name)

		pods, err := s.LabelValues(t.Context(), tenantA, "pod", nil, whole)
		require.NoError(t, err)
		require.Equal(t, []string{"busy", "idle"}, pods)
	}
}

func TestTotalsThatDoNotFit(t *testing.T) {
	t.Parallel()
	const most = math.MaxInt64
	tests := []struct {
		name   string
		values []int64 // a profile each
		same   bool    // stack
		fits   bool
	}{
		{"the greatest total", []int64{most - 1, 1}, true, true},
		{"one more, in one stack", []int64{most, 1}, true, false},
		{"one more, in two stacks", []int64{most, 1}, false, false},
		{"twice around", []int64{most, most, most, most}, true, false},
	}
	for _, tt := range tests {
		for _, objects := range []int{1, len(tt.values)} {
			t.Run(fmt.Sprintf("%s/objects=%d", tt.name, objects), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				var facts []fact
				for i, v := range tt.values {
					path := []string{"main"}
					if !tt.same {
						path = append(path, fmt.Sprint(i))
					}
					facts = append(facts, fact{
						tenant: tenantA, series: seriesOf(cpu, "api"), time: hour0.Start() + warehouse.Micros(1+i), id: profileID(i),
						samples: []sampleFact{{stack: w.stack(path...), value: v}},
					})
				}
				for i := range objects {
					w.store(0, facts[i*len(facts)/objects:(i+1)*len(facts)/objects], never)
				}
				for i, s := range w.services() {
					sel := Selection{Tenant: tenantA, Type: cpu, Range: whole}
					tree, err := s.Tree(t.Context(), sel)
					_, pprofErr := s.Pprof(t.Context(), sel)
					if tt.fits {
						require.NoError(t, err)
						require.Equal(t, int64(most), tree.Total())
						require.NoError(t, pprofErr)
					} else {
						require.Equal(t, warehouse.OutOfRange, warehouse.KindOf(err), ways[i].name)
						require.Equal(t, warehouse.OutOfRange, warehouse.KindOf(pprofErr), ways[i].name)
					}
					// Points are floats: they round and never overflow.
					sel.Range.From = hour0.End()
					series, err := s.Series(t.Context(), SeriesRequest{Selection: sel, StepMs: 3_600_000})
					require.NoError(t, err)
					var sum float64
					for _, v := range tt.values {
						sum += float64(v)
					}
					require.Equal(t, sum, series[0].Points[0].Value, ways[i].name)
				}
			})
		}
	}
}

func TestTenantsNeverMix(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	same := seriesOf(cpu, "api", "pod", "p")
	w.store(0, []fact{ // one object of both
		{tenant: tenantA, series: same, time: hour0.Start(), id: profileID(1), samples: []sampleFact{{stack: w.stack("a"), value: 1}}},
		{tenant: tenantB, series: same, time: hour0.Start(), id: profileID(1), samples: []sampleFact{{stack: w.stack("b"), value: 2}}},
	}, never)
	for _, s := range w.services() {
		for range 2 { // the second time from caches
			for tenant, want := range map[warehouse.Tenant]string{
				tenantA:  "total 0 1\n  a 1 1\n",
				tenantB:  "total 0 2\n  b 2 2\n",
				"a":      "total 0 0\n",
				"a*'b'b": "total 0 0\n",
			} {
				tree, err := s.Tree(t.Context(), Selection{Tenant: tenant, Type: cpu, Range: whole, Matchers: matchers(t, `{pod="p"}`)})
				require.NoError(t, err)
				require.Equal(t, want, tree.String(), string(tenant))
			}
		}
	}
}

func TestDamageFailsTheQueryAndNamesTheObject(t *testing.T) {
	t.Parallel()
	for _, table := range []warehouse.Table{warehouse.TableSamples, warehouse.TableProfiles, warehouse.TableSeries, warehouse.TableStacktraces} {
		for i := range ways {
			t.Run(fmt.Sprintf("%s/%s", table, ways[i].name), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				p := w.one(tenantA, seriesOf(cpu, "api", "pod", "p"), hour0.Start(), 1, "main")
				name := block.SectionName(p, table)
				data, err := w.bucket.Read(t.Context(), name, 0, -1)
				require.NoError(t, err)
				data[len(data)/2] ^= 1
				require.NoError(t, w.bucket.Put(t.Context(), name, data))
				_, err = w.way(i).Tree(t.Context(), Selection{Tenant: tenantA, Type: cpu, Range: whole, Matchers: matchers(t, `{pod="p"}`)})
				require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err), err)
				require.Contains(t, err.Error(), p.Object.String())
				require.Contains(t, err.Error(), table.String())
			})
		}
	}
}

// TestWrongFileIsCorrupt: bytes whose checksum is right may still be no Parquet.
func TestWrongFileIsCorrupt(t *testing.T) {
	t.Parallel()
	for _, table := range []warehouse.Table{warehouse.TableSamples, warehouse.TableProfiles, warehouse.TableStacktraces} {
		for i := range ways {
			w := newWorld(t)
			p := w.one(tenantA, seriesOf(cpu, "api", "pod", "p"), hour0.Start(), 1, "main")
			from, _ := p.Section(warehouse.TableSeries)
			data, err := w.bucket.Read(t.Context(), block.SectionName(p, warehouse.TableSeries), 0, -1)
			require.NoError(t, err)
			require.NoError(t, w.bucket.Put(t.Context(), block.SectionName(p, table), data))
			for j := range p.Sections {
				if p.Sections[j].Table == table {
					p.Sections[j].Size, p.Sections[j].CRC = from.Size, from.CRC
				}
			}
			_, err = w.way(i).Tree(t.Context(), Selection{Tenant: tenantA, Type: cpu, Range: whole, Matchers: matchers(t, `{pod="p"}`)})
			require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err), "%s %s: %v", ways[i].name, table, err)
			require.Contains(t, err.Error(), p.Object.String(), "%s %s", ways[i].name, table)
		}
	}
}

func TestIndexThatContradictsTheFileIsCorrupt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.one(tenantA, seriesOf(cpu, "api"), hour0.Start(), 1, "main")
	stats := &p.Datasets[0].Types[0]
	lies := map[string]func(){
		"more samples": func() { stats.Rows++ },
		"another type": func() { stats.Type = inuse.String() },
	}
	right := *stats
	for name, lie := range lies {
		for _, i := range []int{0, 1} {
			*stats = right
			lie()
			typ, err := warehouse.ParseProfileType(stats.Type)
			require.NoError(t, err)
			_, err = w.way(i).Tree(t.Context(), Selection{Tenant: tenantA, Type: typ, Range: whole})
			require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err), "%s, %s: %v", name, ways[i].name, err)
			require.Contains(t, err.Error(), p.Object.String())
		}
	}
}

func TestMissingDefinitionsAreCorrupt(t *testing.T) {
	t.Parallel()
	for _, table := range []warehouse.Table{warehouse.TableSeries, warehouse.TableStacktraces} {
		w := newWorld(t)
		p := w.one(tenantA, seriesOf(cpu, "api", "pod", "p"), hour0.Start(), 1, "main")
		for i := range p.Sections {
			if p.Sections[i].Table == table {
				p.Sections = append(p.Sections[:i:i], p.Sections[i+1:]...)
				break
			}
		}
		for _, s := range w.services() {
			_, err := s.Tree(t.Context(), Selection{Tenant: tenantA, Type: cpu, Range: whole, Matchers: matchers(t, `{pod="p"}`)})
			require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err), err)
			require.Contains(t, err.Error(), p.Object.String())
		}
	}
}

// blockingEngine lets a query start and then waits for its context.
type blockingEngine struct {
	Engine
	started chan struct{}
}

func (e blockingEngine) Query(ctx context.Context, _ string, _ []any, _ func(arrow.RecordBatch) error) error {
	e.started <- struct{}{}
	<-ctx.Done()
	return warehouse.Errorf(warehouse.Canceled, "query engine: %w", ctx.Err())
}

func TestCancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.one(tenantA, seriesOf(cpu, "api"), hour0.Start(), 1, "main")
	sel := Selection{Tenant: tenantA, Type: cpu, Range: whole}
	calls := map[string]func(context.Context, *Service) error{
		"tree":  func(ctx context.Context, s *Service) error { _, err := s.Tree(ctx, sel); return err },
		"pprof": func(ctx context.Context, s *Service) error { _, err := s.Pprof(ctx, sel); return err },
		"series": func(ctx context.Context, s *Service) error {
			_, err := s.Series(ctx, SeriesRequest{Selection: sel, StepMs: 1000})
			return err
		},
		"labels": func(ctx context.Context, s *Service) error {
			_, err := s.LabelNames(ctx, tenantA, nil, whole)
			return err
		},
		"values": func(ctx context.Context, s *Service) error {
			_, err := s.LabelValues(ctx, tenantA, "pod", nil, whole)
			return err
		},
		"types": func(ctx context.Context, s *Service) error { _, err := s.ProfileTypes(ctx, tenantA, whole); return err },
		"stats": func(ctx context.Context, s *Service) error { _, err := s.Stats(ctx, tenantA); return err },
	}
	for name, call := range calls {
		t.Run("before/"+name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			err := call(ctx, w.service(Options{}))
			require.Equal(t, warehouse.Canceled, warehouse.KindOf(err))
			require.ErrorIs(t, err, context.Canceled)

			ctx, cancel = context.WithTimeout(t.Context(), -1)
			defer cancel()
			err = call(ctx, w.service(Options{}))
			require.Equal(t, warehouse.Deadline, warehouse.KindOf(err))
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
	}
	for i := range ways {
		t.Run("meanwhile/"+ways[i].name, func(t *testing.T) {
			s := w.way(i)
			engine := blockingEngine{started: make(chan struct{}, 1)}
			s.opts.Engine = engine
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- calls["tree"](ctx, s) }()
			var err error
			select {
			case <-engine.started:
				cancel()
				err = <-done
			case err = <-done:
				require.NoError(t, err, "without the engine")
				return
			}
			require.Equal(t, warehouse.Canceled, warehouse.KindOf(err))
			require.ErrorIs(t, err, context.Canceled)
			require.Empty(t, s.samples.dicts, "dictionaries without a slice")

			s.opts.Engine = w.engine
			require.NoError(t, calls["tree"](t.Context(), s), "the next query is not affected")
		})
	}
}

// TestFillsTakeTurns: queries that miss the same samples read them once; others
// do not wait, and nobody waits longer than his context.
func TestFillsTakeTurns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.one(tenantA, seriesOf(cpu, "api"), hour0.Start(), 1, "main")
	w.one(tenantA, seriesOf(inuse, "api"), hour0.Start(), 1, "main")
	s := w.way(0)
	ask := func(ctx context.Context, typ warehouse.ProfileType) error {
		_, err := s.Tree(ctx, Selection{Tenant: tenantA, Type: typ, Range: whole})
		return err
	}
	end, err := s.samples.beginFill(t.Context(), fillKey{tenantA, cpu.String()})
	require.NoError(t, err)
	require.NoError(t, ask(t.Context(), inuse))

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- ask(ctx, cpu) }()
	cancel()
	require.Equal(t, warehouse.Canceled, warehouse.KindOf(<-done))

	sections := &countingSections{Sections: w.sections}
	s.opts.Sections = sections
	for range 4 {
		go func() { done <- ask(t.Context(), cpu) }()
	}
	end()
	for range 4 {
		require.NoError(t, <-done)
	}
	require.Empty(t, s.samples.fills)
	require.Equal(t, int64(1), sections.samples.Load())
}

// countingSections counts how often samples are read.
type countingSections struct {
	Sections
	samples atomic.Int64
}

func (c *countingSections) Read(ctx context.Context, p *warehouse.Part, t warehouse.Table) ([]byte, error) {
	if t == warehouse.TableSamples {
		c.samples.Add(1)
	}
	return c.Sections.Read(ctx, p, t)
}

// TestConcurrentQueries shares caches that are too small between many queries.
func TestConcurrentQueries(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	w := newWorld(t)
	w.storeRandomly(rng, w.randomFacts(rng, 200))
	services := w.services()
	var wg sync.WaitGroup
	for i := range 24 {
		sel := randomSelection(t, rng, w)
		want := w.wantTree(sel).String()
		wantPods := wantValues(w.wantLabels(sel.Tenant, nil, sel.Range), "pod")
		wg.Go(func() {
			s := services[i%len(services)]
			for range 3 {
				got, err := s.Tree(t.Context(), sel)
				if err != nil || got.String() != want {
					t.Errorf("%s: %v, got %v, want %s", ways[i%len(ways)].name, err, got, want)
				}
				pods, err := s.LabelValues(t.Context(), sel.Tenant, "pod", nil, sel.Range)
				if err != nil || fmt.Sprint(pods) != fmt.Sprint(wantPods) {
					t.Errorf("%s: %v, got %v, want %v", ways[i%len(ways)].name, err, pods, wantPods)
				}
			}
		})
	}
	wg.Wait()
}

// TestSecondQueryReadsNothing: a warm query needs neither files nor the engine.
func TestSecondQueryReadsNothing(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 6))
	w := newWorld(t)
	w.store(0, w.randomFacts(rng, 200), never)
	for _, i := range []int{0, 1} {
		s := w.way(i)
		ask := func(typ warehouse.ProfileType) string {
			sel := Selection{Tenant: tenantA, Type: typ, Range: whole, Matchers: matchers(t, `{pod=~".*0"}`)}
			tree, err := s.Tree(t.Context(), sel)
			require.NoError(t, err)
			series, err := s.Series(t.Context(), SeriesRequest{Selection: sel, StepMs: 60_000, GroupBy: []string{"pod"}})
			require.NoError(t, err)
			names, err := s.LabelNames(t.Context(), tenantA, nil, whole)
			require.NoError(t, err)
			return fmt.Sprint(tree, series, names)
		}
		first := ask(cpu)
		s.opts.Engine, s.opts.Sections = nil, nil // using either would panic
		require.Equal(t, first, ask(cpu))
		if ways[i].name == "tiny" {
			require.NotEmpty(t, ask(inuse), "tiny parts are read as a whole")
		}
	}
}

func TestSampleCacheKeepsItsBudget(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(8, 9))
	w := newWorld(t)
	w.storeRandomly(rng, w.randomFacts(rng, 300))
	const budget = 20_000
	s := w.service(Options{SmallRows: 1 << 40, SampleCacheBytes: budget})
	for range 60 {
		_, err := s.Tree(t.Context(), randomSelection(t, rng, w))
		require.NoError(t, err)
		require.LessOrEqual(t, s.samples.sizeBytes(), int64(budget))
	}
	require.Positive(t, s.samples.sizeBytes())
	require.Positive(t, s.samples.counter.hits.Load())

	s.samples.mu.Lock()
	defer s.samples.mu.Unlock()
	var sum int64
	users := map[*stackDict]int{}
	for el := s.samples.slices.order.Front(); el != nil; el = el.Next() {
		e := el.Value.(*lruEntry[sliceKey, *sampleSlice])
		sum += e.bytes
		users[e.value.dict]++
	}
	require.Len(t, s.samples.dicts, len(users))
	for d, n := range users {
		require.Equal(t, n, d.users)
		sum += d.charged
	}
	require.Equal(t, sum, s.samples.slices.size)
}

func TestSeriesRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := hour0.Start() + 1
	for i, v := range []int64{5, 3, 3, 8} {
		w.one(tenantA, seriesOf(cpu, "api", "n", fmt.Sprint(i)), at, v, "main")
	}
	w.one(tenantA, seriesOf(cpu, "big"), at, 1<<53+1, "main")
	s := w.service(Options{})
	ask := func(req SeriesRequest) ([]TimeSeries, error) {
		req.Tenant, req.Type = tenantA, cpu
		req.Range = warehouse.TimeRange{From: hour0.Start(), To: hour0.Start() + 60_000_000}
		return s.Series(t.Context(), req)
	}
	for _, step := range []int64{0, -1, math.MinInt64} {
		_, err := ask(SeriesRequest{StepMs: step})
		require.Equal(t, warehouse.Invalid, warehouse.KindOf(err))
	}
	names := func(ts []TimeSeries) (out []string) {
		for _, one := range ts {
			out = append(out, one.Labels.Value("n"))
		}
		return out
	}
	only := Selection{Matchers: matchers(t, `{service_name="api"}`)}
	got, err := ask(SeriesRequest{Selection: only, StepMs: 60_000, GroupBy: []string{"n"}, Limit: 2})
	require.NoError(t, err)
	require.Equal(t, []string{"0", "3"}, names(got), "the greatest two, by labels")
	got, err = ask(SeriesRequest{Selection: only, StepMs: 60_000, GroupBy: []string{"n"}, Limit: 3})
	require.NoError(t, err)
	require.Equal(t, []string{"0", "1", "3"}, names(got), "of equal sums the first label")

	got, err = ask(SeriesRequest{Selection: Selection{Matchers: matchers(t, `{service_name="big"}`)}, StepMs: 60_000, GroupBy: []string{"service_name", "__name__", "absent"}})
	require.NoError(t, err)
	require.Equal(t, warehouse.LabelsOf("__name__", "process_cpu", "service_name", "big"), got[0].Labels)
	require.Equal(t, float64(1<<53), got[0].Points[0].Value, "2^53+1 rounds to even")

	got, err = ask(SeriesRequest{StepMs: math.MaxInt64})
	require.NoError(t, err)
	require.Empty(t, got, "the only point is at the start, before the profiles")
}

func TestPprofBelowCallSite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.one(tenantA, seriesOf(cpu, "api"), hour0.Start(), 1, "main", "a")
	w.one(tenantA, seriesOf(cpu, "api"), hour0.Start()+1, 2, "main", "b", "c")
	for _, s := range w.services() {
		p, err := s.Pprof(t.Context(), Selection{Tenant: tenantA, Type: cpu, Range: whole, CallSite: []string{"main", "b"}})
		require.NoError(t, err)
		require.Len(t, p.Sample, 1)
		require.Equal(t, []int64{2}, p.Sample[0].Value)
		require.Equal(t, "c", p.Sample[0].Location[0].Line[0].Function.Name)
		require.Equal(t, int64(whole.From)*1000, p.TimeNanos)
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.one(tenantA, seriesOf(cpu, "api"), hour0.Start()+5, 1, "main")
	w.one(tenantA, seriesOf(cpu, "api"), hour0.End()+7, 1, "main")
	stats, err := w.service(Options{}).Stats(t.Context(), tenantA)
	require.NoError(t, err)
	require.Equal(t, Stats{Ingested: true, Oldest: hour0.Start() + 5, Newest: hour0.End() + 7}, stats)
}

type failingIndex struct{ err error }

func (i failingIndex) Snapshot(context.Context) (Snapshot, error) { return nil, i.err }

func TestIndexErrorIsTheAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.service(Options{})
	want := warehouse.Errorf(warehouse.Unavailable, "no leader")
	s.opts.Index = failingIndex{want}
	_, err := s.Tree(t.Context(), Selection{Tenant: tenantA, Type: cpu, Range: whole})
	require.Same(t, want, err)
	_, err = s.Stats(t.Context(), tenantA)
	require.Same(t, want, err)
}

func TestNewNeedsItsParts(t *testing.T) {
	t.Parallel()
	_, err := New(Options{})
	require.Equal(t, warehouse.Invalid, warehouse.KindOf(err))
}

func TestMetricsAreNamedAndHelped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reg := prometheus.NewRegistry()
	s := w.service(Options{Registry: reg})
	_, err := s.Tree(t.Context(), Selection{Tenant: tenantA, Type: cpu, Range: whole})
	require.NoError(t, err)
	_, err = s.Series(t.Context(), SeriesRequest{})
	require.Error(t, err)
	fams, err := reg.Gather()
	require.NoError(t, err)
	require.Len(t, fams, 7)
	outcomes := map[string]float64{}
	for _, f := range fams {
		require.True(t, strings.HasPrefix(f.GetName(), "stackhouse_query_"), f.GetName())
		require.NotEmpty(t, f.GetHelp())
		if f.GetName() == "stackhouse_query_queries_total" {
			for _, m := range f.GetMetric() {
				outcomes[m.GetLabel()[0].GetValue()+" "+m.GetLabel()[1].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	require.Equal(t, map[string]float64{"tree ok": 1, "series invalid": 1}, outcomes)
}

// TestFilesAreReleased: whatever happens, no section stays pinned.
func TestFilesAreReleased(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.one(tenantA, seriesOf(cpu, "api"), hour0.Start(), 1, "main")
	s := w.way(3) // the engine's
	s.opts.Engine = failingEngine{errors.New("broken")}
	_, err := s.Tree(t.Context(), Selection{Tenant: tenantA, Type: cpu, Range: whole})
	require.ErrorContains(t, err, "broken")
	w.sections.Forget(p.Object)
	files, err := filepath.Glob(filepath.Join(w.dir, "*", "*", "*samples.parquet"))
	require.NoError(t, err)
	require.Empty(t, files, "a pinned file would have stayed")
	_, err = os.Stat(w.dir)
	require.NoError(t, err)
}

type failingEngine struct{ err error }

func (e failingEngine) Query(context.Context, string, []any, func(arrow.RecordBatch) error) error {
	return e.err
}

// TestLabelsThatDecideByPart: labels that pick all series of every dataset they pick
// at all, but a service's in one part and not in another, are no reason to add all of
// the service up. Blocks are final, so that totals stand for what is picked whole.
func TestLabelsThatDecideByPart(t *testing.T) {
	t.Parallel()
	for _, level := range []uint8{0, warehouse.LevelFinal} {
		w := newWorld(t)
		n := 0
		one := func(service, version string, value int64) fact {
			n++
			return fact{
				tenant: tenantA, series: seriesOf(cpu, service, "version", version), time: hour0.Start() + warehouse.Micros(n), id: profileID(n),
				samples: []sampleFact{{stack: w.stack("main", service), value: value}},
			}
		}
		w.store(level, []fact{one("api", "1", 1), one("db", "1", 10)}, never)
		w.store(level, []fact{one("api", "2", 100), one("web", "1", 1000)}, never)
		for version, want := range map[string]int64{"1": 1011, "2": 100, "1|2": 1111, "3": 0} {
			sel := Selection{Tenant: tenantA, Type: cpu, Range: whole, Matchers: matchers(t, fmt.Sprintf(`{version=~%q}`, version))}
			for i, s := range w.services() {
				tree, err := s.Tree(t.Context(), sel)
				require.NoError(t, err)
				require.Equal(t, want, tree.Total(), "version=~%q, %s, level %d", version, ways[i].name, level)
			}
		}
	}
}

// TestMappedFileIsCutShort: a fault in mapped bytes is an error, wherever it is met.
func TestMappedFileIsCutShort(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.one(tenantA, seriesOf(cpu, "api"), hour0.Start(), 1, "main")
	local, err := w.sections.Acquire(t.Context(), p, warehouse.TableSamples)
	require.NoError(t, err)
	defer local.Release()
	data, err := local.Map()
	require.NoError(t, err)
	require.NoError(t, os.Truncate(local.Path, 0))
	err = guarded(func() error {
		return block.ReadSampleColumns(data, nil, func(*block.SampleColumns) error { return nil })
	})
	require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err), "%v", err)
}
