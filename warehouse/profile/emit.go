package profile

import (
	"slices"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// emitter lays merged rows out as series, in few large allocations. Sample types
// of which every row of a group has a value share their stacks.
type emitter struct {
	bytes  int64 // memory of the series of the last call
	groups []groupRows
	counts []int // rows with a value, by group and sample type
	record []byte

	// What is left of the last call's memory.
	stacks []warehouse.StacktraceID
	values []int64
}

// groupRows is the merged rows of one group and their sums.
type groupRows struct {
	rows []row
	sums []int64 // one per sample type for each row
}

// series returns the series of all groups: by group, then by sample type.
func (e *emitter) series(n *normalizer, split *splitter, types []namedType) ([]PreparedSeries, error) {
	e.cut(n, len(split.groups), len(types))
	e.allocate(len(types))
	out := make([]PreparedSeries, 0, len(split.groups)*len(types))
	e.bytes += sliceBytes(out)
	for g, labels := range split.groups {
		e.bytes += labelBytes(labels)
		var shared columns
		for t := range types {
			s := PreparedSeries{Series: warehouse.Series{Type: types[t].ProfileType, Labels: labels}}
			e.record = appendSeries(e.record[:0], types[t].text, labels)
			s.ID = warehouse.SeriesID(hashRecord(e.record))
			c := e.columns(g, t, len(types), split, &shared)
			s.Stacks, s.Spans, s.Traces = c.stacks, c.spans, c.traces
			var ok bool
			if s.Values, s.Total, ok = e.column(g, t, len(types)); !ok {
				return nil, malformed("sum profile: the total of %s overflows", types[t].text)
			}
			out = append(out, s)
		}
	}
	return out, nil
}

// cut finds the rows of each group and counts those with a value.
func (e *emitter) cut(n *normalizer, groups, nTypes int) {
	e.groups = slices.Grow(e.groups[:0], groups)
	e.counts = slices.Grow(e.counts[:0], groups*nTypes)[:groups*nTypes]
	clear(e.counts)
	from := 0
	for g := range groups {
		to := from
		for to < len(n.merged) && n.merged[to].group == uint32(g) {
			to++
		}
		rows := groupRows{n.merged[from:to], n.sums[from*nTypes : to*nTypes]}
		e.groups = append(e.groups, rows)
		counts := e.counts[g*nTypes : (g+1)*nTypes]
		for i, v := range rows.sums {
			if v > 0 {
				counts[i%nTypes]++
			}
		}
		from = to
	}
}

// allocate takes the memory of all stacks and values.
func (e *emitter) allocate(nTypes int) {
	nStacks, nValues := 0, 0
	for g := range e.groups {
		n, shared := len(e.groups[g].rows), false
		for _, count := range e.counts[g*nTypes : (g+1)*nTypes] {
			nValues += count
			if count == n {
				shared = true
			} else {
				nStacks += count
			}
		}
		if shared {
			nStacks += n
		}
	}
	e.stacks = make([]warehouse.StacktraceID, 0, nStacks)
	e.values = make([]int64, 0, nValues)
	e.bytes = sliceBytes(e.stacks) + sliceBytes(e.values)
}

// release lets go of what the series own now.
func (e *emitter) release() {
	e.stacks, e.values = nil, nil
	clear(e.groups)
	e.groups, e.counts, e.record = reuse(e.groups), reuse(e.counts), reuse(e.record)
}

// columns are the keys of a series' rows.
type columns struct {
	stacks []warehouse.StacktraceID
	spans  []warehouse.SpanID
	traces []warehouse.TraceID
}

// columns returns the keys of the rows of a group that have a value of type t.
// Where that is all of them, it fills or reuses shared.
func (e *emitter) columns(g, t, nTypes int, split *splitter, shared *columns) columns {
	rows, sums := e.groups[g].rows, e.groups[g].sums
	count := e.counts[g*nTypes+t]
	switch {
	case count == 0:
		return columns{}
	case count == len(rows) && shared.stacks != nil:
		return *shared
	}
	var c columns
	from := len(e.stacks)
	for i := range rows {
		if sums[i*nTypes+t] > 0 {
			e.stacks = append(e.stacks, rows[i].stack)
			c.addIDs(len(e.stacks)-1-from, count, rows[i].sample, split)
		}
	}
	c.stacks = e.stacks[from:len(e.stacks):len(e.stacks)]
	e.bytes += sliceBytes(c.spans) + sliceBytes(c.traces)
	if count == len(rows) {
		*shared = c
	}
	return c
}

// addIDs sets the span and trace of row i of n, if the sample has them.
func (c *columns) addIDs(i, n int, sample uint32, split *splitter) {
	if len(split.spans) > 0 && split.spans[sample] != 0 {
		if c.spans == nil {
			c.spans = make([]warehouse.SpanID, n)
		}
		c.spans[i] = split.spans[sample]
	}
	if len(split.traces) > 0 && split.traces[sample] != (warehouse.TraceID{}) {
		if c.traces == nil {
			c.traces = make([]warehouse.TraceID, n)
		}
		c.traces[i] = split.traces[sample]
	}
}

// column returns the positive values of type t in a group, and their sum, or
// false if that does not fit.
func (e *emitter) column(g, t, nTypes int) (values []int64, total int64, ok bool) {
	from := len(e.values)
	sums := e.groups[g].sums
	for i := t; i < len(sums); i += nTypes {
		if sums[i] <= 0 {
			continue
		}
		if total, ok = add(total, sums[i]); !ok {
			return nil, 0, false
		}
		e.values = append(e.values, sums[i])
	}
	if len(e.values) == from {
		return nil, 0, true
	}
	return e.values[from:len(e.values):len(e.values)], total, true
}

// labelBytes returns the memory of a label set.
func labelBytes(ls warehouse.Labels) int64 {
	n := sliceBytes(ls)
	for _, l := range ls {
		n += int64(len(l.Name) + len(l.Value))
	}
	return n
}
