package sqltest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stackhouse-db/stackhouse/sql/engine"
)

// Tables answers statements over the profiles of a script in plain tables of a bare
// DuckDB: no files, nothing pruned, nothing rewritten. Product functions with
// constant arguments are replaced by the rows that the [Oracle] computes. Columns
// have DuckDB's names.
//
// Concurrency: one call at a time.
type Tables struct {
	oracle   *Oracle
	instance *engine.Instance
}

// OpenTables fills the tables. The caller closes them.
func OpenTables(ctx context.Context, profiles []Profile) (*Tables, error) {
	instance, err := engine.OpenInstance(engine.Options{Threads: 1},
		engine.Setting{Name: "integer_division", Value: "true"},
		engine.Setting{Name: "default_null_order", Value: "'nulls_last_on_asc_first_on_desc'"})
	if err != nil {
		return nil, err
	}
	t := &Tables{oracle: NewOracle(profiles), instance: instance}
	if err := instance.Exec(ctx, emptyTables+t.oracle.inserts()); err != nil {
		instance.Close()
		return nil, err
	}
	return t, nil
}

// Close frees the tables.
func (t *Tables) Close() { t.instance.Close() }

const emptyTables = `
CREATE SCHEMA public;
USE memory.public;
CREATE TABLE samples (time TIMESTAMPTZ, service_name VARCHAR, profile_type VARCHAR, series_id BIGINT, stacktrace_id BIGINT,
	profile_id UUID, span_id VARCHAR, trace_id VARCHAR, attributes_id BIGINT, value BIGINT);
CREATE TABLE profiles (time TIMESTAMPTZ, service_name VARCHAR, profile_type VARCHAR, series_id BIGINT, profile_id UUID,
	duration_ns BIGINT, period BIGINT, value BIGINT, samples INTEGER, received TIMESTAMPTZ, flags INTEGER);
CREATE TABLE series (series_id BIGINT, service_name VARCHAR, profile_type VARCHAR, labels MAP(VARCHAR, VARCHAR));
CREATE TABLE stacktraces (stacktrace_id BIGINT, functions VARCHAR[], system_names VARCHAR[], filenames VARCHAR[], lines BIGINT[],
	start_lines BIGINT[], mappings VARCHAR[], build_ids VARCHAR[], addresses BIGINT[], inlined BOOLEAN[]);
CREATE VIEW labeled_samples AS SELECT s.*, r.labels FROM samples s JOIN series r USING (series_id);
CREATE VIEW labeled_profiles AS SELECT p.*, r.labels FROM profiles p JOIN series r USING (series_id);
`

// valuesDropped is the flag of profiles that had values that are not positive.
const valuesDropped = 4

// inserts returns statements that fill the tables.
func (o *Oracle) inserts() string {
	var b strings.Builder
	insert := func(table string, values ...string) {
		fmt.Fprintf(&b, "INSERT INTO %s VALUES (%s);\n", table, strings.Join(values, ", "))
	}
	series, stacks := map[string]string{}, map[string]string{}
	for i := range o.profiles {
		p := &o.profiles[i]
		at, service, typ := quote(At(p.Second).Format(time.RFC3339)), quote(p.service()), quote(p.Type.String())
		labels := labelsOf(p)
		id, known := series[typ+labels]
		if !known {
			id = strconv.Itoa(len(series) + 1)
			series[typ+labels] = id
			insert("series", id, service, typ, labels)
		}
		flags := 0
		if p.dropped {
			flags = valuesDropped
		}
		insert("profiles", at, service, typ, id, uuid(i), "10000000000", "1", fmt.Sprint(p.total), fmt.Sprint(len(p.Samples)), "now()", fmt.Sprint(flags))
		for _, s := range p.Samples {
			key := strings.Join(s.Stack, ";")
			stack, known := stacks[key]
			if !known {
				stack = strconv.Itoa(len(stacks) + 1)
				stacks[key] = stack
				insert("stacktraces", append([]string{stack}, framesOf(s.Stack)...)...)
			}
			insert("samples", at, service, typ, id, stack, uuid(i), orNull(s.Span), orNull(s.Trace), "NULL", fmt.Sprint(s.Value))
		}
	}
	return b.String()
}

func labelsOf(p *stored) string {
	var entries []string
	for name, value := range p.Labels {
		entries = append(entries, quote(name)+": "+quote(value))
	}
	slices.Sort(entries)
	return "MAP {" + strings.Join(entries, ", ") + "}"
}

// framesOf returns the lists of a stacktrace, leaf first, as [Profile.Pprof] has it.
func framesOf(stack []string) []string {
	leafFirst := slices.Clone(stack)
	slices.Reverse(leafFirst)
	list := func(of func(name string) string) string {
		items := make([]string, len(leafFirst))
		for i, name := range leafFirst {
			items[i] = of(name)
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	constant := func(text string) string { return list(func(string) string { return text }) }
	names := list(quote)
	files := list(func(name string) string { return quote(name + ".go") })
	return []string{names, names, files, constant("1"), constant("0"), constant("''"), constant("''"), constant("0"), constant("false")}
}

func uuid(n int) string {
	var id [16]byte
	binary.BigEndian.PutUint64(id[8:], uint64(n)+1)
	return quote(fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:]))
}

func orNull(text string) string {
	if text == "" {
		return "NULL"
	}
	return quote(text)
}

func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// notPlain finds what only the product understands: PostgreSQL's catalogues and
// operators, and calls that are left after those with constant arguments.
var notPlain = regexp.MustCompile(`(?i)\bpg_|information_schema|\bsystem\.|current_user|\s!?~|\b(flamegraph|top_functions)\s*\(`)

// Ask answers statements that bare DuckDB understands.
func (t *Tables) Ask(ctx context.Context, q *Question) (*Answer, bool, error) {
	if q.Kind != SQL {
		return nil, false, nil
	}
	zone, err := time.LoadLocation(q.Zone)
	if err != nil {
		return nil, false, err
	}
	text, err := t.oracle.expandCalls(bindArgs(q.Text, q.Args), zone)
	if err != nil || notPlain.MatchString(text) {
		return nil, false, err
	}
	rows, err := t.rows(ctx, text, zone)
	return &Answer{Rows: rows}, true, err
}

func (t *Tables) rows(ctx context.Context, text string, zone *time.Location) (out [][]string, err error) {
	if err := t.instance.Exec(ctx, "SET TimeZone = "+quote(zone.String())); err != nil {
		return nil, err
	}
	rows, err := t.instance.Query(ctx, text)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for {
		rec, err := rows.Next(ctx)
		if errors.Is(err, engine.ErrDone) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, Cells(rec, zone)...)
	}
}

var argument = regexp.MustCompile(`\$(\d+)`)

// bindArgs writes arguments in the places of their parameters.
func bindArgs(text string, args []string) string {
	return argument.ReplaceAllStringFunc(text, func(name string) string {
		n, err := strconv.Atoi(name[1:])
		if err != nil || n < 1 || n > len(args) {
			return name
		}
		if _, err := strconv.ParseInt(args[n-1], 10, 64); err == nil {
			return args[n-1]
		}
		return quote(args[n-1])
	})
}

// call is a call of a product function with constant arguments.
var call = regexp.MustCompile(`(?i)\b(flamegraph|top_functions)\s*\(\s*'((?:[^']|'')*)'\s*,\s*'([^']*)'\s*,\s*'([^']*)'\s*\)`)

// expandCalls replaces calls by their rows.
func (o *Oracle) expandCalls(text string, zone *time.Location) (string, error) {
	var failed error
	text = call.ReplaceAllStringFunc(text, func(c string) string {
		m := call.FindStringSubmatch(c)
		start, err := instant(m[3], zone)
		if err != nil {
			failed = errors.Join(failed, err)
		}
		end, err := instant(m[4], zone)
		if err != nil {
			failed = errors.Join(failed, err)
		}
		rows, err := o.call(strings.ToLower(m[1]), strings.ReplaceAll(m[2], "''", "'"), start, end)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", c, err))
		}
		return rows
	})
	return text, failed
}

// instant reads a literal, which without an offset is of the session's time zone.
func instant(text string, zone *time.Location) (time.Time, error) {
	if at, err := time.Parse("2006-01-02 15:04:05Z07", text); err == nil {
		return at, nil
	}
	return time.ParseInLocation(time.DateTime, text, zone)
}

// call returns the rows of a call as a derived table.
func (o *Oracle) call(function, selector string, start, end time.Time) (string, error) {
	sel, err := parseSelection(selector, start, end)
	if err != nil {
		return "", err
	}
	samples := o.selected(sel)
	if function == "top_functions" {
		return relation("function, self, total", "NULL::VARCHAR, 0::BIGINT, 0::BIGINT", topRows(samples)), nil
	}
	var rows []string
	if len(samples) > 0 {
		next := 0
		rows = graph(samples).rows(nil, "NULL", 0, &next)
	}
	return relation("id, parent_id, depth, function, self, total", "0::BIGINT, 0::BIGINT, 0::INTEGER, NULL::VARCHAR, 0::BIGINT, 0::BIGINT", rows), nil
}

// relation is a derived table of rows; the typed row gives the columns their types
// and is left out.
func relation(columns, typed string, rows []string) string {
	union := "SELECT " + typed + ", false"
	for _, r := range rows {
		union += " UNION ALL SELECT " + r + ", true"
	}
	return "(SELECT " + columns + " FROM (" + union + ") AS rows(" + columns + ", listed) WHERE listed)"
}

func topRows(samples []Sample) (rows []string) {
	self, total := sums(samples)
	for name := range total {
		rows = append(rows, fmt.Sprintf("%s, %d, %d", quote(name), self[name], total[name]))
	}
	slices.Sort(rows)
	return rows
}

// rows appends the boxes from b on: a parent before its children, those by name.
func (b *box) rows(dst []string, parent string, depth int, next *int) []string {
	*next++
	id := strconv.Itoa(*next)
	dst = append(dst, fmt.Sprintf("%s, %s, %d, %s, %d, %d", id, parent, depth, quote(b.name), b.self, b.total))
	for _, child := range sortedChildren(b) {
		dst = child.rows(dst, id, depth+1, next)
	}
	return dst
}

func sortedChildren(b *box) (out []*box) {
	for _, child := range b.children {
		out = append(out, child)
	}
	slices.SortFunc(out, func(a, b *box) int { return strings.Compare(a.name, b.name) })
	return out
}

// Recompute compares the answers with what plain addition and plain tables give,
// where they can, and returns how many it compared.
func (s *Script) Recompute(ctx context.Context) (n int, err error) {
	tables, err := OpenTables(ctx, s.Profiles)
	if err != nil {
		return 0, err
	}
	defer tables.Close()
	oracle := NewOracle(s.Profiles)
	var wrong []error
	for i := range s.Questions {
		q := &s.Questions[i]
		if strings.HasPrefix(q.Want, "error ") {
			continue // what is refused is the product's
		}
		want := q.Want
		answer, can, err := oracle.Ask(ctx, q)
		if !can {
			answer, can, err = tables.Ask(ctx, q)
			_, want, _ = strings.Cut(want, "\n") // names of columns are the product's
		}
		switch {
		case err != nil:
			wrong = append(wrong, fmt.Errorf("%s: %w", q.Text, err))
		case can:
			n++
			if got := answer.String(); got != want {
				wrong = append(wrong, fmt.Errorf("%s\n-- want --\n%s-- recomputed --\n%s", q.Text, want, got))
			}
		}
	}
	return n, errors.Join(wrong...)
}
