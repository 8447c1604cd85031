package statement

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stackhouse-db/stackhouse/sql/lex"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite golden files")

// planCase is a statement of testdata/plan.
type planCase struct {
	head   []string // comments and directives
	text   string
	args   []any
	count  bool // compare only the number of rows
	open   bool // the plan is not understood
	golden string
}

func (c *planCase) ordered() bool {
	return strings.Contains(strings.ToUpper(c.text), "ORDER BY") && !strings.HasSuffix(c.text, ")")
}

func readCases(t testing.TB, file string) (out []*planCase) {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, chunk := range strings.Split(strings.TrimSpace(string(data)), "\n\n") {
		c := &planCase{}
		text, golden, ok := strings.Cut(chunk+"\n", "----\n")
		require.True(t, ok, "%s: %q has no ----", file, chunk)
		c.golden = golden
		for line := range strings.Lines(text) {
			switch {
			case strings.HasPrefix(line, "#"), strings.HasPrefix(line, "!"):
				c.head = append(c.head, line)
				switch word, rest, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, "!")), " "); word {
				case "args":
					c.args = readArgs(t, rest)
				case "rows":
					c.count = true
				case "unplanned":
					c.open = true
				}
			default:
				c.text += line
			}
		}
		c.text = strings.TrimSpace(c.text)
		out = append(out, c)
	}
	return out
}

func readArgs(t testing.TB, text string) (out []any) {
	t.Helper()
	for _, tok := range lex.Tokens(text) {
		word := text[tok.Start:tok.End]
		if tok.Kind == lex.String {
			out = append(out, strings.ReplaceAll(word[1:len(word)-1], "''", "'"))
			continue
		}
		n, err := strconv.ParseInt(word, 10, 64)
		require.NoError(t, err)
		out = append(out, n)
	}
	return out
}

func (c *planCase) String() string {
	return strings.Join(c.head, "") + c.text + "\n----\n" + c.golden
}

// TestCorpus runs every statement of testdata/plan over what its plan leaves and over
// everything: the answers must be equal.
func TestCorpus(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../testdata/plan/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	seeds := []uint64{1, 2}
	if testing.Short() {
		seeds = seeds[:1]
	}
	statements, exact := 0, 0
	for _, seed := range seeds {
		w := newWorld(t)
		w.generate(seed, 300)
		s := w.service(nil)
		whole := w.service(func(o *Options) { o.unplanned = true })
		for _, file := range files {
			cases := readCases(t, file)
			var out []string
			for _, c := range cases {
				statements++
				scans := c.check(t, s, whole)
				if *update {
					c.golden = scans
				}
				if seed == seeds[0] && strings.Contains(scans, " where ") {
					exact++
				}
				require.Equal(t, c.golden, scans, c.text)
				out = append(out, c.String())
			}
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(strings.Join(out, "\n")), 0o600))
			}
		}
	}
	require.GreaterOrEqual(t, statements/len(seeds), 200)
	require.GreaterOrEqual(t, exact, 60)
}

// check compares both ways to answer, and returns what the plan reads.
func (c *planCase) check(t *testing.T, s, whole *Service) string {
	t.Helper()
	sess := session()
	pruned, err := ask(t.Context(), s, sess, c.text, c.args...)
	require.NoError(t, err, c.text)
	all, err := ask(t.Context(), whole, sess, c.text, c.args...)
	require.NoError(t, err, c.text)
	require.LessOrEqual(t, pruned.stats.Sections, all.stats.Sections, c.text)
	switch {
	case c.count:
		require.Len(t, pruned.rows, len(all.rows), c.text)
	case c.ordered():
		require.Equal(t, all.rows, pruned.rows, c.text)
	default:
		slices.Sort(all.rows)
		slices.Sort(pruned.rows)
		require.Equal(t, all.rows, pruned.rows, c.text)
	}
	return c.scans(t, s)
}

// scans asks EXPLAIN what the statement reads.
func (c *planCase) scans(t *testing.T, s *Service) string {
	t.Helper()
	var out strings.Builder
	a, err := ask(t.Context(), s, session(), "EXPLAIN "+c.text, c.args...)
	require.NoError(t, err, c.text)
	for _, row := range a.rows {
		if strings.Contains(row, "not understood") {
			require.True(t, c.open, "the plan is not understood: %s", c.text)
		}
		if scan, ok := strings.CutPrefix(row, "Reads "); ok {
			fmt.Fprintln(&out, scan)
		}
	}
	return out.String()
}
