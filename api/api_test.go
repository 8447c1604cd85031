package api

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	pprofile "github.com/google/pprof/profile"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/stackhouse-db/stackhouse/sql/query"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/flame"
	"github.com/stackhouse-db/stackhouse/warehouse/profile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakePusher keeps what is pushed and answers what reply says.
type fakePusher struct {
	reply func(raw profile.Raw) warehouse.PushResult // nil stores everything

	mu      sync.Mutex
	raws    []profile.Raw
	tenants []warehouse.Tenant
}

func (p *fakePusher) Push(_ context.Context, t warehouse.Tenant, raws []profile.Raw) []warehouse.PushResult {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]warehouse.PushResult, len(raws))
	for i, raw := range raws {
		p.raws = append(p.raws, raw)
		p.tenants = append(p.tenants, t)
		if p.reply != nil {
			out[i] = p.reply(raw)
		}
	}
	return out
}

func (p *fakePusher) pushed() []profile.Raw {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]profile.Raw(nil), p.raws...)
}

// tenant returns the tenant of the i-th profile.
func (p *fakePusher) tenant(i int) warehouse.Tenant {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tenants[i]
}

// fakeQuerier answers with its fields and remembers the last question.
type fakeQuerier struct {
	tree   *flame.Tree
	pprof  *pprofile.Profile
	types  []warehouse.ProfileType
	names  []string
	sets   []warehouse.Labels
	series []query.TimeSeries

	heatmap []query.HeatmapSeries

	stats query.Stats
	err   error
	hook  func(ctx context.Context, sel query.Selection) // before Tree answers

	mu   sync.Mutex
	last struct {
		tenant   warehouse.Tenant
		sel      query.Selection
		sels     []query.Selection
		series   query.SeriesRequest
		heatmap  query.HeatmapRequest
		r        warehouse.TimeRange
		matchers [][]warehouse.Matcher
		names    []string
	}
}

func (q *fakeQuerier) Tree(ctx context.Context, sel query.Selection) (*flame.Tree, error) {
	q.mu.Lock()
	q.last.sel, q.last.tenant = sel, sel.Tenant
	q.last.sels = append(q.last.sels, sel)
	q.mu.Unlock()
	if q.hook != nil {
		q.hook(ctx, sel)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return q.tree, q.err
}

func (q *fakeQuerier) Pprof(_ context.Context, sel query.Selection) (*pprofile.Profile, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.last.sel = sel
	return q.pprof, q.err
}

func (q *fakeQuerier) Series(_ context.Context, req query.SeriesRequest) ([]query.TimeSeries, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.last.series, q.last.sel = req, req.Selection
	return q.series, q.err
}

func (q *fakeQuerier) Heatmap(_ context.Context, req query.HeatmapRequest) ([]query.HeatmapSeries, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.last.heatmap, q.last.sel = req, req.Selection
	return q.heatmap, q.err
}

func (q *fakeQuerier) labels(t warehouse.Tenant, sets [][]warehouse.Matcher, names []string, r warehouse.TimeRange) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.last.tenant, q.last.matchers, q.last.names, q.last.r = t, sets, names, r
}

func (q *fakeQuerier) ProfileTypes(_ context.Context, t warehouse.Tenant, r warehouse.TimeRange) ([]warehouse.ProfileType, error) {
	q.labels(t, nil, nil, r)
	return q.types, q.err
}

func (q *fakeQuerier) LabelNames(_ context.Context, t warehouse.Tenant, sets [][]warehouse.Matcher, r warehouse.TimeRange) ([]string, error) {
	q.labels(t, sets, nil, r)
	return q.names, q.err
}

func (q *fakeQuerier) LabelValues(_ context.Context, t warehouse.Tenant, name string, sets [][]warehouse.Matcher, r warehouse.TimeRange) ([]string, error) {
	q.labels(t, sets, []string{name}, r)
	return q.names, q.err
}

func (q *fakeQuerier) LabelSets(_ context.Context, t warehouse.Tenant, sets [][]warehouse.Matcher, names []string, r warehouse.TimeRange) ([]warehouse.Labels, error) {
	q.labels(t, sets, names, r)
	return q.sets, q.err
}

func (q *fakeQuerier) Stats(_ context.Context, t warehouse.Tenant) (query.Stats, error) {
	q.labels(t, nil, nil, warehouse.TimeRange{})
	return q.stats, q.err
}

// testServer is a server on a real listener, with everything it is made of.
type testServer struct {
	*Server
	URL     string
	Pusher  *fakePusher
	Querier *fakeQuerier
	Metrics *prometheus.Registry
	stop    context.CancelFunc
	ended   chan error
}

// start runs a server until the test ends. The test fails if the server does not
// end cleanly, unless it stopped the server itself.
func start(t *testing.T, change func(*Options)) *testServer {
	t.Helper()
	reg := prometheus.NewRegistry()
	ts := &testServer{Pusher: &fakePusher{}, Querier: &fakeQuerier{tree: someTree(t)}, Metrics: reg}
	opts := Options{Pusher: ts.Pusher, Querier: ts.Querier, Registry: reg, Gatherer: reg, Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&opts)
	}
	s, err := New(opts)
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context())) // until Cleanup
	ts.Server, ts.URL, ts.stop, ts.ended = s, "http://"+ln.Addr().String(), cancel, make(chan error, 1)
	go func() { ts.ended <- s.Run(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if ts.ended != nil {
			require.NoError(t, <-ts.ended)
		}
	})
	return ts
}

// http1 and http2 return clients whose connections end with the test.
func http1(t testing.TB) *http.Client {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second}
}

func http2(t testing.TB) *http.Client {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: p}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second}
}

// answered is a whole answer.
type answered struct {
	status int
	header http.Header
	body   string
}

// do sends one request over HTTP/1. Headers are name, value pairs.
func (ts *testServer) do(t *testing.T, method, path, body string, headers ...string) answered {
	t.Helper()
	return ts.send(t, method, path, strings.NewReader(body), headers...)
}

func (ts *testServer) send(t *testing.T, method, path string, body io.Reader, headers ...string) answered {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, ts.URL+path, body)
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	res, err := http1(t).Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return answered{res.StatusCode, res.Header, string(data)}
}

// metric returns a value from /metrics, "" if it is not there.
func (ts *testServer) metric(t *testing.T, name string) string {
	t.Helper()
	res := ts.do(t, "GET", "/metrics", "")
	require.Equal(t, 200, res.status)
	for line := range strings.Lines(res.body) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// someTree is main;a 3, main;b 7.
func someTree(t testing.TB) *flame.Tree {
	t.Helper()
	return treeOf(t, map[string]int64{"main;a": 3, "main;b": 7})
}

// treeOf builds a tree from stacks, root first, and values.
func treeOf(t testing.TB, stacks map[string]int64) *flame.Tree {
	t.Helper()
	sy := flame.NewSymbols()
	var ids []warehouse.StacktraceID
	var values []int64
	for _, stack := range sortedKeys(stacks) {
		st := warehouse.Stacktrace{ID: warehouse.StacktraceID(len(ids) + 1)}
		names := strings.Split(stack, ";")
		for i := range names {
			st.Frames = append(st.Frames, warehouse.Frame{Function: names[len(names)-1-i]})
		}
		sy.Add(st)
		ids, values = append(ids, st.ID), append(values, stacks[stack])
	}
	tree, err := flame.Build(sy, ids, values)
	require.NoError(t, err)
	return tree
}

// syncBuffer is a log's destination.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
