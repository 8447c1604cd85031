package sqltest

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/pprof/profile"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Start is second 0 of every script: the start of an hour.
var Start = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

// At returns the instant of a second of a script.
func At(second int64) time.Time { return Start.Add(time.Duration(second) * time.Second) }

// Profile is one profile of one type.
type Profile struct {
	Type    warehouse.ProfileType
	Labels  map[string]string // with service_name
	Second  int64             // its time, from Start
	Section int               // of the sections of profiles of its script, the one it stands in, from 0
	Samples []Sample
}

// Sample is one sample of a profile.
type Sample struct {
	Stack []string // names of functions, root first
	Span  string   // 16 hex digits, or none
	Trace string   // 32 hex digits, or none
	Value int64
}

// parseProfiles reads a section of profiles. A line of name=value sets the labels
// of what follows, with "service" for service_name and "type" for the profile
// type. A line "t=SECOND VALUE STACK [span=ID] [trace=ID]" is a sample; those of one
// second in a row are one profile.
func parseProfiles(text string) ([]Profile, error) {
	var out []Profile
	var labels map[string]string
	var typ warehouse.ProfileType
	open := false // the next sample may belong to the last profile
	for n, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || words[0][0] == '#' {
			continue
		}
		var err error
		if strings.HasPrefix(words[0], "t=") {
			if out, err = addSample(out, open, typ, labels, words); err == nil {
				open = true
			}
		} else {
			typ, labels, err = parseLabels(words)
			open = false
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	return out, nil
}

func parseLabels(words []string) (typ warehouse.ProfileType, labels map[string]string, err error) {
	labels = map[string]string{}
	for _, w := range words {
		name, value, ok := strings.Cut(w, "=")
		switch {
		case !ok:
			return typ, nil, fmt.Errorf("%q is no name=value", w)
		case name == "type":
			if typ, err = warehouse.ParseProfileType(value); err != nil {
				return typ, nil, err
			}
		case name == "service":
			labels[warehouse.LabelService] = value
		default:
			labels[name] = value
		}
	}
	if labels[warehouse.LabelService] == "" || typ == (warehouse.ProfileType{}) {
		return typ, nil, fmt.Errorf("service= and type= are needed")
	}
	return typ, labels, nil
}

func addSample(out []Profile, open bool, typ warehouse.ProfileType, labels map[string]string, words []string) ([]Profile, error) {
	if labels == nil {
		return nil, fmt.Errorf("a sample before the first labels")
	}
	if len(words) < 3 {
		return nil, fmt.Errorf("want t=SECOND VALUE STACK [span=ID] [trace=ID]")
	}
	second, err := strconv.ParseInt(words[0][2:], 10, 64)
	if err != nil {
		return nil, err
	}
	s := Sample{Stack: strings.Split(words[2], ";")}
	if s.Value, err = strconv.ParseInt(words[1], 10, 64); err != nil {
		return nil, err
	}
	for _, w := range words[3:] {
		switch name, id, _ := strings.Cut(w, "="); name {
		case "span":
			s.Span = id
		case "trace":
			s.Trace = id
		default:
			return nil, fmt.Errorf("%q is no span=ID nor trace=ID", w)
		}
	}
	if n := len(out) - 1; open && out[n].Second == second {
		out[n].Samples = append(out[n].Samples, s)
		return out, nil
	}
	return append(out, Profile{Type: typ, Labels: labels, Second: second, Samples: []Sample{s}}), nil
}

// Pprof returns the profile as a client would push it. Each function has its name
// as system name, the file "NAME.go" and line 1.
func (p *Profile) Pprof() ([]byte, error) {
	period := &profile.ValueType{Type: p.Type.PeriodType, Unit: p.Type.PeriodUnit}
	out := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: p.Type.SampleType, Unit: p.Type.SampleUnit}},
		PeriodType: period, Period: 1, TimeNanos: At(p.Second).UnixNano(), DurationNanos: 10e9,
	}
	locations := map[string]*profile.Location{}
	for _, s := range p.Samples {
		sample := &profile.Sample{Value: []int64{s.Value}}
		sample.Label = map[string][]string{}
		if s.Span != "" {
			sample.Label["span_id"] = []string{s.Span}
		}
		if s.Trace != "" {
			sample.Label["trace_id"] = []string{s.Trace}
		}
		for i := len(s.Stack) - 1; i >= 0; i-- {
			name := s.Stack[i]
			loc := locations[name]
			if loc == nil {
				fn := &profile.Function{ID: uint64(len(out.Function) + 1), Name: name, SystemName: name, Filename: name + ".go"}
				loc = &profile.Location{ID: fn.ID, Line: []profile.Line{{Function: fn, Line: 1}}}
				out.Function, out.Location = append(out.Function, fn), append(out.Location, loc)
				locations[name] = loc
			}
			sample.Location = append(sample.Location, loc)
		}
		out.Sample = append(out.Sample, sample)
	}
	var body bytes.Buffer
	err := out.Write(&body)
	return body.Bytes(), err
}
