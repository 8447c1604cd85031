package profile_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	pprof "github.com/google/pprof/profile"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/profile"
	"github.com/stackhouse-db/stackhouse/warehouse/warehousetest"
)

// rows maps a row's series, frames, span and trace, as text, to its value.
type rows map[string]int64

// diffRows describes how two lists differ.
func diffRows(want, got rows) string {
	if maps.Equal(want, got) { // much faster than cmp
		return ""
	}
	return cmp.Diff(want, got)
}

// rowsOf lists a prepared profile, and checks that its rows keep their promises.
func rowsOf(t testing.TB, p *profile.Prepared) rows {
	t.Helper()
	out := rows{}
	for _, s := range p.Series {
		require.Equal(t, profile.SeriesIDOf(s.Type, s.Labels), s.ID)
		require.Len(t, s.Values, len(s.Stacks))
		var total int64
		seen := map[string]bool{}
		for i, id := range s.Stacks {
			require.Positive(t, s.Values[i])
			require.True(t, i == 0 || s.Stacks[i-1] <= id, "stacks ascend")
			var span warehouse.SpanID
			var trace warehouse.TraceID
			if s.Spans != nil {
				span = s.Spans[i]
			}
			if s.Traces != nil {
				trace = s.Traces[i]
			}
			key := fmt.Sprint(id, span, trace)
			require.False(t, seen[key], "rows are merged")
			seen[key] = true
			frames, ok := p.AppendFrames(nil, id)
			require.True(t, ok, "every stack is defined")
			out[rowText(s.Series, frames, span, trace)] += s.Values[i]
			total += s.Values[i]
		}
		require.Equal(t, total, s.Total)
		out["total of "+s.Type.String()+s.Labels.String()] += total
	}
	return out
}

func rowText(s warehouse.Series, frames []warehouse.Frame, span warehouse.SpanID, trace warehouse.TraceID) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s span=%x trace=%x", s.Type, s.Labels, uint64(span), trace)
	for _, f := range frames {
		fmt.Fprintf(&b, "\n%+v", f)
	}
	return b.String()
}

// recompute does by plain loops over google/pprof's profile what Prepare does.
func recompute(p *pprof.Profile, name string, base warehouse.Labels) rows {
	out := rows{}
	types := make([]warehouse.ProfileType, len(p.SampleType))
	for i, t := range p.SampleType {
		types[i] = warehouse.ProfileType{Name: name, SampleType: t.Type, SampleUnit: t.Unit}
		if p.PeriodType != nil {
			types[i].PeriodType, types[i].PeriodUnit = p.PeriodType.Type, p.PeriodType.Unit
		}
	}
	for _, s := range p.Sample {
		if !slices.ContainsFunc(s.Value, func(v int64) bool { return v > 0 }) {
			continue
		}
		labels, span, trace := recomputeLabels(s, base)
		for t, v := range s.Value {
			series := warehouse.Series{Type: types[t], Labels: labels}
			out["total of "+types[t].String()+labels.String()] += max(v, 0)
			if v > 0 {
				out[rowText(series, recomputeFrames(s.Location), span, trace)] += v
			}
		}
	}
	if len(out) == 0 {
		for _, t := range types {
			out["total of "+t.String()+base.String()] = 0
		}
	}
	return out
}

func recomputeLabels(s *pprof.Sample, base warehouse.Labels) (labels warehouse.Labels, span warehouse.SpanID, trace warehouse.TraceID) {
	labels = base
	for name, values := range s.Label {
		switch {
		case name == "span_id":
			_, _ = fmt.Sscanf(values[0], "%x", (*uint64)(&span))
		case name == "trace_id":
			var b []byte
			_, _ = fmt.Sscanf(values[0], "%x", &b)
			copy(trace[:], b)
		case strings.HasPrefix(name, "__"), base.Has(name):
		default:
			labels = labels.With(name, slices.Min(values))
		}
	}
	return labels, span, trace
}

func recomputeFrames(locations []*pprof.Location) []warehouse.Frame {
	var out []warehouse.Frame
	for _, l := range locations {
		var f warehouse.Frame
		address := l.Address
		if m := l.Mapping; m != nil {
			f.Mapping, f.BuildID = m.File[strings.LastIndex(m.File, "/")+1:], m.BuildID
			address += m.Offset - m.Start
		}
		if len(l.Line) == 0 {
			f.Function, f.Address = fmt.Sprintf("0x%x", address), address
			if f.Mapping != "" {
				f.Function = f.Mapping + "+" + f.Function
			}
			out = append(out, f)
		}
		for i, line := range l.Line {
			g := f
			g.Function, g.SystemName, g.Filename = line.Function.Name, line.Function.SystemName, line.Function.Filename
			g.Line, g.StartLine, g.Inlined = line.Line, line.Function.StartLine, i < len(l.Line)-1
			out = append(out, g)
		}
	}
	return out
}

// Real profiles mean what google/pprof reads in them.
func TestRealProfiles(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../testdata/pprof/*.pb.gz")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var pr profile.Preparer // one for all: nothing of a profile stays in the next
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			body, err := os.ReadFile(file)
			require.NoError(t, err)
			p, err := pprof.ParseData(body)
			require.NoError(t, err)
			base := warehouse.LabelsOf("service_name", "real")
			got, err := pr.Prepare("t", profile.Raw{Labels: base.With("__name__", "x"), Body: body}, 0, received, profile.Limits{})
			require.NoError(t, err)
			if diff := diffRows(recompute(p, "x", base), rowsOf(t, got)); diff != "" {
				t.Errorf("prepared profile differs (-want +got):\n%s", diff)
			}
			assert.Equal(t, p.Period, got.Period)
			assert.Equal(t, p.DurationNanos, got.DurationNs)
			assert.Greater(t, got.SizeBytes, int64(len(got.Series[0].Stacks)*8))
		})
	}
}

// Random profiles mean what their generator meant, and what google/pprof reads.
func TestRandomProfiles(t *testing.T) {
	t.Parallel()
	seeds := uint64(24)
	if testing.Short() {
		seeds = 5
	}
	var pr profile.Preparer
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 1))
		for i, g := range warehousetest.Generate(rng, warehousetest.Shape{Plain: seed%4 == 0}) {
			got, err := pr.Prepare("t", g.Raw, 0, received, profile.Limits{})
			require.NoError(t, err, "seed %d, profile %d", seed, i)
			p, err := pprof.ParseData(g.Raw.Body)
			require.NoError(t, err)
			if diff := diffRows(recompute(p, g.Series[0].Type.Name, baseLabels(g.Raw.Labels)), rowsOf(t, got)); diff != "" {
				t.Fatalf("seed %d, profile %d differs from the pprof (-want +got):\n%s", seed, i, diff)
			}
			if diff := diffRows(generated(g), functionRows(t, got)); diff != "" {
				t.Fatalf("seed %d, profile %d differs from what was generated (-want +got):\n%s", seed, i, diff)
			}
			assert.Equal(t, g.Time, got.Time)
			assert.Equal(t, g.DurationNs, got.DurationNs)
			assert.Equal(t, g.Period, got.Period)
			assert.Equal(t, g.Service, got.Series[0].Service())
		}
	}
}

func baseLabels(sent []warehouse.Label) warehouse.Labels {
	var out warehouse.Labels
	for _, l := range sent {
		if l.Name != "__name__" {
			out = out.With(l.Name, l.Value)
		}
	}
	return out
}

// generated lists a generated profile by the names of its functions only.
func generated(g warehousetest.Generated) rows {
	out := rows{}
	for _, s := range g.Series {
		head := s.Type.String() + s.Labels.String()
		out["total of "+head] += s.Total
		for _, r := range s.Rows {
			out[fmt.Sprintf("%s %x %x %s", head, uint64(r.Span), r.Trace, strings.Join(r.Functions, ";"))] += r.Value
		}
	}
	return out
}

func functionRows(t testing.TB, p *profile.Prepared) rows {
	t.Helper()
	out := rows{}
	var frames []warehouse.Frame
	for _, s := range p.Series {
		head := s.Type.String() + s.Labels.String()
		out["total of "+head] += s.Total
		for i, id := range s.Stacks {
			frames, _ = p.AppendFrames(frames[:0], id)
			names := make([]string, len(frames))
			for j, f := range frames {
				names[j] = f.Function
			}
			var span warehouse.SpanID
			var trace warehouse.TraceID
			if s.Spans != nil {
				span = s.Spans[i]
			}
			if s.Traces != nil {
				trace = s.Traces[i]
			}
			out[fmt.Sprintf("%s %x %x %s", head, uint64(span), trace, strings.Join(names, ";"))] += s.Values[i]
		}
	}
	return out
}

// However a profile is written, it is the same profile: renumbered, reordered,
// its tables doubled, its samples split in two.
func TestLayoutsAgree(t *testing.T) {
	t.Parallel()
	seeds := uint64(12)
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 2))
		plain := seed%2 == 0
		for _, g := range warehousetest.Generate(rng, warehousetest.Shape{Profiles: 2, Plain: plain}) {
			want := prepare(t, g.Raw, profile.Limits{})
			for name, edit := range map[string]func(p *pprof.Profile){
				"samples in another order": func(p *pprof.Profile) {
					rng.Shuffle(len(p.Sample), func(i, j int) { p.Sample[i], p.Sample[j] = p.Sample[j], p.Sample[i] })
				},
				"sparse ids":              func(p *pprof.Profile) { renumber(p, func(id uint64) uint64 { return id*0x10001 + 1<<40 }) },
				"ids with gaps":           func(p *pprof.Profile) { renumber(p, func(id uint64) uint64 { return id * 2 }) },
				"values in two samples":   halve,
				"other addresses, builds": relocate,
				"compact": func(p *pprof.Profile) {
					if plain { // else it adds negative values to positive ones
						*p = *p.Compact()
					}
				},
			} {
				p, err := pprof.ParseData(g.Raw.Body)
				require.NoError(t, err)
				edit(p)
				var b bytes.Buffer
				require.NoError(t, p.Write(&b))
				r := g.Raw
				r.Body = b.Bytes()
				got := prepare(t, r, profile.Limits{})
				require.True(t, sameRows(want, got), "seed %d: %s", seed, name)
			}
		}
	}
}

// sameRows reports whether two profiles have the same ids and values. Series may
// stand in another order.
func sameRows(a, b *profile.Prepared) bool {
	bySeries := func(p *profile.Prepared) map[warehouse.SeriesID]profile.PreparedSeries {
		out := map[warehouse.SeriesID]profile.PreparedSeries{}
		for _, s := range p.Series {
			out[s.ID] = s
		}
		return out
	}
	return reflect.DeepEqual(bySeries(a), bySeries(b))
}

func renumber(p *pprof.Profile, id func(uint64) uint64) {
	for _, m := range p.Mapping {
		m.ID = id(m.ID)
	}
	for _, f := range p.Function {
		f.ID = id(f.ID)
	}
	for _, l := range p.Location {
		l.ID = id(l.ID)
	}
}

func halve(p *pprof.Profile) {
	for _, s := range p.Sample {
		other := *s
		other.Value = slices.Clone(s.Value)
		for i, v := range s.Value {
			if v > 1 {
				s.Value[i], other.Value[i] = v/2, v-v/2
			} else {
				other.Value[i] = 0
			}
		}
		p.Sample = append(p.Sample, &other)
	}
}

// relocate changes what a new build, or loading elsewhere, changes. Locations
// without symbols are told apart by it, so the build id stays where those are.
func relocate(p *pprof.Profile) {
	bare := slices.ContainsFunc(p.Location, func(l *pprof.Location) bool { return len(l.Line) == 0 })
	for _, m := range p.Mapping {
		m.Start += 0x7000_0000
		m.Limit += 0x7000_0000
		m.File = "/elsewhere" + m.File
		if !bare {
			m.BuildID = "another"
		}
	}
	for _, l := range p.Location {
		l.Address += 0x7000_0000
	}
}
