package catalog

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata")

// TestPsql compares the answers to what psql and drivers send with those in
// testdata/psql.txt.
func TestPsql(t *testing.T) {
	t.Parallel()
	const file = "testdata/psql.txt"
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	i := newInstance(t)
	blocks := strings.Split(strings.TrimRight(string(b), "\n"), "\n\n")
	var got strings.Builder
	for n, block := range blocks {
		if n > 0 {
			got.WriteString("\n\n")
		}
		if strings.HasPrefix(block, "#") {
			got.WriteString(block)
			continue
		}
		question, answer, found := strings.Cut(block, "\n----")
		require.True(t, found, "block without ----: %s", block)
		command, text, found := strings.Cut(question, "\n")
		require.True(t, found, question)
		now := i.answer(t, text)
		got.WriteString(question + "\n----" + now)
		if !*update && now != answer {
			t.Errorf("%s\n%s\nwant%s\ngot%s", command, text, answer, now)
		}
	}
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got.String()+"\n"), 0o644))
	}
}

var placeholder = regexp.MustCompile(`\{(\w+)\}`)

// answer rewrites and runs a statement, and prints its rows.
func (i *instance) answer(t *testing.T, text string) string {
	t.Helper()
	oids := map[string]string{}
	text = placeholder.ReplaceAllStringFunc(text, func(s string) string {
		r, ok := RelationByName(s[1 : len(s)-1])
		if !ok {
			return s
		}
		oids[fmt.Sprint(r.oid())] = s
		return fmt.Sprint(r.oid())
	})
	rewritten, _ := Rewrite(text)
	names, rows, err := i.query(t.Context(), rewritten)
	if err != nil {
		line, _, _ := strings.Cut(err.Error(), "\n")
		return "\nERROR " + line
	}
	if labels := Labels(text); len(labels) == len(names) {
		names = labels
	}
	out := "\n" + strings.Join(names, " | ")
	for _, row := range rows {
		line := strings.ReplaceAll(strings.Join(row, " | "), "\n", `\n`)
		for oid, name := range oids {
			line = strings.ReplaceAll(line, oid, name)
		}
		out += "\n" + strings.TrimRight(line, " ")
	}
	return out + fmt.Sprintf("\n(%d rows)", len(rows))
}
