package warehouse

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseTenant(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"a", "anonymous", "Team-1_x.y!*'()", strings.Repeat("x", MaxTenantBytes), "..."} {
		got, err := ParseTenant(good)
		require.NoError(t, err, good)
		assert.EqualValues(t, good, got)
	}
	for bad, want := range map[string]string{
		"": "empty", ".": "reserved", "..": "reserved", "__x": "reserved", "a b": "character", "a|b": "character",
		"a/b": "character", "ü": "character", strings.Repeat("x", MaxTenantBytes+1): "limit is 150",
	} {
		_, err := ParseTenant(bad)
		require.ErrorContains(t, err, want, "%q", bad)
		assert.Equal(t, Invalid, KindOf(err))
	}
}

func TestParseProfileType(t *testing.T) {
	t.Parallel()
	want := ProfileType{"process_cpu", "cpu", "nanoseconds", "cpu", "nanoseconds"}
	for _, text := range []string{want.String(), want.String() + ":delta"} {
		got, err := ParseProfileType(text)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	got, err := ParseProfileType("off_cpu:off_cpu:nanoseconds::")
	require.NoError(t, err, "a period may be absent")
	assert.Equal(t, "off_cpu:off_cpu:nanoseconds::", got.String())
	for _, bad := range []string{"", "cpu", "a:b:c:d", "a:b:c:d:e:f", "a:b:c:d:e:delta:x", ":b:c:d:e", "a::c:d:e"} {
		_, err := ParseProfileType(bad)
		assert.Equal(t, Invalid, KindOf(err), "%q", bad)
	}
	for _, l := range want.Derived() {
		assert.True(t, IsDerivedLabel(l.Name))
		assert.Equal(t, l.Value, want.DerivedValue(l.Name))
	}
	assert.IsIncreasing(t, func() (names []string) {
		for _, l := range want.Derived() {
			names = append(names, l.Name)
		}
		return names
	}())
}

func TestTimes(t *testing.T) {
	t.Parallel()
	assert.EqualValues(t, -1, MicrosOfNanos(-1), "floored, not cut towards zero")
	assert.EqualValues(t, 1, MicrosOfNanos(1999))
	assert.EqualValues(t, -1, Micros(-1).Hour())
	assert.EqualValues(t, 0, Micros(microsPerHour-1).Hour())
	assert.EqualValues(t, 1, Micros(microsPerHour).Hour())
	h := MicrosOf(time.Date(2026, 11, 22, 19, 59, 59, 999999000, time.UTC)).Hour()
	assert.Equal(t, "2026-11-22T19", h.String())
	assert.Equal(t, h, h.Start().Hour())
	assert.Equal(t, h, (h.End() - 1).Hour())
	assert.Equal(t, h+1, h.End().Hour())

	r := MillisRange(math.MinInt64, math.MaxInt64)
	assert.False(t, r.IsEmpty(), "saturated, not wrapped: %v", r)
	assert.Equal(t, TimeRange{1000, 2000}, MillisRange(1, 2))
}

func TestTimeRanges(t *testing.T) {
	t.Parallel()
	r := func(from, to Micros) TimeRange { return TimeRange{From: from, To: to} }
	tests := []struct {
		name     string
		a, b     TimeRange
		overlaps bool
		union    TimeRange
	}{
		{"apart", r(0, 10), r(20, 30), false, r(0, 30)},
		{"both ends count", r(0, 10), r(10, 20), true, r(0, 20)},
		{"neighbours are apart", r(0, 10), r(11, 20), false, r(0, 20)},
		{"inside", r(0, 100), r(40, 50), true, r(0, 100)},
		{"an instant", r(5, 5), r(0, 10), true, r(0, 10)},
		{"empty overlaps nothing", EmptyRange, r(0, 10), false, r(0, 10)},
		{"two empty ones", EmptyRange, r(9, 3), false, r(9, 3)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tt.overlaps, tt.a.Overlaps(tt.b))
			assert.Equal(t, tt.overlaps, tt.b.Overlaps(tt.a))
			assert.Equal(t, tt.union, tt.a.Union(tt.b))
		})
	}
	assert.True(t, r(0, 10).Covers(r(0, 10)))
	assert.False(t, r(0, 10).Covers(r(0, 11)))
}

func TestLabels(t *testing.T) {
	t.Parallel()
	ls := LabelsOf("b", "2", "a", "1", "b", "3")
	assert.Equal(t, `{a="1", b="3"}`, ls.String())
	assert.Equal(t, "3", ls.Value("b"))
	assert.Empty(t, ls.Value("c"))
	assert.True(t, ls.Has("a"))
	other := ls.With("a", "x")
	assert.Equal(t, "1", ls.Value("a"), "With copies")
	assert.Positive(t, other.Compare(ls))
	assert.Zero(t, ls.Compare(LabelsOf("a", "1", "b", "3")))
	assert.Negative(t, ls[:1].Compare(ls))

	s := Series{Type: ProfileType{Name: "memory", SampleType: "space"}, Labels: LabelsOf("service_name", "x", "pod", "p")}
	ms, err := ParseMatchers(`{service_name="x",__type__="space",none="",pod=~"p|q"}`)
	require.NoError(t, err)
	assert.True(t, s.Matches(ms))
	ms, err = ParseMatchers(`{none!=""}`)
	require.NoError(t, err)
	assert.False(t, s.Matches(ms))
}

func TestErrors(t *testing.T) {
	t.Parallel()
	cause := errors.New("disk full")
	inner := Refuse(Unavailable, "store", "put segment x: %w", cause)
	outer := fmt.Errorf("flush: %w", Errorf(Internal, "seal: %w", inner))
	assert.Equal(t, "flush: seal: put segment x: disk full", outer.Error(), "each cause is printed once")
	assert.Equal(t, Internal, KindOf(outer), "the outermost decides")
	assert.Equal(t, Unavailable, KindOf(inner))
	assert.Equal(t, "store", ReasonOf(outer))
	assert.ErrorIs(t, outer, cause)
	assert.Empty(t, ReasonOf(cause))

	assert.Equal(t, Internal, KindOf(cause))
	assert.Equal(t, Canceled, KindOf(fmt.Errorf("x: %w", context.Canceled)))
	assert.Equal(t, Deadline, KindOf(context.DeadlineExceeded))
	names := map[string]bool{}
	for k := range NumKinds {
		assert.NotEmpty(t, k.String())
		names[k.String()] = true
	}
	assert.Len(t, names, int(NumKinds))
}

func TestProfileFlags(t *testing.T) {
	t.Parallel()
	assert.Equal(t, []string{"depth-cut", "values-dropped"}, (DepthCut | ValuesDropped).Names())
	assert.Empty(t, ProfileFlags(0).Names())
	// Format: the bits are stored.
	assert.EqualValues(t, []ProfileFlags{1, 2, 4, 8}, []ProfileFlags{DepthCut, SymbolCut, ValuesDropped, Sampled})
}

func TestParts(t *testing.T) {
	t.Parallel()
	p := Part{
		Datasets: []Dataset{{Service: "a"}, {Service: "b"}},
		Sections: []Section{{Table: TableSamples, Size: 10, Rows: 7}, {Table: TableSeries, Size: 5, Rows: 1}},
	}
	assert.EqualValues(t, 7, p.Rows())
	assert.EqualValues(t, 15, p.SizeBytes())
	assert.Equal(t, "b", p.Dataset("b").Service)
	assert.Nil(t, p.Dataset("c"))
	_, ok := p.Section(TableStacktraces)
	assert.False(t, ok)
}
