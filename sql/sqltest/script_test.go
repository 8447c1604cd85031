package sqltest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// queries are the scripts that all ways to ask and to store run.
var queries = filepath.Join("..", "..", "testdata", "query")

const small = `Prose.

-- profiles --
# a comment
service=a pod=x type=cpu:cpu:ns:cpu:ns
t=0   10  main;f
t=0    5  main;g  span=00000000000000ff trace=000102030405060708090a0b0c0d0e0f
t=-5   1  main
service=b type=cpu:cpu:ns:cpu:ns
t=-5   2  main
-- profiles --
service=a pod=x type=cpu:cpu:ns:cpu:ns
t=0    7  main;f
-- sql it's | 2 --
SELECT $1, $2
-- want --
a	b
it's	2
-- timezone Asia/Kolkata --
-- explain --
SELECT 1
-- want --
-- api --
total cpu:cpu:ns:cpu:ns{} 0 1
-- want --
22
`

func TestParse(t *testing.T) {
	t.Parallel()
	s, err := Parse([]byte(small))
	require.NoError(t, err)
	require.Len(t, s.Profiles, 4)
	first := s.Profiles[0]
	require.Equal(t, map[string]string{"service_name": "a", "pod": "x"}, first.Labels)
	require.Equal(t, []Sample{
		{Stack: []string{"main", "f"}, Value: 10},
		{Stack: []string{"main", "g"}, Span: "00000000000000ff", Trace: "000102030405060708090a0b0c0d0e0f", Value: 5},
	}, first.Samples)
	sections, seconds := []int{}, []int64{}
	for _, p := range s.Profiles {
		sections, seconds = append(sections, p.Section), append(seconds, p.Second)
	}
	require.Equal(t, []int{0, 0, 0, 1}, sections)
	require.Equal(t, []int64{0, -5, -5, 0}, seconds, "labels end a profile, and so do sections")

	require.Len(t, s.Questions, 3)
	require.Equal(t, Question{Kind: SQL, Text: "SELECT $1, $2", Args: []string{"it's", "2"}, Zone: "UTC", Want: "a\tb\nit's\t2\n", want: s.Questions[0].want}, s.Questions[0])
	require.Equal(t, Explain, s.Questions[1].Kind)
	require.Equal(t, "Asia/Kolkata", s.Questions[1].Zone)
	require.Equal(t, small, string(s.Format()))
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	const profiles = "-- profiles --\nservice=a type=cpu:cpu:ns:cpu:ns\n"
	for _, tt := range []struct{ name, script, want string }{
		{"nothing", "", "no questions"},
		{"unknown section", "-- question --\n", "section 1, question: unknown section"},
		{"no answer", "-- sql --\nselect 1\n", "question 1 has no answer"},
		{"two answers", "-- sql --\nselect 1\n-- want --\n-- want --\n", "section 3, want: an answer without a question"},
		{"only an answer", "-- want --\n", "an answer without a question"},
		{"no type", "-- profiles --\nservice=a\n", "line 1: service= and type= are needed"},
		{"bad type", "-- profiles --\nservice=a type=cpu\n", "line 1"},
		{"bad label", "-- profiles --\nservice=a pod\n", `"pod" is no name=value`},
		{"a sample first", "-- profiles --\nt=0 1 main\n", "a sample before the first labels"},
		{"no stack", profiles + "t=0 1\n", "line 2: want t=SECOND VALUE STACK"},
		{"bad second", profiles + "t=x 1 main\n", "line 2"},
		{"bad value", profiles + "t=0 x main\n", "line 2"},
		{"bad span", profiles + "t=0 1 main id=1\n", `"id=1" is no span=ID nor trace=ID`},
		{"bad zone", "-- timezone Nowhere/Land --\n", "section 1, timezone Nowhere/Land"},
	} {
		_, err := Parse([]byte(tt.script))
		require.ErrorContains(t, err, tt.want, tt.name)
	}
}

// FuzzParse: a script is refused, or written as it came.
func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	files, err := filepath.Glob(filepath.Join(queries, "*.txt"))
	require.NoError(f, err)
	for _, file := range files {
		data, err := os.ReadFile(file) //nolint:gosec // a folder of the repository
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse(data)
		if err != nil {
			return
		}
		again, err := Parse(s.Format())
		require.NoError(t, err)
		require.Equal(t, s.Profiles, again.Profiles)
		require.Len(t, again.Questions, len(s.Questions))
	})
}

// target is a fake: its answers by text, or its error.
type target struct {
	answers map[string]*Answer
	err     error
}

func (f target) Ask(_ context.Context, q *Question) (*Answer, bool, error) {
	a, can := f.answers[q.Text]
	return a, can, f.err
}

func TestCheck(t *testing.T) {
	t.Parallel()
	s, err := Parse([]byte("-- sql --\na\n-- want --\nx\n1\n-- sql --\nb\n-- want --\nerror 42P01 no b\n"))
	require.NoError(t, err)
	one := &Answer{Columns: []string{"x"}, Rows: [][]string{{"1"}}}
	refused := &Answer{State: "42P01", Message: "no b"}
	right := target{answers: map[string]*Answer{"a": one, "b": refused}}
	require.NoError(t, s.Check(t.Context(), map[string]Target{"right": right, "knows only b": target{answers: map[string]*Answer{"b": refused}}}))

	for _, tt := range []struct {
		name   string
		target target
		want   []string
	}{
		{"another value", target{answers: map[string]*Answer{"a": {Columns: []string{"x"}, Rows: [][]string{{"2"}}}, "b": refused}}, []string{"odd: a", "x\n2\n"}},
		{"a row more", target{answers: map[string]*Answer{"a": {Columns: []string{"x"}, Rows: [][]string{{"1"}, {"1"}}}, "b": refused}}, []string{"odd: a"}},
		{"another name", target{answers: map[string]*Answer{"a": {Columns: []string{"y"}, Rows: [][]string{{"1"}}}, "b": refused}}, []string{"odd: a"}},
		{"another state", target{answers: map[string]*Answer{"a": one, "b": {State: "42703", Message: "no b"}}}, []string{"odd: b"}},
		{"an answer for an error", target{answers: map[string]*Answer{"a": one, "b": one}}, []string{"odd: b"}},
		{"two wrong", target{answers: map[string]*Answer{"a": refused, "b": one}}, []string{"odd: a", "odd: b"}},
		{"out of order", target{err: errors.New("broken pipe")}, []string{"odd: a: broken pipe"}},
	} {
		err := s.Check(t.Context(), map[string]Target{"right": right, "odd": tt.target})
		for _, want := range tt.want {
			require.ErrorContains(t, err, want, tt.name)
		}
	}
	require.ErrorContains(t, s.Check(t.Context(), nil), "nobody can ask: a")
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	s, err := Parse([]byte("-- sql --\na\n-- want --\nold\n"))
	require.NoError(t, err)
	one := target{answers: map[string]*Answer{"a": {Columns: []string{"x"}, Rows: [][]string{{"1"}}}}}
	two := target{answers: map[string]*Answer{"a": {Columns: []string{"x"}, Rows: [][]string{{"2"}}}}}
	require.ErrorContains(t, s.Answer(t.Context(), map[string]Target{"one": one, "two": two}), "2 different answers to: a")
	require.ErrorContains(t, s.Answer(t.Context(), nil), "0 different answers")
	require.NoError(t, s.Answer(t.Context(), map[string]Target{"one": one, "as well": one}))
	require.Equal(t, "-- sql --\na\n-- want --\nx\n1\n", string(s.Format()))
	require.NoError(t, s.Check(t.Context(), map[string]Target{"one": one}), "the answer is the new one")
}

func TestExplained(t *testing.T) {
	t.Parallel()
	a := Explained([][]string{
		{"SEQ_SCAN"}, {"Files of samples: 1 of 3, 99 bytes"}, {"Files of series: 2 of 2, 1 bytes"}, {"Files of profiles: 0 of 4, 0 bytes"},
		{"Reads samples where time >= '…'"}, {"Execution Time: 0.1 ms"},
	})
	require.Equal(t, "samples: some\nseries: all\nprofiles: none\nReads samples where time >= '…'\n", a.String())
}

func TestInstant(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 7, 1, 12, 0, 0, 500_000_000, time.UTC)
	for zone, want := range map[string]string{
		"UTC": "2026-07-01 12:00:00.5+00", "Europe/Berlin": "2026-07-01 14:00:00.5+02", "America/New_York": "2026-07-01 08:00:00.5-04",
		"Asia/Kolkata": "2026-07-01 17:30:00.5+05:30", "America/St_Johns": "2026-07-01 09:30:00.5-02:30",
	} {
		location, err := time.LoadLocation(zone)
		require.NoError(t, err)
		assert.Equal(t, want, Instant(at, location))
	}
}

// TestRecompute: the answers in the scripts are those that plain addition and plain
// tables give.
func TestRecompute(t *testing.T) {
	t.Parallel()
	scripts, err := ReadFolder(queries)
	require.NoError(t, err)
	questions, recomputed := 0, 0
	for name, s := range scripts {
		n, err := s.Recompute(t.Context())
		require.NoError(t, err, name)
		questions += len(s.Questions)
		recomputed += n
	}
	t.Logf("%d of %d answers recomputed in %d scripts", recomputed, questions, len(scripts))
	require.GreaterOrEqual(t, len(scripts), 12)
	require.GreaterOrEqual(t, recomputed, 100)
}

// TestRecomputeFinds: a wrong answer is found, whoever recomputes it.
func TestRecomputeFinds(t *testing.T) {
	t.Parallel()
	const profiles = "-- profiles --\nservice=a type=cpu:cpu:ns:cpu:ns\nt=0 1 main;f\nt=9 2 main\n"
	for _, tt := range []struct{ question, right, wrong string }{
		{"-- sql --\nselect sum(value) from samples", "sum\n3\n", "sum\n4\n"},
		{"-- sql --\nselect max(total) from flamegraph('cpu:cpu:ns:cpu:ns{service_name=\"a\"}', '2026-03-01 10:00:00+00', '2026-03-01 10:00:09+00')", "max\n1\n", "max\n3\n"},
		{"-- sql 9 --\nselect $1 + 1", "sum\n10\n", "sum\n9\n"},
		{"-- api --\ntotal cpu:cpu:ns:cpu:ns{service_name!~\"b|c\"} 0 9", "3\n", "1\n"},
		{"-- api --\nlabel-values service_name", "a\n", ""},
	} {
		s, err := Parse([]byte(profiles + tt.question + "\n-- want --\n" + tt.right))
		require.NoError(t, err)
		n, err := s.Recompute(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, n, tt.question)
		s, err = Parse([]byte(profiles + tt.question + "\n-- want --\n" + tt.wrong))
		require.NoError(t, err)
		_, err = s.Recompute(t.Context())
		require.ErrorContains(t, err, "recomputed", tt.question)
	}
}
