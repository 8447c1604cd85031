package lex

import "strings"

// Kind is the class of a token.
type Kind uint8

// The kinds of tokens.
const (
	End      Kind = iota // nothing is left; it has no bytes
	Space                // white space
	Comment              // -- … before the end of the line, or /* … */, which may hold others
	Word                 // a keyword, or a name without quotes
	Quoted               // "name", U&"name"
	String               // '…', E'…', B'…', X'…', N'…', U&'…', $tag$…$tag$, with its continuations on further lines
	Number               // 12, 1.5e-3, 0xff, 1_000
	Param                // $1
	Operator             // +, <=, ~*, ::, := and any other character that stands alone
	Punct                // one of ( ) [ ] { } , ; .
)

// Token is a piece of a text: its bytes [Start, End).
type Token struct {
	Kind       Kind
	Open       bool // a quote or comment that the text does not close
	Start, End int
}

// Of returns the token's bytes of its text.
func (t Token) Of(text string) string { return text[t.Start:t.End] }

// Is reports whether the token is that operator or punctuation.
func (t Token) Is(text, mark string) bool {
	return (t.Kind == Operator || t.Kind == Punct) && text[t.Start:t.End] == mark
}

// Word returns a keyword, or a name without quotes, in lower case; "" for any other
// token.
func (t Token) Word(text string) string {
	if t.Kind != Word {
		return ""
	}
	return strings.ToLower(text[t.Start:t.End])
}

// Name returns what a word or quoted name stands for: the one in lower case, the
// other as it is between its quotes. It is "" for any other token, and for U&"name".
func (t Token) Name(text string) string {
	if t.Kind != Quoted {
		return t.Word(text)
	}
	if text[t.Start] != '"' {
		return ""
	}
	end := t.End
	if !t.Open {
		end--
	}
	return strings.ReplaceAll(text[t.Start+1:end], `""`, `"`)
}
