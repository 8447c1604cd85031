package plan

import (
	"encoding/json"
	"slices"
	"strconv"
)

// origin says where the values of an operator's column come from: every value that
// is not NULL is one of the column in one of the scans. Without scans nothing is
// known.
type origin struct {
	scans  []*Scan
	column string

	// bare is true while all rows of the one scan arrive, but for those that filters
	// removed.
	bare bool
}

// reader walks a plan from its leaves to its root.
type reader struct {
	database string
	scans    []*Scan
	ctes     map[index][]origin // columns of common table expressions
}

// want is what the operators above a node ask of it: a number of rows.
type want struct {
	rows   int64
	byTime index // column of the node's output whose greatest values are wanted; -1: any rows
}

// read returns where the columns of an operator come from, and collects its scans.
func (r *reader) read(op *operator, w *want) []origin {
	if op == nil {
		return nil
	}
	switch op.Type {
	case "LOGICAL_GET":
		return r.get(op, w)
	case "LOGICAL_PROJECTION":
		return r.projection(op, w)
	case "LOGICAL_FILTER":
		return r.filter(op)
	case "LOGICAL_LIMIT":
		return spoil(r.child(op, limitWant(op)))
	case "LOGICAL_TOP_N":
		return spoil(r.child(op, topWant(op)))
	case "LOGICAL_ORDER_BY":
		return pick(spoil(r.child(op, nil)), op.ProjectionMap)
	case "LOGICAL_DISTINCT":
		return spoil(r.child(op, nil))
	case "LOGICAL_WINDOW", "LOGICAL_UNNEST":
		return append(spoil(r.child(op, nil)), make([]origin, len(op.Expressions))...)
	case "LOGICAL_AGGREGATE_AND_GROUP_BY":
		return r.aggregate(op)
	case "LOGICAL_COMPARISON_JOIN", "LOGICAL_DELIM_JOIN":
		return r.join(op)
	case "LOGICAL_CROSS_PRODUCT":
		return spoil(slices.Concat(r.children(op)...))
	case "LOGICAL_UNION":
		return r.union(op)
	case "LOGICAL_MATERIALIZED_CTE":
		return r.materialized(op)
	case "LOGICAL_CTE_REF":
		return slices.Clone(r.ctes[op.CTEIndex])
	}
	r.children(op)
	return nil
}

// children reads all operators below one.
func (r *reader) children(op *operator) [][]origin {
	out := make([][]origin, len(op.Children))
	for i, c := range op.Children {
		out[i] = r.read(c, nil)
	}
	return out
}

// child reads the only operator below one.
func (r *reader) child(op *operator, w *want) []origin {
	if len(op.Children) != 1 {
		r.children(op)
		return nil
	}
	return r.read(op.Children[0], w)
}

func (r *reader) get(op *operator, w *want) []origin {
	s := r.scanOf(op)
	if s == nil {
		r.children(op)
		return nil
	}
	r.scans = append(r.scans, s)
	columns := make([]origin, len(op.ColumnIndexes))
	for i, c := range op.ColumnIndexes {
		if c.Index >= 0 && int(c.Index) < len(op.Names) {
			columns[i] = origin{scans: []*Scan{s}, column: op.Names[c.Index], bare: true}
		}
	}
	columns = pick(columns, op.ProjectionIDs)
	if w != nil && !op.TableFilters.restrict() && definitionID(s.Table) == "" {
		s.limit(w, columns)
	}
	return columns
}

// limit notes how many rows of an unrestricted scan are enough.
func (scan *Scan) limit(w *want, columns []origin) {
	if w.byTime >= 0 {
		if at(columns, w.byTime).column != columnNames[columnTime] {
			return
		}
		scan.ByTime = true
	}
	scan.Newest = w.rows
}

// limitWant returns what a LIMIT asks of the operator below it.
func limitWant(op *operator) *want {
	n, ok := op.LimitValue.number()
	if !ok {
		return nil
	}
	skip, ok := op.OffsetValue.number()
	if !ok || n <= 0 || skip < 0 || n > 1<<40 || skip > 1<<40 {
		return nil
	}
	return &want{rows: n + skip, byTime: -1}
}

func (v *limitValue) number() (int64, bool) {
	if v == nil || v.Type == "UNSET" {
		return 0, true
	}
	return int64(v.Constant), v.Type == "CONSTANT_VALUE"
}

// topWant returns what the first rows of a descending order by time ask of the
// operator below them.
func topWant(op *operator) *want {
	var orders []order
	limit, err := strconv.ParseInt(string(op.Limit), 10, 64)
	offset, err2 := strconv.ParseInt(string(op.Offset), 10, 64)
	if err != nil || err2 != nil || json.Unmarshal(op.Orders, &orders) != nil || len(orders) == 0 {
		return nil
	}
	o := orders[0]
	if o.Type != "DESCENDING" || o.Expression == nil || o.Expression.Class != "BOUND_REF" || o.Expression.Index < 0 {
		return nil
	}
	if limit <= 0 || offset < 0 || limit > 1<<40 || offset > 1<<40 {
		return nil
	}
	return &want{rows: limit + offset, byTime: o.Expression.Index}
}

func (r *reader) projection(op *operator, w *want) []origin {
	below := w
	if w != nil && w.byTime >= 0 {
		below = nil
		if int(w.byTime) < len(op.Expressions) && op.Expressions[w.byTime] != nil && op.Expressions[w.byTime].Class == "BOUND_REF" {
			below = &want{rows: w.rows, byTime: op.Expressions[w.byTime].Index}
		}
	}
	return refs(op.Expressions, r.child(op, below))
}

// refs returns the columns that expressions refer to.
func refs(es []*expression, columns []origin) []origin {
	out := make([]origin, len(es))
	for i, e := range es {
		if e != nil && e.Class == "BOUND_REF" {
			out[i] = at(columns, e.Index)
		}
	}
	return out
}

// filter adds what a FILTER right above a scan says to the scan.
func (r *reader) filter(op *operator) []origin {
	columns := r.child(op, nil)
	if s := bareScan(columns); s != nil {
		names := func(i index) string { return at(columns, i).column }
		ps := []Predicate{s.Where}
		for _, e := range op.Expressions {
			ps = append(ps, e.predicate(names))
		}
		s.Where = and(ps...)
	}
	return pick(columns, op.ProjectionMap)
}

// bareScan returns the scan whose rows the columns are, or nil.
func bareScan(columns []origin) *Scan {
	for _, c := range columns {
		if c.bare {
			return c.scans[0]
		}
	}
	return nil
}

func (r *reader) aggregate(op *operator) []origin {
	below := spoil(r.child(op, nil))
	out := refs(op.Groups, below)
	return append(out, make([]origin, len(op.Expressions))...)
}

// union returns the columns that all branches have from the same column.
func (r *reader) union(op *operator) []origin {
	branches := r.children(op)
	if len(branches) == 0 {
		return nil
	}
	out := spoil(slices.Clone(branches[0]))
	for _, b := range branches[1:] {
		for i := range out {
			o := at(b, index(i))
			if len(o.scans) == 0 || len(out[i].scans) == 0 || o.column != out[i].column {
				out[i] = origin{}
				continue
			}
			out[i].scans = slices.Concat(out[i].scans, o.scans)
		}
	}
	return out
}

func (r *reader) materialized(op *operator) []origin {
	if len(op.Children) != 2 {
		r.children(op)
		return nil
	}
	r.ctes[op.TableIndex] = spoil(r.read(op.Children[0], nil))
	return r.read(op.Children[1], nil)
}

// sides say of which sides of a join the rows arrive above it, and on which side
// definitions may lack rows that no row of the other side refers to.
var sides = map[string]struct{ left, right, leftMayLack, rightMayLack bool }{
	"INNER":      {true, true, true, true},
	"LEFT":       {true, true, false, true},
	"RIGHT":      {true, true, true, false},
	"OUTER":      {true, true, false, false},
	"SEMI":       {true, false, true, true},
	"ANTI":       {true, false, false, false},
	"RIGHT_SEMI": {false, true, true, true},
	"RIGHT_ANTI": {false, true, false, false},
	"SINGLE":     {true, true, false, true},
	"MARK":       {true, false, false, true}, // and the mark
}

func (r *reader) join(op *operator) []origin {
	branches := r.children(op)
	side, ok := sides[op.JoinType]
	if !ok || len(branches) != 2 {
		return nil
	}
	left, right := branches[0], branches[1]
	for _, c := range op.Conditions {
		if c.Comparison != "COMPARE_EQUAL" || c.Left == nil || c.Right == nil || c.Left.Class != "BOUND_REF" || c.Right.Class != "BOUND_REF" {
			continue
		}
		l, rt := at(left, c.Left.Index), at(right, c.Right.Index)
		if side.rightMayLack {
			rt.define(l)
		}
		if side.leftMayLack {
			l.define(rt)
		}
	}
	var out []origin
	if side.left {
		out = append(out, pick(left, op.LeftProjectionMap)...)
	}
	if side.right {
		out = append(out, pick(right, op.RightProjectionMap)...)
	}
	if op.JoinType == "MARK" {
		out = append(out, origin{})
	}
	return spoil(out)
}

// define notes, if d is the id of bare definitions and u the same id in samples or
// profiles, that only definitions of ids in u matter.
func (d origin) define(u origin) {
	if !d.bare || d.column != definitionID(d.scans[0].Table) || u.column != d.column || len(u.scans) == 0 {
		return
	}
	for _, s := range u.scans {
		if definitionID(s.Table) != "" {
			return
		}
	}
	d.scans[0].Of = u.scans
}

// at returns a column, or one of which nothing is known.
func at(columns []origin, i index) origin {
	if i < 0 || int(i) >= len(columns) {
		return origin{}
	}
	return columns[i]
}

// pick returns the columns that a projection map names; an empty one names all.
func pick(columns []origin, which []index) []origin {
	if len(which) == 0 {
		return columns
	}
	out := make([]origin, len(which))
	for i, w := range which {
		out[i] = at(columns, w)
	}
	return out
}

// spoil marks columns as no longer bare.
func spoil(columns []origin) []origin {
	for i := range columns {
		columns[i].bare = false
	}
	return columns
}
