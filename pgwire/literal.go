package pgwire

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/stackhouse-db/stackhouse/sql/lex"
)

// literalValue returns what a closed string literal means; ok is false for the
// forms that are no text: B'…', X'…' and U&'…'.
func literalValue(raw string) (value string, ok bool) {
	switch c := raw[0]; {
	case c == '$':
		n := len(lex.DollarTag(raw))
		return raw[n : len(raw)-n], true
	case c == '\'':
		return joinParts(raw, plainPart)
	case c|0x20 == 'n':
		return joinParts(raw[1:], plainPart)
	case c|0x20 == 'e':
		return joinParts(raw[1:], escapedPart)
	}
	return "", false
}

// joinParts decodes 'a' and its continuations on further lines. part decodes from
// after an opening quote to after the closing one.
func joinParts(raw string, part func(b *strings.Builder, s string) (n int, ok bool)) (string, bool) {
	var b strings.Builder
	for i := strings.IndexByte(raw, '\''); i >= 0; {
		n, ok := part(&b, raw[i+1:])
		if !ok {
			return "", false
		}
		i += 1 + n
		next := strings.IndexByte(raw[i:], '\'')
		if next < 0 {
			break
		}
		i += next
	}
	return b.String(), true
}

// plainPart decodes a literal in which only quotes are special.
func plainPart(b *strings.Builder, s string) (n int, ok bool) {
	for n < len(s) {
		if s[n] != '\'' {
			b.WriteByte(s[n])
			n++
			continue
		}
		if n+1 == len(s) || s[n+1] != '\'' {
			return n + 1, true
		}
		b.WriteByte('\'')
		n += 2
	}
	return n, false
}

// escapedPart decodes a literal with backslash escapes.
func escapedPart(b *strings.Builder, s string) (n int, ok bool) {
	for n < len(s) {
		switch {
		case s[n] == '\\' && n+1 < len(s):
			used, ok := escape(b, s[n+1:])
			if !ok {
				return n, false
			}
			n += 1 + used
		case s[n] != '\'':
			b.WriteByte(s[n])
			n++
		case n+1 < len(s) && s[n+1] == '\'':
			b.WriteByte('\'')
			n += 2
		default:
			return n + 1, true
		}
	}
	return n, false
}

// escape decodes what follows a backslash and returns its length.
func escape(b *strings.Builder, s string) (n int, ok bool) {
	switch c := s[0]; c {
	case 'b':
		b.WriteByte('\b')
	case 'f':
		b.WriteByte('\f')
	case 'n':
		b.WriteByte('\n')
	case 'r':
		b.WriteByte('\r')
	case 't':
		b.WriteByte('\t')
	case 'x':
		return escapeByte(b, s, 1, 2, 16)
	case '0', '1', '2', '3', '4', '5', '6', '7':
		return escapeByte(b, s, 0, 3, 8)
	case 'u':
		return escapeRune(b, s, 4)
	case 'U':
		return escapeRune(b, s, 8)
	default:
		b.WriteByte(c)
	}
	return 1, true
}

// escapeByte decodes up to most digits of the base after the first skip bytes.
func escapeByte(b *strings.Builder, s string, skip, most, base int) (n int, ok bool) {
	n = skip
	for n < len(s) && n < skip+most {
		if _, err := strconv.ParseUint(s[n:n+1], base, 8); err != nil {
			break
		}
		n++
	}
	if n == skip { // \x without digits is an x
		b.WriteByte(s[0])
		return 1, true
	}
	v, _ := strconv.ParseUint(s[skip:n], base, 16)
	b.WriteByte(byte(v))
	return n, true
}

func escapeRune(b *strings.Builder, s string, digits int) (n int, ok bool) {
	if len(s) < 1+digits {
		return 0, false
	}
	v, err := strconv.ParseUint(s[1:1+digits], 16, 32)
	if err != nil || v > utf8.MaxRune || !utf8.ValidRune(rune(v)) {
		return 0, false
	}
	b.WriteRune(rune(v))
	return 1 + digits, true
}

// quoteIdent writes a name as SQL would: quoted only where it has to be.
func quoteIdent(name string) string {
	plain := name != "" && (name[0] == '_' || 'a' <= name[0] && name[0] <= 'z')
	for i := 0; i < len(name) && plain; i++ {
		c := name[i]
		plain = c == '_' || 'a' <= c && c <= 'z' || lex.IsDigit(c)
	}
	if plain {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}
