package statement

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stackhouse-db/stackhouse/sql/plan"
)

// explained answers EXPLAIN: the plan, and what it leaves to read.
func (r *running) explained(ctx context.Context) (Rows, error) {
	defer r.free()
	if err := r.pin(ctx); err != nil {
		return nil, r.fail(err)
	}
	out := r.lines
	if r.snapshot != nil {
		out = append(out, r.leftToRead()...)
	}
	r.service.metrics.ended(nil)
	return newLines(out, r.stats), nil
}

// leftToRead says what the plan leaves to read of each relation.
func (r *running) leftToRead() (out []string) {
	named := own(r.prepared.named.relations)
	selected := r.selected(named)
	whole := plan.Whole(r.snapshot, r.sess.Tenant, slices.Collect(maps.Keys(named))...)
	r.stats.ScannedBytes, r.stats.Sections = selected.SizeBytes(), selected.Sections()
	for _, t := range slices.Sorted(maps.Keys(named)) {
		one := plan.Selection{t: selected[t]}
		out = append(out, fmt.Sprintf("%s: %d of %d files, %d bytes", t, len(selected[t]), len(whole[t]), one.SizeBytes()))
	}
	if r.plans == nil {
		return append(out, "The plan was not understood: nothing is left out.")
	}
	for _, s := range r.plans.Scans {
		out = append(out, "Scan of "+s.String())
	}
	return out
}

// analyzed runs the statement of EXPLAIN ANALYZE and returns its lines.
func analyzed(ctx context.Context, from *rows) (Rows, error) {
	defer from.Close()
	scrub := strings.NewReplacer(from.mu.run.paths...)
	var out []string
	for {
		rec, err := from.Next(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		out = append(out, cells(rec)...)
	}
	for i := range out {
		out[i] = scrub.Replace(out[i])
	}
	return newLines(out, from.Stats()), nil
}

// cells returns the last column as text.
func cells(rec arrow.RecordBatch) []string {
	column := rec.Column(int(rec.NumCols()) - 1)
	out := make([]string, column.Len())
	for i := range out {
		out[i] = strings.Clone(column.ValueStr(i))
	}
	return out
}
