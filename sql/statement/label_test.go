package statement

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLabel(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, described, want string }{
		{"functions", `select count(*), sum(value), max(time) from samples`, `count_star()|sum("value")|max("time")`, `count|sum|max`},
		{"expressions", `select 1 + 2, 'a'::text`, `(1 + 2)|CAST('a' AS VARCHAR)`, `?column?|text`},
		{"aliases", `select value as v, count(*) as n from samples`, `v|n`, `v|n`},
		{"a star in the middle", `select count(*), s.*, 1 from samples s`, `count_star()|a|b|1`, `count|a|b|?column?`},
		{"a star that is empty-handed", `select *, 1 from samples`, `a|b|c|1`, `a|b|c|?column?`},
		{"two stars", `select a.*, b.*, count(*) from a, b`, `x|y|count_star()`, `x|y|count_star()`},
		{"no query", `values (1)`, `col0`, `col0`},
		{"fewer columns than items", `select a, b`, `a`, `a`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var columns []Column
			for name := range strings.SplitSeq(tt.described, "|") {
				columns = append(columns, Column{Name: name})
			}
			label(columns, tt.text)
			var got []string
			for _, c := range columns {
				got = append(got, c.Name)
			}
			assert.Equal(t, tt.want, strings.Join(got, "|"))
		})
	}
}
