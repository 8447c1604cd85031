package query

import "github.com/stackhouse-db/stackhouse/warehouse"

// Selection says which samples a query is about. All conditions hold together.
type Selection struct {
	Tenant   warehouse.Tenant
	Type     warehouse.ProfileType
	Matchers []warehouse.Matcher
	Range    warehouse.TimeRange // of the profiles' start; both ends included

	// CallSite restricts to stacktraces that begin, from the root, with these
	// functions.
	CallSite []string

	// The sets below restrict to samples with one of the ids. An empty set does
	// not restrict.
	ProfileIDs []warehouse.ProfileID
	Spans      []warehouse.SpanID
	Traces     []warehouse.TraceID
}

// restrictsSamples reports whether the selection asks about single samples, not
// whole series.
func (s *Selection) restrictsSamples() bool {
	return len(s.ProfileIDs)+len(s.Spans)+len(s.Traces) > 0
}

// filter is a set of matchers in two halves: what a dataset's service and type
// decide, and what only a series' labels do.
type filter struct {
	dataset []warehouse.Matcher
	series  []warehouse.Matcher
}

func newFilter(ms []warehouse.Matcher) filter {
	var f filter
	for _, m := range ms {
		if m.Name == warehouse.LabelService || warehouse.IsDerivedLabel(m.Name) {
			f.dataset = append(f.dataset, m)
		} else {
			f.series = append(f.series, m)
		}
	}
	return f
}

// acceptsDataset reports whether series of the service and type may match.
func (f filter) acceptsDataset(service string, typ warehouse.ProfileType) bool {
	for i := range f.dataset {
		m := &f.dataset[i]
		value := service
		if m.Name != warehouse.LabelService {
			value = typ.DerivedValue(m.Name)
		}
		if !m.Matches(value) {
			return false
		}
	}
	return true
}
