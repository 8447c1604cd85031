package catalog

import "strings"

// kind is what a token is.
type kind byte

const (
	word     kind = iota // an identifier or keyword
	quoted               // "identifier"
	str                  // '…', E'…', $$…$$
	number               // 12, 1.5e3
	param                // $1
	operator             // +, <=, ~*, ::
	punct                // ( ) [ ] , ; .
)

// token is a piece of the text other than white space and comments.
type token struct {
	kind       kind
	start, end int    // bytes of the text
	name       string // of a word in lower case, of a quoted one without its quotes; else the text
	partner    int    // of a bracket: the other one's token; -1 without one
}

// lex splits SQL into tokens as PostgreSQL does, whose rules DuckDB shares. It takes
// any text: what never ends, ends with the text.
func lex(text string) []token {
	l := lexer{text: text}
	for l.skip(); l.at < len(text); l.skip() {
		l.next()
	}
	for _, open := range l.open {
		l.tokens[open].partner = -1
	}
	return l.tokens
}

type lexer struct {
	text   string
	at     int
	tokens []token
	open   []int // brackets that wait for their partners
}

// skip passes over white space and comments.
func (l *lexer) skip() {
	for l.at < len(l.text) {
		switch c := l.text[l.at]; {
		case c == ' ' || c >= '\t' && c <= '\r':
			l.at++
		case strings.HasPrefix(l.text[l.at:], "--"):
			l.at = l.after(l.at, "\n")
		case strings.HasPrefix(l.text[l.at:], "/*"):
			l.at = l.comment()
		default:
			return
		}
	}
}

// after returns the end of the first mark at or behind i, or of the text.
func (l *lexer) after(i int, mark string) int {
	if i > len(l.text) {
		return len(l.text)
	}
	if n := strings.Index(l.text[i:], mark); n >= 0 {
		return i + n + len(mark)
	}
	return len(l.text)
}

// comment returns the end of a comment, which may hold others.
func (l *lexer) comment() int {
	depth, i := 1, l.at+2
	for i < len(l.text) && depth > 0 {
		switch rest := l.text[i:]; {
		case strings.HasPrefix(rest, "/*"):
			depth, i = depth+1, i+2
		case strings.HasPrefix(rest, "*/"):
			depth, i = depth-1, i+2
		default:
			i++
		}
	}
	return i
}

func (l *lexer) next() {
	c := l.text[l.at]
	switch {
	case isWordStart(c):
		l.word()
	case c == '\'':
		l.add(str, l.quotedEnd(l.at, '\'', false))
	case c == '"':
		l.add(quoted, l.quotedEnd(l.at, '"', false))
	case isDigit(c) || c == '.' && l.at+1 < len(l.text) && isDigit(l.text[l.at+1]):
		l.add(number, l.numberEnd())
	case c == '$':
		l.dollar()
	case strings.IndexByte("()[],;.{}", c) >= 0:
		l.add(punct, l.at+1)
	case strings.HasPrefix(l.text[l.at:], "::"), strings.HasPrefix(l.text[l.at:], ":="):
		l.add(operator, l.at+2)
	case strings.IndexByte(operatorBytes, c) >= 0:
		l.add(operator, l.operatorEnd())
	default:
		l.add(operator, l.at+1)
	}
}

// add appends the token that ends at end, and moves there.
func (l *lexer) add(k kind, end int) {
	t := token{kind: k, start: l.at, end: end, name: l.text[l.at:end], partner: -1}
	n := len(l.tokens)
	switch {
	case k == word:
		t.name = strings.ToLower(t.name)
	case k == quoted:
		t.name = strings.ReplaceAll(strings.TrimSuffix(t.name[1:], `"`), `""`, `"`)
	case k == punct && (t.name == "(" || t.name == "["):
		l.open = append(l.open, n)
	case k == punct && (t.name == ")" || t.name == "]") && len(l.open) > 0:
		open := l.open[len(l.open)-1]
		if l.tokens[open].name == map[string]string{")": "(", "]": "["}[t.name] {
			l.open = l.open[:len(l.open)-1]
			t.partner, l.tokens[open].partner = open, n
		}
	}
	l.tokens = append(l.tokens, t)
	l.at = end
}

// word reads an identifier, or a string with a letter before it.
func (l *lexer) word() {
	end := l.at + 1
	for end < len(l.text) && isWordPart(l.text[end]) {
		end++
	}
	if end == l.at+1 && end < len(l.text) && l.text[end] == '\'' {
		switch l.text[l.at] {
		case 'e', 'E':
			l.add(str, l.quotedEnd(end, '\'', true))
			return
		case 'b', 'B', 'x', 'X', 'n', 'N':
			l.add(str, l.quotedEnd(end, '\'', false))
			return
		}
	}
	l.add(word, end)
}

// quotedEnd returns the end of what starts with a quote at i. Two quotes are one
// quote inside.
func (l *lexer) quotedEnd(i int, quote byte, escapes bool) int {
	for i++; i < len(l.text); i++ {
		switch {
		case escapes && l.text[i] == '\\':
			i++
		case l.text[i] == quote:
			if i+1 >= len(l.text) || l.text[i+1] != quote {
				return i + 1
			}
			i++
		}
	}
	return len(l.text)
}

func (l *lexer) numberEnd() int {
	i := l.at
	for i < len(l.text) && (isWordPart(l.text[i]) || l.text[i] == '.' ||
		(l.text[i] == '+' || l.text[i] == '-') && (l.text[i-1] == 'e' || l.text[i-1] == 'E') && i > l.at) {
		if l.text[i] == '.' && i+1 < len(l.text) && l.text[i+1] == '.' {
			break
		}
		i++
	}
	return i
}

// dollar reads $1 or $tag$…$tag$.
func (l *lexer) dollar() {
	end := l.at + 1
	for end < len(l.text) && isWordPart(l.text[end]) && l.text[end] != '$' {
		end++
	}
	digits := end > l.at+1 && isDigit(l.text[l.at+1])
	switch {
	case digits:
		l.add(param, end)
	case end < len(l.text) && l.text[end] == '$':
		l.add(str, l.after(end+1, l.text[l.at:end+1]))
	case end > l.at+1:
		l.add(param, end) // $name
	default:
		l.add(operator, end)
	}
}

const operatorBytes = "+-*/<>=~!@#%^&|`?:"

// operatorEnd follows PostgreSQL: the longest run of operator characters before a
// comment, and without a sign at its end unless the run has a character that only
// operators beyond arithmetic have.
func (l *lexer) operatorEnd() int {
	end := l.at
	special := false
	for end < len(l.text) && strings.IndexByte(operatorBytes, l.text[end]) >= 0 {
		rest := l.text[end:]
		if end > l.at && (strings.HasPrefix(rest, "--") || strings.HasPrefix(rest, "/*") || rest[0] == ':') {
			break
		}
		special = special || strings.IndexByte("~!@#%^&|`?", l.text[end]) >= 0
		end++
	}
	for !special && end > l.at+1 && (l.text[end-1] == '+' || l.text[end-1] == '-') {
		end--
	}
	return end
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWordStart(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

func isWordPart(c byte) bool { return isWordStart(c) || isDigit(c) || c == '$' }
