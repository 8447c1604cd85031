package profile_test

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	pprof "github.com/google/pprof/profile"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/profile"
)

var received = time.Date(2026, 3, 1, 12, 0, 0, 1234, time.UTC)

// testProfile returns a profile with two sample types and the functions a, b and
// c, each with one location.
func testProfile() *pprof.Profile {
	m := &pprof.Mapping{ID: 1, Start: 0x1000, Limit: 0x9000, File: "/bin/app", BuildID: "build"}
	p := &pprof.Profile{
		SampleType: []*pprof.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
		PeriodType: &pprof.ValueType{Type: "cpu", Unit: "nanoseconds"},
		Period:     10_000_000,
		TimeNanos:  time.Date(2026, 3, 1, 11, 0, 0, 999, time.UTC).UnixNano(),
		Mapping:    []*pprof.Mapping{m},
	}
	for i, name := range []string{"a", "b", "c"} {
		f := &pprof.Function{ID: uint64(i + 1), Name: name, SystemName: name, Filename: name + ".go", StartLine: int64(i)}
		p.Function = append(p.Function, f)
		p.Location = append(p.Location, &pprof.Location{ID: uint64(i + 1), Mapping: m, Address: uint64(0x1000 + i), Line: []pprof.Line{{Function: f, Line: int64(10 * i)}}})
	}
	return p
}

// add adds a sample: the stack as letters, leaf first, and its values.
func add(p *pprof.Profile, stack string, values ...int64) *pprof.Sample {
	s := &pprof.Sample{Value: values, Label: map[string][]string{}, NumLabel: map[string][]int64{}}
	for _, c := range stack {
		s.Location = append(s.Location, p.Location[c-'a'])
	}
	p.Sample = append(p.Sample, s)
	return s
}

func raw(t testing.TB, p *pprof.Profile) profile.Raw {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, p.Write(&b))
	return profile.Raw{Body: b.Bytes(), Labels: []warehouse.Label{
		{Name: "service_name", Value: "checkout"}, {Name: "__name__", Value: "process_cpu"}, {Name: "pod", Value: "p-1"},
	}}
}

func prepare(t testing.TB, r profile.Raw, lim profile.Limits) *profile.Prepared {
	t.Helper()
	out, err := new(profile.Preparer).Prepare("tenant", r, 0, received, lim)
	require.NoError(t, err)
	return out
}

// list shows what a profile was turned into: one line for each row.
func list(t testing.TB, p *profile.Prepared) []string {
	t.Helper()
	var out []string
	for _, s := range p.Series {
		head := s.Type.SampleType
		for _, l := range s.Labels {
			if l.Name != "service_name" && l.Name != "pod" {
				head += " " + l.Name + "=" + l.Value
			}
		}
		out = append(out, fmt.Sprintf("%s = %d", head, s.Total))
		require.Len(t, s.Values, len(s.Stacks))
		for i, id := range s.Stacks {
			line := fmt.Sprintf("%s %s %d", head, stackText(t, p, id), s.Values[i])
			if s.Spans != nil {
				line += fmt.Sprintf(" span=%x", uint64(s.Spans[i]))
			}
			if s.Traces != nil {
				line += fmt.Sprintf(" trace=%x", s.Traces[i])
			}
			out = append(out, line)
		}
	}
	return out
}

func stackText(t testing.TB, p *profile.Prepared, id warehouse.StacktraceID) string {
	t.Helper()
	frames, ok := p.AppendFrames(nil, id)
	require.True(t, ok)
	names := make([]string, len(frames))
	for i, f := range frames {
		names[i] = f.Function
	}
	return "[" + strings.Join(names, " ") + "]"
}

const (
	flagDepth  = int32(warehouse.DepthCut)
	flagSymbol = int32(warehouse.SymbolCut)
	flagValues = int32(warehouse.ValuesDropped)
)

func TestValues(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		fill      func(p *pprof.Profile)
		want      []string
		flags     int32
		zeros     int
		negatives int
	}{
		{
			name: "positive",
			fill: func(p *pprof.Profile) { add(p, "ab", 1, 10); add(p, "cb", 2, 20) },
			want: []string{"samples = 3", "samples [a b] 1", "samples [c b] 2", "cpu = 30", "cpu [a b] 10", "cpu [c b] 20"},
		},
		{
			name: "zero in one type",
			fill: func(p *pprof.Profile) { add(p, "ab", 0, 10); add(p, "cb", 2, 20) },
			want: []string{"samples = 2", "samples [c b] 2", "cpu = 30", "cpu [a b] 10", "cpu [c b] 20"}, flags: flagValues, zeros: 1,
		},
		{
			name: "zero in all types",
			fill: func(p *pprof.Profile) { add(p, "ab", 0, 0); add(p, "cb", 2, 20) },
			want: []string{"samples = 2", "samples [c b] 2", "cpu = 20", "cpu [c b] 20"}, flags: flagValues, zeros: 2,
		},
		{
			name: "negative",
			fill: func(p *pprof.Profile) { add(p, "ab", -1, 10); add(p, "cb", 2, math.MinInt64) },
			want: []string{"samples = 2", "samples [c b] 2", "cpu = 10", "cpu [a b] 10"}, flags: flagValues, negatives: 2,
		},
		{
			name: "negative values take nothing from equal stacks",
			fill: func(p *pprof.Profile) { add(p, "ab", 5, 50); add(p, "ab", -3, 50) },
			want: []string{"samples = 5", "samples [a b] 5", "cpu = 100", "cpu [a b] 100"}, flags: flagValues, negatives: 1,
		},
		{
			name: "nor when they come first",
			fill: func(p *pprof.Profile) { add(p, "ab", -3, 50); add(p, "ab", 5, 50) },
			want: []string{"samples = 5", "samples [a b] 5", "cpu = 100", "cpu [a b] 100"}, flags: flagValues, negatives: 1,
		},
		{
			name: "equal stacks are merged",
			fill: func(p *pprof.Profile) { add(p, "ab", 1, 10); add(p, "cb", 1, 1); add(p, "ab", 2, 20) },
			want: []string{"samples = 4", "samples [a b] 3", "samples [c b] 1", "cpu = 31", "cpu [a b] 30", "cpu [c b] 1"},
		},
		{
			name: "numeric labels do not keep stacks apart",
			fill: func(p *pprof.Profile) {
				add(p, "ab", 1, 10).NumLabel["bytes"] = []int64{16}
				add(p, "ab", 2, 20).NumLabel["bytes"] = []int64{32}
			},
			want: []string{"samples = 3", "samples [a b] 3", "cpu = 30", "cpu [a b] 30"},
		},
		{
			name: "locations of equal content are one stack",
			fill: func(p *pprof.Profile) {
				twin := *p.Location[0]
				twin.ID, twin.Address = 9, 0x1999
				p.Location = append(p.Location, &twin)
				add(p, "ab", 1, 10)
				add(p, "b", 2, 20).Location = []*pprof.Location{&twin, p.Location[1]}
			},
			want: []string{"samples = 3", "samples [a b] 3", "cpu = 30", "cpu [a b] 30"},
		},
		{
			name: "the largest value",
			fill: func(p *pprof.Profile) { add(p, "ab", 1, math.MaxInt64) },
			want: []string{"samples = 1", "samples [a b] 1", "cpu = 9223372036854775807", "cpu [a b] 9223372036854775807"},
		},
		{
			name: "the largest sum of a stack",
			fill: func(p *pprof.Profile) { add(p, "ab", 1, math.MaxInt64-5); add(p, "ab", 1, 5) },
			want: []string{"samples = 2", "samples [a b] 2", "cpu = 9223372036854775807", "cpu [a b] 9223372036854775807"},
		},
		{
			name: "a stack without frames",
			fill: func(p *pprof.Profile) { add(p, "", 1, 10) },
			want: []string{"samples = 1", "samples [] 1", "cpu = 10", "cpu [] 10"},
		},
		{name: "no samples", fill: func(*pprof.Profile) {}, want: []string{"samples = 0", "cpu = 0"}},
		{
			name: "nothing positive",
			fill: func(p *pprof.Profile) { add(p, "ab", 0, -1).Label["endpoint"] = []string{"/"} },
			want: []string{"samples = 0", "cpu = 0"}, flags: flagValues, zeros: 1, negatives: 1,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := testProfile()
			tt.fill(p)
			got := prepare(t, raw(t, p), profile.Limits{})
			assert.ElementsMatch(t, tt.want, list(t, got))
			assert.Equal(t, tt.flags, got.Flags)
			assert.Equal(t, tt.zeros, got.Zeros)
			assert.Equal(t, tt.negatives, got.Negatives)
			for _, s := range got.Series {
				assert.IsIncreasing(t, append([]warehouse.StacktraceID{math.MinInt64}, s.Stacks...))
			}
		})
	}
}

func TestOverflow(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		fill func(p *pprof.Profile)
		want string
	}{
		{"of one stack", func(p *pprof.Profile) { add(p, "ab", 1, math.MaxInt64); add(p, "ab", 1, 1) }, "overflows"},
		{"of the total", func(p *pprof.Profile) { add(p, "ab", 1, math.MaxInt64); add(p, "cb", 1, 1) }, "total of process_cpu:cpu:nanoseconds:cpu:nanoseconds overflows"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := testProfile()
			tt.fill(p)
			refused(t, raw(t, p), profile.Limits{}, warehouse.ReasonMalformedProfile, tt.want)
		})
	}
}

// refused checks that a profile is, and that the Preparer can go on.
func refused(t *testing.T, r profile.Raw, lim profile.Limits, reason, want string) {
	t.Helper()
	var pr profile.Preparer
	out, err := pr.Prepare("tenant", r, 0, received, lim)
	require.ErrorContains(t, err, want)
	assert.Nil(t, out)
	assert.Equal(t, warehouse.Invalid, warehouse.KindOf(err))
	assert.Equal(t, reason, warehouse.ReasonOf(err))

	good := testProfile()
	add(good, "ab", 1, 10)
	next, err := pr.Prepare("tenant", raw(t, good), 0, received, profile.Limits{})
	require.NoError(t, err)
	fresh := prepare(t, raw(t, good), profile.Limits{})
	assert.Equal(t, fresh, next, "a profile after an error is as any other")
}

func TestSplit(t *testing.T) {
	t.Parallel()
	label := func(s *pprof.Sample, pairs ...string) {
		for i := 0; i < len(pairs); i += 2 {
			s.Label[pairs[i]] = append(s.Label[pairs[i]], pairs[i+1])
		}
	}
	long := strings.Repeat("ß", 1100)
	tests := []struct {
		name  string
		fill  func(p *pprof.Profile)
		want  []string // of cpu
		flags int32
	}{
		{
			name: "string labels make series",
			fill: func(p *pprof.Profile) {
				label(add(p, "ab", 1, 10), "endpoint", "/cart")
				label(add(p, "ab", 1, 20), "endpoint", "/pay")
				add(p, "ab", 1, 30)
				label(add(p, "cb", 1, 40), "endpoint", "/cart")
			},
			want: []string{"cpu endpoint=/cart = 50", "cpu endpoint=/cart [a b] 10", "cpu endpoint=/cart [c b] 40", "cpu endpoint=/pay = 20", "cpu endpoint=/pay [a b] 20", "cpu = 30", "cpu [a b] 30"},
		},
		{
			name: "series labels and reserved ones win",
			fill: func(p *pprof.Profile) {
				label(add(p, "ab", 1, 10), "pod", "other", "service_name", "other", "__name__", "x", "__type__", "y", "__session_id__", "z")
			},
			want: []string{"cpu = 10", "cpu [a b] 10"},
		},
		{
			name: "the smallest of several values",
			fill: func(p *pprof.Profile) {
				label(add(p, "ab", 1, 10), "k", "2", "k", "1")
				label(add(p, "ab", 1, 20), "k", "1", "k", "2")
			},
			want: []string{"cpu k=1 = 30", "cpu k=1 [a b] 30"},
		},
		{
			name: "spans and traces are no labels",
			fill: func(p *pprof.Profile) {
				label(add(p, "ab", 1, 10), "span_id", "00000000000000ff", "trace_id", "000102030405060708090a0b0c0d0e0f")
				label(add(p, "ab", 1, 20), "span_id", "00000000000000fe")
				label(add(p, "ab", 1, 40), "profile_id", "00000000000000fe")
				add(p, "ab", 1, 80)
			},
			want: []string{
				"cpu = 150",
				"cpu [a b] 80 span=0 trace=00000000000000000000000000000000",
				"cpu [a b] 60 span=fe trace=00000000000000000000000000000000",
				"cpu [a b] 10 span=ff trace=000102030405060708090a0b0c0d0e0f",
			},
		},
		{
			name: "what is no id is none",
			fill: func(p *pprof.Profile) { label(add(p, "ab", 1, 10), "span_id", "main", "trace_id", "12") },
			want: []string{"cpu = 10", "cpu [a b] 10"},
		},
		{
			name: "only the series that has spans has them",
			fill: func(p *pprof.Profile) {
				label(add(p, "ab", 1, 10), "span_id", "00000000000000ff", "k", "1")
				add(p, "cb", 1, 20)
			},
			want: []string{"cpu k=1 = 10", "cpu k=1 [a b] 10 span=ff", "cpu = 20", "cpu [c b] 20"},
		},
		{
			name:  "long values are cut",
			fill:  func(p *pprof.Profile) { label(add(p, "ab", 1, 10), "k", long) },
			want:  []string{"cpu k=" + long[:2048] + " = 10", "cpu k=" + long[:2048] + " [a b] 10"},
			flags: flagSymbol,
		},
		{
			name: "groups without a positive value are none",
			fill: func(p *pprof.Profile) {
				label(add(p, "ab", 0, 0), "k", "1")
				label(add(p, "ab", 1, 10), "k", "2")
			},
			want:  []string{"cpu k=2 = 10", "cpu k=2 [a b] 10"},
			flags: flagValues,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := testProfile()
			tt.fill(p)
			got := prepare(t, raw(t, p), profile.Limits{})
			var cpu []string
			for _, line := range list(t, got) {
				if strings.HasPrefix(line, "cpu") {
					cpu = append(cpu, line)
				}
			}
			assert.ElementsMatch(t, tt.want, cpu)
			assert.Equal(t, tt.flags, got.Flags)
			for _, s := range got.Series {
				assert.Equal(t, "checkout", s.Service())
				assert.Equal(t, "p-1", s.Labels.Value("pod"))
				assert.Equal(t, profile.SeriesIDOf(s.Type, s.Labels), s.ID)
			}
		})
	}
}

// A subset of rows has no spans, although others of the series' group have.
func TestSpansBySampleType(t *testing.T) {
	t.Parallel()
	p := testProfile()
	add(p, "ab", 0, 10).Label["span_id"] = []string{"00000000000000ff"}
	add(p, "cb", 1, 20)
	got := prepare(t, raw(t, p), profile.Limits{})
	assert.Nil(t, got.Series[0].Spans)
	assert.ElementsMatch(t, []warehouse.SpanID{0xff, 0}, got.Series[1].Spans)
	assert.Nil(t, got.Series[1].Traces)
}

func TestDepthCut(t *testing.T) {
	t.Parallel()
	p := testProfile()
	p.Location[1].Line = []pprof.Line{p.Location[1].Line[0], p.Location[0].Line[0]} // b, inlined into a
	add(p, "cbaac", 1, 10)                                                          // c, b+a, a, a, c: 6 frames
	add(p, "aac", 1, 20)
	sent := raw(t, p)
	tests := []struct {
		depth int
		want  []string
		flags int32
	}{
		{6, []string{"[c b a a a c] 10", "[a a c] 20"}, 0},
		{5, []string{"[b a a a c] 10", "[a a c] 20"}, flagDepth},
		{4, []string{"[a a c] 30"}, flagDepth}, // a location is cut as a whole
		{3, []string{"[a a c] 30"}, flagDepth},
		{2, []string{"[a c] 30"}, flagDepth},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.depth), func(t *testing.T) {
			t.Parallel()
			got := prepare(t, sent, profile.Limits{MaxDepth: tt.depth})
			want := []string{"cpu = 30"}
			for _, w := range tt.want {
				want = append(want, "cpu "+w)
			}
			assert.ElementsMatch(t, want, list(t, got)[len(list(t, got))-len(want):])
			assert.Equal(t, tt.flags, got.Flags)
		})
	}
	cut := prepare(t, sent, profile.Limits{MaxDepth: 3})
	short := testProfile()
	add(short, "aac", 1, 30)
	assert.Equal(t, prepare(t, raw(t, short), profile.Limits{}).Series[1].Stacks, cut.Series[1].Stacks, "the id is that of what is kept")
}

func TestSymbolCut(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("größe", 4) // 28 bytes
	tests := []struct {
		name  string
		edit  func(p *pprof.Profile)
		check func(f warehouse.Frame) string
	}{
		{"function", func(p *pprof.Profile) { p.Function[0].Name = long }, func(f warehouse.Frame) string { return f.Function }},
		{"system name", func(p *pprof.Profile) { p.Function[0].SystemName = long }, func(f warehouse.Frame) string { return f.SystemName }},
		{"file", func(p *pprof.Profile) { p.Function[0].Filename = long }, func(f warehouse.Frame) string { return f.Filename }},
		{"mapping", func(p *pprof.Profile) { p.Mapping[0].File = long }, func(f warehouse.Frame) string { return f.Mapping }},
		{"build id", func(p *pprof.Profile) { p.Mapping[0].BuildID = long }, func(f warehouse.Frame) string { return f.BuildID }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := testProfile()
			tt.edit(p)
			add(p, "ab", 1, 10)
			for limit, want := range map[int]string{28: long, 27: long[:27], 26: long[:25], 25: long[:25], 24: long[:23], 23: long[:23]} {
				got := prepare(t, raw(t, p), profile.Limits{MaxSymbolBytes: limit})
				frames, ok := got.AppendFrames(nil, got.Series[0].Stacks[0])
				require.True(t, ok)
				assert.Equal(t, want, tt.check(frames[0]), "limit %d", limit)
				assert.Equal(t, limit < 28, got.Flags == flagSymbol, "limit %d", limit)
			}
		})
	}
	t.Run("comments are no symbols", func(t *testing.T) {
		t.Parallel()
		p := testProfile()
		p.Comments = []string{long}
		add(p, "ab", 1, 10)
		assert.Zero(t, prepare(t, raw(t, p), profile.Limits{MaxSymbolBytes: 20}).Flags)
	})
}

func TestFrames(t *testing.T) {
	t.Parallel()
	p := testProfile()
	p.Location[1].Line = []pprof.Line{p.Location[1].Line[0], {Function: p.Function[0], Line: 77}} // b, inlined into a
	p.Location[2].Line = nil
	p.Function = append(p.Function, &pprof.Function{ID: 4, SystemName: "_Zsys"}, &pprof.Function{ID: 5})
	p.Location = append(p.Location,
		&pprof.Location{ID: 4, Address: 0xabc},                                     // d: no mapping, no symbols
		&pprof.Location{ID: 5, Line: []pprof.Line{{Function: p.Function[3]}}},      // e: only a system name
		&pprof.Location{ID: 6, Line: []pprof.Line{{Function: p.Function[4]}}},      // f: no name
		&pprof.Location{ID: 7, Mapping: &pprof.Mapping{ID: 2}, Address: 1<<64 - 2}, // g: a mapping without names
	)
	p.Mapping = append(p.Mapping, p.Location[6].Mapping)
	add(p, "abcdefg", 1, 10)
	got := prepare(t, raw(t, p), profile.Limits{})
	frames, ok := got.AppendFrames([]warehouse.Frame{{Function: "before"}}, got.Series[0].Stacks[0])
	require.True(t, ok)
	assert.Equal(t, []warehouse.Frame{
		{Function: "before"},
		{Function: "a", SystemName: "a", Filename: "a.go", Mapping: "app", BuildID: "build"},
		{Function: "b", SystemName: "b", Filename: "b.go", Line: 10, StartLine: 1, Mapping: "app", BuildID: "build", Inlined: true},
		{Function: "a", SystemName: "a", Filename: "a.go", Line: 77, Mapping: "app", BuildID: "build"},
		{Function: "app+0x2", Address: 2, Mapping: "app", BuildID: "build"},
		{Function: "0xabc", Address: 0xabc},
		{Function: "_Zsys", SystemName: "_Zsys"},
		{Function: "unknown"},
		{Function: "0xfffffffffffffffe", Address: 1<<64 - 2},
	}, frames)

	_, ok = got.AppendFrames(nil, got.Series[0].Stacks[0]+1)
	assert.False(t, ok)
}

func TestTypes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		sent   string // __name__
		config map[string]profile.SampleTypeConfig
		types  []*pprof.ValueType
		period *pprof.ValueType
		want   []string
	}{
		{
			"push", "process_cpu", nil,
			[]*pprof.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
			&pprof.ValueType{Type: "cpu", Unit: "nanoseconds"},
			[]string{"process_cpu:samples:count:cpu:nanoseconds", "process_cpu:cpu:nanoseconds:cpu:nanoseconds"},
		},
		{
			"push of a delta profile", "godeltaprof_memory", nil,
			[]*pprof.ValueType{{Type: "alloc_space", Unit: "bytes"}}, &pprof.ValueType{Type: "space", Unit: "bytes"},
			[]string{"memory:alloc_space:bytes:space:bytes"},
		},
		{
			"push without a period type", "off_cpu", nil,
			[]*pprof.ValueType{{Type: "off_cpu", Unit: "nanoseconds"}}, nil,
			[]string{"off_cpu:off_cpu:nanoseconds::"},
		},
		{
			"ingest", "", map[string]profile.SampleTypeConfig{"contentions": {DisplayName: "block_count"}, "delay": {DisplayName: "block_duration"}},
			[]*pprof.ValueType{{Type: "contentions", Unit: "count"}, {Type: "delay", Unit: "nanoseconds"}},
			&pprof.ValueType{Type: "contentions", Unit: "count"},
			[]string{"block:contentions:count:contentions:count", "block:delay:nanoseconds:contentions:count"},
		},
		{
			"ingest by default", "", profile.DefaultSampleTypes(),
			[]*pprof.ValueType{{Type: "goroutine", Unit: "count"}}, &pprof.ValueType{Type: "goroutine", Unit: "count"},
			[]string{"goroutines:goroutine:count:goroutine:count"},
		},
		{
			"ingest with a name", "wall", profile.DefaultSampleTypes(),
			[]*pprof.ValueType{{Type: "cpu", Unit: "nanoseconds"}}, nil, []string{"wall:cpu:nanoseconds::"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := testProfile()
			p.SampleType, p.PeriodType = tt.types, tt.period
			r := raw(t, p)
			r.SampleTypes = tt.config
			r.Labels = []warehouse.Label{{Name: "service_name", Value: "s"}, {Name: "__name__", Value: tt.sent}}
			var got []string
			for _, s := range prepare(t, r, profile.Limits{}).Series {
				got = append(got, s.Type.String())
			}
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestTypesRefuse(t *testing.T) {
	t.Parallel()
	edit := func(f func(p *pprof.Profile, r *profile.Raw)) profile.Raw {
		p := testProfile()
		var r profile.Raw
		r.Labels = raw(t, p).Labels
		f(p, &r)
		r.Body = raw(t, p).Body
		return r
	}
	noName := edit(func(p *pprof.Profile, r *profile.Raw) { r.Labels = r.Labels[:1] })
	refused(t, noName, profile.Limits{}, warehouse.ReasonMissingLabels, "__name__ is missing")
	onlyPrefix := edit(func(p *pprof.Profile, r *profile.Raw) { r.Labels[1].Value = "godeltaprof_" })
	refused(t, onlyPrefix, profile.Limits{}, warehouse.ReasonMalformedProfile, "the name or the sample type is empty")
	colon := edit(func(p *pprof.Profile, r *profile.Raw) { r.Labels[1].Value = "a:b" })
	refused(t, colon, profile.Limits{}, warehouse.ReasonMalformedProfile, "a part of it has a colon")
	typeColon := edit(func(p *pprof.Profile, r *profile.Raw) { p.SampleType[1].Unit = "a:b" })
	refused(t, typeColon, profile.Limits{}, warehouse.ReasonMalformedProfile, "a part of it has a colon")
	noType := edit(func(p *pprof.Profile, r *profile.Raw) { p.SampleType[1].Type = "" })
	refused(t, noType, profile.Limits{}, warehouse.ReasonMalformedProfile, "the name or the sample type is empty")
	twice := edit(func(p *pprof.Profile, r *profile.Raw) { p.SampleType[0] = p.SampleType[1] })
	refused(t, twice, profile.Limits{}, warehouse.ReasonMalformedProfile, "the profile has process_cpu:cpu:nanoseconds:cpu:nanoseconds twice")
	long := edit(func(p *pprof.Profile, r *profile.Raw) { p.SampleType[1].Type = strings.Repeat("x", 2048) })
	refused(t, long, profile.Limits{}, warehouse.ReasonLabelValueLong, "the limit is 2048")
}

func TestTimes(t *testing.T) {
	t.Parallel()
	sent := time.Date(2026, 2, 2, 2, 2, 2, 2999, time.UTC)
	tests := []struct {
		name         string
		bodyNanos    int64
		bodyDuration int64
		sent         time.Time
		duration     time.Duration
		wantTime     warehouse.Micros
		wantDuration int64
	}{
		{"of the body, floored", 1767225600_000001999, 15e9, sent, time.Second, 1767225600_000001, 15e9},
		{"of the request", 0, 0, sent, 10 * time.Second, warehouse.MicrosOf(sent), 10e9},
		{"of receipt", 0, 0, time.Time{}, 0, warehouse.MicrosOf(received), 0},
		{"negative durations say nothing", 1767225600_000000000, -5, sent, -time.Second, 1767225600_000000, 0},
		{"negative duration of the body", 1767225600_000000000, -5, sent, time.Second, 1767225600_000000, 1e9},
		{"first allowed", warehouse.MinTime.Time().UnixNano(), 0, sent, 0, warehouse.MinTime, 0},
		{"last allowed", warehouse.MaxTime.Time().UnixNano() + 999, 0, sent, 0, warehouse.MaxTime, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := testProfile()
			p.TimeNanos, p.DurationNanos, p.Period = tt.bodyNanos, tt.bodyDuration, -1
			r := raw(t, p)
			r.Time, r.Duration = tt.sent, tt.duration
			got := prepare(t, r, profile.Limits{})
			assert.Equal(t, tt.wantTime, got.Time)
			assert.Equal(t, tt.wantDuration, got.DurationNs)
			assert.Equal(t, warehouse.MicrosOf(received), got.Received)
			assert.Zero(t, got.Period)
			assert.Equal(t, warehouse.Tenant("tenant"), got.Tenant)
		})
	}
}

func TestTimesRefuse(t *testing.T) {
	t.Parallel()
	oldest := warehouse.MicrosOf(time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC))
	at := func(ns int64) profile.Raw {
		p := testProfile()
		p.TimeNanos = ns
		return raw(t, p)
	}
	lim := profile.Limits{}
	refused(t, at(warehouse.MinTime.Time().UnixNano()-1), lim, warehouse.ReasonNotInWindow, "outside 1971-01-01T00:00:00.000000Z to 2261-12-31T23:59:59.999999Z")
	refused(t, at(warehouse.MaxTime.Time().UnixNano()+1000), lim, warehouse.ReasonNotInWindow, "is outside")
	refused(t, at(-1), lim, warehouse.ReasonNotInWindow, "its time 1969-12-31T23:59:59.999999Z is outside")
	assert.Equal(t, oldest, prepare(t, at(oldest.Time().UnixNano()), lim).Time)

	var p profile.Preparer
	r := at(0)
	r.Time = time.Unix(1, 0)
	_, err := p.Prepare("tenant", r, 0, received, lim)
	require.ErrorContains(t, err, "is outside", "the time of the request is checked, too")
}

func TestIDs(t *testing.T) {
	t.Parallel()
	p := testProfile()
	add(p, "ab", 1, 10)
	same := raw(t, p)
	id := func(r profile.Raw, ordinal int) (warehouse.ProfileID, bool) {
		out, err := new(profile.Preparer).Prepare("tenant", r, ordinal, received, profile.Limits{})
		require.NoError(t, err)
		return out.ID, out.Deduplicated
	}
	first, deduplicated := id(same, 0)
	assert.True(t, deduplicated)

	again := same
	again.Labels = []warehouse.Label{same.Labels[2], same.Labels[0], same.Labels[1], same.Labels[0]}
	var plain bytes.Buffer
	require.NoError(t, p.WriteUncompressed(&plain))
	again.Body, again.Time = plain.Bytes(), time.Unix(1e9, 0)
	got, _ := id(again, 0)
	assert.Equal(t, first, got, "neither compression nor the order of labels nor the request's time counts")

	got, _ = id(same, 1)
	assert.NotEqual(t, first, got, "the second of equal profiles in one request")

	other := same
	other.Labels = append([]warehouse.Label{{Name: "zone", Value: "1"}}, same.Labels...)
	got, _ = id(other, 0)
	assert.NotEqual(t, first, got, "other labels")

	other.Labels = append([]warehouse.Label{{Name: "__session_id__", Value: "1"}}, same.Labels...)
	got, _ = id(other, 0)
	assert.NotEqual(t, first, got, "another process")

	p.Sample[0].Value[1]++
	got, _ = id(raw(t, p), 0)
	assert.NotEqual(t, first, got, "other content at the same nanosecond")

	named := same
	named.ID = "6f1f3a1e-0d5c-4f6b-9d8e-2f2f3a1e0d5c"
	got, deduplicated = id(named, 3)
	assert.Equal(t, named.ID, got.String(), "the client's id wins")
	assert.True(t, deduplicated)

	named.ID = "00000000-0000-0000-0000-000000000000"
	got, _ = id(named, 0)
	assert.Equal(t, first, got, "an all-zero id is none")

	p.TimeNanos = 0
	timeless := raw(t, p)
	timeless.Time = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	a, deduplicated := id(timeless, 0)
	assert.False(t, deduplicated)
	b, _ := id(timeless, 0)
	assert.NotEqual(t, a, b, "a body without a time gets a random id")
	assert.Equal(t, byte(4), a[6]>>4, "UUID version")
	named.ID, named.Body = "6f1f3a1e-0d5c-4f6b-9d8e-2f2f3a1e0d5c", timeless.Body
	_, deduplicated = id(named, 0)
	assert.True(t, deduplicated)

	named.ID = "profile-7"
	refused(t, named, profile.Limits{}, warehouse.ReasonMalformedProfile, `profile id "profile-7" is not a UUID`)
}

func TestLimits(t *testing.T) {
	t.Parallel()
	labelled := func(n int) profile.Raw {
		p := testProfile()
		for i := range n {
			add(p, "ab", 1, 10).Label["k"] = []string{fmt.Sprint(i)}
		}
		return raw(t, p)
	}
	require.Len(t, prepare(t, labelled(10), profile.Limits{MaxSeries: 20}).Series, 20)
	refused(t, labelled(11), profile.Limits{MaxSeries: 20}, warehouse.ReasonSeriesLimit, "more than 20 series")

	p := testProfile()
	s := add(p, "ab", 1, 10)
	for i := range 28 {
		s.Label[fmt.Sprint("k", i)] = []string{"v"}
	}
	assert.Len(t, prepare(t, raw(t, p), profile.Limits{}).Series[0].Labels, 30)
	s.Label["one more"] = []string{"v"}
	refused(t, raw(t, p), profile.Limits{}, warehouse.ReasonTooManyLabels, "31 labels, the limit is 30")

	p = testProfile()
	add(p, "ab", 1, 10).Label[strings.Repeat("n", 1025)] = []string{"v"}
	refused(t, raw(t, p), profile.Limits{}, warehouse.ReasonLabelNameLong, "has 1025 bytes")

	refused(t, profile.Raw{Labels: raw(t, testProfile()).Labels}, profile.Limits{}, warehouse.ReasonMalformedProfile, "empty profile")
	refused(t, raw(t, testProfile()), profile.Limits{MaxBytes: 20}, warehouse.ReasonProfileSize, "more than the 20 bytes allowed")
	bad := raw(t, testProfile())
	bad.Labels[2].Value = "\xff"
	refused(t, bad, profile.Limits{}, warehouse.ReasonInvalidLabels, "invalid UTF-8")
}

// A small body that stands for much is refused before memory is spent on it.
func TestAmplification(t *testing.T) {
	t.Parallel()
	p := testProfile()
	p.Function[0].Name = strings.Repeat("n", 60<<10)
	for range 200 {
		p.Location[0].Line = append(p.Location[0].Line, p.Location[0].Line[0])
	}
	for range 20 {
		stack := "a"
		for range len(p.Sample) {
			stack += "b"
		}
		add(p, stack, 1, 1)
	}
	r := raw(t, p)
	refused(t, r, profile.Limits{MaxDefinitionBytes: 100 << 20}, warehouse.ReasonProfileSize, "when written out")
	prepared := prepare(t, r, profile.Limits{})
	assert.Less(t, prepared.SizeBytes, int64(1<<20), "stored compactly until written out")
	assert.Greater(t, prepared.DefinitionBytes, int64(100<<20))
}
