package main

import (
	"net/http"
	"path/filepath"
	"testing"

	"connectrpc.com/connect"
	pushv1 "github.com/grafana/pyroscope/api/gen/proto/go/push/v1"
	"github.com/grafana/pyroscope/api/gen/proto/go/push/v1/pushv1connect"
	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"
	"github.com/stretchr/testify/require"
)

// pushBodies sends the bodies in one request.
func (s *inProcess) pushBodies(t *testing.T, service string, bodies ...[]byte) {
	t.Helper()
	series := &pushv1.RawProfileSeries{Labels: []*typesv1.LabelPair{
		{Name: "__name__", Value: "process_cpu"}, {Name: "service_name", Value: service},
	}}
	for _, body := range bodies {
		series.Samples = append(series.Samples, &pushv1.RawSample{RawProfile: body})
	}
	client := pushv1connect.NewPusherServiceClient(http.DefaultClient, s.url)
	_, err := client.Push(t.Context(), connect.NewRequest(&pushv1.PushRequest{Series: []*pushv1.RawProfileSeries{series}}))
	require.NoError(t, err)
}

// TestRetriesOverRestart: what counts as the same profile, before and after a
// restart. Bodies carry their time, which is the same for those made together.
func TestRetriesOverRestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	same, other := cpuProfile(t, 5), cpuProfile(t, 7)
	pushAll := func(s *inProcess) {
		s.pushBodies(t, "retried", same)
		s.pushBodies(t, "retried", same)        // a retry of the request
		s.pushBodies(t, "retried", other)       // equal labels, other content
		s.pushBodies(t, "paired", same, same)   // two of one request are two profiles
		s.pushBodies(t, "paired", same, same)   // and a retry repeats both
		s.pushBodies(t, "mixed", same)          // a part of a larger request
		s.pushBodies(t, "mixed", same, other)   // counts once with it
		s.pushBodies(t, "relabelled", same)     // another series is another profile
		s.pushBodies(t, "relabelled-too", same) // although its bytes are equal
	}
	check := func(s *inProcess) {
		for service, want := range map[string]int64{"retried": 12, "paired": 10, "mixed": 12, "relabelled": 5, "relabelled-too": 5} {
			require.Equal(t, want, s.total(t, service), service)
		}
	}
	for range 2 {
		s := serveInProcess(t, dir, "--no-self-profiling")
		pushAll(s)
		check(s)
		require.Zero(t, s.stop(), s.stderr.String())
		http.DefaultClient.CloseIdleConnections()
	}
}
