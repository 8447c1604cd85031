package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/pprof/profile"
)

const (
	step        = 15 * time.Second // how often a pod sends a profile of each kind
	stepsOfHour = int(time.Hour / step)
)

// scale says how much data a workload has.
type scale struct {
	name           string
	services, pods int // pods of each service
	steps          int
	bodies         int // different profiles of a service, kind and version
}

// scales are those of docs/benchmarks.md.
var scales = map[string]scale{
	"tiny":   {"tiny", 2, 2, 10, 2},
	"small":  {"small", 4, 4, 60, 24},
	"medium": {"medium", 8, 5, 240, 24},
}

// hours returns the scale with so many hours of data.
func (s scale) hours(n int) scale {
	s.steps = n * stepsOfHour
	return s
}

func (s scale) profiles() int { return s.services * s.pods * s.steps * len(kinds) }

// kind is what one kind of profile measures, how many stacktraces a service has of
// it, and the share of them that is in one profile.
type kind struct {
	name   string
	types  []profile.ValueType
	period profile.ValueType
	stacks int
	share  float64
}

var kinds = []kind{
	{"process_cpu", []profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}}, profile.ValueType{Type: "cpu", Unit: "nanoseconds"}, 3500, 0.45},
	{"memory", []profile.ValueType{{Type: "alloc_objects", Unit: "count"}, {Type: "alloc_space", Unit: "bytes"}, {Type: "inuse_objects", Unit: "count"}, {Type: "inuse_space", Unit: "bytes"}}, profile.ValueType{Type: "space", Unit: "bytes"}, 1200, 0.5},
	{"goroutine", []profile.ValueType{{Type: "goroutine", Unit: "count"}}, profile.ValueType{Type: "goroutine", Unit: "count"}, 300, 0.7},
	{"mutex", []profile.ValueType{{Type: "contentions", Unit: "count"}, {Type: "delay", Unit: "nanoseconds"}}, profile.ValueType{Type: "contentions", Unit: "count"}, 150, 0.5},
	{"block", []profile.ValueType{{Type: "contentions", Unit: "count"}, {Type: "delay", Unit: "nanoseconds"}}, profile.ValueType{Type: "contentions", Unit: "count"}, 150, 0.5},
}

const (
	cpuType   = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
	inuseType = "memory:inuse_space:bytes:space:bytes"
	cpuKind   = 0
	cpuValue  = 1 // of the kind's types

	functionsOfService = 2500
	versions           = 2
)

// workload is a pure function of its scale, seed and start. A profile is one of a
// few prepared bodies and a time: making it costs the program that measures nothing
// worth mentioning.
type workload struct {
	scale
	start  time.Time
	bodies [][]body // by service, kind and version: see bodyOf
}

// body is a profile without its time.
type body struct {
	gzipped []byte
	totals  []int64 // by sample type
	samples int     // rows of one type
}

func newWorkload(s scale, seed uint64, start time.Time) (*workload, error) {
	w := &workload{scale: s, start: start}
	for service := range s.services {
		rng := rand.New(rand.NewPCG(seed, uint64(service))) //nolint:gosec // a workload, not a secret
		g := newGraph(rng, service)
		for k := range kinds {
			pool := g.pool(kinds[k].stacks)
			for version := range versions {
				if version > 0 {
					for range len(pool) / 20 { // what a release changes
						pool[rng.IntN(len(pool))] = g.stack()
					}
				}
				bodies, err := g.makeBodies(&kinds[k], pool, s.bodies)
				if err != nil {
					return nil, err
				}
				w.bodies = append(w.bodies, bodies)
			}
		}
	}
	return w, nil
}

// graph is the call graph of a service, whose walks are stacktraces.
type graph struct {
	rng       *rand.Rand
	mapping   *profile.Mapping
	functions []*profile.Function
	locations []*profile.Location
	callees   [][]int
}

func newGraph(rng *rand.Rand, service int) *graph {
	g := &graph{rng: rng, mapping: &profile.Mapping{ID: 1, Start: 0x400000, Limit: 0x4000000, File: fmt.Sprintf("/usr/bin/service%d", service), HasFunctions: true}}
	for i := range functionsOfService {
		name := fmt.Sprintf("github.com/example/service%d/internal/package%d.(*Type%d).Method%d", service, i%40, i%300, i)
		f := &profile.Function{
			ID: uint64(i + 1), Name: name, SystemName: name, StartLine: int64(10 + i),
			Filename: fmt.Sprintf("/src/github.com/example/service%d/internal/package%d/file%d.go", service, i%40, i%6),
		}
		g.functions = append(g.functions, f)
		g.locations = append(g.locations, &profile.Location{
			ID: uint64(i + 1), Mapping: g.mapping, Address: uint64(0x400000 + 64*i),
			Line: []profile.Line{{Function: f, Line: f.StartLine + 7}},
		})
		var callees []int
		for range 1 + rng.IntN(1+rng.IntN(12)) {
			callees = append(callees, rng.IntN(functionsOfService))
		}
		g.callees = append(g.callees, callees)
	}
	return g
}

// stack walks from the root, mostly to the hot callee: stacktraces of 10 to 58
// locations that share long beginnings. It is leaf first.
func (g *graph) stack() []*profile.Location {
	depth := 10 + g.rng.IntN(49)
	out := make([]*profile.Location, depth)
	for i, at := depth-1, 0; i >= 0; i-- {
		out[i] = g.locations[at]
		pick := 0
		if g.rng.IntN(9) == 0 {
			pick = g.rng.IntN(len(g.callees[at]))
		}
		at = g.callees[at][pick]
	}
	return out
}

func (g *graph) pool(n int) [][]*profile.Location {
	out := make([][]*profile.Location, n)
	for i := range out {
		out[i] = g.stack()
	}
	return out
}

// makeBodies makes profiles whose stacktraces are drawn from the pool with a heavy
// tail: the first are in every profile, the last in few.
func (g *graph) makeBodies(k *kind, pool [][]*profile.Location, n int) ([]body, error) {
	out := make([]body, n)
	for i := range out {
		p := &profile.Profile{
			PeriodType: &k.period, Period: 10_000_000, DurationNanos: int64(step),
			Mapping: []*profile.Mapping{g.mapping}, Function: g.functions, Location: g.locations,
		}
		for t := range k.types {
			p.SampleType = append(p.SampleType, &k.types[t])
		}
		b := body{totals: make([]int64, len(k.types))}
		for place, stack := range pool {
			if place := float64(place) / float64(len(pool)); g.rng.Float64() > 2*k.share*(1-place) {
				continue
			}
			s := &profile.Sample{Location: stack}
			base := 1 + g.rng.Int64N(1+g.rng.Int64N(100))
			for t := range k.types {
				v := base
				if unit := k.types[t].Unit; unit == "nanoseconds" || unit == "bytes" {
					v = base * 10_000_000
				}
				s.Value = append(s.Value, v)
				b.totals[t] += v
			}
			p.Sample = append(p.Sample, s)
		}
		p = p.Compact() // adds equal stacktraces up
		b.samples = len(p.Sample)
		var plain bytes.Buffer
		if err := p.WriteUncompressed(&plain); err != nil {
			return nil, err
		}
		zipped, err := gzipped(plain.Bytes())
		if err != nil {
			return nil, err
		}
		b.gzipped = zipped
		out[i] = b
	}
	return out, nil
}

func gzipped(data []byte) ([]byte, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	err := w.Close()
	return b.Bytes(), err
}

// sent is one profile of the workload.
type sent struct {
	service, pod, version, kind int
	at                          time.Time
	body                        *body
}

// profile returns the n-th profile, 0 ≤ n < profiles(), in the order of time.
func (w *workload) profile(n int) sent {
	s := sent{kind: n % len(kinds)}
	n /= len(kinds)
	s.pod, n = n%w.pods, n/w.pods
	s.service, n = n%w.services, n/w.services
	perStep := w.services * w.pods
	offset := step * time.Duration(s.service*w.pods+s.pod) / time.Duration(perStep)
	s.at = w.start.Add(time.Duration(n)*step + offset + time.Duration(s.kind)*time.Millisecond)
	if span := min(w.steps, stepsOfHour); n%span*100 >= span*(60+5*s.pod) {
		s.version = 1 // rolls out pod by pod
	}
	bodies := w.bodies[(s.service*len(kinds)+s.kind)*versions+s.version]
	s.body = &bodies[(n*7+s.pod*5)%len(bodies)]
	return s
}

// at returns the same profiles at other times, which makes them other profiles.
func (w *workload) at(start time.Time) *workload {
	moved := *w
	moved.start = start
	return &moved
}

func (w *workload) end() time.Time { return w.start.Add(time.Duration(w.steps) * step) }

func serviceName(n int) string { return fmt.Sprintf("service-%d", n) }

// labels returns the profile's labels as name, value, name, value.
func (s *sent) labels() []string {
	return []string{
		"__name__", kinds[s.kind].name, "service_name", serviceName(s.service), "namespace", [...]string{"shop", "platform", "data"}[s.service%3],
		"pod", fmt.Sprintf("%s-%d", serviceName(s.service), s.pod), "region", [...]string{"eu-west-1", "us-east-1"}[s.pod%2], "version", fmt.Sprintf("v1.%d", s.version),
	}
}

// encode returns the profile as a client sends it. Its time is a gzip member of its
// own behind that of the body: protobuf messages that follow each other are one
// message, and so are the members of a gzip file.
func (s *sent) encode() ([]byte, error) {
	const timeField = 9 << 3 // time_nanos of google/pprof's profile.proto, a varint
	field := binary.AppendUvarint([]byte{timeField}, uint64(s.at.UnixNano()))
	member, err := gzipped(field)
	if err != nil {
		return nil, err
	}
	return append(append(make([]byte, 0, len(s.body.gzipped)+len(member)), s.body.gzipped...), member...), nil
}
