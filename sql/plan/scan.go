package plan

import (
	"encoding/json"
	"fmt"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Plan is what a statement reads of stored relations.
type Plan struct {
	Scans []*Scan
}

// Scan is one reading of a stored relation.
type Scan struct {
	Table warehouse.Table

	// Where restricts its rows. For definitions only the service counts.
	Where Predicate

	// Of, for definitions that are only joined by id to samples or profiles, are
	// the scans of those: ids of their dataset partitions are all that matters.
	// Empty: every definition matters.
	Of []*Scan

	// Newest, if not 0, is how many rows are enough: any, or with ByTime those with
	// the greatest times. It is set only when nothing else restricts the scan.
	Newest int64
	ByTime bool
}

// Parse reads the answer of json_serialize_plan about a statement over the tables of
// a database's schema public.
//
// Errors: for what is no plan. Callers then do without.
func Parse(data []byte, database string) (*Plan, error) {
	root, err := decode(data)
	if err != nil {
		return nil, err
	}
	r := reader{database: database, ctes: map[index][]origin{}}
	r.read(root, nil)
	return &Plan{Scans: r.scans}, nil
}

// tables are the stored relations by name.
var tables = map[string]warehouse.Table{
	"samples":     warehouse.TableSamples,
	"profiles":    warehouse.TableProfiles,
	"series":      warehouse.TableSeries,
	"stacktraces": warehouse.TableStacktraces,
}

// definitionID returns the id column of a relation of definitions, or "".
func definitionID(t warehouse.Table) string {
	switch t {
	case warehouse.TableSeries:
		return "series_id"
	case warehouse.TableStacktraces:
		return "stacktrace_id"
	}
	return ""
}

// scanOf returns what a LOGICAL_GET scans, or nil if that is no stored relation.
func (r *reader) scanOf(op *operator) *Scan {
	var f struct{ Catalog, Schema, Table string }
	if json.Unmarshal(op.FunctionData, &f) != nil || f.Catalog != r.database || f.Schema != "public" {
		return nil
	}
	t, ok := tables[f.Table]
	if !ok {
		return nil
	}
	s := &Scan{Table: t}
	var ps []Predicate
	for _, filter := range op.TableFilters.Filters {
		if k := filter.Key; k >= 0 && int(k) < len(op.Names) {
			ps = append(ps, filter.Value.predicate(op.Names[k]))
		}
	}
	s.Where = and(ps...)
	return s
}

// String names the relation and what restricts its rows.
func (scan *Scan) String() string {
	out := scan.Table.String()
	if scan.Where.op != anything {
		out += " where " + scan.Where.String()
	}
	for i, of := range scan.Of {
		if i == 0 {
			out += " of"
		}
		out += " " + of.Table.String()
	}
	if scan.Newest > 0 {
		out += fmt.Sprintf(" newest %d", scan.Newest)
		if scan.ByTime {
			out += " by time"
		}
	}
	return out
}
