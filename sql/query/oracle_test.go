package query

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/flame"
)

// The oracle answers the questions of a Service from the facts, one by one.

func (w *world) selected(sel *Selection, r warehouse.TimeRange) (out []*fact) {
	for i := range w.facts {
		f := &w.facts[i]
		if f.tenant == sel.Tenant && f.series.Type == sel.Type && r.Contains(f.time) && f.series.Matches(sel.Matchers) &&
			(len(sel.ProfileIDs) == 0 || slices.Contains(sel.ProfileIDs, f.id)) {
			out = append(out, f)
		}
	}
	return out
}

func (w *world) isSelected(sel *Selection, s *sampleFact) bool {
	frames := w.stacks[s.stack].Frames
	for i, name := range sel.CallSite {
		if i >= len(frames) || frames[len(frames)-1-i].Function != name {
			return false
		}
	}
	return (len(sel.Spans) == 0 || slices.Contains(sel.Spans, s.span)) &&
		(len(sel.Traces) == 0 || slices.Contains(sel.Traces, s.trace))
}

func (w *world) wantTree(sel Selection) *flame.Tree {
	symbols := flame.NewSymbols()
	var ids []warehouse.StacktraceID
	var values []int64
	for _, f := range w.selected(&sel, sel.Range) {
		for i := range f.samples {
			if s := &f.samples[i]; w.isSelected(&sel, s) {
				symbols.Add(w.stacks[s.stack])
				ids, values = append(ids, s.stack), append(values, s.value)
			}
		}
	}
	tree, err := flame.Build(symbols, ids, values)
	require.NoError(w.t, err)
	return tree
}

func (w *world) wantSeries(req SeriesRequest) []TimeSeries {
	type point struct{ sum, n float64 }
	step := warehouse.Micros(req.StepMs * 1000)
	groups, labels := map[string]map[warehouse.Micros]*point{}, map[string]warehouse.Labels{}
	for at := req.Range.From; at <= req.Range.To; at += step {
		for _, f := range w.selected(&req.Selection, warehouse.TimeRange{From: at - step + 1, To: at}) {
			var ls warehouse.Labels
			for _, name := range req.GroupBy {
				if v := f.series.LabelValue(name); v != "" {
					ls = ls.With(name, v)
				}
			}
			key := ls.String()
			if groups[key] == nil {
				groups[key], labels[key] = map[warehouse.Micros]*point{}, ls
			}
			if groups[key][at] == nil {
				groups[key][at] = &point{}
			}
			p := groups[key][at]
			p.n++
			for i := range f.samples {
				if w.isSelected(&req.Selection, &f.samples[i]) {
					p.sum += float64(f.samples[i].value)
				}
			}
		}
	}
	var out []TimeSeries
	for key, points := range groups {
		ts := TimeSeries{Labels: labels[key]}
		for _, at := range slices.Sorted(maps.Keys(points)) {
			v := points[at].sum
			if req.Average {
				v /= points[at].n
			}
			ts.Points = append(ts.Points, Point{TimeMs: int64(at) / 1000, Value: v})
		}
		out = append(out, ts)
	}
	slices.SortFunc(out, func(a, b TimeSeries) int { return a.Labels.Compare(b.Labels) })
	if req.Limit > 0 && int64(len(out)) > req.Limit {
		slices.SortStableFunc(out, func(a, b TimeSeries) int { return cmp.Compare(sumOf(b.Points), sumOf(a.Points)) })
		out = out[:req.Limit]
		slices.SortFunc(out, func(a, b TimeSeries) int { return a.Labels.Compare(b.Labels) })
	}
	return out
}

// wantLabels returns the labels, derived ones included, of the series that have
// a profile in r and match one of the sets.
func (w *world) wantLabels(t warehouse.Tenant, sets [][]warehouse.Matcher, r warehouse.TimeRange) map[string]map[string]string {
	out := map[string]map[string]string{}
	for i := range w.facts {
		f := &w.facts[i]
		matches := len(sets) == 0
		for _, ms := range sets {
			matches = matches || f.series.Matches(ms)
		}
		if f.tenant != t || !r.Contains(f.time) || !matches {
			continue
		}
		labels := map[string]string{}
		for _, l := range append(f.series.Type.Derived(), f.series.Labels...) {
			labels[l.Name] = l.Value
		}
		out[f.series.Type.String()+f.series.Labels.String()] = labels
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func wantNames(labels map[string]map[string]string) []string {
	names := map[string]bool{}
	for _, ls := range labels {
		for name := range ls {
			names[name] = true
		}
	}
	return sortedKeys(names)
}

func wantValues(labels map[string]map[string]string, name string) []string {
	values := map[string]bool{}
	for _, ls := range labels {
		if ls[name] != "" {
			values[ls[name]] = true
		}
	}
	return sortedKeys(values)
}

func wantSets(labels map[string]map[string]string, names []string) []string {
	sets := map[string]bool{}
	for _, ls := range labels {
		var cut warehouse.Labels
		for name, value := range ls {
			if len(names) == 0 || slices.Contains(names, name) {
				cut = cut.With(name, value)
			}
		}
		if len(cut) > 0 {
			sets[cut.String()] = true
		}
	}
	return sortedKeys(sets)
}

func setTexts(sets []warehouse.Labels) []string {
	out := make([]string, len(sets))
	for i, ls := range sets {
		out[i] = ls.String()
	}
	slices.SortFunc(out, strings.Compare)
	return out
}
