package lex

import "strings"

// Lexer reads the tokens of a text, one at a time. A copy of a Lexer goes on from the
// same place.
type Lexer struct {
	text string
	pos  int
}

// New returns a Lexer at the start of a text.
func New(text string) Lexer { return Lexer{text: text} }

// Tokens returns the code of a text: its tokens without space and comments.
func Tokens(text string) []Token {
	l := New(text)
	var out []Token
	for {
		switch t := l.Code(); t.Kind {
		case End:
			return out
		case Comment: // one that the text does not close
		default:
			out = append(out, t)
		}
	}
}

// Code returns the next token that is neither space nor a comment. A comment that
// the text does not close is returned: who cares about errors needs it.
func (l *Lexer) Code() Token {
	for {
		t := l.Next()
		if t.Kind != Space && (t.Kind != Comment || t.Open) {
			return t
		}
	}
}

// Next returns the next token of any kind. Behind the last one it is always End.
func (l *Lexer) Next() Token {
	t := Token{Start: l.pos}
	if l.pos < len(l.text) {
		kind, closed := l.scan(l.text[l.pos])
		t.Kind, t.Open = kind, !closed
	}
	t.End = l.pos
	return t
}

// scan passes the token that begins with c.
func (l *Lexer) scan(c byte) (kind Kind, closed bool) {
	switch {
	case SpaceAt(l.text[l.pos:]) > 0:
		l.space()
		return Space, true
	case c == '-' && l.peek(1) == '-':
		l.line()
		return Comment, true
	case c == '/' && l.peek(1) == '*':
		return Comment, l.block()
	case c == '\'':
		return String, l.quoted('\'', false)
	case c == '"':
		return Quoted, l.quoted('"', false)
	case c == '$':
		return l.dollar()
	case IsWordStart(c):
		return l.word()
	case IsDigit(c) || c == '.' && IsDigit(l.peek(1)):
		l.number()
		return Number, true
	case strings.IndexByte("()[]{},;.", c) >= 0:
		l.pos++
		return Punct, true
	}
	l.operator()
	return Operator, true
}

// peek returns the byte n after the current one, 0 past the end.
func (l *Lexer) peek(n int) byte {
	if l.pos+n < len(l.text) {
		return l.text[l.pos+n]
	}
	return 0
}

func (l *Lexer) space() {
	for {
		n := SpaceAt(l.text[l.pos:])
		if n == 0 {
			return
		}
		l.pos += n
	}
}

// line passes a comment before the end of its line.
func (l *Lexer) line() {
	n := strings.IndexAny(l.text[l.pos:], "\r\n")
	if n < 0 {
		n = len(l.text) - l.pos
	}
	l.pos += n
}

// block passes a comment, which may hold others.
func (l *Lexer) block() (closed bool) {
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

// quoted passes what is between two quotes, of which doubled ones are part, and so
// is any behind a backslash if that escapes. A string may go on in a further line.
func (l *Lexer) quoted(quote byte, escapes bool) (closed bool) {
	l.pos++
	for l.pos < len(l.text) {
		c := l.text[l.pos]
		switch {
		case c == '\\' && escapes:
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

// continued moves behind the opening quote of a continuation, if one follows: on a
// further line, with only space in between.
func (l *Lexer) continued() bool {
	newline := false
	for i := l.pos; i < len(l.text); i++ {
		switch c := l.text[i]; {
		case IsSpace(c):
			newline = newline || c == '\n' || c == '\r'
		case c == '\'' && newline:
			l.pos = i + 1
			return true
		default:
			return false
		}
	}
	return false
}

// dollar passes $1, $tag$…$tag$ or a dollar sign alone.
func (l *Lexer) dollar() (kind Kind, closed bool) {
	if IsDigit(l.peek(1)) {
		for l.pos++; IsDigit(l.peek(0)); l.pos++ {
		}
		return Param, true
	}
	tag := DollarTag(l.text[l.pos:])
	if tag == "" {
		l.pos++
		return Operator, true
	}
	l.pos += len(tag)
	n := strings.Index(l.text[l.pos:], tag)
	if n < 0 {
		l.pos = len(l.text)
		return String, false
	}
	l.pos += n + len(tag)
	return String, true
}

// DollarTag returns the $tag$ that s begins with, or "".
func DollarTag(s string) string {
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '$':
			return s[:i+1]
		case !IsWordStart(c) && (i == 1 || !IsDigit(c)), SpaceAt(s[i:]) > 0:
			return ""
		}
	}
	return ""
}

// word passes a word, or a string or name that has a letter right before its quote.
func (l *Lexer) word() (kind Kind, closed bool) {
	switch c, next := l.text[l.pos]|0x20, l.peek(1); {
	case next == '\'' && (c == 'e' || c == 'b' || c == 'x' || c == 'n'):
		l.pos++
		return String, l.quoted('\'', c == 'e')
	case c == 'u' && next == '&' && l.peek(2) == '\'':
		l.pos += 2
		return String, l.quoted('\'', false)
	case c == 'u' && next == '&' && l.peek(2) == '"':
		l.pos += 2
		return Quoted, l.quoted('"', false)
	}
	for l.pos < len(l.text) && IsWordPart(l.text[l.pos]) && SpaceAt(l.text[l.pos:]) == 0 {
		l.pos++
	}
	return Word, true
}

// number passes digits with a fraction and an exponent, and letters right behind
// them: 0xff. Two dots are no fraction.
func (l *Lexer) number() {
	start := l.pos
	for l.pos < len(l.text) {
		c := l.text[l.pos]
		sign := (c == 'e' || c == 'E') && (l.peek(1) == '+' || l.peek(1) == '-') && IsDigit(l.peek(2))
		switch {
		case sign && isDecimal(l.text[start:l.pos]):
			l.pos += 2
		case c == '.' && l.peek(1) == '.':
			return
		case IsDigit(c), c == '.', IsWordStart(c) && SpaceAt(l.text[l.pos:]) == 0:
			l.pos++
		default:
			return
		}
	}
}

// isDecimal reports whether the start of a number may have an exponent: 0xe may not.
func isDecimal(s string) bool {
	for i := range len(s) {
		if !IsDigit(s[i]) && s[i] != '.' && s[i] != '_' {
			return false
		}
	}
	return true
}

// operator follows PostgreSQL: it is the longest run of operator characters before
// a comment, and has no sign at its end unless one of its characters is beyond
// arithmetic. A colon is with its like or an equals sign, or alone.
func (l *Lexer) operator() {
	c := l.text[l.pos]
	switch {
	case c == ':' && (l.peek(1) == ':' || l.peek(1) == '='):
		l.pos += 2
		return
	case c == ':' || !isOperator(c):
		l.pos++
		return
	}
	start, special := l.pos, false
	for l.pos < len(l.text) && isOperator(l.text[l.pos]) && l.text[l.pos] != ':' {
		if rest := l.text[l.pos:]; l.pos > start && (strings.HasPrefix(rest, "--") || strings.HasPrefix(rest, "/*")) {
			break
		}
		special = special || strings.IndexByte("~!@#%^&|`?", l.text[l.pos]) >= 0
		l.pos++
	}
	for !special && l.pos > start+1 && (l.text[l.pos-1] == '+' || l.text[l.pos-1] == '-') {
		l.pos--
	}
}
