package api

import (
	"encoding/hex"
	"strings"

	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"

	"github.com/stackhouse-db/stackhouse/sql/query"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// fields are the parts of a request that select samples, in the request's own
// words. Every request that reads samples has a subset of them.
type fields struct {
	typeID     string
	selector   string
	start, end int64 // ms
	stacks     *typesv1.StackTraceSelector
	profileIDs []string
	spans      []string
	traces     []string
}

// selection reads f for a tenant. Errors are Invalid and name the field, except
// for what is not supported.
func (f fields) selection(t warehouse.Tenant) (query.Selection, error) {
	sel := query.Selection{Tenant: t}
	var err error
	if sel.Type, err = typeOf(f.typeID); err != nil {
		return sel, err
	}
	if sel.Matchers, err = matchersOf(f.selector); err != nil {
		return sel, err
	}
	if sel.Range, err = rangeOf(f.start, f.end); err != nil {
		return sel, err
	}
	if len(f.spans) > 0 && len(f.traces) > 0 {
		return sel, warehouse.Errorf(warehouse.Invalid, "span_selector and trace_id_selector must not both be set")
	}
	if sel.CallSite, err = callSiteOf(f.stacks); err != nil {
		return sel, err
	}
	if sel.ProfileIDs, err = profileIDsOf(f.profileIDs); err != nil {
		return sel, err
	}
	if sel.Spans, err = spansOf(f.spans); err != nil {
		return sel, err
	}
	sel.Traces, err = tracesOf(f.traces)
	return sel, err
}

// rangeOf reads the bounds of a request, in milliseconds.
func rangeOf(start, end int64) (warehouse.TimeRange, error) {
	switch {
	case start == 0 || end == 0:
		return warehouse.TimeRange{}, warehouse.Errorf(warehouse.Invalid,
			"missing time range: start and end must both be set, in milliseconds since 1970")
	case start > end:
		return warehouse.TimeRange{}, warehouse.Errorf(warehouse.Invalid, "start %d is after end %d", start, end)
	}
	return warehouse.MillisRange(start, end), nil
}

func typeOf(id string) (warehouse.ProfileType, error) {
	if id == "" {
		return warehouse.ProfileType{}, warehouse.Errorf(warehouse.Invalid, "missing profile_typeID")
	}
	p, err := warehouse.ParseProfileType(id)
	if err != nil {
		return p, warehouse.Errorf(warehouse.Invalid, "profile_typeID: %w", err)
	}
	return p, nil
}

func matchersOf(selector string) ([]warehouse.Matcher, error) {
	if selector == "" {
		return nil, warehouse.Errorf(warehouse.Invalid, "missing label_selector: {} selects every series")
	}
	ms, err := warehouse.ParseMatchers(selector)
	if err != nil {
		return nil, warehouse.Errorf(warehouse.Invalid, "label_selector: %w", err)
	}
	return ms, nil
}

// matcherSetsOf reads the field matchers of a label request: series that any of
// the selectors accepts. Grafana sends an empty one for "no restriction".
func matcherSetsOf(selectors []string) ([][]warehouse.Matcher, error) {
	var sets [][]warehouse.Matcher
	for i, text := range selectors {
		if strings.TrimSpace(text) == "" {
			text = "{}"
		}
		ms, err := warehouse.ParseMatchers(text)
		if err != nil {
			return nil, warehouse.Errorf(warehouse.Invalid, "matchers[%d]: %w", i, err)
		}
		sets = append(sets, ms)
	}
	return sets, nil
}

func callSiteOf(s *typesv1.StackTraceSelector) ([]string, error) {
	if s.GetGoPgo() != nil {
		return nil, unsupported("stack_trace_selector.go_pgo is")
	}
	var names []string
	for _, loc := range s.GetCallSite() {
		names = append(names, loc.GetName())
	}
	return names, nil
}

func profileIDsOf(texts []string) ([]warehouse.ProfileID, error) {
	var ids []warehouse.ProfileID
	for i, text := range texts {
		id, err := warehouse.ParseProfileID(text)
		if err != nil {
			return nil, warehouse.Errorf(warehouse.Invalid, "profile_id_selector[%d]: %w", i, err)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func spansOf(texts []string) ([]warehouse.SpanID, error) {
	var ids []warehouse.SpanID
	for i, text := range texts {
		var raw [8]byte
		if !decodeHex(raw[:], text) {
			return nil, warehouse.Errorf(warehouse.Invalid, "span_selector[%d]: %q is not 16 hex digits", i, text)
		}
		var id warehouse.SpanID
		for _, b := range raw {
			id = id<<8 | warehouse.SpanID(b)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func tracesOf(texts []string) ([]warehouse.TraceID, error) {
	var ids []warehouse.TraceID
	for i, text := range texts {
		var id warehouse.TraceID
		if !decodeHex(id[:], text) {
			return nil, warehouse.Errorf(warehouse.Invalid, "trace_id_selector[%d]: %q is not 32 hex digits", i, text)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// decodeHex fills dst from exactly as many digits as it takes.
func decodeHex(dst []byte, text string) bool {
	if len(text) != hex.EncodedLen(len(dst)) {
		return false
	}
	_, err := hex.Decode(dst, []byte(text))
	return err == nil
}

// maxNodesOf reads max_nodes; 0 and absent mean the default.
func maxNodesOf(n *int64) (int64, error) {
	switch {
	case n == nil || *n == 0:
		return DefaultMaxNodes, nil
	case *n < 0:
		return 0, warehouse.Errorf(warehouse.Invalid, "max_nodes %d is negative", *n)
	case *n > MaxMaxNodes:
		return 0, warehouse.Errorf(warehouse.Invalid, "max_nodes %d is above the limit of %d", *n, MaxMaxNodes)
	}
	return *n, nil
}

// pairs returns the wire form of labels.
func pairs(ls warehouse.Labels) []*typesv1.LabelPair {
	flat := make([]typesv1.LabelPair, len(ls))
	out := make([]*typesv1.LabelPair, len(ls))
	for i, l := range ls {
		flat[i].Name, flat[i].Value = l.Name, l.Value
		out[i] = &flat[i]
	}
	return out
}
