package sqltest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Target answers questions about the profiles of a script, in one way.
type Target interface {
	// Ask answers a question, or says that this target cannot ask such questions.
	//
	// A question of kind [Explain] is answered by EXPLAIN, of which [Explained]
	// keeps what does not depend on how profiles are stored.
	//
	// A question of kind [API] is a verb with its arguments, and is answered
	// without names of columns:
	//
	//	total TYPE{SELECTOR} FROM TO     total of the flame graph
	//	top TYPE{SELECTOR} FROM TO       function and self, the largest first, then by name
	//	series TYPE{SELECTOR} FROM TO STEP [LABEL…]   labels, second, value
	//	profile-types                    ids
	//	label-values NAME                values
	Ask(ctx context.Context, q *Question) (answer *Answer, can bool, err error)
}

// Layout is a way to store profiles, with the ways to ask. A new way to store is a
// new Layout in the list that the test gives to [Run]: nothing else changes.
type Layout struct {
	Name string

	// Open stores the profiles of each script, apart from those of the others, and
	// returns the targets of each script by their names.
	Open func(t *testing.T, scripts map[string][]Profile) map[string]map[string]Target
}

// Run runs every script of a folder against every layout. With update, the targets
// of the first layout, which must agree, rewrite the answers before.
func Run(t *testing.T, folder string, layouts []Layout, update bool) {
	t.Helper()
	scripts, err := ReadFolder(folder)
	require.NoError(t, err)
	profiles := map[string][]Profile{}
	for name, s := range scripts {
		profiles[name] = s.Profiles
	}
	if update {
		for name, targets := range layouts[0].Open(t, profiles) {
			require.NoError(t, scripts[name].Answer(t.Context(), targets))
			require.NoError(t, os.WriteFile(filepath.Join(folder, name+".txt"), scripts[name].Format(), 0o600))
		}
	}
	for _, l := range layouts {
		t.Run(l.Name, func(t *testing.T) {
			all := l.Open(t, profiles)
			for _, name := range slices.Sorted(maps.Keys(scripts)) {
				t.Run(name, func(t *testing.T) { require.NoError(t, scripts[name].Check(t.Context(), all[name])) })
			}
		})
	}
}

// ReadFolder reads the scripts of a folder, by their names without the ending.
func ReadFolder(folder string) (map[string]*Script, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no scripts in %s", folder)
	}
	scripts := map[string]*Script{}
	for _, file := range files {
		data, err := os.ReadFile(file) //nolint:gosec // a folder of the repository
		if err != nil {
			return nil, err
		}
		s, err := Parse(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		scripts[strings.TrimSuffix(filepath.Base(file), ".txt")] = s
	}
	return scripts, nil
}

// Check asks every question of every target that can ask it. Its error lists the
// answers that differ, and the questions that nobody can ask.
func (s *Script) Check(ctx context.Context, targets map[string]Target) error {
	var wrong []error
	for i := range s.Questions {
		q := &s.Questions[i]
		answers, err := ask(ctx, q, targets)
		if err == nil && len(answers) == 0 {
			err = fmt.Errorf("nobody can ask: %s", q.Text)
		}
		if err != nil {
			return errors.Join(append(wrong, err)...)
		}
		for _, name := range slices.Sorted(maps.Keys(answers)) {
			if answers[name] != q.Want {
				wrong = append(wrong, fmt.Errorf("%s: %s\n-- want --\n%s-- got --\n%s", name, q.Text, q.Want, answers[name]))
			}
		}
	}
	return errors.Join(wrong...)
}

// ask returns the answers by target.
func ask(ctx context.Context, q *Question, targets map[string]Target) (map[string]string, error) {
	answers := map[string]string{}
	for name, target := range targets {
		answer, can, err := target.Ask(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", name, q.Text, err)
		}
		if can {
			answers[name] = answer.String()
		}
	}
	return answers, nil
}

// Answer sets all answers to what the targets say, which must agree.
func (s *Script) Answer(ctx context.Context, targets map[string]Target) error {
	for i := range s.Questions {
		q := &s.Questions[i]
		answers, err := ask(ctx, q, targets)
		if err != nil {
			return err
		}
		texts := slices.Compact(slices.Sorted(maps.Values(answers)))
		if len(texts) != 1 {
			return fmt.Errorf("%d different answers to: %s\n%v", len(texts), q.Text, answers)
		}
		s.setWant(i, texts[0])
	}
	return nil
}
