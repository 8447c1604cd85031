package statement

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stackhouse-db/stackhouse/sql/catalog"
	"github.com/stackhouse-db/stackhouse/sql/lex"
	"github.com/stackhouse-db/stackhouse/sql/query"
	"github.com/stackhouse-db/stackhouse/sql/worker"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// callSite is a call of a product function in the text.
type callSite struct {
	*call
	start, end int         // of name and arguments
	texts      []span      // of the values of its arguments, in the order of the text
	params     []*argument // what each of them is
}

// argument is a parameter of a product function.
type argument = catalog.Arg

type span struct{ start, end int }

// locate finds a call in the text, and which argument is which.
func locate(text string, ts []lex.Token, c *call) (callSite, error) {
	out := callSite{call: c}
	n := 0
	for n < len(ts) && ts[n].End <= c.at {
		n++
	}
	open := n
	for open < len(ts) && !ts[open].Is(text, "(") {
		open++
	}
	if n >= len(ts) || open >= len(ts) || open == n {
		return out, warehouse.Errorf(warehouse.Internal, "find call of %s: it is not at byte %d", c.function.Name, c.at)
	}
	out.start = ts[n].Start
	depth, from := 0, ts[open].End
	for _, t := range ts[open:] {
		if t.Kind != lex.Punct {
			continue
		}
		switch text[t.Start] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		}
		if depth == 0 || depth == 1 && text[t.Start] == ',' {
			if depth > 0 || strings.TrimSpace(text[from:t.Start]) != "" {
				out.texts = append(out.texts, span{from, t.Start})
			}
			from = t.End
		}
		if depth == 0 {
			out.end = t.End
			break
		}
	}
	if out.end == 0 || len(out.texts) != len(c.args) {
		return out, warehouse.Errorf(warehouse.Internal, "read call of %s: %d arguments, not %d", c.function.Name, len(out.texts), len(c.args))
	}
	return out, out.arguments(text)
}

// arguments checks the arguments and says which is which.
func (c *callSite) arguments(text string) error {
	seen := map[string]bool{}
	for i, arg := range c.args {
		name := strings.ToLower(arg.string("alias"))
		var param *argument
		for k := range c.function.Args {
			if a := &c.function.Args[k]; name == "" && k == i || name == a.Name {
				param = a
			}
		}
		if param == nil || seen[param.Name] {
			return c.mismatch()
		}
		seen[param.Name] = true
		if !isConstant(arg) {
			return errorf(stateNotSupported, "argument %q of %s must be a constant or a parameter", param.Name, c.function.Name).
				withHint("It cannot refer to columns, nor be a subquery.").at(c.texts[i].start)
		}
		if name != "" {
			c.texts[i].start = valueStart(text, c.texts[i])
		}
		c.params = append(c.params, param)
	}
	for _, a := range c.function.Args {
		if a.Default == "" && !seen[a.Name] {
			return c.mismatch()
		}
	}
	return nil
}

// valueStart returns where the value of a named argument begins: behind := or =>.
func valueStart(text string, s span) int {
	for _, t := range lex.Tokens(text[s.start:s.end]) {
		if t.Kind == lex.Operator {
			return s.start + t.End
		}
	}
	return s.start
}

// mismatch is the error for a call whose arguments are not those of the function.
func (c *callSite) mismatch() error {
	args := make([]string, len(c.function.Args))
	for i, a := range c.function.Args {
		args[i] = a.Name + " " + a.Type.DuckDB
		if a.Default != "" {
			args[i] = "[" + args[i] + "]"
		}
	}
	return errorf(stateUndefinedFunction, "function %s with such arguments does not exist", c.function.Name).
		withHint(fmt.Sprintf("It is %s(%s).", c.function.Name, strings.Join(args, ", "))).at(c.start)
}

// clockNames are words that DuckDB takes for functions where there is no such column.
var clockNames = map[string]bool{
	"current_timestamp": true, "current_date": true, "current_time": true, "localtimestamp": true, "localtime": true,
}

// isConstant reports whether an expression can be evaluated without rows.
func isConstant(v any) bool {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if !isConstant(e) {
				return false
			}
		}
	case node:
		return isConstant(map[string]any(v))
	case map[string]any:
		switch o := node(v); o.string("class") {
		case "COLUMN_REF":
			names := o.list("column_names")
			name, _ := names[0].(string)
			return len(names) == 1 && clockNames[strings.ToLower(name)]
		case "SUBQUERY", "STAR", "WINDOW", "POSITIONAL_REFERENCE", "LAMBDA":
			return false
		}
		for _, e := range v {
			if !isConstant(e) {
				return false
			}
		}
	}
	return true
}

// table is the name of the table of a call's rows.
func (c *callSite) table(n int) string { return fmt.Sprintf("%s %d", c.function.Name, n+1) }

// replacement is what stands for the call: rows of a table.
func (c *callSite) replacement(table string) edit {
	with := "(SELECT * FROM " + worker.CallSchema + "." + quoteName(table) + ")"
	if !c.alias {
		with += " AS " + quoteName(c.function.Name)
	}
	return edit{c.start, c.end, with}
}

// arguments of a product function, evaluated.
type arguments struct {
	function catalog.Function
	isNull   bool // one that must not be NULL is
	selector string
	from, to int64 // microseconds
	most     int64 // nodes or rows; 0: all
}

// evaluate evaluates the arguments of a call. values are the literals of parameters.
func (c *callSite) evaluate(ctx context.Context, planner *worker.Planner, text string, binds []site, values []string) (*arguments, error) {
	args := &arguments{function: c.function}
	columns := make([]string, len(c.texts))
	for i, s := range c.texts {
		var edits []edit
		for _, b := range binds {
			if s.start <= b.start && b.end <= s.end {
				edits = append(edits, edit{b.start - s.start, b.end - s.start, values[b.param-1]})
			}
		}
		value := apply(text[s.start:s.end], edits)
		columns[i] = fmt.Sprintf("CAST((%s\n) AS %s)", value.text, c.params[i].Type.DuckDB)
	}
	err := planner.Row(ctx, "SELECT "+strings.Join(columns, ", "), func(rec arrow.RecordBatch) error {
		for i, p := range c.params {
			if err := args.set(p, rec.Column(i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		e := asError(err, "", nowhere)
		return nil, &located{err: e, offset: c.start}
	}
	return args, nil
}

func (a *arguments) set(p *argument, column arrow.Array) error {
	isNull := column.IsNull(0)
	switch c := column.(type) {
	case *array.String:
		if !isNull {
			a.selector = strings.Clone(c.Value(0))
		}
	case *array.Timestamp:
		if p.Name == "from" {
			a.from = int64(c.Value(0))
		} else {
			a.to = int64(c.Value(0))
		}
	case *array.Int64:
		if !isNull {
			a.most = c.Value(0)
			if a.most < 0 {
				return errorf(stateInvalidParameter, "argument %q of %s must not be negative", p.Name, a.function.Name)
			}
		}
	default:
		return warehouse.Errorf(warehouse.Internal, "read argument %s: its type is %s", p.Name, column.DataType())
	}
	if isNull && p.Default == "" {
		a.isNull = true
	}
	return nil
}

// selection is what the arguments select.
func (a *arguments) selection(tenant warehouse.Tenant) (sel query.Selection, err error) {
	text := a.selector
	if !strings.Contains(text, "{") {
		text += "{}" // a profile type alone selects all of its series
	}
	parsed, err := warehouse.ParseSelector(text)
	if err != nil {
		return sel, errorf(stateInvalidParameter, "%v", err)
	}
	if parsed.Type == "" {
		return sel, errorf(stateInvalidParameter, "selector %q has no profile type", a.selector).
			withHint(`Write name:sample type:sample unit:period type:period unit in front of the braces, as in 'process_cpu:cpu:nanoseconds:cpu:nanoseconds{service_name="x"}'.`)
	}
	sel = query.Selection{Tenant: tenant, Matchers: parsed.Matchers, Range: warehouse.EmptyRange}
	if sel.Type, err = warehouse.ParseProfileType(parsed.Type); err != nil {
		return sel, errorf(stateInvalidParameter, "%v", err)
	}
	if a.to > math.MinInt64 && a.from < a.to {
		sel.Range = warehouse.TimeRange{From: warehouse.Micros(a.from), To: warehouse.Micros(a.to - 1)}
	}
	return sel, nil
}
