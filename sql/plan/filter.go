package plan

import (
	"encoding/json"
	"strconv"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// comparisons are DuckDB's, and what they are with their sides exchanged.
var comparisons = map[string]struct{ op, flipped operation }{
	"COMPARE_EQUAL":                {equal, equal},
	"COMPARE_NOTEQUAL":             {notEqual, notEqual},
	"COMPARE_LESSTHAN":             {less, greater},
	"COMPARE_LESSTHANOREQUALTO":    {lessEqual, greaterEqual},
	"COMPARE_GREATERTHAN":          {greater, less},
	"COMPARE_GREATERTHANOREQUALTO": {greaterEqual, lessEqual},
}

// restrict reports whether a filter keeps rows from the operators above. Those that
// are optional only skip what some operator above drops.
func (f *tableFilters) restrict() bool {
	for _, filter := range f.Filters {
		if filter.Value == nil || filter.Value.Type != "OPTIONAL_FILTER" {
			return true
		}
	}
	return false
}

// predicate returns what a filter of a scan says about a column.
func (f *tableFilter) predicate(name string) Predicate {
	if f == nil {
		return Predicate{}
	}
	switch f.Type {
	case "CONSTANT_COMPARISON":
		c, ok := comparisons[f.Comparison]
		if !ok {
			return Predicate{}
		}
		return compare(name, c.op, f.Constant)
	case "IN_FILTER":
		ps := make([]Predicate, len(f.Values))
		for i := range f.Values {
			ps[i] = compare(name, equal, &f.Values[i])
		}
		return or(ps...)
	case "OPTIONAL_FILTER": // follows from a filter further up
		return f.Child.predicate(name)
	case "CONJUNCTION_AND":
		return and(f.predicates(name)...)
	case "CONJUNCTION_OR":
		return or(f.predicates(name)...)
	case "EXPRESSION_FILTER": // its one column is the filter's
		return f.Expression.predicate(func(index) string { return name })
	}
	return Predicate{}
}

func (f *tableFilter) predicates(name string) []Predicate {
	out := make([]Predicate, len(f.Children))
	for i, c := range f.Children {
		out[i] = c.predicate(name)
	}
	return out
}

// predicate returns what an expression says about columns, whose names it looks up
// by their index; "" is a column of which nothing is known.
func (e *expression) predicate(names func(index) string) Predicate {
	if e == nil {
		return Predicate{}
	}
	switch e.Class {
	case "BOUND_CONJUNCTION":
		ps := make([]Predicate, len(e.Children))
		for i, c := range e.Children {
			ps[i] = c.predicate(names)
		}
		switch e.Type {
		case "CONJUNCTION_AND":
			return and(ps...)
		case "CONJUNCTION_OR":
			return or(ps...)
		}
	case "BOUND_COMPARISON":
		c, ok := comparisons[e.Type]
		if !ok || e.Left == nil || e.Right == nil {
			return Predicate{}
		}
		switch {
		case e.Right.Class == "BOUND_CONSTANT":
			return e.Left.compare(names, c.op, e.Right.Value)
		case e.Left.Class == "BOUND_CONSTANT":
			return e.Right.compare(names, c.flipped, e.Left.Value)
		}
	case "BOUND_BETWEEN":
		return e.between(names)
	case "BOUND_OPERATOR":
		switch e.Type {
		case "COMPARE_IN":
			return e.in(names, equal, or)
		case "COMPARE_NOT_IN":
			return e.in(names, notEqual, and)
		}
	case "BOUND_FUNCTION":
		return e.function(names)
	}
	return Predicate{}
}

// compare returns what the comparison of an expression with a constant says.
func (e *expression) compare(names func(index) string, op operation, c *constant) Predicate {
	switch {
	case e == nil:
	case e.Class == "BOUND_REF":
		return compare(names(e.Index), op, c)
	case e.Class == "BOUND_CAST" && e.Child != nil && e.Child.Class == "BOUND_REF" && names(e.Child.Index) == columnNames[columnTime]:
		return compareClock(op, c)
	}
	return Predicate{}
}

func (e *expression) between(names func(index) string) Predicate {
	if e.Input == nil || e.Lower == nil || e.Upper == nil {
		return Predicate{}
	}
	low, high := greater, less
	if e.LowerInclusive {
		low = greaterEqual
	}
	if e.UpperInclusive {
		high = lessEqual
	}
	var ps []Predicate
	if e.Lower.Class == "BOUND_CONSTANT" {
		ps = append(ps, e.Input.compare(names, low, e.Lower.Value))
	}
	if e.Upper.Class == "BOUND_CONSTANT" {
		ps = append(ps, e.Input.compare(names, high, e.Upper.Value))
	}
	return and(ps...)
}

// in returns the join of what comparisons with all items of a list say.
func (e *expression) in(names func(index) string, op operation, join func(...Predicate) Predicate) Predicate {
	if len(e.Children) < 2 {
		return Predicate{}
	}
	var ps []Predicate
	for _, c := range e.Children[1:] {
		if c == nil || c.Class != "BOUND_CONSTANT" {
			return Predicate{}
		}
		ps = append(ps, e.Children[0].compare(names, op, c.Value))
	}
	return join(ps...)
}

func (e *expression) function(names func(index) string) Predicate {
	switch e.Name {
	case "prefix", "starts_with", "^@":
	default:
		return Predicate{}
	}
	if len(e.Children) != 2 || e.Children[0] == nil || e.Children[1] == nil || e.Children[0].Class != "BOUND_REF" || e.Children[1].Class != "BOUND_CONSTANT" {
		return Predicate{}
	}
	return compare(names(e.Children[0].Index), prefix, e.Children[1].Value)
}

// compare compares a column with a constant. A constant of another type than the
// column's says nothing here.
func compare(name string, op operation, c *constant) Predicate {
	col, ok := columnOf(name)
	if !ok || c == nil || c.IsNull {
		return Predicate{}
	}
	p := Predicate{op: op, column: col}
	switch {
	case col == columnTime && c.Type.ID == "TIMESTAMP WITH TIME ZONE" && op != prefix:
		n, err := strconv.ParseInt(string(c.Value), 10, 64)
		if err != nil {
			return Predicate{}
		}
		p.time = warehouse.Micros(n)
	case col != columnTime && c.Type.ID == "VARCHAR":
		if json.Unmarshal(c.Value, &p.text) != nil {
			return Predicate{}
		}
	default:
		return Predicate{}
	}
	return p
}

// day is more than any time zone is away from UTC.
const day = 24 * 3_600_000_000

// compareClock compares the time, cast to a date or a clock of the session's time
// zone, with a constant: a day is added on either side.
func compareClock(op operation, c *constant) Predicate {
	if c == nil || c.IsNull {
		return Predicate{}
	}
	n, err := strconv.ParseInt(string(c.Value), 10, 64)
	if err != nil {
		return Predicate{}
	}
	length := int64(0) // of what is equal to the constant
	switch c.Type.ID {
	case "DATE":
		if n < -1_000_000 || n > 1_000_000 {
			return Predicate{}
		}
		n, length = n*day, day
	case "TIMESTAMP":
		if n < -1_000_000*day || n > 1_000_000*day {
			return Predicate{}
		}
	default:
		return Predicate{}
	}
	from := Predicate{op: greaterEqual, column: columnTime, time: warehouse.Micros(n - day)}
	to := Predicate{op: lessEqual, column: columnTime, time: warehouse.Micros(n + length + day)}
	switch op {
	case equal:
		return and(from, to)
	case greater, greaterEqual:
		return from
	case less, lessEqual:
		return to
	}
	return Predicate{}
}
