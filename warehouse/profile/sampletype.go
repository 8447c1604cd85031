package profile

import (
	"strings"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// deltaPrefix begins the __name__ of profiles scraped from godeltaprof's
// endpoints. They measure what those without it measure.
const deltaPrefix = "godeltaprof_"

// profileName returns the first part of the profile's types: what the client
// sent as __name__, or for /ingest what its sample types tell.
func profileName(labels warehouse.Labels, types map[string]SampleTypeConfig, p *Profile) (string, error) {
	if name := labels.Value(warehouse.LabelName); name != "" {
		return strings.TrimPrefix(name, deltaPrefix), nil
	}
	if types == nil {
		return "", refuse(warehouse.ReasonMissingLabels, "read labels: label %s is missing", warehouse.LabelName)
	}
	names := make([]string, len(p.SampleTypes))
	for i, t := range p.SampleTypes {
		names[i] = p.Text(t.Type)
	}
	return nameOfTypes(names, types), nil
}

// nameOfTypes finds the name for a profile of /ingest. A sample type "wall"
// decides. Otherwise the first sample type whose display name is known does. The
// rest are named by the display name of their last sample type.
func nameOfTypes(types []string, config map[string]SampleTypeConfig) string {
	for _, t := range types {
		if t == "wall" {
			return t
		}
	}
	var display string
	for _, t := range types {
		display = t
		if c := config[t]; c.DisplayName != "" {
			display = c.DisplayName
		}
		if name := nameOfDisplay(display); name != "" {
			return name
		}
	}
	return display
}

// displayNames says what a part of a display name tells, in order.
var displayNames = []struct{ part, name string }{
	{"cpu", "process_cpu"},
	{"alloc_", "memory"},
	{"inuse_", "memory"},
	{"mutex_", "mutex"},
	{"block_", "block"},
	{"goroutines", "goroutines"},
}

func nameOfDisplay(display string) string {
	if display == "space" || display == "objects" {
		return "memory"
	}
	for _, d := range displayNames {
		if strings.Contains(display, d.part) {
			return d.name
		}
	}
	return ""
}

// namedType is a profile type with its text form.
type namedType struct {
	warehouse.ProfileType
	text string
}

// maxKeptTypes bounds how many profile types a Preparer remembers.
const maxKeptTypes = 1024

// typeNames remembers profile types, so that profiles of a known type share their
// strings and none of them aliases a body.
type typeNames map[string]namedType

// of returns the profile type of a sample type of p.
func (n typeNames) of(name string, p *Profile, t ValueType, scratch []byte, lim *Limits) (namedType, []byte, error) {
	parts := [...]string{name, p.Text(t.Type), p.Text(t.Unit), p.Text(p.PeriodType.Type), p.Text(p.PeriodType.Unit)}
	scratch = scratch[:0]
	for i, s := range parts {
		if i > 0 {
			scratch = append(scratch, ':')
		}
		scratch = append(scratch, s...)
	}
	if known, ok := n[string(scratch)]; ok { // it has four colons, so no part has one
		return known, scratch, nil
	}
	switch {
	case parts[0] == "" || parts[1] == "":
		return namedType{}, scratch, malformed("name profile type %q: the name or the sample type is empty", scratch)
	case strings.Count(string(scratch), ":") != len(parts)-1:
		return namedType{}, scratch, malformed("name profile type %q: a part of it has a colon", scratch)
	case len(scratch) > lim.MaxLabelValue:
		return namedType{}, scratch, refuse(warehouse.ReasonLabelValueLong, "name profile type: it has %d bytes, the limit is %d", len(scratch), lim.MaxLabelValue)
	}
	typ, err := warehouse.ParseProfileType(string(scratch))
	if err != nil {
		return namedType{}, scratch, err
	}
	if len(n) >= maxKeptTypes {
		clear(n)
	}
	named := namedType{typ, typ.String()}
	n[named.text] = named
	return named, scratch, nil
}
