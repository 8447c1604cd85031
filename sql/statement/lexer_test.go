package statement

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, want string }{
		{"SELECT a.b, 'it''s' FROM \"x\"\"y\"", "SELECT|a|.|b|,|'it''s'|FROM|\"x\"\"y\""},
		{"-- ; '\nSELECT 1 /* ' /* $1 */ */ ;", "SELECT|1|;"},
		{`E'a\'b' e'' x'0f' B'1'`, `E'a\'b'|e''|x'0f'|B'1'`},
		{"'a\\' 'b'", "'a\\'|'b'"},
		{"$1+$23 $$a'b$$ $t$ $$ $t$ $", "$1|+|$23|$$a'b$$|$t$ $$ $t$|$"},
		{"$1$2 a$1 1.5e3 .5", "$1|$2|a$1|1.5e3|.5"},
		{"naïve::int[]", "naïve|:|:|int|[|]"},
		{"'open", "'open"},
		{"/* open", ""},
		{"$q$ open", "$q$ open"},
	}
	for _, tt := range tests {
		var got []string
		for _, tok := range tokens(tt.text) {
			got = append(got, tt.text[tok.start:tok.end])
		}
		require.Equal(t, tt.want, strings.Join(got, "|"), tt.text)
	}
}

func FuzzTokens(f *testing.F) {
	for _, s := range []string{"SELECT $1, 'a' -- x", "$a$ $1 $a$", "E'\\", "/*/*", "\"", "é\u00a0'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		end := 0
		for _, tok := range tokens(text) {
			if tok.start < end || tok.end <= tok.start || tok.end > len(text) {
				t.Fatalf("%q: token %v after byte %d", text, tok, end)
			}
			end = tok.end
		}
	})
}

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
