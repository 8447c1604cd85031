package statement

import (
	"strings"
	"unicode/utf8"
)

// tokenKind is the class of a token.
type tokenKind uint8

const (
	tokenWord   tokenKind = iota // keyword or name, also a quoted one
	tokenString                  // '…', E'…', $tag$…$tag$ and the like
	tokenNumber                  //
	tokenParam                   // $1
	tokenSymbol                  // one character of anything else
)

// token is a piece of a statement's text that is neither space nor comment.
type token struct {
	kind       tokenKind
	start, end int // bytes
}

// lexer splits a statement as DuckDB does, as far as it matters to find words,
// parameters and parentheses.
type lexer struct {
	text string
	at   int
}

// tokens returns all tokens of a text.
func tokens(text string) []token {
	l := lexer{text: text}
	var out []token
	for {
		t, ok := l.next()
		if !ok {
			return out
		}
		out = append(out, t)
	}
}

func (l *lexer) next() (token, bool) {
	l.skip()
	if l.at >= len(l.text) {
		return token{}, false
	}
	t := token{start: l.at}
	c := l.text[l.at]
	switch {
	case c == '\'':
		t.kind = tokenString
		l.quoted('\'', false)
	case c == '"':
		t.kind = tokenWord
		l.quoted('"', false)
	case (c == 'e' || c == 'E') && l.peek(1) == '\'':
		t.kind = tokenString
		l.at++
		l.quoted('\'', true)
	case (c == 'x' || c == 'X' || c == 'b' || c == 'B') && l.peek(1) == '\'':
		t.kind = tokenString
		l.at++
		l.quoted('\'', false)
	case c == '$':
		t.kind = l.dollar()
	case isWordStart(c):
		t.kind = tokenWord
		for l.at < len(l.text) && isWordByte(l.text[l.at]) {
			l.at++
		}
	case isDigit(c), c == '.' && isDigit(l.peek(1)):
		t.kind = tokenNumber
		for l.at < len(l.text) && (isWordByte(l.text[l.at]) || l.text[l.at] == '.') {
			l.at++
		}
	default:
		t.kind = tokenSymbol
		_, n := utf8.DecodeRuneInString(l.text[l.at:])
		l.at += n
	}
	t.end = l.at
	return t, true
}

// skip passes space and comments. Block comments nest.
func (l *lexer) skip() {
	for l.at < len(l.text) {
		rest := l.text[l.at:]
		switch {
		case strings.IndexByte(" \t\n\r\f\v", rest[0]) >= 0:
			l.at++
		case strings.HasPrefix(rest, "\u00a0"), strings.HasPrefix(rest, "\u3000"), strings.HasPrefix(rest, "\ufeff"):
			_, n := utf8.DecodeRuneInString(rest)
			l.at += n
		case strings.HasPrefix(rest, "--"):
			end := strings.IndexAny(rest, "\n\r")
			if end < 0 {
				end = len(rest)
			}
			l.at += end
		case strings.HasPrefix(rest, "/*"):
			l.comment()
		default:
			return
		}
	}
}

func (l *lexer) comment() {
	depth := 0
	for l.at < len(l.text) {
		switch rest := l.text[l.at:]; {
		case strings.HasPrefix(rest, "/*"):
			depth++
			l.at += 2
		case strings.HasPrefix(rest, "*/"):
			depth--
			l.at += 2
		default:
			l.at++
		}
		if depth == 0 {
			return
		}
	}
}

// quoted passes what is between two quotes, of which doubled ones are part, and so
// are those behind a backslash if it escapes.
func (l *lexer) quoted(quote byte, escapes bool) {
	l.at++
	for l.at < len(l.text) {
		c := l.text[l.at]
		switch {
		case escapes && c == '\\':
			l.at += 2
		case c == quote && l.peek(1) == quote:
			l.at += 2
		case c == quote:
			l.at++
			return
		default:
			l.at++
		}
	}
	l.at = len(l.text)
}

// dollar passes $1, $tag$…$tag$, or a dollar sign alone.
func (l *lexer) dollar() tokenKind {
	n := l.at + 1
	for n < len(l.text) && isWordByte(l.text[n]) && l.text[n] != '$' {
		n++
	}
	if n < len(l.text) && l.text[n] == '$' && !isDigit(l.peek(1)) {
		tag := l.text[l.at : n+1]
		end := strings.Index(l.text[n+1:], tag)
		if end < 0 {
			l.at = len(l.text)
		} else {
			l.at = n + 1 + end + len(tag)
		}
		return tokenString
	}
	digits := l.at + 1
	for digits < len(l.text) && isDigit(l.text[digits]) {
		digits++
	}
	if digits > l.at+1 {
		l.at = digits
		return tokenParam
	}
	l.at++
	return tokenSymbol
}

func (l *lexer) peek(n int) byte {
	if l.at+n < len(l.text) {
		return l.text[l.at+n]
	}
	return 0
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isWordStart(c byte) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= utf8.RuneSelf
}

func isWordByte(c byte) bool { return isWordStart(c) || isDigit(c) || c == '$' }

// word returns a token's word in lower case, or "" for any other token and for a
// quoted name.
func word(text string, t token) string {
	if t.kind != tokenWord || text[t.start] == '"' {
		return ""
	}
	return strings.ToLower(text[t.start:t.end])
}
