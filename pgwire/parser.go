package pgwire

import (
	"strconv"
	"unicode/utf8"

	"github.com/stackhouse-db/stackhouse/sql/lex"
)

// parser reads the commands of the session layer. Its methods look at the current
// token and move on when they take it.
type parser struct {
	text  string
	lexer lex.Lexer
	tok   lex.Token
}

func newParser(text string) *parser {
	p := &parser{text: text, lexer: lex.New(text)}
	p.advance()
	return p
}

func (p *parser) advance() { p.tok = p.lexer.Code() }

// raw is the current token's bytes.
func (p *parser) raw() string { return p.tok.Of(p.text) }

// rest is the text from the current token on.
func (p *parser) rest() string { return p.text[p.tok.Start:] }

// word is the current token in lower case if it is a keyword or unquoted
// identifier, else "".
func (p *parser) word() string {
	return p.tok.Word(p.text)
}

// accept takes the current token if it is that keyword.
func (p *parser) accept(keyword string) bool {
	if p.word() != keyword {
		return false
	}
	p.advance()
	return true
}

// acceptAny takes and returns the current token if it is one of the keywords.
func (p *parser) acceptAny(keywords ...string) string {
	for _, k := range keywords {
		if p.accept(k) {
			return k
		}
	}
	return ""
}

// acceptAll takes the keywords if they come one after the other, else nothing.
func (p *parser) acceptAll(keywords ...string) bool {
	start := *p
	for _, k := range keywords {
		if !p.accept(k) {
			*p = start
			return false
		}
	}
	return true
}

func (p *parser) expect(keyword string) error {
	if !p.accept(keyword) {
		return p.syntaxError()
	}
	return nil
}

// isOp reports whether the current token is that punctuation.
func (p *parser) isOp(op string) bool {
	return p.tok.Is(p.text, op)
}

func (p *parser) acceptOp(op string) bool {
	if !p.isOp(op) {
		return false
	}
	p.advance()
	return true
}

func (p *parser) expectOp(op string) error {
	if !p.acceptOp(op) {
		return p.syntaxError()
	}
	return nil
}

// atEnd reports whether nothing is left.
func (p *parser) atEnd() bool { return p.tok.Kind == lex.End }

// end fails unless nothing is left.
func (p *parser) end() error {
	if !p.atEnd() {
		return p.syntaxError()
	}
	return nil
}

// name takes an identifier: folded to lower case unless it is quoted.
func (p *parser) name() (string, error) {
	name := p.tok.Name(p.text)
	if name == "" || p.tok.Open {
		return "", p.syntaxError()
	}
	p.advance()
	return name, nil
}

// dottedName takes identifiers with dots between them.
func (p *parser) dottedName() (string, error) {
	name, err := p.name()
	for err == nil && p.acceptOp(".") {
		var part string
		part, err = p.name()
		name += "." + part
	}
	return name, err
}

// str takes a string literal and returns its value.
func (p *parser) str() (string, error) {
	if p.tok.Kind != lex.String || p.tok.Open {
		return "", p.syntaxError()
	}
	value, ok := literalValue(p.raw())
	if !ok {
		return "", p.syntaxError()
	}
	p.advance()
	return value, nil
}

// integer takes a number with an optional sign.
func (p *parser) integer() (int64, error) {
	at := *p
	sign := ""
	if p.acceptOp("-") {
		sign = "-"
	} else {
		p.acceptOp("+")
	}
	n, err := strconv.ParseInt(sign+p.raw(), 10, 64)
	if p.tok.Kind != lex.Number || err != nil {
		*p = at
		return 0, p.syntaxError()
	}
	p.advance()
	return n, nil
}

// parens takes a parenthesis and returns the text between it and its partner.
func (p *parser) parens() (inner piece, err error) {
	if err := p.expectOp("("); err != nil {
		return piece{}, err
	}
	inner = piece{start: p.tok.Start, end: p.tok.Start}
	for depth := 1; ; p.advance() {
		switch {
		case p.atEnd():
			return piece{}, p.syntaxError()
		case p.isOp("("):
			depth++
		case p.isOp(")"):
			depth--
		}
		if depth == 0 {
			p.advance()
			return inner, nil
		}
		inner.end = p.tok.End
	}
}

// syntaxError says that the current token was not expected.
func (p *parser) syntaxError() *pgError {
	text := p.text
	switch {
	case p.atEnd():
		return errorf(stateSyntaxError, "syntax error at end of input").at(text, len(text))
	case p.tok.Open && p.tok.Kind == lex.String:
		return errorf(stateSyntaxError, "unterminated quoted string at or near %q", clip(p.raw())).at(text, p.tok.Start)
	case p.tok.Open && p.tok.Kind == lex.Quoted:
		return errorf(stateSyntaxError, "unterminated quoted identifier at or near %q", clip(p.raw())).at(text, p.tok.Start)
	case p.tok.Open:
		return errorf(stateSyntaxError, "unterminated /* comment at or near %q", clip(p.raw())).at(text, p.tok.Start)
	}
	return errorf(stateSyntaxError, "syntax error at or near %q", clip(p.raw())).at(text, p.tok.Start)
}

// clip shortens text that is quoted in a message.
func clip(s string) string {
	const limit = 80
	if len(s) <= limit {
		return s
	}
	for n := limit; n > limit-utf8.UTFMax; n-- {
		if utf8.RuneStart(s[n]) {
			return s[:n] + "…"
		}
	}
	return s[:limit] + "…"
}
