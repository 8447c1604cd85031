package query

import (
	"embed"
	"fmt"
	"strings"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

//go:embed statements/*.sql
var statementFiles embed.FS

// statements are the SQL of this package, one file each.
var statements = struct {
	stackSums, profileSums, profileValues, seriesIndex, seriesPoints, seriesPresent, extent, mask *statement
}{
	stackSums:     loadStatement("stack_sums"),
	profileSums:   loadStatement("profile_sums"),
	profileValues: loadStatement("profile_values"),
	seriesIndex:   loadStatement("series_index"),
	seriesPoints:  loadStatement("series_points"),
	seriesPresent: loadStatement("series_present"),
	extent:        loadStatement("extent"),
	mask:          loadStatement("mask"),
}

// statement is SQL with named parameters, $name, and optional lines: one that
// ends in "--? name" is there if name is bound. The line "--? masks" stands for the
// statement mask, once for each of the [fileMask]s that masks is bound to.
type statement struct {
	name  string
	lines []statementLine
}

type statementLine struct {
	text      string   // each parameter replaced by ?
	params    []string // in order
	condition string   // "" if the line is always there
}

// bindings are the values of parameters. A condition that is no parameter is
// bound to true.
type bindings map[string]any

// masksLine is the condition of the line that stands for masks.
const masksLine = "masks"

func loadStatement(name string) *statement {
	text, err := statementFiles.ReadFile("statements/" + name + ".sql")
	if err != nil {
		panic(warehouse.Bug("load statement %s: %v", name, err))
	}
	st := &statement{name: name}
	for line := range strings.Lines(string(text)) {
		code, condition, _ := strings.Cut(line, "--? ")
		if code, _, _ = strings.Cut(code, "--"); strings.TrimSpace(code) == "" && strings.TrimSpace(condition) != masksLine {
			continue
		}
		l := statementLine{condition: strings.TrimSpace(condition)}
		l.text, l.params = parameters(strings.TrimRight(code, " \n"))
		st.lines = append(st.lines, l)
	}
	return st
}

// parameters replaces each $name in code by ?.
func parameters(code string) (text string, names []string) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(code, "$")
		b.WriteString(before)
		if !found {
			return b.String(), names
		}
		n := 0
		for n < len(after) && (after[n] == '_' || 'a' <= after[n] && after[n] <= 'z') {
			n++
		}
		names = append(names, after[:n])
		b.WriteByte('?')
		code = after[n:]
	}
}

// bind returns the statement's text for these bindings, and its arguments.
func (st *statement) bind(values bindings) (text string, args []any) {
	var b strings.Builder
	for i := range st.lines {
		l := &st.lines[i]
		if _, ok := values[l.condition]; l.condition != "" && !ok {
			continue
		}
		if l.condition == masksLine {
			for _, m := range values[masksLine].([]fileMask) {
				text, more := statements.mask.bind(m.bindings())
				b.WriteString(text)
				args = append(args, more...)
			}
			continue
		}
		b.WriteString(l.text)
		b.WriteByte('\n')
		for _, p := range l.params {
			v, ok := values[p]
			if !ok {
				panic(warehouse.Bug("statement %s: parameter %s is not bound", st.name, p))
			}
			args = append(args, v)
		}
	}
	return b.String(), args
}

// String returns the name.
func (st *statement) String() string { return fmt.Sprintf("statement %s", st.name) }
