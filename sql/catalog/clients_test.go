package catalog

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// clientStatement is a statement that a client sent.
type clientStatement struct{ clients, text string }

// readClients reads testdata/clients.sql: comments that name the clients, then the
// statement.
func readClients(t testing.TB) []clientStatement {
	t.Helper()
	f, err := os.Open("testdata/clients.sql")
	require.NoError(t, err)
	defer f.Close()
	var all []clientStatement
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	clients := ""
	for lines.Scan() {
		line := lines.Text()
		if name, ok := strings.CutPrefix(line, "-- ["); ok {
			clients, _, _ = strings.Cut(name, "]")
		} else if line != "" && !strings.HasPrefix(line, "--") {
			all = append(all, clientStatement{clients, line})
		}
	}
	require.NoError(t, lines.Err())
	return all
}

// split divides text at the semicolons between statements.
func split(text string) []string {
	var parts []string
	start := 0
	for _, t := range scan(text) {
		if t.isPunct(";") {
			parts = append(parts, text[start:t.Start])
			start = t.End
		}
	}
	parts = append(parts, text[start:])
	var kept []string
	for _, p := range parts {
		if p = strings.TrimSpace(p); p != "" {
			kept = append(kept, p)
		}
	}
	return kept
}

// refused are statements of testdata/clients.sql, by a part of their text, that fail
// here, with a part of the error.
var refused = map[string]string{
	"no_such_type_x":         `type "no_such_type_x" does not exist`,      // as in PostgreSQL
	`public."profile_types"`: `profile_types"" does not exist`,            // a relation of the database in which it was seen
	"to_char(current":        "Function with name to_char does not exist", // of functions for all SQL, not for the catalogue
}

// identifiers of the relation samples where the statements were seen.
var seenOIDs = regexp.MustCompile(`\b(16399|16402|16407|16415)\b`)

// TestClients runs what clients were seen to send.
func TestClients(t *testing.T) {
	t.Parallel()
	i := newInstance(t)
	samples, _ := RelationByName("samples")
	statements, withRows := 0, 0
	for _, s := range readClients(t) {
		for _, text := range split(seenOIDs.ReplaceAllString(s.text, fmt.Sprint(samples.oid()))) {
			if first, _, _ := strings.Cut(strings.ToLower(text), " "); first != "select" && first != "with" {
				continue // a statement about the session
			}
			statements++
			rewritten, _ := Rewrite(text)
			_, rows, err := i.query(t.Context(), rewritten)
			if len(rows) > 0 {
				withRows++
			}
			want := ""
			for part, message := range refused {
				if strings.Contains(text, part) {
					want = message
				}
			}
			if want == "" {
				require.NoError(t, err, "[%s] %s\n%s", s.clients, text, rewritten)
			} else {
				require.ErrorContains(t, err, want)
			}
		}
	}
	t.Logf("%d statements, %d with rows", statements, withRows)
}
