package lex

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// letters stand for the kinds of tokens in tests; lower case for open ones.
var letters = map[Kind]string{Space: "_", Comment: "C", Word: "W", Quoted: "Q", String: "S", Number: "N", Param: "P", Operator: "O", Punct: "."}

// show writes code as K:text|K:text.
func show(text string) string {
	var out []string
	l := New(text)
	for t := l.Code(); t.Kind != End; t = l.Code() {
		kind := letters[t.Kind]
		if t.Open {
			kind = strings.ToLower(kind)
		}
		out = append(out, kind+":"+t.Of(text))
	}
	return strings.Join(out, "|")
}

func TestTokens(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"only space", " \t\n\v\f\r", ""},
		{"names and strings", `SELECT a.b, 'it''s' FROM "x""y"`, `W:SELECT|W:a|.:.|W:b|.:,|S:'it''s'|W:FROM|Q:"x""y"`},
		{"comments", "-- ; '\nSELECT 1 /* ' /* $1 */ */ ;", "W:SELECT|N:1|.:;"},
		{"a line ends with any kind of newline", "1 -- a\r2 -- b\n3", "N:1|N:2|N:3"},
		{"comment marks within quotes", "'--' '/*' \"--\"", `S:'--'|S:'/*'|Q:"--"`},
		{"letters before quotes", `E'a\'b' e'' x'0f' B'1' N'n' U&'d\0061' u&"d"`, `S:E'a\'b'|S:e''|S:x'0f'|S:B'1'|S:N'n'|S:U&'d\0061'|Q:u&"d"`},
		{"letters that do not touch the quote", "e '\\'", `W:e|S:'\'`},
		{"words that end in such letters", "like'\\' u & 'x'", `W:like|S:'\'|W:u|O:&|S:'x'`},
		{"backslashes are ordinary", `'a\' 'b'`, `S:'a\'|S:'b'`},
		{"strings go on in further lines", "'a'\n 'b' 'c'", "S:'a'\n 'b'|S:'c'"},
		{"and so do those with escapes", "E'a'\r\n'\\';' 1", "S:E'a'\r\n'\\';'|N:1"},
		{"names do not", "\"a\"\n\"b\"", `Q:"a"|Q:"b"`},
		{"dollar quotes and parameters", "$1+$23 $$a'b$$ $t$ $$ $t$ $", "P:$1|O:+|P:$23|S:$$a'b$$|S:$t$ $$ $t$|O:$"},
		{"tags do not begin with digits", "$1$ $2a$b", "P:$1|O:$|P:$2|W:a$b"},
		{"tags have no space", "$a\u00a0$ $a b$", "O:$|W:a|O:$|O:$|W:a|W:b$"},
		{"dollars within words", "a$b$c $1$2 a$1", "W:a$b$c|P:$1|P:$2|W:a$1"},
		{"a number ends at a dollar", "1$$;$$ 1$1", "N:1|S:$$;$$|N:1|P:$1"},
		{"numbers", "12 1.5e3 .5 1. 1.5e-3 1E+9 0xff 1_000 2e 2e- 2e-x 0xe+1", "N:12|N:1.5e3|N:.5|N:1.|N:1.5e-3|N:1E+9|N:0xff|N:1_000|N:2e|N:2e|O:-|N:2e|O:-|W:x|N:0xe|O:+|N:1"},
		{"two dots", "1..2", "N:1|.:.|N:.2"},
		{"numbers and members", "a.1 [1:2] t.5", "W:a|N:.1|.:[|N:1|O::|N:2|.:]|W:t|N:.5"},
		{"casts", "naïve::int[] a:=1 a:b", "W:naïve|O:::|W:int|.:[|.:]|W:a|O::=|N:1|W:a|O::|W:b"},
		{"operators", "a<=b <> c||d ->> e ~* f !~~ g //h", "W:a|O:<=|W:b|O:<>|W:c|O:|||W:d|O:->>|W:e|O:~*|W:f|O:!~~|W:g|O://|W:h"},
		{"signs are not part of operators", "a=-1 b+-c d=>-e *- x", "W:a|O:=|O:-|N:1|W:b|O:+|O:-|W:c|W:d|O:=>|O:-|W:e|O:*|O:-|W:x"},
		{"but of those beyond arithmetic", "@- a ?-b", "O:@-|W:a|O:?-|W:b"},
		{"a comment ends an operator", "1+--x\n2*/**/3 +/*", "N:1|O:+|N:2|O:*|N:3|O:+|c:/*"},
		{"braces", "{'a': 1}", ".:{|S:'a'|O::|N:1|.:}"},
		{"space beyond ASCII", "a\u00a0b\u3000c\ufeffd\u2009e\u200bf", "W:a|W:b|W:c|W:d|W:e|W:f"},
		{"letters beyond ASCII", "é \u2603 \u3001 \xff\xfe", "W:é|W:\u2603|W:\u3001|W:\xff\xfe"},
		{"what is part of nothing", "\x00 \\ \x7f", "O:\x00|O:\\|O:\x7f"},
		{"open string", "'open", "s:'open"},
		{"open string with escapes", `E'\`, `s:E'\`},
		{"open name", `"a""`, `q:"a""`},
		{"open comment", "a /* b /* */", "W:a|c:/* b /* */"},
		{"open dollar quotes", "$q$ open $q", "s:$q$ open $q"},
		{"open continuation", "'a'\n'", "s:'a'\n'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, show(tt.text))
		})
	}
}

func TestTokensLeaveOutOpenComments(t *testing.T) {
	t.Parallel()
	require.Empty(t, Tokens("/* open"))
	require.Len(t, Tokens("a /* b */ c /* d"), 2)
}

func TestNames(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]string{ // word and name
		"SeLect":   {"select", "select"},
		`"A""b"`:   {"", `A"b`},
		`"open`:    {"", "open"},
		`u&"d"`:    {"", ""},
		"'a'":      {"", ""},
		"ÀÉ":       {"àé", "àé"},
		"\"\"":     {"", ""},
		`"a" rest`: {"", "a"},
	} {
		l := New(text)
		tok := l.Next()
		require.Equal(t, want, [2]string{tok.Word(text), tok.Name(text)}, text)
	}
	require.True(t, Token{Kind: Punct, End: 1}.Is("(", "("))
	require.False(t, Token{Kind: String, End: 3}.Is("'('", "'('"))
}

// FuzzTokens: tokens one behind the other are the text, and each is what it is on
// its own, too.
func FuzzTokens(f *testing.F) {
	for _, s := range []string{
		"SELECT $1, 'a' -- x", "$a$ $1 $a$", "E'\\", "/*/*", "\"", "é\u00a0'", "'a'\n'b'", "1..2e-", "$a\u00a0$", "a\xc2", "U&'", "=>-", ":=:", "\xe2\x80", "--\r",
		"select ';' /* ; */ -- ;\n;", "$", "$$", "\x00\xff;", "a$$;$$", "$1$;$1$", "1$$;$$",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l := New(text)
		at := 0
		for tok := l.Next(); tok.Kind != End; tok = l.Next() {
			if tok.Start != at || tok.End <= tok.Start || tok.End > len(text) {
				t.Fatalf("%q: token %+v at byte %d", text, tok, at)
			}
			if tok.Open && tok.End < len(text) {
				t.Fatalf("%q: token %+v is open before the end", text, tok)
			}
			one := New(tok.Of(text))
			if alone := one.Next(); alone.Kind != tok.Kind || alone.End != tok.End-tok.Start || alone.Open != tok.Open {
				t.Fatalf("%q: token %+v is %+v on its own", text, tok, alone)
			}
			require.LessOrEqual(t, len(tok.Name(text)), 3*(tok.End-tok.Start)) // lower case may be longer
			at = tok.End
		}
		if end := l.Next(); at != len(text) || end != (Token{Start: at, End: at}) {
			t.Fatalf("%q: %+v after byte %d of %d", text, end, at, len(text))
		}
	})
}

func BenchmarkTokens(b *testing.B) { // go test -bench Tokens ./sql/lex
	text := strings.Repeat("SELECT date_trunc('minute', time) AS t, sum(value) FROM samples WHERE service_name = $1 -- x\n", 100)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		l := New(text)
		for t := l.Next(); t.Kind != End; t = l.Next() {
		}
	}
}

func ExampleTokens() {
	text := "SELECT a -- b"
	for _, t := range Tokens(text) {
		fmt.Println(t.Of(text))
	}
	// Output:
	// SELECT
	// a
}
