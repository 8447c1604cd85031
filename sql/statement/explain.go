package statement

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/stackhouse-db/stackhouse/sql/plan"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

const (
	explainPlan    = "EXPLAIN (FORMAT json) "
	explainAnalyze = "EXPLAIN (ANALYZE, FORMAT json) "
)

// explained answers EXPLAIN: the plan, which the planner made over empty tables, and
// what it leaves to read.
func (r *running) explained(ctx context.Context) (Rows, error) {
	defer r.free()
	if err := r.pin(ctx); err != nil {
		return nil, r.fail(err)
	}
	out, err := planLines(r.explanation)
	if err != nil {
		return nil, r.fail(err)
	}
	if r.snapshot != nil && len(r.prepared.named.relations) > 0 {
		out = append(out, r.leftToRead()...)
	}
	r.service.metrics.ended(nil)
	return newLines(out, r.stats), nil
}

// leftToRead says which files the plan leaves to read of each relation, and why.
func (r *running) leftToRead() (out []string) {
	named := own(r.prepared.named.relations)
	r.selection = r.selected(named)
	r.stats.ScannedBytes, r.stats.Sections = r.selection.SizeBytes(), r.selection.Sections()
	whole := plan.Whole(r.snapshot, r.sess.Tenant, slices.Collect(maps.Keys(named))...)
	for _, t := range slices.Sorted(maps.Keys(named)) {
		one := plan.Selection{t: r.selection[t]}
		out = append(out, fmt.Sprintf("Files of %s: %d of %d, %d bytes", t, len(one[t]), len(whole[t]), one.SizeBytes()))
	}
	if r.plans == nil {
		return append(out, "The plan was not understood: nothing is left out.")
	}
	for _, s := range r.plans.Scans {
		out = append(out, "Reads "+s.String())
	}
	return out
}

// analyzed runs the statement of EXPLAIN ANALYZE and returns its steps.
func analyzed(ctx context.Context, from *rows) (Rows, error) {
	defer from.Close()
	var text strings.Builder
	for {
		rec, err := from.Next(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		for _, cell := range lastColumn(rec) {
			text.WriteString(cell)
		}
	}
	out, err := planLines(text.String())
	if err != nil {
		return nil, kindError(err)
	}
	return newLines(out, from.Stats()), nil
}

// lastColumn returns the last column of a batch as text.
func lastColumn(rec arrow.RecordBatch) []string {
	column := rec.Column(int(rec.NumCols()) - 1)
	out := make([]string, column.Len())
	for i := range out {
		out[i] = strings.Clone(column.ValueStr(i))
	}
	return out
}

// step is an operator of a plan that DuckDB wrote as JSON; after a run it has the
// operator's time and rows.
type step struct {
	Name     string         `json:"name"`
	Operator string         `json:"operator_name"`
	Seconds  float64        `json:"operator_timing"`
	Rows     int64          `json:"operator_cardinality"`
	Latency  float64        `json:"latency"`
	Info     map[string]any `json:"extra_info"`
	Children []*step        `json:"children"`
}

// planLines writes a plan as PostgreSQL does: a step a line, what it reads from
// below it.
func planLines(text string) ([]string, error) {
	var plans []*step
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		text = "[" + text + "]"
	}
	if err := json.Unmarshal([]byte(text), &plans); err != nil {
		return nil, warehouse.Errorf(warehouse.Internal, "read explanation: %w", err)
	}
	var out []string
	for _, p := range plans {
		if p.Name == "" && p.Operator == "" { // a run as a whole
			for _, c := range p.Children {
				for _, g := range c.Children {
					out = g.lines(out, 0)
				}
			}
			out = append(out, fmt.Sprintf("Execution Time: %.3f ms", p.Latency*1e3))
			continue
		}
		out = p.lines(out, 0)
	}
	return out, nil
}

func (s *step) lines(out []string, depth int) []string {
	line := s.Name
	if s.Operator != "" {
		line = fmt.Sprintf("%s  (actual time=%.3f rows=%d)", s.Operator, s.Seconds*1e3, s.Rows)
	}
	indent := strings.Repeat("      ", depth)
	if depth > 0 {
		line = indent[:len(indent)-4] + "->  " + line
	}
	out = append(out, line)
	for _, key := range slices.Sorted(maps.Keys(s.Info)) {
		if isShown(key) {
			out = append(out, indent+"  "+key+": "+infoText(s.Info[key]))
		}
	}
	for _, c := range s.Children {
		out = c.lines(out, depth+1)
	}
	return out
}

// isShown reports whether a detail says something about the statement. The names of
// files are nobody's business, and estimates are those of empty tables.
func isShown(key string) bool {
	return key != "Estimated Cardinality" && key != "Type" && !strings.Contains(key, "ilename") && !strings.Contains(key, "File Filters")
}

func infoText(v any) string {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, "\n", " ")
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = infoText(e)
		}
		return strings.Join(parts, ", ")
	}
	return fmt.Sprint(v)
}
