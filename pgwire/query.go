package pgwire

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/stackhouse-db/stackhouse/sql/statement"
)

// query is a statement that the SQL layer answers.
type query struct {
	text  string
	tag   string
	shift int  // characters to add to an error's position to find it in the text that the client sent
	made  bool // the text is ours: positions in it mean nothing to the client
}

// locate moves an error's position into the text that the client sent.
func (q *query) locate(err error) error {
	if err == nil || !q.made {
		return shifted(err, q.shift)
	}
	e := *asPGError(err)
	e.position = 0
	return &e
}

func (q *query) plan(ctx context.Context, s *session, oids []uint32) (*plan, error) {
	prepared, err := s.srv.opts.Statements.Prepare(ctx, s.view(), q.text, duckTypes(oids))
	if err != nil {
		return nil, q.locate(err)
	}
	columns := prepared.Columns
	if columns == nil {
		columns = []statement.Column{}
	}
	return &plan{
		params:  paramsOf(oids, prepared.Params),
		columns: columns,
		stable:  true,
		run: func(ctx context.Context, args []any) (*result, error) {
			rows, err := s.srv.opts.Statements.Execute(ctx, s.view(), prepared, args)
			if err != nil {
				return nil, q.locate(err)
			}
			return &result{tag: q.tag, counts: q.tag == "SELECT", rows: &locatedRows{rows, q}}, nil
		},
	}, nil
}

// paramsOf joins what the client declared with what the SQL layer found.
func paramsOf(oids []uint32, types []statement.Type) []param {
	params := make([]param, len(types))
	for i, t := range types {
		params[i] = param{typ: t, oid: paramOID(t)}
		if i < len(oids) && oids[i] != 0 && oids[i] != oidUnknown {
			params[i].oid = oids[i]
		}
	}
	return params
}

// locatedRows moves the positions of errors that come late.
type locatedRows struct {
	statement.Rows
	query *query
}

func (r *locatedRows) Next(ctx context.Context) (recordBatch, error) {
	rec, err := r.Rows.Next(ctx)
	if err != nil && !isEOF(err) {
		err = r.query.locate(err)
	}
	return rec, err
}

// explainOptions of PostgreSQL that say nothing about DuckDB's plans.
var explainOptions = []string{"verbose", "costs", "settings", "generic_plan", "buffers", "wal", "timing", "summary", "memory", "serialize"}

// parseExplain drops the options that only PostgreSQL has.
func parseExplain(p *parser) (command, error) {
	head, err := explainHead(p)
	if err != nil {
		return nil, err
	}
	if p.atEnd() {
		return nil, p.syntaxError()
	}
	before := utf8.RuneCountInString(p.text[:p.tok.Start])
	return &query{text: head + p.rest(), tag: "EXPLAIN", shift: before - len(head)}, nil
}

func explainHead(p *parser) (string, error) {
	if !p.isOp("(") {
		analyze := p.accept("analyze")
		p.accept("verbose")
		return explainText(analyze, ""), nil
	}
	start := *p
	p.advance()
	if p.acceptAny("select", "with", "values", "table", "from") != "" || p.isOp("(") {
		*p = start // EXPLAIN (SELECT …)
		return explainText(false, ""), nil
	}
	return explainList(p)
}

// explainList reads (ANALYZE, COSTS OFF, FORMAT JSON).
func explainList(p *parser) (string, error) {
	analyze, format := false, ""
	for {
		at := *p
		name, err := p.name()
		if err != nil {
			return "", err
		}
		value := ""
		if !p.isOp(",") && !p.isOp(")") {
			value = strings.ToLower(strings.Trim(p.raw(), "'"))
			p.advance()
		}
		switch {
		case name == "analyze":
			analyze = isTrue(value)
		case name == "format":
			format = value
		case !slices.Contains(explainOptions, name):
			return "", errorf(stateSyntaxError, "unrecognized EXPLAIN option %q", name).at(p.text, at.tok.Start)
		}
		if p.acceptOp(",") {
			continue
		}
		return explainText(analyze, format), p.expectOp(")")
	}
}

// isTrue reads the value of a boolean option, which may be left out.
func isTrue(value string) bool {
	return value == "" || value == "true" || value == "on" || value == "1"
}

func explainText(analyze bool, format string) string {
	var options []string
	if analyze {
		options = append(options, "ANALYZE")
	}
	if format == "json" {
		options = append(options, "FORMAT json")
	}
	switch {
	case len(options) == 0:
		return "EXPLAIN "
	case format == "json":
		return "EXPLAIN (" + strings.Join(options, ", ") + ") "
	}
	return "EXPLAIN ANALYZE "
}
