package api

import (
	pprofile "github.com/google/pprof/profile"
	googlev1 "github.com/grafana/pyroscope/api/gen/proto/go/google/v1"
)

// pprofMessage returns the wire form of p.
func pprofMessage(p *pprofile.Profile) *googlev1.Profile {
	e := pprofEncoder{index: map[string]int64{"": 0}}
	e.out.StringTable = append(e.out.StringTable, "")
	e.header(p)
	e.mappings(p.Mapping)
	e.functions(p.Function)
	e.locations(p.Location)
	e.samples(p.Sample)
	return &e.out
}

// pprofEncoder interns the strings of a profile. Rows of one kind share one
// allocation.
type pprofEncoder struct {
	out   googlev1.Profile
	index map[string]int64
}

func (e *pprofEncoder) str(s string) int64 {
	i, ok := e.index[s]
	if !ok {
		i = int64(len(e.out.StringTable))
		e.index[s] = i
		e.out.StringTable = append(e.out.StringTable, s)
	}
	return i
}

func (e *pprofEncoder) valueType(v *pprofile.ValueType) *googlev1.ValueType {
	if v == nil {
		return nil
	}
	return &googlev1.ValueType{Type: e.str(v.Type), Unit: e.str(v.Unit)}
}

func (e *pprofEncoder) header(p *pprofile.Profile) {
	for _, v := range p.SampleType {
		e.out.SampleType = append(e.out.SampleType, e.valueType(v))
	}
	e.out.DefaultSampleType = e.str(p.DefaultSampleType)
	e.out.DropFrames, e.out.KeepFrames = e.str(p.DropFrames), e.str(p.KeepFrames)
	e.out.TimeNanos, e.out.DurationNanos = p.TimeNanos, p.DurationNanos
	e.out.PeriodType, e.out.Period = e.valueType(p.PeriodType), p.Period
	for _, c := range p.Comments {
		e.out.Comment = append(e.out.Comment, e.str(c))
	}
}

func (e *pprofEncoder) mappings(ms []*pprofile.Mapping) {
	rows := make([]googlev1.Mapping, len(ms))
	e.out.Mapping = make([]*googlev1.Mapping, len(ms))
	for i, m := range ms {
		r := &rows[i]
		r.Id, r.MemoryStart, r.MemoryLimit, r.FileOffset = m.ID, m.Start, m.Limit, m.Offset
		r.Filename, r.BuildId = e.str(m.File), e.str(m.BuildID)
		r.HasFunctions, r.HasFilenames = m.HasFunctions, m.HasFilenames
		r.HasLineNumbers, r.HasInlineFrames = m.HasLineNumbers, m.HasInlineFrames
		e.out.Mapping[i] = r
	}
}

func (e *pprofEncoder) functions(fs []*pprofile.Function) {
	rows := make([]googlev1.Function, len(fs))
	e.out.Function = make([]*googlev1.Function, len(fs))
	for i, f := range fs {
		r := &rows[i]
		r.Id, r.Name, r.SystemName = f.ID, e.str(f.Name), e.str(f.SystemName)
		r.Filename, r.StartLine = e.str(f.Filename), f.StartLine
		e.out.Function[i] = r
	}
}

func (e *pprofEncoder) locations(ls []*pprofile.Location) {
	rows := make([]googlev1.Location, len(ls))
	e.out.Location = make([]*googlev1.Location, len(ls))
	var n int
	for _, l := range ls {
		n += len(l.Line)
	}
	lines, refs := make([]googlev1.Line, n), make([]*googlev1.Line, n)
	for i, l := range ls {
		r := &rows[i]
		r.Id, r.Address, r.IsFolded = l.ID, l.Address, l.IsFolded
		if l.Mapping != nil {
			r.MappingId = l.Mapping.ID
		}
		for j, ln := range l.Line {
			lines[j].Line = ln.Line
			if ln.Function != nil {
				lines[j].FunctionId = ln.Function.ID
			}
			refs[j] = &lines[j]
		}
		k := len(l.Line)
		r.Line, lines, refs = refs[:k:k], lines[k:], refs[k:]
		e.out.Location[i] = r
	}
}

func (e *pprofEncoder) samples(ss []*pprofile.Sample) {
	rows := make([]googlev1.Sample, len(ss))
	e.out.Sample = make([]*googlev1.Sample, len(ss))
	var n int
	for _, s := range ss {
		n += len(s.Location)
	}
	ids := make([]uint64, n)
	for i, s := range ss {
		r := &rows[i]
		r.Value = s.Value
		for j, l := range s.Location {
			ids[j] = l.ID
		}
		k := len(s.Location)
		r.LocationId, ids = ids[:k:k], ids[k:]
		if len(s.Label)+len(s.NumLabel) > 0 {
			e.labels(r, s)
		}
		e.out.Sample[i] = r
	}
}

func (e *pprofEncoder) labels(r *googlev1.Sample, s *pprofile.Sample) {
	for _, key := range sortedKeys(s.Label) {
		for _, v := range s.Label[key] {
			r.Label = append(r.Label, &googlev1.Label{Key: e.str(key), Str: e.str(v)})
		}
	}
	for _, key := range sortedKeys(s.NumLabel) {
		units := s.NumUnit[key]
		for i, v := range s.NumLabel[key] {
			l := &googlev1.Label{Key: e.str(key), Num: v}
			if i < len(units) {
				l.NumUnit = e.str(units[i])
			}
			r.Label = append(r.Label, l)
		}
	}
}
