package plan

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// parts is an index of one tenant.
type parts []*warehouse.Part

func (ps parts) Parts(_ warehouse.Tenant, r warehouse.TimeRange) (out []*warehouse.Part) {
	for _, p := range ps {
		if p.Range.Overlaps(r) {
			out = append(out, p)
		}
	}
	return out
}

func (ps parts) Deletions(warehouse.Tenant) []*warehouse.Deletion { return nil }

var hour = warehouse.Hour(490_000)

// part returns a part of an hour, with profiles at minutes of it.
func part(h, from, to int, rows int64, services ...string) *warehouse.Part {
	start := (hour + warehouse.Hour(h)).Start()
	r := warehouse.TimeRange{From: start + warehouse.Micros(from)*60_000_000, To: start + warehouse.Micros(to)*60_000_000}
	p := &warehouse.Part{Hour: hour + warehouse.Hour(h), Range: r}
	for _, s := range services {
		p.Datasets = append(p.Datasets, warehouse.Dataset{Service: s, Types: []warehouse.TypeStats{{Type: "cpu", Range: r, Rows: rows}}})
	}
	for _, t := range []warehouse.Table{warehouse.TableSamples, warehouse.TableProfiles, warehouse.TableSeries, warehouse.TableStacktraces} {
		p.Sections = append(p.Sections, warehouse.Section{Table: t, Size: 100, Rows: rows})
	}
	return p
}

// chosen returns which parts of an index a selection has.
func chosen(ps parts, s Selection, t warehouse.Table) (out []int) {
	for _, p := range s[t] {
		for i := range ps {
			if ps[i] == p {
				out = append(out, i)
			}
		}
	}
	return out
}

func TestSelect(t *testing.T) {
	t.Parallel()
	ps := parts{part(0, 0, 10, 5, "a"), part(0, 30, 50, 5, "a", "b"), part(1, 0, 59, 5, "b"), part(2, 0, 5, 5, "a"), part(2, 1, 2, 5, "c")}
	service := func(name string) Predicate { return Predicate{op: equal, column: columnService, text: name} }
	since := func(h int) Predicate {
		return Predicate{op: greaterEqual, column: columnTime, time: (hour + warehouse.Hour(h)).Start()}
	}
	fact := func(where Predicate) *Scan { return &Scan{Table: warehouse.TableSamples, Where: where} }
	defs := func(where Predicate, of ...*Scan) *Scan {
		return &Scan{Table: warehouse.TableStacktraces, Where: where, Of: of}
	}
	a, late := fact(service("a")), fact(and(service("b"), since(1)))
	tests := []struct {
		name           string
		scans          []*Scan
		samples, stack []int
	}{
		{"everything", []*Scan{fact(Predicate{})}, []int{0, 1, 2, 3, 4}, nil},
		{"a service", []*Scan{a}, []int{0, 1, 3}, nil},
		{"a time", []*Scan{fact(since(1))}, []int{2, 3, 4}, nil},
		{"scans are united", []*Scan{a, late}, []int{0, 1, 2, 3}, nil},
		{"nothing", []*Scan{fact(service("x"))}, nil, nil},
		{"an impossible time", []*Scan{fact(and(since(1), Predicate{op: less, column: columnTime, time: 5}))}, nil, nil},
		{"all definitions", []*Scan{late, defs(Predicate{})}, []int{2}, []int{0, 1, 2, 3, 4}},
		{"definitions of the hour and service", []*Scan{late, defs(Predicate{}, late)}, []int{2}, []int{2}},
		{"definitions beside the time", []*Scan{fact(Predicate{op: less, column: columnTime, time: ps[0].Range.To}), nil}[:1], []int{0}, nil},
		{"definitions of several", []*Scan{a, late, defs(Predicate{}, a, late)}, []int{0, 1, 2, 3}, []int{0, 1, 2, 3}},
		{"two uses, one of them alone", []*Scan{late, defs(Predicate{}, late), defs(Predicate{})}, []int{2}, []int{0, 1, 2, 3, 4}},
		{"a service means nothing to stacktraces", []*Scan{defs(service("a"))}, nil, []int{0, 1, 2, 3, 4}},
	}
	for _, tt := range tests {
		got := (&Plan{Scans: tt.scans}).Select(ps, "t")
		require.Equal(t, tt.samples, chosen(ps, got, warehouse.TableSamples), tt.name)
		require.Equal(t, tt.stack, chosen(ps, got, warehouse.TableStacktraces), tt.name)
	}
	got := (&Plan{Scans: []*Scan{{Table: warehouse.TableSeries, Where: and(service("b"), since(2))}}}).Select(ps, "t")
	require.Equal(t, []int{1, 2}, chosen(ps, got, warehouse.TableSeries), "series have a service, and no time")

	early := fact(Predicate{op: lessEqual, column: columnTime, time: ps[0].Range.To})
	got = (&Plan{Scans: []*Scan{early, defs(Predicate{}, early)}}).Select(ps, "t")
	require.Equal(t, []int{0}, chosen(ps, got, warehouse.TableSamples))
	require.Equal(t, []int{0, 1}, chosen(ps, got, warehouse.TableStacktraces), "definitions may lie in any part of the partition")
	require.Equal(t, int64(300), got.SizeBytes())
	require.Equal(t, 3, got.Sections())
	require.Len(t, Whole(ps, "t", warehouse.TableSamples, warehouse.TableSeries), 2)
}

func TestNewest(t *testing.T) {
	t.Parallel()
	ps := parts{part(0, 0, 50, 5, "a"), part(0, 40, 59, 5, "a"), part(1, 0, 10, 3, "a"), part(1, 5, 30, 3, "a")}
	for _, tt := range []struct {
		rows   int64
		byTime bool
		want   []int
	}{
		{1, false, []int{3}},
		{4, false, []int{2, 3}},
		{1, true, []int{2, 3}}, // the other one goes beyond the start of the newest
		{6, true, []int{2, 3}},
		{7, true, []int{0, 1, 2, 3}},
		{1000, true, []int{0, 1, 2, 3}},
	} {
		s := &Scan{Table: warehouse.TableSamples, Newest: tt.rows, ByTime: tt.byTime}
		got := (&Plan{Scans: []*Scan{s}}).Select(ps, "t")
		require.Equal(t, tt.want, chosen(ps, got, warehouse.TableSamples), "%d %t", tt.rows, tt.byTime)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "{", "[]", `{"error":true,"error_message":"no"}`, `{"plans":[]}`, `{"plans":[null]}`, `{"plans":[{},{}]}`, `{"plans":[{"type":"LOGICAL_GET","names":5}]}`} {
		_, err := Parse([]byte(text), "t")
		require.Error(t, err, text)
	}
}

// get is a scan of samples (or another table) in a plan.
func get(table string, columns ...int) string {
	out := ""
	for i, c := range columns {
		if i > 0 {
			out += ","
		}
		out += fmt.Sprintf(`{"index":%d}`, c)
	}
	return `{"type":"LOGICAL_GET","children":[],"names":["time","stacktrace_id","service_name"],"column_indexes":[` + out +
		`],"function_data":{"catalog":"t","schema":"public","table":"` + table + `"},"table_filters":{"filters":[]}}`
}

func ref(i int) string { return fmt.Sprintf(`{"expression_class":"BOUND_REF","index":%d}`, i) }

// TestParseFollowsColumns: which columns reach a join decides whether definitions
// are those of the samples.
func TestParseFollowsColumns(t *testing.T) {
	t.Parallel()
	join := func(kind, left, right string, l, r int) string {
		return `{"type":"LOGICAL_COMPARISON_JOIN","join_type":"` + kind + `","children":[` + left + `,` + right + `],"conditions":[{"comparison":"COMPARE_EQUAL","left":` + ref(l) + `,"right":` + ref(r) + `}]}`
	}
	facts, defs := get("samples", 0, 1), get("stacktraces", 1)
	project := func(child string, columns ...int) string {
		out := ""
		for i, c := range columns {
			if i > 0 {
				out += ","
			}
			out += ref(c)
		}
		return `{"type":"LOGICAL_PROJECTION","children":[` + child + `],"expressions":[` + out + `]}`
	}
	wrap := func(kind, child string) string { return `{"type":"` + kind + `","children":[` + child + `]}` }
	tests := []struct {
		name, plan string
		bounded    bool
	}{
		{"inner", join("INNER", facts, defs, 1, 0), true},
		{"inner, exchanged", join("INNER", defs, facts, 0, 1), true},
		{"left", join("LEFT", facts, defs, 1, 0), true},
		{"left, exchanged", join("LEFT", defs, facts, 0, 1), false},
		{"right", join("RIGHT", defs, facts, 0, 1), true},
		{"outer", join("OUTER", facts, defs, 1, 0), false},
		{"semi", join("SEMI", defs, facts, 0, 1), true},
		{"anti", join("ANTI", defs, facts, 0, 1), false},
		{"mark", join("MARK", facts, defs, 1, 0), true},
		{"an unknown kind", join("NEW", facts, defs, 1, 0), false},
		{"another column", join("INNER", facts, defs, 0, 0), false},
		{"projected", join("INNER", project(facts, 1, 0), project(defs, 0), 0, 0), true},
		{"projected to another place", join("INNER", project(facts, 1, 0), project(defs, 0), 1, 0), false},
		{"limited definitions", join("INNER", facts, wrap("LOGICAL_LIMIT", defs), 1, 0), false},
		{"limited facts", join("INNER", wrap("LOGICAL_LIMIT", facts), defs, 1, 0), true},
		{"behind an unknown operator", join("INNER", wrap("LOGICAL_NEW", facts), defs, 1, 0), false},
		{"definitions of definitions", join("INNER", get("stacktraces", 1), defs, 0, 0), false},
		{"another database", `{"type":"LOGICAL_PROJECTION","children":[` + join("INNER", facts, defs, 1, 0) + `],"expressions":[]}`, true},
	}
	for _, tt := range tests {
		p, err := Parse([]byte(`{"error":false,"plans":[`+tt.plan+`]}`), "t")
		require.NoError(t, err, tt.name)
		for _, s := range p.Scans {
			if s.Table == warehouse.TableStacktraces {
				require.Equal(t, tt.bounded, len(s.Of) > 0, tt.name)
			}
		}
	}
	p, err := Parse([]byte(`{"error":false,"plans":[`+facts+`]}`), "other")
	require.NoError(t, err)
	require.Empty(t, p.Scans)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"error":false,"plans":[` + get("samples", 0, 1) + `]}`))
	f.Add([]byte(`{"plans":[{"type":"LOGICAL_COMPARISON_JOIN","join_type":"INNER","children":[],"conditions":[{"left":null}]}]}`))
	f.Add([]byte(`{"plans":[{"type":"LOGICAL_PROJECTION","children":[null],"expressions":[null]}]}`))
	f.Add([]byte(`{"plans":[{"type":"LOGICAL_FILTER","children":[` + get("samples", 0) + `],"expressions":[null,{"expression_class":"BOUND_COMPARISON","type":"COMPARE_EQUAL","left":{"expression_class":"BOUND_REF","index":99},"right":{"expression_class":"BOUND_CONSTANT"}}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse(data, "t")
		if err != nil {
			return
		}
		for _, s := range p.Scans {
			_ = s.String()
		}
		p.Select(parts{part(0, 0, 10, 5, "a")}, "t")
	})
}
