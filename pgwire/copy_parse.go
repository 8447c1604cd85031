package pgwire

import (
	"strings"

	"github.com/stackhouse-db/stackhouse/sql/lex"
)

// parseCopy reads
//
//	(query) TO STDOUT [options]
//	[BINARY] table [(columns)] TO STDOUT [options]
//
// COPY FROM is a write, and files are nobody's.
func parseCopy(p *parser) (command, error) {
	c := &copyTo{}
	set := map[string]bool{}
	if p.accept("binary") {
		c.options.format = "binary"
	}
	var err error
	if c.query, err = copySource(p); err != nil {
		return nil, err
	}
	switch {
	case p.accept("from"):
		return nil, errorf(stateReadOnly, "cannot execute COPY FROM in a read-only transaction")
	case p.accept("to"):
	default:
		return nil, p.syntaxError()
	}
	if !p.accept("stdout") {
		if p.tok.Kind == lex.String || p.word() == "program" {
			return nil, errorf(stateInsufficientPrivilege, "permission denied to COPY to a file or program").
				withHint(`COPY to STDOUT works for anyone; psql's \copy writes a file on the client.`)
		}
		return nil, p.syntaxError()
	}
	if err := copyOptionList(p, &c.options, set); err != nil {
		return nil, err
	}
	if err := c.options.complete(set); err != nil {
		return nil, err
	}
	return c, p.end()
}

// copySource reads what is copied. A table stands for SELECT of its columns.
func copySource(p *parser) (*query, error) {
	if p.isOp("(") {
		in, err := p.parens()
		if err != nil {
			return nil, err
		}
		if in.start == in.end {
			return nil, p.syntaxError()
		}
		return innerQuery(p.text, in)
	}
	start := p.tok.Start
	if _, err := p.dottedName(); err != nil {
		return nil, err
	}
	table := strings.TrimSpace(p.text[start:p.tok.Start])
	columns := "*"
	if p.isOp("(") {
		in, err := p.parens()
		if err != nil {
			return nil, err
		}
		columns = p.text[in.start:in.end]
	}
	return &query{text: "SELECT " + columns + " FROM " + table, tag: "SELECT", made: true}, nil
}

// copyOptionList reads [WITH] (name value, …), or the older form without
// parentheses and commas.
func copyOptionList(p *parser, o *copyOptions, set map[string]bool) error {
	p.accept("with")
	if !p.acceptOp("(") {
		for !p.atEnd() {
			if err := oldCopyOption(p, o, set); err != nil {
				return err
			}
		}
		return nil
	}
	for {
		if err := copyOption(p, o, set); err != nil {
			return err
		}
		if !p.acceptOp(",") {
			return p.expectOp(")")
		}
	}
}

// copyOption reads one of the options in parentheses.
func copyOption(p *parser, o *copyOptions, set map[string]bool) error {
	at := p.tok.Start
	name, err := p.name()
	if err != nil {
		return err
	}
	if set[name] {
		return errorf(stateSyntaxError, "conflicting or redundant options").at(p.text, at)
	}
	set[name] = true
	switch name {
	case "format":
		o.format, err = oneValue(p, false)
		o.format = strings.ToLower(o.format)
	case "header":
		o.header, err = copyBool(p, name)
	case "freeze":
		_, err = copyBool(p, name)
	case "force_quote":
		err = forceQuote(p, o)
	case "delimiter", "null", "quote", "escape", "encoding":
		err = copyText(p, o, name)
	default:
		return errorf(stateSyntaxError, "option %q not recognized", clip(name)).at(p.text, at)
	}
	return err
}

// copyBool reads a value that may be left out.
func copyBool(p *parser, name string) (bool, error) {
	if p.isOp(",") || p.isOp(")") {
		return true, nil
	}
	v, err := oneValue(p, false)
	if err != nil {
		return false, err
	}
	b, err := boolean(v)
	if err != nil {
		return false, errorf(stateSyntaxError, "%s requires a Boolean value", name)
	}
	return b == "on", nil
}

// copyText reads an option whose value is a string.
func copyText(p *parser, o *copyOptions, name string) error {
	v, err := p.str()
	if err != nil {
		return err
	}
	switch name {
	case "null":
		o.null = v
		return nil
	case "encoding":
		_, err := encoding(v)
		return err
	}
	if len(v) != 1 || v == "\n" || v == "\r" {
		return errorf(stateFeatureNotSupported, "COPY %s must be a single one-byte character", name)
	}
	switch name {
	case "delimiter":
		o.delimiter = v[0]
	case "quote":
		o.quote = v[0]
	case "escape":
		o.escape = v[0]
	}
	return nil
}

// forceQuote reads * or (columns).
func forceQuote(p *parser, o *copyOptions) error {
	if p.acceptOp("*") {
		o.forceAll = true
		return nil
	}
	if err := p.expectOp("("); err != nil {
		return err
	}
	if err := forceQuoteNames(p, o); err != nil {
		return err
	}
	return p.expectOp(")")
}

func forceQuoteNames(p *parser, o *copyOptions) error {
	for {
		name, err := p.name()
		if err != nil {
			return err
		}
		o.forceQuote = append(o.forceQuote, name)
		if !p.acceptOp(",") {
			return nil
		}
	}
}

// oldCopyOption reads one of the options of PostgreSQL before 9.0.
func oldCopyOption(p *parser, o *copyOptions, set map[string]bool) error {
	word := p.acceptAny("binary", "csv", "header", "delimiter", "delimiters", "null", "quote", "escape", "encoding", "force")
	switch word {
	case "":
		return p.syntaxError()
	case "binary", "csv":
		o.format = word
		return nil
	case "header":
		o.header = true
		return nil
	case "force":
		set["force_quote"] = true
		if err := p.expect("quote"); err != nil {
			return err
		}
		if p.acceptOp("*") {
			o.forceAll = true
			return nil
		}
		return forceQuoteNames(p, o)
	}
	p.accept("as")
	word = strings.TrimSuffix(word, "s")
	set[word] = true
	return copyText(p, o, word)
}
