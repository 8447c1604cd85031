package profile

import (
	"cmp"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Sample labels with a meaning of their own. Older clients call the span's id
// profile_id.
const (
	sampleProfileID = "profile_id"
	sampleSpanID    = "span_id"
	sampleTraceID   = "trace_id"
)

// splitter sorts the samples of one profile into groups, one for each distinct
// set of sample labels, and reads their span and trace ids.
//
// String labels of a sample become labels of its series. They never replace a
// label of the profile, its service name or a name that begins with "__": those
// are left out. Of a repeated name the smallest value counts. Values over the
// limit are cut.
type splitter struct {
	base   warehouse.Labels   // of the profile
	groups []warehouse.Labels // of each group
	cut    bool               // a value was cut

	// Ids by sample; empty until the first sample that has one.
	spans  []warehouse.SpanID
	traces []warehouse.TraceID

	index map[string]uint32 // canonical form of the sample labels → group
	set   []warehouse.Label // scratch: the current sample's labels
	key   []byte            // scratch: their canonical form

	// The sample before, whose labels are often the same.
	lastLabels []SampleLabel
	lastGroup  uint32
	lastSpan   warehouse.SpanID
	lastTrace  warehouse.TraceID
}

// begin starts with a profile of these labels.
func (s *splitter) begin(base warehouse.Labels) {
	s.base = base
	if s.index == nil {
		s.index = make(map[string]uint32)
	}
}

func (s *splitter) release() {
	clear(s.groups)
	clear(s.set[:cap(s.set)])
	s.groups, s.set, s.key = reuse(s.groups), reuse(s.set), reuse(s.key)
	s.spans, s.traces = reuse(s.spans), reuse(s.traces)
	s.base, s.lastLabels, s.cut = nil, nil, false
	if len(s.index) > maxKeptIDs {
		s.index = nil
	}
	clear(s.index)
}

// group returns the group of sample i. The labels of a new group are copies.
func (s *splitter) group(p *Profile, i int, lim *Limits) (uint32, error) {
	sample := &p.Samples[i]
	labels := p.SampleLabels[sample.FirstLabel:sample.LabelsEnd]
	if len(s.groups) == 0 || !slices.Equal(labels, s.lastLabels) {
		s.read(p, labels, lim)
		g, err := s.groupOfSet(lim)
		if err != nil {
			return 0, err
		}
		s.lastLabels, s.lastGroup = labels, g
	}
	s.setIDs(i, len(p.Samples))
	return s.lastGroup, nil
}

// read fills set with the labels that tell series apart, sorted, and the last ids.
func (s *splitter) read(p *Profile, labels []SampleLabel, lim *Limits) {
	s.set, s.lastSpan, s.lastTrace = s.set[:0], 0, warehouse.TraceID{}
	for _, l := range labels {
		name, value := p.Text(l.Key), p.Text(l.Value)
		switch {
		case name == sampleSpanID, name == sampleProfileID:
			if s.lastSpan == 0 {
				s.lastSpan = parseSpanID(value)
			}
		case name == sampleTraceID:
			if s.lastTrace == (warehouse.TraceID{}) {
				s.lastTrace = parseTraceID(value)
			}
		case name == "", value == "", name == warehouse.LabelService, strings.HasPrefix(name, "__"), s.base.Has(name):
		default:
			if len(value) > lim.MaxLabelValue {
				value, s.cut = cutText(value, lim.MaxLabelValue), true
			}
			s.set = append(s.set, warehouse.Label{Name: name, Value: value})
		}
	}
	if len(s.set) < 2 {
		return
	}
	slices.SortFunc(s.set, func(a, b warehouse.Label) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Value, b.Value))
	})
	s.set = slices.CompactFunc(s.set, func(a, b warehouse.Label) bool { return a.Name == b.Name })
}

func (s *splitter) groupOfSet(lim *Limits) (uint32, error) {
	s.key = appendLabels(s.key[:0], s.set)
	if g, ok := s.index[string(s.key)]; ok {
		return g, nil
	}
	labels := s.base
	if len(s.set) > 0 {
		labels = make(warehouse.Labels, 0, len(s.base)+len(s.set))
		labels = append(labels, s.base...)
		for _, l := range s.set {
			if len(l.Name) > lim.MaxLabelName {
				return 0, checkLabel(l, lim)
			}
			labels = append(labels, warehouse.Label{Name: strings.Clone(l.Name), Value: strings.Clone(l.Value)})
		}
		slices.SortFunc(labels, func(a, b warehouse.Label) int { return strings.Compare(a.Name, b.Name) })
	}
	if err := checkLabelCount(len(labels), lim); err != nil {
		return 0, err
	}
	g := uint32(len(s.groups))
	s.groups = append(s.groups, labels)
	s.index[string(s.key)] = g
	return g, nil
}

// setIDs notes the last ids for sample i of n.
func (s *splitter) setIDs(i, n int) {
	if s.lastSpan != 0 && len(s.spans) == 0 {
		s.spans = slices.Grow(s.spans, n)[:n]
		clear(s.spans)
	}
	if s.lastTrace != (warehouse.TraceID{}) && len(s.traces) == 0 {
		s.traces = slices.Grow(s.traces, n)[:n]
		clear(s.traces)
	}
	if len(s.spans) > 0 {
		s.spans[i] = s.lastSpan
	}
	if len(s.traces) > 0 {
		s.traces[i] = s.lastTrace
	}
}

// parseSpanID reads 16 hexadecimal digits; anything else is no span.
func parseSpanID(s string) warehouse.SpanID {
	if len(s) != 16 {
		return 0
	}
	v, err := strconv.ParseUint(s, 16, 64)
	if err != nil {
		return 0
	}
	return warehouse.SpanID(v)
}

// parseTraceID reads 32 hexadecimal digits; anything else is no trace.
func parseTraceID(s string) warehouse.TraceID {
	var id warehouse.TraceID
	if len(s) != 2*len(id) {
		return warehouse.TraceID{}
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return warehouse.TraceID{}
	}
	return id
}

// cutText returns the longest beginning of s that has at most n bytes and ends
// with a whole character.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
