package warehouse

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseSelector(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       string // type, then the matchers' own text
	}{
		{"nothing", `{}`, ``},
		{"spaces", " {\t} ", ``},
		{"equal", `{a="b"}`, `a="b"`},
		{"all operators", `{a="b",c!="d",e=~"f.*",g!~"h|i"}`, `a="b" c!="d" e=~"f.*" g!~"h|i"`},
		{"trailing comma", `{a="b",}`, `a="b"`},
		{"loose", ` { a = "b" , c != 'd' } `, `a="b" c!="d"`},
		{"type in front", `process_cpu:cpu:nanoseconds:cpu:nanoseconds{a="b"}`, `process_cpu:cpu:nanoseconds:cpu:nanoseconds a="b"`},
		{"quoted name", `{"a b/ü"="c"}`, `"a b/ü"="c"`},
		{"dots in names", `{service.name="x"}`, `service.name="x"`},
		{"empty value", `{a=""}`, `a=""`},
		{"escapes", `{a="b\"\\\n\u00fc\x41"}`, "a=\"b\\\"\\\\\\nüA\""},
		{"back quotes take everything", "{a=`b\\d`}", `a="b\\d"`},
		{"the other quote inside", `{a='b"c'}`, `a="b\"c"`},
		{"commas and braces in values", `{a="b,c}",d="{"}`, `a="b,c}" d="{"`},
		{"same name twice", `{a="b",a!="c"}`, `a="b" a!="c"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sel, err := ParseSelector(tt.text)
			require.NoError(t, err)
			var words []string
			if sel.Type != "" {
				words = append(words, sel.Type)
			}
			for _, m := range sel.Matchers {
				words = append(words, m.String())
			}
			assert.Equal(t, tt.want, strings.Join(words, " "))
		})
	}
}

func TestParseSelectorRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"empty", "", "selector is empty"},
		{"blank", " \n", "selector is empty"},
		{"no brace", `a="b"`, "opening brace"},
		{"not closed", `{a="b"`, "comma or a closing brace"},
		{"string not closed", `{a="b}`, "not closed"},
		{"no operator", `{a "b"}`, "want =, !=, =~ or !~"},
		{"no value", `{a=}`, "want a quoted string"},
		{"bare value", `{a=b}`, "want a quoted string"},
		{"no name", `{="b"}`, "want a label name"},
		{"empty name", `{""="b"}`, "label name is empty"},
		{"digit first", `{1a="b"}`, "want a label name"},
		{"only a comma", `{,}`, "want a label name"},
		{"two commas", `{a="b",,c="d"}`, "want a label name"},
		{"text behind", `{a="b"} x`, "unexpected text"},
		{"bad escape", `{a="\q"}`, "bad escape"},
		{"bad expression", `{a=~"("}`, "regular expression"},
		{"not UTF-8", "{a=\"\xff\"}", "not valid UTF-8"},
		{"too long", `{a="` + strings.Repeat("x", MaxSelectorBytes) + `"}`, "the limit is 65536"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseSelector(tt.text)
			require.ErrorContains(t, err, tt.want)
			assert.Equal(t, Invalid, KindOf(err))
		})
	}
	_, err := ParseMatchers(`cpu{a="b"}`)
	assert.ErrorContains(t, err, "before the brace")
}

func TestMatches(t *testing.T) {
	t.Parallel()
	tests := []struct {
		matcher, value string
		want           bool
	}{
		{`{a="b"}`, "b", true},
		{`{a="b"}`, "bb", false},
		{`{a!="b"}`, "b", false},
		{`{a!="b"}`, "", true},
		{`{a=~"b.*"}`, "bcd", true},
		{`{a=~"b|c"}`, "xb", false}, // the whole value
		{`{a=~"b|c"}`, "cx", false},
		{`{a=~"b.c"}`, "b\nc", true},
		{`{a=~""}`, "", true},
		{`{a!~"b.*"}`, "abc", true},
		{`{a!~"b.*"}`, "bcd", false},
	}
	for _, tt := range tests {
		ms, err := ParseMatchers(tt.matcher)
		require.NoError(t, err)
		assert.Equal(t, tt.want, ms[0].Matches(tt.value), "%s on %q", tt.matcher, tt.value)
	}
}

// FuzzParseSelector: no text panics, errors are the client's, and what was
// parsed is parsed again from its own text.
func FuzzParseSelector(f *testing.F) {
	for _, seed := range []string{`{}`, `{a="b"}`, `x:y{a=~"b.*",c!="\u00fc"}`, "{`a`=`b`}", `{"a"='b',}`, `{a="`, "{a=\"\\xff\"}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		sel, err := ParseSelector(text)
		if err != nil {
			if KindOf(err) != Invalid {
				t.Fatalf("kind %v: %v", KindOf(err), err)
			}
			return
		}
		var words []string
		for _, m := range sel.Matchers {
			words = append(words, m.String())
		}
		again := "{" + strings.Join(words, ",") + "}"
		ms, err := ParseMatchers(again)
		if err != nil {
			t.Fatalf("%q was parsed, its own text %q is not: %v", text, again, err)
		}
		for i, m := range ms {
			if m.Name != sel.Matchers[i].Name || m.Op != sel.Matchers[i].Op || m.Value != sel.Matchers[i].Value {
				t.Fatalf("matcher %d of %q: got %v, want %v", i, again, m, sel.Matchers[i])
			}
		}
	})
}
