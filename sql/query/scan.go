package query

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/cache"
)

// scan runs a statement over the parts' files of one table, which it binds to
// $files in the order of parts, without the rows that masks hide.
func (s *Service) scan(ctx context.Context, masks maskTable, st *statement, parts []*warehouse.Part, t warehouse.Table, values bindings, fn func(arrow.RecordBatch) error) error {
	if len(parts) == 0 { // read_parquet([]) is an error
		return nil
	}
	locals, err := s.acquire(ctx, parts, t)
	if err != nil {
		return err
	}
	defer release(locals)
	files := make([]string, len(locals))
	for i, l := range locals {
		files[i] = escapeGlob(l.Path)
	}
	values["files"] = files
	if of := masks.of(parts); of != nil {
		values[masksLine] = of
	}
	text, args := st.bind(values)
	err = s.opts.Engine.Query(ctx, text, args, fn)
	if err != nil && warehouse.KindOf(err) == warehouse.Invalid {
		// The statement is ours and right: what was refused is a file.
		return warehouse.Errorf(warehouse.Corrupt, "%s over %s of %d objects (%s): %w", st, t, len(parts), describe(parts), err)
	}
	return err
}

// acquire pins the files: all, or none and an error.
func (s *Service) acquire(ctx context.Context, parts []*warehouse.Part, t warehouse.Table) ([]*cache.Local, error) {
	locals := make([]*cache.Local, len(parts))
	err := s.parallel(ctx, len(parts), func(ctx context.Context, i int) (err error) {
		locals[i], err = s.opts.Sections.Acquire(ctx, parts[i], t)
		return err
	})
	if err != nil {
		release(locals)
		return nil, err
	}
	return locals, nil
}

func release(locals []*cache.Local) {
	for _, l := range locals {
		l.Release()
	}
}

// escapeGlob makes a path stand for itself where a pattern is allowed: tenants
// may contain an asterisk.
func escapeGlob(path string) string {
	if !strings.ContainsAny(path, "*?[\\") {
		return path
	}
	var b strings.Builder
	for _, c := range []byte(path) {
		if strings.IndexByte("*?[", c) >= 0 {
			fmt.Fprintf(&b, "[%c]", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// columns gives typed access to a batch. The first mismatch stays in err: the
// statement and its reader disagree.
type columns struct {
	rec arrow.RecordBatch
	err error
}

func newColumns(rec arrow.RecordBatch) *columns { return &columns{rec: rec} }

func column[T arrow.Array](c *columns, i int) (col T, ok bool) {
	if c.err != nil {
		return col, false
	}
	a := c.rec.Column(i)
	col, ok = a.(T)
	if !ok {
		c.err = warehouse.Errorf(warehouse.Internal, "read column %s: its type is %s", c.rec.ColumnName(i), a.DataType())
	} else if a.NullN() > 0 {
		c.err = warehouse.Errorf(warehouse.Corrupt, "read column %s: it has NULLs", c.rec.ColumnName(i))
		ok = false
	}
	return col, ok
}

func (c *columns) int64(i int) []int64 {
	if col, ok := column[*array.Int64](c, i); ok {
		return col.Int64Values()
	}
	return nil
}

func (c *columns) micros(i int) []warehouse.Micros {
	col, ok := column[*array.Timestamp](c, i)
	if !ok {
		return nil
	}
	if unit := col.DataType().(*arrow.TimestampType).Unit; unit != arrow.Microsecond {
		c.err = warehouse.Errorf(warehouse.Internal, "read column %s: its unit is %s", c.rec.ColumnName(i), unit)
		return nil
	}
	values := col.TimestampValues()
	out := make([]warehouse.Micros, len(values))
	for j, v := range values {
		out[j] = warehouse.Micros(v)
	}
	return out
}

func (c *columns) text(i int) *array.String {
	col, _ := column[*array.String](c, i)
	return col
}

func (c *columns) decimal(i int) *array.Decimal128 {
	col, _ := column[*array.Decimal128](c, i)
	return col
}

// wideOf returns an exact sum ≥ 0 of the engine.
func wideOf(n decimal128.Num) (wide, error) {
	if n.Sign() < 0 {
		return wide{}, warehouse.Errorf(warehouse.Corrupt, "add values up: a sum is negative")
	}
	return wide{hi: uint64(n.HighBits()), lo: n.LowBits()}, nil
}

// restrict binds what all statements over datasets share. The targets are of one
// type.
func restrict(values bindings, sel *Selection, ts []target) {
	values["type"] = sel.Type.String()
	selected := map[string]struct{}{}
	for i := range ts {
		selected[ts[i].service] = struct{}{}
	}
	if !othersHaveType(ts, selected) {
		return
	}
	if len(selected) == 1 {
		values["service"] = ts[0].service
		return
	}
	services := make([]string, 0, len(selected))
	for name := range selected {
		services = append(services, name)
	}
	values["services"] = services
}

// othersHaveType reports whether a part of the targets has the type for a
// service that is not selected.
func othersHaveType(ts []target, selected map[string]struct{}) bool {
	for i := range ts {
		if i > 0 && ts[i].part == ts[i-1].part {
			continue
		}
		for j := range ts[i].part.Datasets {
			d := &ts[i].part.Datasets[j]
			if _, ok := selected[d.Service]; ok {
				continue
			}
			for k := range d.Types {
				if d.Types[k].Type == ts[i].typ {
					return true
				}
			}
		}
	}
	return false
}

// restrictSamples binds the restrictions of single samples.
func restrictSamples(values bindings, sel *Selection) {
	restrictProfiles(values, sel)
	if len(sel.Spans) > 0 {
		spans := make([]string, len(sel.Spans))
		for i, id := range sel.Spans {
			spans[i] = fmt.Sprintf("%016x", uint64(id))
		}
		values["spans"] = spans
	}
	if len(sel.Traces) > 0 {
		traces := make([]string, len(sel.Traces))
		for i, id := range sel.Traces {
			traces[i] = fmt.Sprintf("%x", id[:])
		}
		values["traces"] = traces
	}
}

func restrictProfiles(values bindings, sel *Selection) {
	if len(sel.ProfileIDs) == 0 {
		return
	}
	ids := make([]string, len(sel.ProfileIDs))
	for i, id := range sel.ProfileIDs {
		ids[i] = id.String()
	}
	values["profiles"] = ids
}

// restrictSeries binds the ids that are allowed; nil allows all.
func restrictSeries(values bindings, allowed map[warehouse.SeriesID]bool) {
	if allowed == nil {
		return
	}
	ids := make([]int64, 0, len(allowed))
	least, most := int64(math.MaxInt64), int64(math.MinInt64)
	for id := range allowed {
		ids = append(ids, int64(id))
		least, most = min(least, int64(id)), max(most, int64(id))
	}
	values["series"], values["series_min"], values["series_max"] = ids, least, most
}

// restrictTime binds a closed range.
func restrictTime(values bindings, r warehouse.TimeRange) {
	values["from"], values["to"] = int64(r.From), int64(r.To)
}

// partsOf returns the distinct parts of targets, which are ordered by part.
func partsOf(ts []target) []*warehouse.Part {
	var out []*warehouse.Part
	for i := range ts {
		if i == 0 || ts[i].part != ts[i-1].part {
			out = append(out, ts[i].part)
		}
	}
	return out
}
