package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestWorkload: a profile is one that google/pprof reads, of the time that is asked
// for, with the totals that are said, and the same again for the same seed.
func TestWorkload(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	w, err := newWorkload(scales["tiny"], 1, start)
	require.NoError(t, err)
	again, err := newWorkload(scales["tiny"], 1, start)
	require.NoError(t, err)
	require.Equal(t, 200, w.profiles())
	versionsSeen := map[int]bool{}
	last := start
	for n := range w.profiles() {
		s := w.profile(n)
		versionsSeen[s.version] = true
		require.False(t, s.at.Before(start) || !s.at.Before(w.end()), "profile %d is at %s", n, s.at)
		require.False(t, s.at.Before(last), "profile %d is before the one before it", n)
		last = s.at
		data, err := s.encode()
		require.NoError(t, err)
		if n%37 != 0 {
			continue
		}
		same := again.profile(n)
		other, err := same.encode()
		require.NoError(t, err)
		require.Equal(t, data, other)
		p, err := profile.ParseData(data)
		require.NoError(t, err)
		require.Equal(t, s.at.UnixNano(), p.TimeNanos)
		totals := make([]int64, len(p.SampleType))
		for _, sample := range p.Sample {
			for i, v := range sample.Value {
				totals[i] += v
			}
		}
		assert.Equal(t, s.body.totals, totals)
		assert.Equal(t, s.body.samples, len(p.Sample)) //nolint:testifylint // Len prints all of them
	}
	assert.Len(t, versionsSeen, versions)
}

func TestWorseBy(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		then, now figure
		speed     float64
		want      float64
	}{
		{"the same", figure{10, millis}, figure{10, millis}, 1, 1},
		{"slower", figure{10, millis}, figure{15, millis}, 1, 1.5},
		{"as slow as the machine", figure{10, millis}, figure{15, millis}, 1.5, 1},
		{"less a second", figure{100, perSecond}, figure{50, perSecond}, 1, 2},
		{"less a second on a slow machine", figure{100, perSecond}, figure{50, perSecond}, 2, 1},
		{"more memory, whatever the machine", figure{100, megabytes}, figure{200, megabytes}, 2, 2},
		{"an error where there was none", figure{0, count}, figure{1, count}, 1, 1000},
		{"still none", figure{0, count}, figure{0, count}, 1, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			assert.InDelta(t, tt.want, worseBy(tt.then, tt.now, tt.speed), 1e-9)
		})
	}
}

func TestFiguresAreKeptAndCompared(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "bench", "tiny.json")
	none, err := readFigures(file)
	require.NoError(t, err)
	require.Nil(t, none)
	var out bytes.Buffer
	first := newFigures("tiny", "", &out)
	first.put(machineFigure, 10, millis)
	first.put("query/a", 10, millis)
	first.put("query/b", 10, millis)
	s := &suite{options: &options{recorded: file}, figures: first}
	require.NoError(t, s.keep(nil))

	last, err := readFigures(file)
	require.NoError(t, err)
	second := newFigures("tiny", "", &out)
	second.put(machineFigure, 20, millis)
	second.put("query/a", 70, millis)
	out.Reset()
	require.Equal(t, []string{"query/a"}, second.compare(last, 1.5))
	assert.Contains(t, out.String(), "2.00 times as long")
	assert.Contains(t, out.String(), "3.50 <")
	s.figures = second
	require.NoError(t, s.keep(last))
	kept, err := readFigures(file)
	require.NoError(t, err)
	assert.InDelta(t, 70, kept.Figures["query/a"].Value, 0)
	assert.InDelta(t, 10, kept.Figures["query/b"].Value, 0, "of a stage that did not run")

	other := newFigures("small", "", io.Discard)
	other.put("query/a", 1000, millis)
	assert.Empty(t, other.compare(last, 1.5), "another scale is another thing")
	require.NoError(t, os.WriteFile(file, []byte("{"), 0o600))
	_, err = readFigures(file)
	require.ErrorContains(t, err, file)
}

func TestParseBenchmarks(t *testing.T) {
	t.Parallel()
	order, values, err := parseBenchmarks([]byte(`goos: linux
BenchmarkBuild/nodes=10k-3         	     100	   1234.5 ns/op	  12 B/op
BenchmarkTrim 	      50	   8 ns/op
BenchmarkBuild/nodes=10k-3         	     100	   1300 ns/op
PASS
`))
	require.NoError(t, err)
	assert.Equal(t, []string{"BenchmarkBuild/nodes=10k", "BenchmarkTrim"}, order)
	assert.Equal(t, []float64{1234.5, 1300}, values["BenchmarkBuild/nodes=10k"])
}

func TestParseHours(t *testing.T) {
	t.Parallel()
	hours, err := parseHours("1,4,16")
	require.NoError(t, err)
	assert.Equal(t, []int{1, 4, 16}, hours)
	for _, text := range []string{"", "4,1", "0", "x"} {
		_, err := parseHours(text)
		require.ErrorContains(t, err, "rising numbers", text)
	}
}

func TestPlotShowsEveryLine(t *testing.T) {
	t.Parallel()
	p := plot{title: "t", x: "hours", y: "ms", lines: []line{{"one", [][2]float64{{1, 3}, {4, 30}}}, {"two", [][2]float64{{1, 5}, {4, 5}}}}}
	svg := string(p.svg())
	assert.Contains(t, svg, ">one<")
	assert.Contains(t, svg, ">two<")
	assert.NotContains(t, svg, "NaN")
	assert.NotContains(t, svg, "Inf")
}

func TestAnswersAreUnpacked(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte("body"))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	for _, a := range []answer{{body: []byte("body")}, {body: b.Bytes(), zipped: true}} {
		plain, err := a.plain()
		require.NoError(t, err)
		assert.Equal(t, "body", string(plain))
	}
}

// TestStatementsOfDuckDB: every question's statement exists.
func TestStatementsOfDuckDB(t *testing.T) {
	t.Parallel()
	for _, name := range []string{bareSums, bareSumsMatching, bareSeriesByPod, bareSeries, bareLabels, bareTotals} {
		data, err := bareFiles.ReadFile("bare/" + name + ".sql")
		require.NoError(t, err)
		assert.Contains(t, string(data), "AS value", name)
	}
}
