package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	pushv1 "github.com/grafana/pyroscope/api/gen/proto/go/push/v1"
	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/profile"
)

// push stores the profiles of a request. Every profile is tried; those that can
// be stored are, also if the answer is an error, which then says so.
//
// The error's code is that of the failure most worth a retry, so that no client
// drops a profile that was only turned away. The retry is harmless: what was
// stored the first time is recognised by its id and not stored again.
func (s *Server) push(ctx context.Context, t warehouse.Tenant, req *pushv1.PushRequest) (*pushv1.PushResponse, error) {
	b := batchOf(req)
	if len(b.raws) == 0 {
		return nil, warehouse.Errorf(warehouse.Invalid, "no profiles received")
	}
	results := s.pusher.Push(ctx, t, b.raws)
	if len(results) != len(b.raws) {
		return nil, warehouse.Bug("push %d profiles: %d results", len(b.raws), len(results))
	}
	s.pushed(exchangeOf(ctx).Header(), results)
	if err := b.failure(results); err != nil {
		return nil, err
	}
	return &pushv1.PushResponse{}, nil
}

// flagsHeader names what was changed on the way in, and in how many profiles:
// "depth-cut=1, values-dropped=12".
const flagsHeader = "X-Stackhouse-Flags"

// pushed counts results and names in the header what was cut.
func (s *Server) pushed(h http.Header, results []warehouse.PushResult) {
	cut := map[string]int{}
	var stored int
	for _, r := range results {
		if r.Err != nil {
			continue
		}
		stored++
		for _, name := range r.Flags.Names() {
			cut[name]++
		}
	}
	s.metrics.profiles.WithLabelValues("stored").Add(float64(stored))
	s.metrics.profiles.WithLabelValues("refused").Add(float64(len(results) - stored))
	var parts []string
	for _, name := range sortedKeys(cut) {
		parts = append(parts, fmt.Sprintf("%s=%d", name, cut[name]))
	}
	if len(parts) > 0 {
		h.Set(flagsHeader, strings.Join(parts, ", "))
	}
}

// batch is a push request as profiles, each of which remembers its series.
type batch struct {
	raws   []profile.Raw
	series []int // index of each profile's series in the request
}

func batchOf(req *pushv1.PushRequest) batch {
	var b batch
	for i, series := range req.GetSeries() {
		labels := labelsOf(series.GetLabels())
		for _, sample := range series.GetSamples() {
			b.raws = append(b.raws, profile.Raw{
				Labels: labels,
				ID:     sample.GetID(),
				Body:   sample.GetRawProfile(),
			})
			b.series = append(b.series, i)
		}
	}
	return b
}

func labelsOf(pairs []*typesv1.LabelPair) []warehouse.Label {
	out := make([]warehouse.Label, len(pairs))
	for i, p := range pairs {
		out[i] = warehouse.Label{Name: p.GetName(), Value: p.GetValue()}
	}
	return out
}

// Bounds of an error's text: gRPC carries it in a header.
const (
	maxFailuresNamed = 8
	maxFailureBytes  = 300
)

// failure returns nil if every result is good, else one error for all.
func (b batch) failure(results []warehouse.PushResult) error {
	var named []string
	var worst error
	var failed int
	for i, r := range results {
		if r.Err == nil {
			continue
		}
		failed++
		if worst == nil || strength(r.Err) > strength(worst) {
			worst = r.Err
		}
		if len(named) < maxFailuresNamed {
			named = append(named, b.describe(i, r.Err))
		}
	}
	if failed == 0 {
		return nil
	}
	text := strings.Join(named, "; ")
	if more := failed - len(named); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return warehouse.Errorf(warehouse.KindOf(worst), "stored %d of %d profiles: %s", len(results)-failed, len(results), text)
}

func (b batch) describe(i int, err error) string {
	id := b.raws[i].ID
	if id != "" {
		id = fmt.Sprintf(" and id %.64q", id)
	}
	return clip(fmt.Sprintf("push series with index %d%s failed: %v", b.series[i], id, err), maxFailureBytes)
}

// clip cuts s to at most n bytes, at the end of a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// byStrength orders kinds by how much a client should try again.
var byStrength = []warehouse.Kind{
	warehouse.Denied, warehouse.Exists, warehouse.NotFound, warehouse.OutOfRange, warehouse.Invalid, // never
	warehouse.Corrupt, warehouse.Internal, warehouse.Limit, // perhaps, later
	warehouse.Canceled, warehouse.Deadline, warehouse.Unavailable, // yes
}

func strength(err error) int { return slices.Index(byStrength, warehouse.KindOf(err)) }
