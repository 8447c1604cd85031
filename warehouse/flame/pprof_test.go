package flame

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

var cpuType = warehouse.ProfileType{
	Name: "process_cpu", SampleType: "cpu", SampleUnit: "nanoseconds", PeriodType: "cpu", PeriodUnit: "nanoseconds",
}

func mustPprof(t testing.TB, s *Symbols, ids []warehouse.StacktraceID, values []int64, meta PprofMeta) *profile.Profile {
	t.Helper()
	p, err := Pprof(s, ids, values, cpuType, meta)
	require.NoError(t, err)
	require.NoError(t, p.CheckValid())
	return p
}

func TestPprof(t *testing.T) {
	t.Parallel()
	app := func(fn string, line int64, inlined bool) warehouse.Frame {
		return warehouse.Frame{
			Function: fn, SystemName: "_" + fn, Filename: fn + ".c", StartLine: 5, Line: line, Mapping: "app", BuildID: "b1", Inlined: inlined,
		}
	}
	s := NewSymbols()
	s.Add(warehouse.Stacktrace{ID: 1, Frames: []warehouse.Frame{
		app("leaf", 9, true), app("mid", 8, true), app("outer", 7, false), app("main", 1, false),
	}})
	s.Add(warehouse.Stacktrace{ID: 2, Frames: []warehouse.Frame{
		{Function: "libc.so.6+0x1f00", Mapping: "libc.so.6", Address: 0x1f00}, app("main", 1, false),
	}})
	s.Add(warehouse.Stacktrace{ID: 3, Frames: []warehouse.Frame{
		app("mid", 8, true), app("outer", 7, false), app("main", 1, false),
	}})
	meta := PprofMeta{Start: time.Unix(100, 5), Duration: 15 * time.Second, Period: 10_000_000}
	p := mustPprof(t, s, []warehouse.StacktraceID{3, 2, 1, 2}, []int64{30, 4, 10, 16}, meta)

	assert.Equal(t, []*profile.ValueType{{Type: "cpu", Unit: "nanoseconds"}}, p.SampleType)
	assert.Equal(t, &profile.ValueType{Type: "cpu", Unit: "nanoseconds"}, p.PeriodType)
	assert.Equal(t, "cpu", p.DefaultSampleType)
	assert.Equal(t, int64(10_000_000), p.Period)
	assert.Equal(t, int64(100_000_000_005), p.TimeNanos)
	assert.Equal(t, int64(15_000_000_000), p.DurationNanos)
	assert.Equal(t, []string{
		"20 | libc.so.6+1f00 | app:main:1",
		"30 | app:mid:8,outer:7 | app:main:1",
		"10 | app:leaf:9,mid:8,outer:7 | app:main:1",
	}, describe(p))
	require.Len(t, p.Function, 4)
	assert.Equal(t, &profile.Function{ID: 1, Name: "main", SystemName: "_main", Filename: "main.c", StartLine: 5}, p.Function[0])
	assert.Equal(t, []*profile.Mapping{
		{ID: 1, File: "libc.so.6", Limit: 0x1f01},
		{ID: 2, File: "app", BuildID: "b1", HasFunctions: true, HasFilenames: true, HasLineNumbers: true, HasInlineFrames: true},
	}, p.Mapping)

	// It survives being written, which checks and renumbers everything.
	var buf bytes.Buffer
	require.NoError(t, p.Write(&buf))
	back, err := profile.Parse(&buf)
	require.NoError(t, err)
	assert.Equal(t, describe(p), describe(back))
}

// describe returns a line a sample: its value and its locations.
func describe(p *profile.Profile) []string {
	var out []string
	for _, s := range p.Sample {
		parts := []string{fmt.Sprint(s.Value[0])}
		for _, l := range s.Location {
			var lines []string
			for _, ln := range l.Line {
				lines = append(lines, fmt.Sprintf("%s:%d", ln.Function.Name, ln.Line))
			}
			m := ""
			if l.Mapping != nil {
				m = l.Mapping.File
			}
			if len(lines) > 0 {
				m += ":" + strings.Join(lines, ",")
			} else {
				m += fmt.Sprintf("+%x", l.Address)
			}
			parts = append(parts, m)
		}
		out = append(out, strings.Join(parts, " | "))
	}
	return out
}

func TestPprofOfNothing(t *testing.T) {
	t.Parallel()
	p := mustPprof(t, NewSymbols(), nil, nil, PprofMeta{})
	assert.Empty(t, p.Sample)
	assert.Zero(t, p.TimeNanos)

	s := folded(t, " 1\na 1").symbols(anyRand())
	p = mustPprof(t, s, []warehouse.StacktraceID{1, 2}, []int64{7, 0}, PprofMeta{})
	require.Len(t, p.Sample, 1, "a stacktrace without frames is a sample without locations")
	assert.Empty(t, p.Sample[0].Location)
	assert.Empty(t, p.Location)
}

// A root that claims to be inlined has no caller to share a location with.
func TestPprofOfAnInlinedRoot(t *testing.T) {
	t.Parallel()
	s := NewSymbols()
	s.Add(warehouse.Stacktrace{ID: 1, Frames: []warehouse.Frame{
		{Function: "leaf", Line: 1, Inlined: true}, {Function: "root", Line: 2, Inlined: true},
	}})
	p := mustPprof(t, s, []warehouse.StacktraceID{1}, []int64{1}, PprofMeta{})
	assert.Equal(t, []string{"1 | :leaf:1,root:2"}, describe(p))
}

// The profile says of each stacktrace what its definition says: all frames with
// file and line, cut into locations where a frame is not inlined.
func TestPprofHoldsTheDefinitions(t *testing.T) {
	t.Parallel()
	eachSeed(t, func(t *testing.T, rng *rand.Rand) {
		x := randomStacks(rng, 40)
		p := mustPprof(t, x.symbols(rng), x.ids(), x.values, PprofMeta{})

		want := map[string]int64{}
		for i, d := range x.defs {
			if x.values[i] > 0 {
				want[describeFrames(d.Frames)] += x.values[i]
			}
		}
		got := map[string]int64{}
		for _, s := range p.Sample {
			key := describeLocations(s.Location)
			assert.NotContains(t, got, key, "one sample a stacktrace")
			got[key] = s.Value[0]
		}
		assert.Equal(t, want, got)
	})
}

func describeFrames(frames []warehouse.Frame) string {
	var b strings.Builder
	for i := 0; i < len(frames); i++ {
		first := i
		for frames[i].Inlined && i+1 < len(frames) {
			i++
		}
		var addr uint64
		for _, f := range slices.Backward(frames[first : i+1]) {
			if f.Address != 0 {
				addr = f.Address
			}
		}
		fmt.Fprintf(&b, "[%x", addr)
		for _, f := range frames[first : i+1] {
			if f.Address == 0 && (f.Function != "" || f.SystemName != "") {
				fmt.Fprintf(&b, " %q %q %q %d %d", cmpOr(f.Function, f.SystemName), f.SystemName, f.Filename, f.StartLine, f.Line)
			}
		}
		for _, f := range frames[first : i+1] {
			if f.Mapping != "" || f.BuildID != "" {
				fmt.Fprintf(&b, " in %q %q", f.Mapping, f.BuildID)
				break
			}
		}
		b.WriteString("]")
	}
	return b.String()
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func describeLocations(locations []*profile.Location) string {
	var b strings.Builder
	for _, l := range locations {
		fmt.Fprintf(&b, "[%x", l.Address)
		for _, ln := range l.Line {
			f := ln.Function
			fmt.Fprintf(&b, " %q %q %q %d %d", f.Name, f.SystemName, f.Filename, f.StartLine, ln.Line)
		}
		if l.Mapping != nil {
			fmt.Fprintf(&b, " in %q %q", l.Mapping.File, l.Mapping.BuildID)
		}
		b.WriteString("]")
	}
	return b.String()
}

// By file and line it is the tree of the same values.
func TestPprofAgreesWithBuild(t *testing.T) {
	t.Parallel()
	eachSeed(t, func(t *testing.T, rng *rand.Rand) {
		x := randomStacks(rng, 40)
		for i := range x.defs {
			for j := range x.defs[i].Frames {
				f := &x.defs[i].Frames[j]
				f.Function, f.Address = "f"+f.Function, 0 // pprof has no line for frames without symbols
			}
		}
		p := mustPprof(t, x.symbols(rng), x.ids(), x.values, PprofMeta{})
		root := &plain{}
		for _, s := range p.Sample {
			var names []string
			for _, l := range slices.Backward(s.Location) {
				for _, ln := range slices.Backward(l.Line) {
					names = append(names, ln.Function.Name)
				}
			}
			root.add(0, names, s.Value[0])
		}
		assert.Equal(t, x.tree(t, rng).String(), root.text(1))
	})
}

func TestPprofIgnoresLayout(t *testing.T) {
	t.Parallel()
	eachSeed(t, func(t *testing.T, rng *rand.Rand) {
		x := randomStacks(rng, 30)
		want := mustPprof(t, x.symbols(rng), x.ids(), x.values, PprofMeta{}).String()
		ids, values := x.ids(), slices.Clone(x.values)
		rng.Shuffle(len(ids), func(i, j int) {
			ids[i], ids[j] = ids[j], ids[i]
			values[i], values[j] = values[j], values[i]
		})
		s := randomStacks(rng, 10).symbols(rng)
		for _, d := range x.defs {
			s.Add(d)
		}
		assert.Equal(t, want, mustPprof(t, s, ids, values, PprofMeta{}).String())
	})
}
