package pgwire

import "strings"

// tokenKind says what a token is.
type tokenKind uint8

const (
	tokenEnd    tokenKind = iota // of the text
	tokenWord                    // keyword or unquoted identifier
	tokenQuoted                  // "identifier"
	tokenString                  // '…', E'…', $tag$…$tag$ and the like
	tokenNumber
	tokenParam // $1
	tokenOp    // one character of punctuation, or ::
)

// token is a piece of a text. Its bytes are text[start:end].
type token struct {
	kind       tokenKind
	start, end int
	open       bool // a quote or comment that the text does not close
}

// lexer cuts SQL into tokens as PostgreSQL's scanner does, with
// standard_conforming_strings on. It never fails: what is unterminated runs to the
// end of the text. Comments and space are skipped.
type lexer struct {
	text string
	pos  int
}

// next returns the next token.
func (l *lexer) next() token {
	if start, open := l.skipSpace(); open {
		return token{kind: tokenOp, start: start, end: len(l.text), open: true}
	}
	start := l.pos
	if start == len(l.text) {
		return token{kind: tokenEnd, start: start, end: start}
	}
	kind, closed := l.scan(l.text[start])
	return token{kind: kind, start: start, end: l.pos, open: !closed}
}

// scan consumes the token that begins with c.
func (l *lexer) scan(c byte) (kind tokenKind, closed bool) {
	switch {
	case c == '\'':
		return tokenString, l.quoted('\'', false)
	case c == '"':
		return tokenQuoted, l.quoted('"', false)
	case c == '$':
		return l.dollar()
	case isWordStart(c):
		return l.wordOrString()
	case isDigit(c) || c == '.' && isDigit(l.peek(1)):
		l.number()
		return tokenNumber, true
	case c == ':' && l.peek(1) == ':':
		l.pos += 2
		return tokenOp, true
	}
	l.pos++
	return tokenOp, true
}

// peek returns the byte n after the current one, 0 past the end.
func (l *lexer) peek(n int) byte {
	if l.pos+n < len(l.text) {
		return l.text[l.pos+n]
	}
	return 0
}

// skipSpace skips space and comments. If a comment is not closed, open is true and
// start is where it begins.
func (l *lexer) skipSpace() (start int, open bool) {
	for l.pos < len(l.text) {
		switch c := l.text[l.pos]; {
		case isSpace(c):
			l.pos++
		case c == '-' && l.peek(1) == '-':
			l.lineComment()
		case c == '/' && l.peek(1) == '*':
			start := l.pos
			if !l.blockComment() {
				return start, true
			}
		default:
			return 0, false
		}
	}
	return 0, false
}

func (l *lexer) lineComment() {
	n := strings.IndexAny(l.text[l.pos:], "\r\n")
	if n < 0 {
		n = len(l.text) - l.pos
	}
	l.pos += n
}

// blockComment skips a comment, which may hold others.
func (l *lexer) blockComment() (closed bool) {
	depth := 0
	for l.pos < len(l.text) {
		switch {
		case l.text[l.pos] == '/' && l.peek(1) == '*':
			depth++
			l.pos += 2
		case l.text[l.pos] == '*' && l.peek(1) == '/':
			depth--
			l.pos += 2
			if depth == 0 {
				return true
			}
		default:
			l.pos++
		}
	}
	return false
}

// quoted consumes up to the closing quote, which is doubled within. A string is
// continued by another one after white space with a newline in it.
func (l *lexer) quoted(quote byte, backslashes bool) (closed bool) {
	l.pos++
	for l.pos < len(l.text) {
		c := l.text[l.pos]
		switch {
		case c == '\\' && backslashes:
			l.pos = min(l.pos+2, len(l.text))
		case c != quote:
			l.pos++
		case l.peek(1) == quote:
			l.pos += 2
		default:
			l.pos++
			if quote == '"' || !l.continued() {
				return true
			}
		}
	}
	return false
}

// continued moves past the opening quote of a continuation, if one follows.
func (l *lexer) continued() bool {
	newline := false
	for i := l.pos; i < len(l.text); i++ {
		switch c := l.text[i]; {
		case c == '\n' || c == '\r':
			newline = true
		case isSpace(c):
		case c == '\'' && newline:
			l.pos = i + 1
			return true
		default:
			return false
		}
	}
	return false
}

// dollar consumes $1, $tag$…$tag$ or a lone $.
func (l *lexer) dollar() (kind tokenKind, closed bool) {
	rest := l.text[l.pos:]
	if isDigit(l.peek(1)) {
		n := 1
		for n < len(rest) && isDigit(rest[n]) {
			n++
		}
		l.pos += n
		return tokenParam, true
	}
	delimiter := dollarDelimiter(rest)
	if delimiter == "" {
		l.pos++
		return tokenOp, true
	}
	end := strings.Index(rest[len(delimiter):], delimiter)
	if end < 0 {
		l.pos = len(l.text)
		return tokenString, false
	}
	l.pos += end + 2*len(delimiter)
	return tokenString, true
}

// dollarDelimiter returns the $tag$ that s begins with, or "".
func dollarDelimiter(s string) string {
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '$':
			return s[:i+1]
		case i == 1 && !isWordStart(c), !isWordStart(c) && !isDigit(c):
			return ""
		}
	}
	return ""
}

// wordOrString consumes a word, or a string that has one of the prefixes E, B, X,
// N and U& right before its quote.
func (l *lexer) wordOrString() (kind tokenKind, closed bool) {
	switch c, q := l.text[l.pos]|0x20, l.peek(1); {
	case q == '\'' && (c == 'e' || c == 'b' || c == 'x' || c == 'n'):
		l.pos++
		return tokenString, l.quoted('\'', c == 'e')
	case c == 'u' && q == '&' && (l.peek(2) == '\'' || l.peek(2) == '"'):
		quote := l.peek(2)
		l.pos += 2
		if quote == '"' {
			return tokenQuoted, l.quoted(quote, false)
		}
		return tokenString, l.quoted(quote, false)
	}
	for l.pos < len(l.text) && isWordPart(l.text[l.pos]) {
		l.pos++
	}
	return tokenWord, true
}

// number consumes digits, fractions and exponents; a sign only after an e.
func (l *lexer) number() {
	for l.pos < len(l.text) {
		c := l.text[l.pos]
		exponent := (c == 'e' || c == 'E') && (l.peek(1) == '+' || l.peek(1) == '-') && isDigit(l.peek(2))
		switch {
		case exponent:
			l.pos += 2
		case isDigit(c), c == '.', isWordStart(c):
			l.pos++
		default:
			return
		}
	}
}

func isSpace(c byte) bool {
	return c == ' ' || '\t' <= c && c <= '\r'
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isWordStart takes every byte beyond ASCII for a letter, as PostgreSQL does.
func isWordStart(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c >= 0x80
}

func isWordPart(c byte) bool {
	return isWordStart(c) || isDigit(c) || c == '$'
}
