// Package warehousetest makes random but valid profiles for tests, together with
// a plain list of what they hold.
//
// Profiles are encoded by github.com/google/pprof and listed from the generator's
// own data: what a test compares with the list has taken a way of its own.
// Everything is a function of the random source and the shape.
package warehousetest

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"time"

	pprof "github.com/google/pprof/profile"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/profile"
)

// Shape says what to generate. Zero means the default.
type Shape struct {
	Profiles  int           // 10
	Services  int           // 2
	Pods      int           // of each service: 2
	Functions int           // of each service: 60
	Stacks    int           // samples of a profile, at most: 30
	Depth     int           // locations of a stack, at most: 12
	Start     time.Time     // of the first profile: 2026-01-01 00:00 UTC
	Step      time.Duration // between profiles: 15 s

	// Plain leaves out what is rare: values that are not positive, repeated
	// stacks, locations without symbols, sample labels, spans and traces, empty
	// profiles and empty stacks.
	Plain bool
}

func (s Shape) withDefaults() Shape {
	s.Profiles = cmp.Or(s.Profiles, 10)
	s.Services = cmp.Or(s.Services, 2)
	s.Pods = cmp.Or(s.Pods, 2)
	s.Functions = cmp.Or(s.Functions, 60)
	s.Stacks = cmp.Or(s.Stacks, 30)
	s.Depth = cmp.Or(s.Depth, 12)
	s.Step = cmp.Or(s.Step, 15*time.Second)
	if s.Start.IsZero() {
		s.Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return s
}

// Generated is one profile as a client would send it, and what it holds.
type Generated struct {
	Raw        profile.Raw
	Service    string
	Time       warehouse.Micros
	DurationNs int64
	Period     int64
	Series     []Series
}

// Series is what one series gets of a profile. A profile without positive values
// has one series for each sample type, without rows.
type Series struct {
	Type   warehouse.ProfileType
	Labels warehouse.Labels // as stored: with service_name, without derived ones
	Total  int64
	Rows   []Row
}

// Row is one positive value of one sample. Rows of equal stacks are not merged.
type Row struct {
	Functions []string // names of the frames, leaf first
	Value     int64
	Span      warehouse.SpanID  // 0 if none
	Trace     warehouse.TraceID // zero if none
}

// Generate makes profiles of all kinds that Go programs send, in the order of
// their times, which all differ.
func Generate(rng *rand.Rand, shape Shape) []Generated {
	shape = shape.withDefaults()
	services := make([]*service, shape.Services)
	for i := range services {
		services[i] = newService(rng, i, shape)
	}
	out := make([]Generated, shape.Profiles)
	for i := range out {
		b := &builder{rng: rng, shape: shape, service: services[rng.IntN(len(services))], kind: kinds[rng.IntN(len(kinds))]}
		at := shape.Start.Add(time.Duration(i)*shape.Step + time.Duration(rng.Int64N(int64(shape.Step))))
		out[i] = b.build(at)
	}
	return out
}

// kind is what one kind of profile measures.
type kind struct {
	name   string
	types  []pprof.ValueType
	period pprof.ValueType
}

var kinds = []kind{
	{"process_cpu", []pprof.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}}, pprof.ValueType{Type: "cpu", Unit: "nanoseconds"}},
	{"memory", []pprof.ValueType{{Type: "alloc_objects", Unit: "count"}, {Type: "alloc_space", Unit: "bytes"}, {Type: "inuse_objects", Unit: "count"}, {Type: "inuse_space", Unit: "bytes"}}, pprof.ValueType{Type: "space", Unit: "bytes"}},
	{"goroutine", []pprof.ValueType{{Type: "goroutine", Unit: "count"}}, pprof.ValueType{Type: "goroutine", Unit: "count"}},
	{"mutex", []pprof.ValueType{{Type: "contentions", Unit: "count"}, {Type: "delay", Unit: "nanoseconds"}}, pprof.ValueType{Type: "contentions", Unit: "count"}},
	{"block", []pprof.ValueType{{Type: "contentions", Unit: "count"}, {Type: "delay", Unit: "nanoseconds"}}, pprof.ValueType{Type: "contentions", Unit: "count"}},
}

// service is a program: its symbols and places, shared by its profiles.
type service struct {
	name      string
	mapping   *pprof.Mapping
	functions []*pprof.Function
	locations []*pprof.Location
}

func newService(rng *rand.Rand, n int, shape Shape) *service {
	s := &service{name: fmt.Sprintf("service-%d", n)}
	s.mapping = &pprof.Mapping{
		ID: 1, Start: 0x400000, Limit: 0x900000, Offset: 0x1000,
		File: "/app/" + s.name, BuildID: fmt.Sprintf("build-%d", n), HasFunctions: true,
	}
	for i := range shape.Functions {
		name := fmt.Sprintf("%s/pkg%d.(*Type).Method%d", s.name, i%7, i)
		s.functions = append(s.functions, &pprof.Function{
			ID: uint64(i + 1), Name: name, SystemName: name,
			Filename: fmt.Sprintf("/src/%s/pkg%d/file.go", s.name, i%7), StartLine: int64(10 * i),
		})
	}
	for i := range 3 * shape.Functions {
		l := &pprof.Location{ID: uint64(i + 1), Mapping: s.mapping, Address: 0x400000 + uint64(i)*16}
		for range 1 + max(0, rng.IntN(8)-5) { // some have inlined calls
			f := s.functions[rng.IntN(len(s.functions))]
			l.Line = append(l.Line, pprof.Line{Function: f, Line: f.StartLine + 1 + rng.Int64N(5)})
		}
		if !shape.Plain && rng.IntN(20) == 0 {
			l.Line = nil
		}
		s.locations = append(s.locations, l)
	}
	return s
}

// functionsOf returns the names of a stack's frames, leaf first.
func (s *service) functionsOf(stack []*pprof.Location) []string {
	out := []string{}
	for _, l := range stack {
		for _, line := range l.Line {
			out = append(out, line.Function.Name)
		}
		if len(l.Line) == 0 {
			out = append(out, fmt.Sprintf("%s+0x%x", s.name, l.Address-s.mapping.Start+s.mapping.Offset))
		}
	}
	return out
}

// builder makes one profile.
type builder struct {
	rng     *rand.Rand
	shape   Shape
	service *service
	kind    kind
	series  map[string]*Series // by sample labels and type
	order   []string
}

func (b *builder) build(at time.Time) Generated {
	g := Generated{
		Service: b.service.name, Time: warehouse.MicrosOf(at),
		DurationNs: int64(b.shape.Step), Period: 1 + b.rng.Int64N(1_000_000),
	}
	labels := warehouse.LabelsOf(
		warehouse.LabelService, b.service.name,
		"namespace", "test",
		"pod", fmt.Sprintf("%s-%d", b.service.name, b.rng.IntN(b.shape.Pods)),
		"version", fmt.Sprintf("1.%d", b.rng.IntN(2)),
	)
	period := b.kind.period
	p := &pprof.Profile{
		TimeNanos: at.UnixNano(), DurationNanos: g.DurationNs, Period: g.Period, PeriodType: &period,
		Mapping: []*pprof.Mapping{b.service.mapping}, Function: b.service.functions, Location: b.service.locations,
	}
	for _, t := range b.kind.types { // copies: encoding writes to them
		p.SampleType = append(p.SampleType, &t)
	}
	b.series = map[string]*Series{}
	for range b.size() {
		p.Sample = append(p.Sample, b.sample(labels))
	}
	if len(b.order) == 0 {
		b.addSeries("", labels)
	}
	for _, key := range b.order {
		g.Series = append(g.Series, *b.series[key])
	}
	g.Raw = profile.Raw{Labels: sent(labels.With(warehouse.LabelName, b.kind.name), b.rng), Body: encode(p)}
	return g
}

func (b *builder) rare(oneIn int) bool { return !b.shape.Plain && b.rng.IntN(oneIn) == 0 }

func (b *builder) size() int {
	if b.rare(12) {
		return 0
	}
	return 1 + b.rng.IntN(b.shape.Stacks)
}

// sample makes a sample and lists its positive values.
func (b *builder) sample(base warehouse.Labels) *pprof.Sample {
	s := &pprof.Sample{Location: b.stack()}
	row := Row{Functions: b.service.functionsOf(s.Location)}
	labels := b.sampleLabels(s, base, &row)
	for range b.kind.types {
		s.Value = append(s.Value, b.value())
	}
	for t, v := range s.Value {
		if v <= 0 {
			continue
		}
		key := labels.String()
		b.addSeries(key, labels)
		series := b.series[fmt.Sprint(t, key)]
		row.Value = v
		series.Total += v
		series.Rows = append(series.Rows, row)
	}
	return s
}

func (b *builder) stack() []*pprof.Location {
	if b.rare(50) {
		return nil
	}
	// Mostly from a few places, so that stacks repeat and share their roots.
	n := 1 + b.rng.IntN(b.shape.Depth)
	start := b.rng.IntN(len(b.service.locations))
	if b.rare(3) {
		start, n = 0, 1+n%3
	}
	out := make([]*pprof.Location, n)
	for i := range out {
		out[i] = b.service.locations[(start*(n-i)+i)%len(b.service.locations)]
	}
	return out
}

func (b *builder) value() int64 {
	switch {
	case b.rare(8):
		return 0
	case b.rare(40):
		return -b.rng.Int64N(1000)
	}
	return 1 + b.rng.Int64N(1_000_000)
}

// sampleLabels gives a sample labels and returns those of its series.
func (b *builder) sampleLabels(s *pprof.Sample, base warehouse.Labels, row *Row) warehouse.Labels {
	s.Label, s.NumLabel = map[string][]string{}, map[string][]int64{}
	labels := base
	if b.rare(4) {
		v := []string{"/cart", "/pay"}[b.rng.IntN(2)]
		s.Label["endpoint"] = []string{v}
		labels = labels.With("endpoint", v)
	}
	if b.rare(8) {
		s.Label["namespace"] = []string{"a sample must not replace it"}
		s.Label["__type__"] = []string{"nor this"}
	}
	if b.rare(8) {
		s.NumLabel["bytes"] = []int64{b.rng.Int64N(1 << 20)}
	}
	if b.rare(6) {
		row.Span = warehouse.SpanID(1 + b.rng.Uint64N(3))
		s.Label["span_id"] = []string{fmt.Sprintf("%016x", uint64(row.Span))}
	}
	if b.rare(6) {
		row.Trace = warehouse.TraceID{0: 0xab, 15: byte(b.rng.IntN(3))}
		s.Label["trace_id"] = []string{fmt.Sprintf("%x", row.Trace)}
	}
	return labels
}

// addSeries adds one series of each sample type, if the labels are new.
func (b *builder) addSeries(key string, labels warehouse.Labels) {
	if b.series[fmt.Sprint(0, key)] != nil {
		return
	}
	for t, vt := range b.kind.types {
		k := fmt.Sprint(t, key)
		b.series[k] = &Series{Labels: labels, Type: warehouse.ProfileType{
			Name: b.kind.name, SampleType: vt.Type, SampleUnit: vt.Unit,
			PeriodType: b.kind.period.Type, PeriodUnit: b.kind.period.Unit,
		}}
		b.order = append(b.order, k)
	}
}

// sent returns labels in the order of a request: any.
func sent(ls warehouse.Labels, rng *rand.Rand) []warehouse.Label {
	out := []warehouse.Label(ls)
	rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// encode returns the gzip of a profile that is valid by construction.
func encode(p *pprof.Profile) []byte {
	var out bytes.Buffer
	if err := p.Write(&out); err != nil {
		panic(warehouse.Bug("encode generated profile: %v", err))
	}
	return out.Bytes()
}
