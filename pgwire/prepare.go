package pgwire

import (
	"context"
	"strings"

	"github.com/stackhouse-db/stackhouse/sql/lex"
)

// parsePrepare reads name [(types)] AS query.
func parsePrepare(p *parser) (command, error) {
	if p.accept("transaction") {
		return nil, errorf(stateFeatureNotSupported, "prepared transactions are not supported")
	}
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	var oids []uint32
	if p.isOp("(") {
		if oids, err = typeList(p); err != nil {
			return nil, err
		}
	}
	if err := p.expect("as"); err != nil {
		return nil, err
	}
	q, err := parseInner(p)
	if err != nil {
		return nil, err
	}
	return &action{tag: "PREPARE", do: func(ctx context.Context, s *session) error {
		if err := s.checkNewStatement(name); err != nil {
			return err
		}
		pl, err := q.plan(ctx, s, oids)
		if err == nil {
			s.prepared[name] = &prepared{cmd: q, plan: pl, oids: oids}
		}
		return err
	}}, nil
}

// typeList reads (bigint, timestamp with time zone, text[], …).
func typeList(p *parser) ([]uint32, error) {
	p.advance()
	var oids []uint32
	for {
		oid, err := typeName(p)
		if err != nil {
			return nil, err
		}
		oids = append(oids, oid)
		if !p.acceptOp(",") {
			return oids, p.expectOp(")")
		}
	}
}

// typeName reads a type's name, which may be several words and have modifiers.
func typeName(p *parser) (uint32, error) {
	at := p.tok.Start
	p.acceptAll("pg_catalog") // its dot follows
	p.acceptOp(".")
	var words []string
	for p.tok.Kind == lex.Word || p.tok.Kind == lex.Quoted || p.isOp("(") {
		if p.isOp("(") {
			if _, err := p.parens(); err != nil {
				return 0, err
			}
			continue
		}
		quoted := p.tok.Kind == lex.Quoted
		word, err := p.name()
		if err != nil {
			return 0, err
		}
		if quoted && word == "char" {
			word = `"char"`
		}
		words = append(words, word)
	}
	if len(words) == 0 {
		return 0, p.syntaxError()
	}
	name := strings.Join(words, " ")
	array := false
	for p.acceptOp("[") {
		array = true
		if p.tok.Kind == lex.Number {
			p.advance()
		}
		if err := p.expectOp("]"); err != nil {
			return 0, err
		}
	}
	oid, ok := oidOfName(name, array)
	if !ok {
		return 0, errorf(stateUndefinedObject, "type %q does not exist", clip(name)).at(p.text, at)
	}
	return oid, nil
}

// parseExecute reads name [(arguments)].
func parseExecute(p *parser) (command, error) {
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	c := &executeNamed{name: name}
	if p.acceptOp("(") {
		for {
			arg, err := constant(p)
			if err != nil {
				return nil, err
			}
			c.args = append(c.args, arg)
			if !p.acceptOp(",") {
				break
			}
		}
		if err := p.expectOp(")"); err != nil {
			return nil, err
		}
	}
	return c, p.end()
}

// executeNamed is EXECUTE.
type executeNamed struct {
	name string
	args []*string // as text; nil is NULL
}

func (c *executeNamed) plan(_ context.Context, s *session, _ []uint32) (*plan, error) {
	pl := &plan{run: func(ctx context.Context, _ []any) (*result, error) {
		st, err := s.findStatement(c.name)
		if err != nil {
			return nil, err
		}
		if st.plan.run == nil {
			return nil, errorf(stateUndefinedStatement, "prepared statement %q is empty", clip(c.name))
		}
		args, err := s.textArgs(st.plan.params, c.args)
		if err != nil {
			return nil, err
		}
		return st.plan.run(ctx, args)
	}}
	if st, err := s.findStatement(c.name); err == nil {
		pl.columns, pl.binary, pl.copies = st.plan.columns, st.plan.binary, st.plan.copies
	}
	return pl, nil
}

// textArgs decodes arguments that are text.
func (s *session) textArgs(params []param, args []*string) ([]any, error) {
	if len(args) != len(params) {
		return nil, errorf(stateSyntaxError, "wrong number of parameters for prepared statement").
			withDetail("Expected %d parameters but got %d.", len(params), len(args))
	}
	dec := s.decoder()
	out := make([]any, len(args))
	for i, a := range args {
		if a == nil {
			continue
		}
		v, err := dec.decode(params[i], formatText, []byte(*a))
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

// constant reads a literal, with casts that do not matter: a number, string, TRUE,
// FALSE or NULL (nil), or a typed string as in date '2026-01-01'.
func constant(p *parser) (*string, error) {
	at := p.tok.Start
	v, err := bareConstant(p)
	if err != nil {
		return nil, err
	}
	for p.acceptOp("::") {
		if _, err := typeName(p); err != nil {
			return nil, err
		}
	}
	if !p.isOp(",") && !p.isOp(")") && !p.atEnd() {
		return nil, errorf(stateFeatureNotSupported, "only constants are supported as arguments").at(p.text, at)
	}
	return v, nil
}

func bareConstant(p *parser) (*string, error) {
	switch word := p.word(); {
	case p.tok.Kind == lex.String:
		v, err := p.str()
		return &v, err
	case word == "null":
		p.advance()
		return nil, nil //nolint:nilnil // nil is the value NULL
	case word == "true", word == "false":
		p.advance()
		return &word, nil
	case word != "":
		start := *p
		if _, err := typeName(p); err == nil && p.tok.Kind == lex.String {
			v, err := p.str()
			return &v, err
		}
		return nil, errorf(stateFeatureNotSupported, "only constants are supported as arguments").at(p.text, start.tok.Start)
	}
	v, err := signedNumber(p)
	return &v, err
}

func parseDeallocate(p *parser) (command, error) {
	start := *p
	if p.accept("prepare") && p.atEnd() {
		*p = start // a statement of that name
	}
	if p.accept("all") {
		return &action{tag: "DEALLOCATE ALL", do: func(_ context.Context, s *session) error {
			clear(s.prepared)
			return nil
		}}, p.end()
	}
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	return &action{tag: "DEALLOCATE", do: func(_ context.Context, s *session) error {
		if _, err := s.findStatement(name); err != nil {
			return err
		}
		delete(s.prepared, name)
		return nil
	}}, p.end()
}
