package query

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// BenchmarkFill: what it costs to bring 60 small segments into memory, by the
// number of samples of a segment and what of them is kept: one type of one service,
// or all.
//
//	go test -tags duckdb_arrow -run - -bench Fill -benchtime 2s ./sql/query
func BenchmarkFill(b *testing.B) {
	for _, stacks := range []int{100, 1000, 5000} {
		w := benchWorld(b, 60, stacks)
		for name, rows := range map[string]int64{"wanted": 0, "whole": 1 << 40} {
			b.Run(fmt.Sprintf("rows=%d/%s", w.parts[30].Rows(), name), func(b *testing.B) {
				s := w.service(Options{})
				s.wholeRows = rows
				sel := Selection{Tenant: tenantA, Type: benchType, Matchers: matchers(b, `{service_name="service1"}`), Range: whole}
				loop(b, func() {
					s.samples = newSampleCache(256 << 20)
					require.NotEmpty(b, sumOfStacks(b, s, sel))
				})
			})
		}
	}
}

// benchWorld is what a server that receives profiles from 16 pods of 4 services
// every 15 s holds before anything is compacted: one segment per 15 s, each with
// about 75,000 samples of 11 profile types, if a service and kind has 5,000
// stacktraces, of 21 frames.
func benchWorld(b *testing.B, segments, stacks int) *world {
	b.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	w := newWorld(b)
	var types []warehouse.ProfileType
	for i := range 11 {
		types = append(types, warehouse.ProfileType{Name: fmt.Sprintf("kind%d", i/2), SampleType: fmt.Sprintf("type%02d", i), SampleUnit: "count", PeriodType: "x", PeriodUnit: "y"})
	}
	pools := map[string][]warehouse.StacktraceID{}
	for service := range 4 {
		for kind := range 6 {
			key := fmt.Sprintf("%d/%d", service, kind)
			for n := range stacks {
				path := make([]string, 20)
				for depth := range path {
					path[depth] = fmt.Sprintf("service%d.f%d", service, n>>max(0, 12-depth)*31%(depth*40+1))
				}
				path = append(path, fmt.Sprint(key, n))
				pools[key] = append(pools[key], w.stack(path...))
			}
		}
	}
	shares := []float64{0.26, 0.26, 0.08, 0.08, 0.08, 0.08, 0.01, 0.01, 0.01, 0.01, 0.01}
	for segment := range segments {
		var facts []fact
		for service := range 4 {
			for pod := range 4 {
				for i, typ := range types {
					f := fact{
						tenant: tenantA, series: seriesOf(typ, fmt.Sprintf("service%d", service), "pod", fmt.Sprintf("%d%d", service, pod)),
						time: hour0.Start() + warehouse.Micros(segment*15_000_000+pod), id: profileID(segment*1000 + service*100 + pod*10 + i),
					}
					for _, id := range pools[fmt.Sprintf("%d/%d", service, i/2)] {
						if rng.Float64() < shares[i] {
							f.samples = append(f.samples, sampleFact{stack: id, value: 1 + rng.Int64N(100)})
						}
					}
					facts = append(facts, f)
				}
			}
		}
		if segment == 0 { // defines everything
			facts = append(facts, fact{tenant: tenantA, series: seriesOf(inuse, "service0"), time: hour0.Start() + 14_000_000, id: profileID(999)})
			for id := range w.stacks {
				facts[len(facts)-1].samples = append(facts[len(facts)-1].samples, sampleFact{stack: id, value: 1})
			}
		}
		w.isDefined = segment > 0
		w.store(0, facts, func() bool { return !w.isDefined })
		w.facts = nil
	}
	return w
}

// loop is b.Loop with the processor time of all threads, which on a machine in
// use says more than the time that passes.
func loop(b *testing.B, fn func()) {
	b.ReportAllocs()
	var before, after syscall.Rusage
	n := 0
	for b.Loop() {
		if n == 0 {
			require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &before))
		}
		fn()
		n++
	}
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &after))
	spent := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	b.ReportMetric(float64(spent)/1e6/float64(n), "cpu-ms/op")
}

// benchType has a quarter of the samples.
var benchType = warehouse.ProfileType{Name: "kind0", SampleType: "type01", SampleUnit: "count", PeriodType: "x", PeriodUnit: "y"}

// sumOfStacks is Tree without the tree.
func sumOfStacks(b *testing.B, s *Service, sel Selection) []warehouse.StacktraceID {
	v, err := s.view(b.Context(), tenantA, whole)
	require.NoError(b, err)
	defer v.release()
	r, err := s.resolve(b.Context(), v, &sel)
	require.NoError(b, err)
	ids, _, err := s.stackSums(b.Context(), r)
	require.NoError(b, err)
	return ids
}

// BenchmarkTree: a flame graph over 60 segments of about 75,000 samples each.
//
//	go test -tags duckdb_arrow -run - -bench Tree -benchtime 2s ./sql/query
//
// cold fills the cache of samples each time; the files are in the page cache and
// the symbols known.
func BenchmarkTree(b *testing.B) {
	w := benchWorld(b, 60, 5000)
	minutes := func(from, to int64) warehouse.TimeRange {
		return warehouse.TimeRange{From: hour0.Start() + warehouse.Micros(from)*60_000_000, To: hour0.Start() + warehouse.Micros(to)*60_000_000}
	}
	questions := []struct {
		name, selector string
		r              warehouse.TimeRange
	}{
		{"service", `{service_name="service1"}`, whole},
		{"service,5m of 15m", `{service_name="service1"}`, minutes(5, 10)},
		{"pod", `{pod="12"}`, whole},
		{"all", `{}`, whole},
	}
	for _, way := range []struct {
		name string
		opts Options
		cold bool
	}{{"memory", Options{}, false}, {"memory,cold", Options{}, true}, {"engine", Options{SmallRows: -1}, false}} {
		for _, q := range questions {
			b.Run(fmt.Sprintf("way=%s/ask=%s", way.name, q.name), func(b *testing.B) {
				s := w.service(way.opts)
				sel := Selection{Tenant: tenantA, Type: benchType, Matchers: matchers(b, q.selector), Range: q.r}
				var total int64
				ask := func() {
					tree, err := s.Tree(b.Context(), sel)
					require.NoError(b, err)
					total = tree.Total()
				}
				ask()
				loop(b, func() {
					if way.cold {
						s.samples = newSampleCache(256 << 20)
					}
					ask()
				})
				require.Positive(b, total)
				b.ReportMetric(float64(s.samples.sizeBytes())/1e6, "cached-MB")
			})
		}
	}
}

// BenchmarkStackSums is BenchmarkTree without the tree: only adding up.
//
//	go test -tags duckdb_arrow -run - -bench StackSums -benchtime 2s ./sql/query
func BenchmarkStackSums(b *testing.B) {
	for _, segments := range []int{60, 200} {
		w := benchWorld(b, segments, 5000)
		for _, way := range []struct {
			name string
			opts Options
			cold bool
		}{{"memory", Options{}, false}, {"memory,cold", Options{}, true}, {"engine", Options{SmallRows: -1}, false}} {
			for _, selector := range []string{`{service_name="service1"}`, `{}`, `{pod="12"}`} {
				b.Run(fmt.Sprintf("segments=%d/way=%s/ask=%s", segments, way.name, selector), func(b *testing.B) {
					s := w.service(way.opts)
					sel := Selection{Tenant: tenantA, Type: benchType, Matchers: matchers(b, selector), Range: whole}
					ask := func() { require.NotEmpty(b, sumOfStacks(b, s, sel)) }
					ask()
					loop(b, func() {
						if way.cold {
							s.samples = newSampleCache(256 << 20)
						}
						ask()
					})
				})
			}
		}
	}
}

// BenchmarkLabelsAndSeries: the other calls over 60 segments.
//
//	go test -tags duckdb_arrow -run - -bench LabelsAndSeries ./sql/query
func BenchmarkLabelsAndSeries(b *testing.B) {
	w := benchWorld(b, 60, 5000)
	s := w.service(Options{})
	calls := []struct {
		name string
		call func() (int, error)
	}{
		{"profile_types", func() (int, error) { r, err := s.ProfileTypes(b.Context(), tenantA, whole); return len(r), err }},
		{"label_names", func() (int, error) { r, err := s.LabelNames(b.Context(), tenantA, nil, whole); return len(r), err }},
		{"label_values_pod", func() (int, error) {
			r, err := s.LabelValues(b.Context(), tenantA, "pod", nil, whole)
			return len(r), err
		}},
		{"label_sets", func() (int, error) {
			r, err := s.LabelSets(b.Context(), tenantA, nil, []string{"service_name", "__profile_type__"}, whole)
			return len(r), err
		}},
		{"series_by_pod_15s", func() (int, error) {
			r, err := s.Series(b.Context(), SeriesRequest{
				Selection: Selection{Tenant: tenantA, Type: benchType, Range: warehouse.TimeRange{From: hour0.Start(), To: hour0.Start() + 900_000_000}},
				StepMs:    15_000, GroupBy: []string{"pod"},
			})
			return len(r), err
		}},
	}
	for _, c := range calls {
		b.Run("call="+c.name, func(b *testing.B) {
			loop(b, func() {
				n, err := c.call()
				require.NoError(b, err)
				require.Positive(b, n)
			})
		})
	}
}
