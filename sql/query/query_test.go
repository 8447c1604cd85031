package query

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

func matchers(t testing.TB, text string) []warehouse.Matcher {
	t.Helper()
	ms, err := warehouse.ParseMatchers(text)
	require.NoError(t, err)
	return ms
}

var selectors = []string{
	`{}`,
	`{service_name="api"}`,
	`{service_name="it's"}`,
	`{service_name!="api"}`,
	`{service_name=~"api.*"}`,
	`{service_name!~"api|db"}`,
	`{service_name="nobody"}`,
	`{__type__="cpu"}`,
	`{__type__!="cpu"}`,
	`{__profile_type__=~"memory:.*", service_name="db"}`,
	`{pod="api-0"}`,
	`{pod=~".*-1"}`,
	`{region=""}`,
	`{region!=""}`,
	`{region="eu", service_name="db"}`,
	`{service_name="api", pod="db-0"}`,
}

// whole is more than all of hour0 and the two hours after it.
var whole = warehouse.TimeRange{From: hour0.Start() - 5, To: hour0.End() + 3*3_600_000_000}

func randomRange(rng *rand.Rand) warehouse.TimeRange {
	if rng.IntN(3) == 0 {
		return whole
	}
	a, b := randomTime(rng), randomTime(rng)
	return warehouse.TimeRange{From: min(a, b), To: max(a, b)}
}

func randomSelection(t testing.TB, rng *rand.Rand, w *world) Selection {
	sel := Selection{
		Tenant:   []warehouse.Tenant{tenantA, tenantB}[rng.IntN(2)],
		Type:     []warehouse.ProfileType{cpu, samples, inuse}[rng.IntN(3)],
		Matchers: matchers(t, selectors[rng.IntN(len(selectors))]),
		Range:    randomRange(rng),
	}
	if rng.IntN(6) == 0 {
		for range 1 + rng.IntN(20) {
			sel.ProfileIDs = append(sel.ProfileIDs, w.facts[rng.IntN(len(w.facts))].id)
		}
	}
	switch rng.IntN(8) {
	case 0:
		sel.Spans = []warehouse.SpanID{1, 3}
	case 1:
		sel.Traces = []warehouse.TraceID{{2}, {4}}
	}
	return sel
}

// TestAnswersEqualOracle asks random questions about random data in random
// layouts, in every way to read, and compares with plain addition.
func TestAnswersEqualOracle(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 1))
			w := newWorld(t)
			w.storeRandomly(rng, w.randomFacts(rng, 40+rng.IntN(300)))
			services := w.services()
			for range 25 {
				sel := randomSelection(t, rng, w)
				checkTree(t, w, services, sel)
				sel.CallSite = [][]string{{"main"}, {"main", "f1"}, {"main", "f0", "f2"}, {"f1"}}[rng.IntN(4)]
				checkTree(t, w, services, sel)
				if rng.IntN(2) == 0 {
					sel.CallSite = nil
				}
				checkSeries(t, w, services, SeriesRequest{
					Selection: sel,
					GroupBy:   [][]string{nil, {"pod"}, {"region", "service_name"}, {"region", "__type__", "region", "none"}}[rng.IntN(4)],
					StepMs:    []int64{60_000, 3_600_000, 1_234_567, 50_000_000}[rng.IntN(4)],
					Average:   rng.IntN(2) == 0,
					Limit:     int64(rng.IntN(4)),
				})
				checkLabels(t, w, services, sel.Tenant, rng)
			}
		})
	}
}

func checkTree(t testing.TB, w *world, services []*Service, sel Selection) {
	t.Helper()
	want := w.wantTree(sel)
	for i, s := range services {
		got, err := s.Tree(t.Context(), sel)
		require.NoError(t, err)
		require.Equal(t, want.String(), got.String(), "%s: %+v", ways[i].name, sel)
	}
}

func checkSeries(t testing.TB, w *world, services []*Service, req SeriesRequest) {
	t.Helper()
	want := w.wantSeries(req)
	for i, s := range services {
		got, err := s.Series(t.Context(), req)
		require.NoError(t, err)
		require.Equal(t, want, got, "%s: %+v", ways[i].name, req)
	}
}

func checkLabels(t testing.TB, w *world, services []*Service, tenant warehouse.Tenant, rng *rand.Rand) {
	t.Helper()
	r := randomRange(rng)
	var sets [][]warehouse.Matcher
	for range rng.IntN(3) {
		sets = append(sets, matchers(t, selectors[rng.IntN(len(selectors))]))
	}
	want, all := w.wantLabels(tenant, sets, r), w.wantLabels(tenant, nil, r)
	names := [][]string{nil, {"pod"}, {"service_name", "__profile_type__"}, {"region", "region"}, {"none"}}[rng.IntN(5)]
	for i, s := range services {
		msg := fmt.Sprintf("%s: %s %v", ways[i].name, r, sets)
		types, err := s.ProfileTypes(t.Context(), tenant, r)
		require.NoError(t, err)
		texts := []string(nil)
		for _, typ := range types {
			texts = append(texts, typ.String())
		}
		require.Equal(t, wantValues(all, "__profile_type__"), texts, msg)

		got, err := s.LabelNames(t.Context(), tenant, sets, r)
		require.NoError(t, err)
		require.Equal(t, wantNames(want), got, msg)

		for _, name := range []string{"pod", "region", "service_name", "__type__", "__profile_type__", "none"} {
			got, err := s.LabelValues(t.Context(), tenant, name, sets, r)
			require.NoError(t, err)
			require.Equal(t, wantValues(want, name), got, "%s %s", name, msg)
		}

		gotSets, err := s.LabelSets(t.Context(), tenant, sets, names, r)
		require.NoError(t, err)
		require.ElementsMatch(t, wantSets(want, names), setTexts(gotSets), msg)
	}
}

// TestSelectorAndComplement: what a selector picks and what it leaves are all.
func TestSelectorAndComplement(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 7))
	w := newWorld(t)
	w.storeRandomly(rng, w.randomFacts(rng, 200))
	pairs := [][2]string{
		{`{service_name="api"}`, `{service_name!="api"}`},
		{`{service_name=~"api.*"}`, `{service_name!~"api.*"}`},
		{`{pod="db-0"}`, `{pod!="db-0"}`},
		{`{region=~"e.|^$"}`, `{region!~"e.|^$"}`},
	}
	for i, s := range w.services() {
		for _, pair := range pairs {
			total := func(selector string) int64 {
				tree, err := s.Tree(t.Context(), Selection{Tenant: tenantA, Type: cpu, Matchers: matchers(t, selector), Range: whole})
				require.NoError(t, err)
				return tree.Total()
			}
			require.NotZero(t, total("{}"))
			require.Equal(t, total("{}"), total(pair[0])+total(pair[1]), "%s %v", ways[i].name, pair)
		}
	}
}

// TestBounds is the boundary table: which of the profiles around a range's ends
// and around whole hours count.
func TestBounds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	from, to := hour0.Start()+1_000_000, hour0.End()+3_599_000_000
	times := []warehouse.Micros{
		from - 1, from, from + 1,
		hour0.End() - 1, hour0.End(), hour0.End() + 1,
		to - 1, to, to + 1,
	}
	stack := w.stack("main")
	var facts []fact
	for i, at := range times {
		facts = append(facts, fact{
			tenant: tenantA, series: seriesOf(cpu, "api", "n", fmt.Sprint(i)), time: at, id: profileID(i),
			samples: []sampleFact{{stack: stack, value: 1 << i}},
		})
	}
	w.store(0, facts[:5], func() bool { return false })
	w.store(1, facts[5:], func() bool { return false })

	tests := []struct {
		name string
		r    warehouse.TimeRange
		want int64 // bits: which of times
	}{
		{"both ends count", warehouse.TimeRange{From: from, To: to}, 0b011111110},
		{"one microsecond more", warehouse.TimeRange{From: from - 1, To: to + 1}, 0b111111111},
		{"one microsecond less", warehouse.TimeRange{From: from + 1, To: to - 1}, 0b001111100},
		{"a single instant", warehouse.TimeRange{From: from, To: from}, 0b000000010},
		{"the first hour", warehouse.TimeRange{From: hour0.Start(), To: hour0.End() - 1}, 0b000001111},
		{"up to the hour", warehouse.TimeRange{From: hour0.Start(), To: hour0.End()}, 0b000011111},
		{"from the hour", warehouse.TimeRange{From: hour0.End(), To: to + 1}, 0b111110000},
		{"nothing between", warehouse.TimeRange{From: from + 2, To: hour0.End() - 2}, 0},
		{"before", warehouse.TimeRange{From: 1, To: from - 2}, 0},
		{"empty", warehouse.TimeRange{From: to, To: from}, 0},
		{"everything", warehouse.MillisRange(-1<<62, 1<<62), 0b111111111},
	}
	for _, tt := range tests {
		for i, s := range w.services() {
			t.Run(tt.name+"/"+ways[i].name, func(t *testing.T) {
				sel := Selection{Tenant: tenantA, Type: cpu, Range: tt.r}
				tree, err := s.Tree(t.Context(), sel)
				require.NoError(t, err)
				require.Equal(t, tt.want, tree.Total())

				sel.Matchers = matchers(t, `{n!=""}`)
				tree, err = s.Tree(t.Context(), sel)
				require.NoError(t, err)
				require.Equal(t, tt.want, tree.Total(), "with a label")

				var want []string
				for n := range times {
					if tt.want&(1<<n) != 0 {
						want = append(want, fmt.Sprint(n))
					}
				}
				values, err := s.LabelValues(t.Context(), tenantA, "n", nil, tt.r)
				require.NoError(t, err)
				require.Equal(t, want, values)

				types, err := s.ProfileTypes(t.Context(), tenantA, tt.r)
				require.NoError(t, err)
				require.Equal(t, tt.want != 0, len(types) == 1)

				p, err := s.Pprof(t.Context(), Selection{Tenant: tenantA, Type: cpu, Range: tt.r})
				require.NoError(t, err)
				var total int64
				for _, one := range p.Sample {
					total += one.Value[0]
				}
				require.Equal(t, tt.want, total)
			})
		}
	}
}

// TestSeriesBounds is the boundary table of points: (T-step, T], from one step
// before the range's start to the last point.
func TestSeriesBounds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const step = 60_000_000
	from := hour0.End() - step // the second point lies on the hour
	times := []warehouse.Micros{
		from - step, from - step + 1, from - 1, from, // before the first point, and of it
		from + 1, from + step - 1, from + step, // of the second
		from + step + 1, from + 2*step - 1, from + 2*step, // of the third
		from + 2*step + 1, // after the last
	}
	stack := w.stack("main")
	for i, at := range times {
		w.store(uint8(i%2), []fact{{
			tenant: tenantA, series: seriesOf(cpu, "api"), time: at, id: profileID(i),
			samples: []sampleFact{{stack: stack, value: 1 << i}},
		}}, func() bool { return false })
	}
	want := []Point{
		{int64(from) / 1000, 0b1110},
		{int64(from+step) / 1000, 0b1110000},
		{int64(from+2*step) / 1000, 0b1110000000},
	}
	for i, s := range w.services() {
		for _, callSite := range [][]string{nil, {"main"}} {
			for _, rest := range []warehouse.Micros{0, 1, step - 1} {
				got, err := s.Series(t.Context(), SeriesRequest{
					Selection: Selection{Tenant: tenantA, Type: cpu, CallSite: callSite, Range: warehouse.TimeRange{From: from, To: from + 2*step + rest}},
					StepMs:    step / 1000,
				})
				require.NoError(t, err)
				require.Equal(t, []TimeSeries{{Points: want}}, got, "%s %v %d", ways[i].name, callSite, rest)
			}
		}
	}
}
