package statement

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEdits(t *testing.T) {
	t.Parallel()
	e := apply("SELECT $1, x, $2", []edit{{14, 16, "CAST($2 AS UUID)"}, {7, 9, "1"}, {11, 11, "ab"}})
	require.Equal(t, "SELECT 1, abx, CAST($2 AS UUID)", e.text)
	for at, want := range map[int]int{0: 0, 6: 6, 7: 7, 8: 9, 9: 10, 10: 11, 12: 11, 13: 12, 15: 14, 20: 14, 30: 14, 31: 16} {
		require.Equal(t, want, e.back(at), at)
	}
	same := apply("abc", nil)
	require.Equal(t, "abc", same.text)
	require.Equal(t, 2, same.back(2))
	require.Equal(t, 3, character("éab", 3))
	require.Equal(t, 1, character("éab", 0))
	require.Zero(t, character("ab", 5))
	require.Zero(t, character("ab", -1))
}

// TestSpaces: what is space to DuckDB's parser becomes a space, where it is one.
func TestSpaces(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a\u00a0b\u3000\ufeffc":      "a b  c",
		"'a\u00a0b' \"a\u00a0b\"":    "'a\u00a0b' \"a\u00a0b\"",
		"$q$\u00a0$q$\u2009x":        "$q$\u00a0$q$ x",
		"-- \u00a0\n1 /* \u200b */":  "--  \n1 /*   */",
		"1\u200b\u200d\u2060\u202f2": "1    2",
		"é\u00e9\u2603":              "é\u00e9\u2603",
	} {
		e := apply(in, spaces(in))
		require.Equal(t, want, e.text, "%q", in)
		require.Equal(t, len(in), e.back(len(e.text)), "%q", in)
	}
}
