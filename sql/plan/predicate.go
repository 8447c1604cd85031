package plan

import (
	"fmt"
	"math"
	"strings"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Predicate restricts the rows of a scan by service, profile type and time. It is
// necessary, not sufficient: rows that a statement needs satisfy it, others may.
//
// The zero value lets every row through.
type Predicate struct {
	op       operation
	children []Predicate // of and and or
	column   column
	text     string           // compared with service or type
	time     warehouse.Micros // compared with time
}

type operation uint8

const (
	anything operation = iota
	all
	some
	equal
	notEqual
	less
	lessEqual
	greater
	greaterEqual
	prefix
)

var operationNames = [...]string{"true", "and", "or", "=", "<>", "<", "<=", ">", ">=", "like"}

type column uint8

const (
	columnTime column = iota
	columnService
	columnType
)

var columnNames = [...]string{"time", "service_name", "profile_type"}

// columnOf returns the column of a name that predicates are about.
func columnOf(name string) (column, bool) {
	for i, n := range columnNames {
		if n == name {
			return column(i), true
		}
	}
	return 0, false
}

// and returns the predicate that all of them hold.
func and(ps ...Predicate) Predicate {
	var kept []Predicate
	for _, p := range ps {
		switch p.op {
		case anything:
		case all:
			kept = append(kept, p.children...)
		default:
			kept = append(kept, p)
		}
	}
	return combine(all, distinct(kept))
}

// or returns the predicate that one of them holds.
func or(ps ...Predicate) Predicate {
	var kept []Predicate
	for _, p := range ps {
		switch p.op {
		case anything:
			return Predicate{}
		case some:
			kept = append(kept, p.children...)
		default:
			kept = append(kept, p)
		}
	}
	if len(kept) == 0 {
		return Predicate{} // of no predicate at all nothing follows
	}
	return combine(some, distinct(kept))
}

func combine(op operation, ps []Predicate) Predicate {
	switch len(ps) {
	case 0:
		return Predicate{}
	case 1:
		return ps[0]
	}
	return Predicate{op: op, children: ps}
}

// distinct drops predicates that are there already: a filter often stands both in a
// scan and above it.
func distinct(ps []Predicate) []Predicate {
	const most = 100 // a long list is from IN, and its own
	if len(ps) > most {
		return ps
	}
	var out []Predicate
	seen := map[string]bool{}
	for _, p := range ps {
		if text := p.String(); !seen[text] {
			seen[text] = true
			out = append(out, p)
		}
	}
	return out
}

// MayHold reports whether a row of the service and profile type, at some instant of
// r, may satisfy the predicate.
func (p *Predicate) MayHold(service, profileType string, r warehouse.TimeRange) bool {
	switch p.op {
	case anything:
		return true
	case all:
		for i := range p.children {
			if !p.children[i].MayHold(service, profileType, r) {
				return false
			}
		}
		return true
	case some:
		for i := range p.children {
			if p.children[i].MayHold(service, profileType, r) {
				return true
			}
		}
		return false
	}
	switch p.column {
	case columnService:
		return p.holdsText(service)
	case columnType:
		return p.holdsText(profileType)
	}
	return p.mayHoldTime(r)
}

// MayHoldService reports whether a row of the service may satisfy the predicate,
// whatever its type and time.
func (p *Predicate) MayHoldService(service string) bool {
	switch p.op {
	case all:
		for i := range p.children {
			if !p.children[i].MayHoldService(service) {
				return false
			}
		}
		return true
	case some:
		for i := range p.children {
			if p.children[i].MayHoldService(service) {
				return true
			}
		}
		return false
	}
	return p.op == anything || p.column != columnService || p.holdsText(service)
}

func (p *Predicate) holdsText(s string) bool {
	switch p.op {
	case equal:
		return s == p.text
	case notEqual:
		return s != p.text
	case less:
		return s < p.text
	case lessEqual:
		return s <= p.text
	case greater:
		return s > p.text
	case greaterEqual:
		return s >= p.text
	case prefix:
		return strings.HasPrefix(s, p.text)
	}
	return true
}

func (p *Predicate) mayHoldTime(r warehouse.TimeRange) bool {
	switch p.op {
	case equal:
		return r.Contains(p.time)
	case notEqual:
		return r.From != p.time || r.To != p.time
	case less:
		return r.From < p.time
	case lessEqual:
		return r.From <= p.time
	case greater:
		return r.To > p.time
	case greaterEqual:
		return r.To >= p.time
	}
	return true
}

// everything is the range of a predicate that does not restrict the time.
var everything = warehouse.TimeRange{From: math.MinInt64, To: math.MaxInt64}

// Hull returns the smallest range of time outside of which the predicate does not
// hold; it is empty when it never does.
func (p *Predicate) Hull() warehouse.TimeRange {
	switch p.op {
	case anything:
		return everything
	case all:
		out := everything
		for i := range p.children {
			h := p.children[i].Hull()
			out = warehouse.TimeRange{From: max(out.From, h.From), To: min(out.To, h.To)}
		}
		return out
	case some:
		out := warehouse.EmptyRange
		for i := range p.children {
			out = out.Union(p.children[i].Hull())
		}
		return out
	}
	if p.column != columnTime {
		return everything
	}
	switch p.op {
	case equal:
		return warehouse.TimeRange{From: p.time, To: p.time}
	case less:
		return warehouse.TimeRange{From: math.MinInt64, To: before(p.time)}
	case lessEqual:
		return warehouse.TimeRange{From: math.MinInt64, To: p.time}
	case greater:
		return warehouse.TimeRange{From: after(p.time), To: math.MaxInt64}
	case greaterEqual:
		return warehouse.TimeRange{From: p.time, To: math.MaxInt64}
	}
	return everything
}

// before and after saturate: the bounds stand for infinity.
func before(t warehouse.Micros) warehouse.Micros { return max(t, math.MinInt64+1) - 1 }
func after(t warehouse.Micros) warehouse.Micros  { return min(t, math.MaxInt64-1) + 1 }

// String writes the predicate as SQL.
func (p *Predicate) String() string {
	switch p.op {
	case anything:
		return "true"
	case all, some:
		parts := make([]string, len(p.children))
		for i := range p.children {
			parts[i] = p.children[i].String()
			if p.children[i].op == all || p.children[i].op == some {
				parts[i] = "(" + parts[i] + ")"
			}
		}
		return strings.Join(parts, " "+operationNames[p.op]+" ")
	}
	value := quote(p.text)
	switch {
	case p.column == columnTime:
		value = quote(instant(p.time))
	case p.op == prefix:
		value = quote(p.text + "%")
	}
	return fmt.Sprintf("%s %s %s", columnNames[p.column], operationNames[p.op], value)
}

// instant writes a constant; the bounds stand for infinity.
func instant(t warehouse.Micros) string {
	switch t {
	case math.MaxInt64:
		return "infinity"
	case -math.MaxInt64:
		return "-infinity"
	}
	return t.String()
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
