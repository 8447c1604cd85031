package catalog

import (
	"bufio"
	"fmt"
	"os"
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
	for _, t := range lex(text) {
		if t.isPunct(";") {
			parts = append(parts, text[start:t.start])
			start = t.end
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

func TestZZClients(t *testing.T) {
	i := newInstance(t)
	ok, rowsN := 0, 0
	byClient := map[string][2]int{}
	all := readClients(t)
	for _, s := range all {
		var failed error
		nontrivial := 0
		out := ""
		for _, part := range split(s.text) {
			w := strings.ToLower(strings.Fields(part)[0])
			if w != "select" && w != "with" && w != "(" && w != "values" {
				continue
			}
			out, _ = Rewrite(part)
			_, rows, err := i.query(t.Context(), out)
			if err != nil {
				failed = err
				break
			}
			nontrivial += len(rows)
		}
		n := byClient[s.clients]
		n[1]++
		if failed == nil {
			ok++
			n[0]++
			if nontrivial > 0 {
				rowsN++
			}
		} else {
			fmt.Printf("[%s] %s\n   %s\n   => %.300s\n", s.clients, failed, s.text[:min(len(s.text), 700)], out)
		}
		byClient[s.clients] = n
	}
	fmt.Println("ok", ok, "of", len(all), "rows", rowsN, byClient)
}
