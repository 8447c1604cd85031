package query

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// delete hides what is stored so far and selected, and takes it from the facts.
func (w *world) delete(d *warehouse.Deletion) {
	w.index++
	d.Index = w.index
	binary.BigEndian.PutUint64(d.ID[8:], d.Index)
	w.deletions = append(w.deletions, d)
	w.facts = slices.DeleteFunc(slices.Clone(w.facts), func(f fact) bool {
		return f.tenant == d.Tenant && d.Hides(f.service(), f.series.Type.String(), f.series.ID, f.time)
	})
}

// randomDeletion draws a deletion of services, types, series or a time.
func (w *world) randomDeletion(rng *rand.Rand) *warehouse.Deletion {
	d := &warehouse.Deletion{Tenant: []warehouse.Tenant{tenantA, tenantB}[rng.IntN(2)], From: warehouse.MinTime, To: warehouse.MaxTime, Reason: warehouse.DeletedByOperator}
	if rng.IntN(2) == 0 {
		r := randomRange(rng)
		d.From, d.To = r.From, r.To+1
	}
	if rng.IntN(3) > 0 {
		d.Services = [][]string{{"api"}, {"api", "db"}, {"it's"}, {"nobody"}}[rng.IntN(4)]
	}
	if rng.IntN(4) == 0 {
		d.Types = []string{[]warehouse.ProfileType{cpu, samples, inuse}[rng.IntN(3)].String()}
	}
	if rng.IntN(3) == 0 && len(w.facts) > 0 {
		for range 1 + rng.IntN(5) {
			d.Series = append(d.Series, w.facts[rng.IntN(len(w.facts))].series.ID)
		}
		slices.Sort(d.Series)
		d.Series = slices.Compact(d.Series)
	}
	return d
}

// frozen is the world as it was.
type frozen struct {
	*world
	parts     []*warehouse.Part
	deletions []*warehouse.Deletion
	facts     []fact
}

func (w *world) freeze() *frozen {
	return &frozen{w, slices.Clone(w.parts), slices.Clone(w.deletions), slices.Clone(w.facts)}
}

func (f *frozen) Parts(t warehouse.Tenant, r warehouse.TimeRange) (out []*warehouse.Part) {
	for _, p := range f.parts {
		if p.Tenant == t && p.Range.Overlaps(r) {
			out = append(out, p)
		}
	}
	return out
}

func (f *frozen) Deletions(t warehouse.Tenant) (out []*warehouse.Deletion) {
	for _, d := range f.deletions {
		if d.Tenant == t {
			out = append(out, d)
		}
	}
	return out
}

// TestAnswersWithDeletions: what is deleted is in no answer, in none of the ways to
// read, whatever was cached before; what is stored later is, and so is what an older
// snapshot had.
func TestAnswersWithDeletions(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 3))
			w := newWorld(t)
			services := w.services()
			var old []*frozen
			for range 3 {
				w.storeRandomly(rng, w.randomFacts(rng, 20+rng.IntN(120)))
				askAll(t, w, services, rng)
				old = append(old, w.freeze())
				for range 1 + rng.IntN(3) {
					w.delete(w.randomDeletion(rng))
				}
				askAll(t, w, services, rng)
			}
			was := old[rng.IntN(len(old))]
			then := make([]*Service, len(services))
			for i, s := range services {
				then[i] = s.At(was)
			}
			w.facts, w.parts, w.deletions = was.facts, was.parts, was.deletions
			askAll(t, w, then, rng)
		})
	}
}

func askAll(t *testing.T, w *world, services []*Service, rng *rand.Rand) {
	t.Helper()
	if len(w.facts) == 0 {
		return
	}
	for range 2 {
		sel := randomSelection(t, rng, w)
		checkTree(t, w, services, sel)
		if rng.IntN(2) == 0 {
			sel.CallSite = [][]string{{"main"}, {"main", "f1"}}[rng.IntN(2)]
		}
		checkSeries(t, w, services, SeriesRequest{
			Selection: sel, GroupBy: [][]string{nil, {"pod"}, {"region", "service_name"}}[rng.IntN(3)],
			StepMs: []int64{60_000, 3_600_000, 1_234_567}[rng.IntN(3)], Average: rng.IntN(2) == 0,
		})
		checkLabels(t, w, services, sel.Tenant, rng)
		checkStats(t, w, services, sel.Tenant)
		checkExtent(t, w, services, sel)
		if !sel.restrictsSamples() {
			sel.CallSite = nil
			checkHeatmap(t, w, services, HeatmapRequest{Selection: sel, GroupBy: []string{"pod"}, StepMs: 3_600_000})
		}
	}
}

func checkStats(t *testing.T, w *world, services []*Service, tenant warehouse.Tenant) {
	t.Helper()
	want := warehouse.EmptyRange
	for i := range w.facts {
		if f := &w.facts[i]; f.tenant == tenant {
			want = want.Union(warehouse.TimeRange{From: f.time, To: f.time})
		}
	}
	for i, s := range services {
		got, err := s.Stats(t.Context(), tenant)
		require.NoError(t, err)
		if want.IsEmpty() {
			require.Equal(t, Stats{}, got, ways[i].name)
			continue
		}
		require.Equal(t, Stats{Ingested: true, Oldest: want.From, Newest: want.To}, got, ways[i].name)
	}
}

func checkHeatmap(t *testing.T, w *world, services []*Service, req HeatmapRequest) {
	t.Helper()
	want := w.wantHeatmap(req)
	for i, s := range services {
		got, err := s.Heatmap(t.Context(), req)
		require.NoError(t, err)
		require.Equal(t, want, heatmapCounts(t, got), "%s: %+v", ways[i].name, req)
	}
}

func checkExtent(t *testing.T, w *world, services []*Service, sel Selection) {
	t.Helper()
	series, profiles := map[warehouse.SeriesID]bool{}, map[warehouse.ProfileID]bool{}
	var samples int64
	for i := range w.facts {
		if f := &w.facts[i]; f.tenant == sel.Tenant && sel.Range.Contains(f.time) && f.series.Matches(sel.Matchers) {
			series[f.series.ID], profiles[f.id] = true, true
			samples += int64(len(f.samples))
		}
	}
	for i, s := range services {
		got, err := s.Extent(t.Context(), sel.Tenant, sel.Matchers, sel.Range)
		require.NoError(t, err)
		require.Len(t, got.Series, len(series), ways[i].name)
		require.EqualValues(t, len(profiles), got.Profiles)
		require.Equal(t, samples, got.Samples)
		require.Equal(t, samples > 0, got.Bytes > 0)
	}
}
