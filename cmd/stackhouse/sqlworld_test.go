package main

import (
	"bytes"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/pprof/profile"
	pushv1 "github.com/grafana/pyroscope/api/gen/proto/go/push/v1"
	"github.com/grafana/pyroscope/api/gen/proto/go/push/v1/pushv1connect"
	querierv1 "github.com/grafana/pyroscope/api/gen/proto/go/querier/v1"
	"github.com/grafana/pyroscope/api/gen/proto/go/querier/v1/querierv1connect"
	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"
	"github.com/stretchr/testify/require"
)

// The profile types of a CPU profile.
const (
	cpuType     = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
	samplesType = "process_cpu:samples:count:cpu:nanoseconds"
)

// sqlFact is one stored sample, as plain addition needs it.
type sqlFact struct {
	service, pod, typ string
	time              time.Time
	stack             string // function names from the root, by ;
	value             int64
}

// sqlWorld is a running server with known profiles.
type sqlWorld struct {
	*inProcess
	host, port string // of the SQL endpoint
	start      time.Time
	facts      []sqlFact
}

// newSQLWorld starts a server and pushes CPU profiles of three services, one pod
// after another, each in requests of its own and so over many segments.
func newSQLWorld(t *testing.T) *sqlWorld {
	t.Helper()
	w := &sqlWorld{
		inProcess: serveInProcess(t, filepath.Join(t.TempDir(), "data"), "--no-self-profiling"),
		start:     time.Now().UTC().Truncate(time.Hour).Add(-2 * time.Hour),
	}
	m := regexp.MustCompile(`psql -h (\S+) -p (\d+)`).FindStringSubmatch(w.stdout.String())
	require.NotNil(t, m, w.stdout.String())
	w.host, w.port = m[1], m[2]
	for s, service := range []string{"cart", "checkout", "payments"} {
		for pod := range 2 {
			for i := range 5 {
				w.pushCPU(t, service, fmt.Sprintf("%s-%d", service, pod), w.start.Add(time.Duration(i)*40*time.Second), int64(1+s+3*pod+7*i))
			}
		}
	}
	http.DefaultClient.CloseIdleConnections()
	return w
}

// pushCPU pushes a profile of four stacks, whose values depend on seed.
func (w *sqlWorld) pushCPU(t *testing.T, service, pod string, at time.Time, seed int64) {
	t.Helper()
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
		PeriodType: &profile.ValueType{Type: "cpu", Unit: "nanoseconds"}, Period: 1e7, TimeNanos: at.UnixNano(), DurationNanos: 1e10,
	}
	locations := map[string]*profile.Location{}
	location := func(name string) *profile.Location {
		if locations[name] == nil {
			fn := &profile.Function{ID: uint64(len(p.Function) + 1), Name: name, SystemName: name, Filename: name + ".go"}
			loc := &profile.Location{ID: fn.ID, Line: []profile.Line{{Function: fn, Line: 10}}}
			p.Function, p.Location = append(p.Function, fn), append(p.Location, loc)
			locations[name] = loc
		}
		return locations[name]
	}
	for i, path := range [][]string{{"main", "serve", "parse"}, {"main", "serve", "render", "escape"}, {"main", "gc"}, {"main", "serve", service}} {
		n := seed*int64(i+1)%97 + 1
		sample := &profile.Sample{Value: []int64{n, n * 1e7}}
		stack := ""
		for j := len(path) - 1; j >= 0; j-- {
			sample.Location = append(sample.Location, location(path[j]))
		}
		for j, name := range path {
			if j > 0 {
				stack += ";"
			}
			stack += name
		}
		p.Sample = append(p.Sample, sample)
		for j, typ := range []string{samplesType, cpuType} {
			w.facts = append(w.facts, sqlFact{service, pod, typ, at, stack, sample.Value[j]})
		}
	}
	var body bytes.Buffer
	require.NoError(t, p.Write(&body))
	client := pushv1connect.NewPusherServiceClient(http.DefaultClient, w.url)
	_, err := client.Push(t.Context(), connect.NewRequest(&pushv1.PushRequest{Series: []*pushv1.RawProfileSeries{{
		Labels:  []*typesv1.LabelPair{{Name: "__name__", Value: "process_cpu"}, {Name: "service_name", Value: service}, {Name: "pod", Value: pod}},
		Samples: []*pushv1.RawSample{{RawProfile: body.Bytes()}},
	}}}))
	require.NoError(t, err)
}

// end is after all profiles.
func (w *sqlWorld) end() time.Time { return w.start.Add(time.Hour) }

// dsn is how libpq and pgx reach the server.
func (w *sqlWorld) dsn() string {
	return "host=" + w.host + " port=" + w.port + " user=alice dbname=anonymous sslmode=disable"
}

// sum adds up the values of the facts that accept picks.
func (w *sqlWorld) sum(accept func(sqlFact) bool) (total int64) {
	for _, f := range w.facts {
		if accept(f) {
			total += f.value
		}
	}
	return total
}

// apiTotal asks the profiling API.
func (w *sqlWorld) apiTotal(t *testing.T, typ, selector string) int64 {
	t.Helper()
	client := querierv1connect.NewQuerierServiceClient(http.DefaultClient, w.url)
	resp, err := client.SelectMergeStacktraces(t.Context(), connect.NewRequest(&querierv1.SelectMergeStacktracesRequest{
		ProfileTypeID: typ, LabelSelector: selector, Start: w.start.UnixMilli(), End: w.end().UnixMilli(),
	}))
	require.NoError(t, err)
	return resp.Msg.Flamegraph.GetTotal()
}
