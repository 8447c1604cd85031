package pgwire

import (
	"context"
	"strconv"

	"github.com/stackhouse-db/stackhouse/sql/lex"
	"github.com/stackhouse-db/stackhouse/sql/statement"
)

// Some functions act on sessions: set_config, pg_cancel_backend,
// pg_terminate_backend. A SELECT of one of them alone, with constants or
// parameters, is answered here. Within a larger query they are the SQL layer's, to
// refuse.

// adminArgs is the number of arguments of each function.
var adminArgs = map[string]int{"set_config": 3, "pg_cancel_backend": 1, "pg_terminate_backend": 1}

// parseSelect tells the functions above from all other queries.
func parseSelect(p *parser) (command, error) {
	text := p.text
	if c, ok := parseAdmin(p); ok {
		return c, nil
	}
	return &query{text: text, tag: "SELECT"}, nil
}

// parseAdmin reads [pg_catalog.]function(arguments) [[AS] name]; ok is false for
// anything else. psql and pgAdmin add FROM pg_settings WHERE name = '…' to
// set_config, where it means nothing.
func parseAdmin(p *parser) (c *admin, ok bool) {
	if p.acceptAll("pg_catalog") && !p.acceptOp(".") {
		return nil, false
	}
	c = &admin{function: p.word()}
	n, known := adminArgs[c.function]
	if !known {
		return nil, false
	}
	c.title = c.function
	p.advance()
	if !p.acceptOp("(") {
		return nil, false
	}
	for i := range n {
		arg, err := adminArg(p)
		if err != nil || i < n-1 && !p.acceptOp(",") {
			return nil, false
		}
		c.args = append(c.args, arg)
	}
	if !p.acceptOp(")") {
		return nil, false
	}
	if p.accept("as") || !p.atEnd() && p.word() != "from" {
		title, err := p.name()
		if err != nil {
			return nil, false
		}
		c.title = title
	}
	return c, p.atEnd() || c.function == "set_config" && p.acceptAll("from", "pg_settings", "where", "name")
}

// adminArgument is a constant, or parameter number param if that is above zero.
type adminArgument struct {
	param int
	value *string
}

func adminArg(p *parser) (a adminArgument, err error) {
	if p.tok.Kind != lex.Param {
		a.value, err = constant(p)
		return a, err
	}
	n, err := strconv.Atoi(p.raw()[1:])
	if err != nil || n < 1 || n > 3 {
		return a, p.syntaxError()
	}
	p.advance()
	for err == nil && p.acceptOp("::") {
		_, err = typeName(p)
	}
	return adminArgument{param: n}, err
}

// admin is a SELECT of one such function.
type admin struct {
	function, title string
	args            []adminArgument
}

func (c *admin) plan(_ context.Context, s *session, _ []uint32) (*plan, error) {
	pl := &plan{columns: textColumns(c.title), stable: true}
	if c.function != "set_config" {
		pl.columns[0].Type.Name = statement.Boolean
	}
	for _, a := range c.args {
		for len(pl.params) < a.param {
			pl.params = append(pl.params, param{oid: oidText, typ: statement.Type{Name: statement.Varchar}})
		}
	}
	pl.run = func(_ context.Context, args []any) (*result, error) {
		rows, err := c.call(s, c.values(args))
		return &result{tag: "SELECT", counts: true, rows: rows}, err
	}
	return pl, nil
}

// values are the arguments as text, NULL as "".
func (c *admin) values(params []any) []string {
	out := make([]string, len(c.args))
	for i, a := range c.args {
		if a.param > 0 {
			out[i], _ = params[a.param-1].(string)
		} else if a.value != nil {
			out[i] = *a.value
		}
	}
	return out
}

func (c *admin) call(s *session, args []string) (rowSource, error) {
	if c.function == "set_config" {
		local, err := boolean(args[2])
		if err != nil {
			return nil, errorf(stateInvalidText, "invalid input syntax for type boolean: %q", clip(args[2]))
		}
		if err := s.params.set(args[0], args[1], local == "on"); err != nil {
			return nil, err
		}
		return textRows(1, s.params.value(args[0])), nil
	}
	pid, err := strconv.ParseInt(args[0], 10, 32)
	if err != nil {
		return nil, errorf(stateInvalidText, "invalid input syntax for type integer: %q", clip(args[0]))
	}
	other := s.srv.keys.byPID(s.tenant, int32(pid))
	if other == nil {
		s.warn("01000", "PID "+args[0]+" is not a PostgreSQL backend process")
		return boolRow(false), nil
	}
	if c.function == "pg_terminate_backend" {
		other.terminate(errTerminated)
	} else {
		other.cancelRunning(errCanceled)
	}
	return boolRow(true), nil
}
