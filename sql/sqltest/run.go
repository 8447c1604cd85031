package sqltest

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Answer is what a question gets: columns and rows, or an error.
type Answer struct {
	Columns []string
	Rows    [][]string // as PostgreSQL writes them; Null for NULL
	State   string     // SQLSTATE of an error
	Message string     // of an error
}

// Null is how an answer shows NULL.
const Null = "NULL"

// String returns the answer as scripts have it: a line of names and one for each
// row, separated by tabs; or "error STATE message".
func (a *Answer) String() string {
	if a.State != "" {
		return "error " + a.State + " " + a.Message + "\n"
	}
	var b strings.Builder
	for _, row := range append([][]string{a.Columns}, a.Rows...) {
		if len(row) > 0 {
			b.WriteString(strings.Join(row, "\t"))
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// Target answers questions about the profiles of a script, in one way.
type Target interface {
	// Ask answers a question, or says that this target cannot ask such questions.
	//
	// A question of kind [API] is a verb with its arguments, and is answered
	// without names of columns:
	//
	//	total TYPE{SELECTOR} FROM TO     total of the flame graph
	//	top TYPE{SELECTOR} FROM TO       function, self, total, by self, total and name
	//	series TYPE{SELECTOR} FROM TO STEP [LABEL…]   labels, second, value
	//	profile-types                    ids
	//	label-values NAME                values
	Ask(ctx context.Context, q *Question) (answer *Answer, can bool, err error)
}

// Layout is a way to store profiles, with the ways to ask.
type Layout struct {
	Name string

	// Open stores the profiles of each script, apart from those of the others, and
	// returns the targets of each script by their names.
	Open func(t *testing.T, scripts map[string][]Profile) map[string]map[string]Target
}

// Run runs every script of a folder against every layout. With update, the targets
// of the first layout, which must agree, rewrite the answers.
func Run(t *testing.T, folder string, layouts []Layout, update bool) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	require.NoError(t, err)
	require.NotEmpty(t, files, "no scripts in %s", folder)
	scripts, profiles := map[string]*Script{}, map[string][]Profile{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		scripts[name], err = Parse(data)
		require.NoError(t, err, file)
		profiles[name] = scripts[name].Profiles
	}
	if update {
		for name, targets := range layouts[0].Open(t, profiles) {
			scripts[name].answer(t, targets)
			require.NoError(t, os.WriteFile(filepath.Join(folder, name+".txt"), scripts[name].Format(), 0o644))
		}
		return
	}
	for _, l := range layouts {
		t.Run(l.Name, func(t *testing.T) {
			all := l.Open(t, profiles)
			for _, name := range slices.Sorted(maps.Keys(scripts)) {
				t.Run(name, func(t *testing.T) { scripts[name].check(t, all[name]) })
			}
		})
	}
}

func (s *Script) check(t *testing.T, targets map[string]Target) {
	t.Helper()
	for i := range s.Questions {
		q := &s.Questions[i]
		asked := 0
		for name, target := range targets {
			answer, can, err := target.Ask(t.Context(), q)
			require.NoError(t, err, "%s: %s", name, q.Text)
			if !can {
				continue
			}
			asked++
			require.Equal(t, q.Want, answer.String(), "%s: %s", name, q.Text)
		}
		require.NotZero(t, asked, "nobody can ask: %s", q.Text)
	}
}

// answer sets all answers to what the targets say, which must agree.
func (s *Script) answer(t *testing.T, targets map[string]Target) {
	t.Helper()
	for i := range s.Questions {
		text := ""
		for name, target := range targets {
			answer, can, err := target.Ask(t.Context(), &s.Questions[i])
			require.NoError(t, err, "%s: %s", name, s.Questions[i].Text)
			if can && text != "" {
				require.Equal(t, text, answer.String(), "%s: %s", name, s.Questions[i].Text)
			}
			if can {
				text = answer.String()
			}
		}
		s.setWant(i, text)
	}
}
