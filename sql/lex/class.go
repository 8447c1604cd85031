package lex

import "strings"

// IsSpace reports whether a byte is white space.
func IsSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// IsDigit reports whether a byte is a decimal digit.
func IsDigit(c byte) bool { return '0' <= c && c <= '9' }

// IsWordStart reports whether a byte may begin a word. Every byte beyond ASCII is a
// letter, as in PostgreSQL.
func IsWordStart(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c >= 0x80
}

// IsWordPart reports whether a byte may follow in a word.
func IsWordPart(c byte) bool { return IsWordStart(c) || IsDigit(c) || c == '$' }

// SpaceAt returns the length of the white space character that s begins with, or 0.
// Beyond ASCII those are white space that DuckDB's parser replaces by a space.
func SpaceAt(s string) int {
	if s == "" {
		return 0
	}
	switch c := s[0]; {
	case IsSpace(c):
		return 1
	case c == 0xC2:
		if strings.HasPrefix(s, "\u00a0") {
			return 2
		}
	case c >= 0xE2 && len(s) >= 3 && isWideSpace(s[:3]):
		return 3
	}
	return 0
}

func isWideSpace(s string) bool {
	switch {
	case "\u2000" <= s && s <= "\u200d": // quads, thin and zero-width spaces and joiners
		return true
	case s == "\u202f", s == "\u205f", s == "\u2060", s == "\u3000", s == "\ufeff":
		return true
	}
	return false
}

// operatorBytes are what operators are made of.
const operatorBytes = "+-*/<>=~!@#%^&|`?:"

// isOperator reports whether a byte may be part of an operator of several.
func isOperator(c byte) bool { return strings.IndexByte(operatorBytes, c) >= 0 }
