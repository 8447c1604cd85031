package ingest

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

// section is one encoded table of a part.
type section struct {
	table   warehouse.Table
	rows    int64
	parquet []byte
}

// encodedPart is a part with its sections, not yet placed in a segment.
type encodedPart struct {
	part     warehouse.Part
	sections []section
}

// encodePart encodes the datasets of one tenant and hour.
func encodePart(shard uint32, p *partBatch) (encodedPart, error) {
	e := encodedPart{part: warehouse.Part{
		Shard: shard, Format: block.FormatVersion, Tenant: p.tenant, Hour: p.hour, Range: warehouse.EmptyRange,
	}}
	for _, d := range p.datasets {
		stats := d.stats()
		for _, t := range stats.Types {
			e.part.Range = e.part.Range.Union(t.Range)
		}
		e.part.Datasets = append(e.part.Datasets, stats)
	}
	rows := newRowSet(p.datasets)
	for _, t := range []struct {
		table  warehouse.Table
		record func() arrow.RecordBatch
	}{
		{warehouse.TableSamples, rows.samples},
		{warehouse.TableProfiles, rows.profiles},
		{warehouse.TableSeries, func() arrow.RecordBatch { return seriesRecord(p.datasets) }},
		{warehouse.TableStacktraces, func() arrow.RecordBatch { return stacktracesRecord(p.datasets) }},
	} {
		if err := e.encode(t.table, t.record()); err != nil {
			return encodedPart{}, err
		}
	}
	return e, nil
}

// encode appends the record as a section; a record without rows leaves none.
func (e *encodedPart) encode(t warehouse.Table, rec arrow.RecordBatch) error {
	defer rec.Release()
	if rec.NumRows() == 0 {
		return nil
	}
	parquet, err := block.AppendLoose(nil, t, rec)
	if err != nil {
		return err
	}
	e.sections = append(e.sections, section{t, rec.NumRows(), parquet})
	return nil
}

// rowSet is the rows of a part in stored order, as references into flights: one
// entry for each profile and series, since its rows share all but the stack.
type rowSet struct {
	dicts   block.Dicts
	entries []rowEntry
}

type rowEntry struct {
	flight  *flight
	series  int   // index in flight.prepared.Series
	service int32 // index in dicts.Services
	typ     int32 // index in dicts.Types
}

func newRowSet(datasets []*dataset) *rowSet {
	r := &rowSet{}
	types := map[string]int32{}
	for _, d := range datasets {
		for _, f := range d.flights {
			for i := range f.prepared.Series {
				types[f.prepared.Series[i].Type.String()] = 0
			}
		}
	}
	r.dicts.Types = slices.Sorted(maps.Keys(types))
	for i, t := range r.dicts.Types {
		types[t] = int32(i)
	}
	for i, d := range datasets {
		r.dicts.Services = append(r.dicts.Services, d.key.Service)
		for _, f := range d.flights {
			for j := range f.prepared.Series {
				r.entries = append(r.entries, rowEntry{f, j, int32(i), types[f.prepared.Series[j].Type.String()]})
			}
		}
	}
	slices.SortFunc(r.entries, compareRows)
	return r
}

// compareRows is the stored order down to the profile; stacks are sorted within.
func compareRows(a, b rowEntry) int {
	sa, sb := &a.flight.prepared.Series[a.series], &b.flight.prepared.Series[b.series]
	return cmp.Or(
		cmp.Compare(a.service, b.service),
		cmp.Compare(a.typ, b.typ),
		cmp.Compare(sa.ID, sb.ID),
		cmp.Compare(a.flight.prepared.Time, b.flight.prepared.Time),
		bytes.Compare(a.flight.key.ID[:], b.flight.key.ID[:]),
	)
}

func (r *rowSet) samples() arrow.RecordBatch {
	n, spans, traces := 0, false, false
	for _, e := range r.entries {
		s := &e.flight.prepared.Series[e.series]
		n += len(s.Stacks)
		spans = spans || s.Spans != nil
		traces = traces || s.Traces != nil
	}
	runs := make([]block.Run, 0, len(r.entries))
	stacks := make([]warehouse.StacktraceID, 0, n)
	values := make([]int64, 0, n)
	var spanIDs []warehouse.SpanID
	var traceIDs []warehouse.TraceID
	if spans {
		spanIDs = make([]warehouse.SpanID, n)
	}
	if traces {
		traceIDs = make([]warehouse.TraceID, n)
	}
	for _, e := range r.entries {
		s := &e.flight.prepared.Series[e.series]
		if s.Spans != nil {
			copy(spanIDs[len(stacks):], s.Spans)
		}
		if s.Traces != nil {
			copy(traceIDs[len(stacks):], s.Traces)
		}
		stacks = append(stacks, s.Stacks...)
		values = append(values, s.Values...)
		runs = append(runs, block.Run{
			Service: e.service, Type: e.typ, Series: s.ID,
			Time: e.flight.prepared.Time, Profile: e.flight.key.ID, N: len(s.Stacks),
		})
	}
	return block.SamplesRecord(r.dicts, runs, stacks, values, spanIDs, traceIDs)
}

func (r *rowSet) profiles() arrow.RecordBatch {
	rows := make([]block.ProfileRow, len(r.entries))
	for i, e := range r.entries {
		p, s := e.flight.prepared, &e.flight.prepared.Series[e.series]
		rows[i] = block.ProfileRow{
			Time: p.Time, Service: r.dicts.Services[e.service], Type: r.dicts.Types[e.typ],
			Series: s.ID, ID: e.flight.key.ID, DurationNs: p.DurationNs, Period: p.Period,
			Value: s.Total, Samples: int32(len(s.Stacks)), Received: p.Received, Flags: p.Flags,
		}
	}
	return block.ProfilesRecord(rows)
}

func seriesRecord(datasets []*dataset) arrow.RecordBatch {
	var all []warehouse.Series
	for _, d := range datasets {
		for _, s := range d.series {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b warehouse.Series) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), strings.Compare(a.Service(), b.Service()))
	})
	return block.SeriesRecord(all)
}

// stacktracesRecord holds one row an id, though several datasets may define it.
func stacktracesRecord(datasets []*dataset) arrow.RecordBatch {
	byID := map[warehouse.StacktraceID]warehouse.Stacktrace{}
	for _, d := range datasets {
		maps.Copy(byID, d.stacks)
	}
	all := slices.SortedFunc(maps.Values(byID), func(a, b warehouse.Stacktrace) int { return cmp.Compare(a.ID, b.ID) })
	return block.StacktracesRecord(all)
}
