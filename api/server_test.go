package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	querierv1 "github.com/grafana/pyroscope/api/gen/proto/go/querier/v1"
	"github.com/grafana/pyroscope/api/gen/proto/go/querier/v1/querierv1connect"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/sql/query"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	good := Options{Pusher: &fakePusher{}, Querier: &fakeQuerier{}}
	for name, change := range map[string]func(*Options){
		"no pusher":        func(o *Options) { o.Pusher = nil },
		"no querier":       func(o *Options) { o.Querier = nil },
		"negative limit":   func(o *Options) { o.Limits.MaxPushBytes = -1 },
		"negative timeout": func(o *Options) { o.Limits.DrainTimeout = -1 },
		"no room":          func(o *Options) { o.Limits.MaxBodiesBytes = 1 },
	} {
		o := good
		change(&o)
		_, err := New(o)
		require.Equal(t, warehouse.Invalid, warehouse.KindOf(err), name)
		require.Error(t, err, name)
	}
	s, err := New(good)
	require.NoError(t, err)
	require.NotNil(t, s.Handler())
	require.Equal(t, int64(256<<20), s.limits.MaxPushBytes)
}

// hold makes the querier wait until open is closed; entered gets a value for
// each call that waits.
func hold(ts *testServer) (entered, open chan struct{}) {
	entered, open = make(chan struct{}, 16), make(chan struct{})
	ts.Querier.hook = func(ctx context.Context, _ query.Selection) {
		entered <- struct{}{}
		select {
		case <-open:
		case <-ctx.Done():
		}
	}
	return entered, open
}

func stacktraces(t *testing.T, c querierv1connect.QuerierServiceClient) error {
	_, err := c.SelectMergeStacktraces(t.Context(), connect.NewRequest(&querierv1.SelectMergeStacktracesRequest{
		ProfileTypeID: "a:b:c:d:e", LabelSelector: "{}", Start: 1, End: 2,
	}))
	return err
}

// clients returns one client over HTTP/1 and one over HTTP/2.
func clients(t *testing.T, ts *testServer) map[string]querierv1connect.QuerierServiceClient {
	return map[string]querierv1connect.QuerierServiceClient{
		"connect": querierv1connect.NewQuerierServiceClient(http1(t), ts.URL),
		"grpc":    querierv1connect.NewQuerierServiceClient(http2(t), ts.URL, connect.WithGRPC()),
	}
}

// TestDrain: requests that are being served are finished, new ones are not taken.
func TestDrain(t *testing.T) {
	t.Parallel()
	for name := range clients(t, &testServer{URL: "http://x"}) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ts := start(t, nil)
			entered, open := hold(ts)
			answers := make(chan error, 1)
			c := clients(t, ts)[name]
			go func() { answers <- stacktraces(t, c) }()
			<-entered

			ts.stop()
			require.Eventually(t, func() bool {
				conn, err := net.Dial("tcp", strings.TrimPrefix(ts.URL, "http://"))
				if err == nil {
					_ = conn.Close()
				}
				return err != nil
			}, 5*time.Second, time.Millisecond, "it still accepts")
			require.Error(t, ts.readiness(t.Context()))

			close(open)
			require.NoError(t, <-answers)
		})
	}
}

// TestDrainDeadline: requests that do not end are cancelled, their clients told,
// and Run says so.
func TestDrainDeadline(t *testing.T) {
	t.Parallel()
	for name := range clients(t, &testServer{URL: "http://x"}) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ts := start(t, func(o *Options) { o.Limits.DrainTimeout = 30 * time.Millisecond })
			entered, _ := hold(ts)
			answers := make(chan error, 1)
			c := clients(t, ts)[name]
			go func() { answers <- stacktraces(t, c) }()
			<-entered
			ts.stop()
			require.Equal(t, connect.CodeCanceled, connect.CodeOf(<-answers))
			err := <-ts.ended
			ts.ended = nil
			require.Equal(t, warehouse.Deadline, warehouse.KindOf(err))
			require.ErrorContains(t, err, "requests were cancelled")
		})
	}
}

// TestDrainCuts: not even a handler that ignores its context holds Run up.
func TestDrainCuts(t *testing.T) {
	t.Parallel()
	ts := start(t, func(o *Options) { o.Limits.DrainTimeout = 10 * time.Millisecond })
	entered, open := make(chan struct{}), make(chan struct{})
	ts.Querier.hook = func(context.Context, query.Selection) { close(entered); <-open }
	answers := make(chan error, 1)
	c := clients(t, ts)["connect"]
	go func() { answers <- stacktraces(t, c) }()
	<-entered
	ts.stop()
	err := <-ts.ended
	ts.ended = nil
	require.ErrorContains(t, err, "connections were cut")
	require.Error(t, <-answers)
	close(open)
}

// TestDrainDoesNotWaitForSilence: a connection that has sent nothing has no
// request to finish. Shutdown by itself would wait five seconds for one, and the
// drain, with the time it has here, would fail.
func TestDrainDoesNotWaitForSilence(t *testing.T) {
	t.Parallel()
	ts := start(t, func(o *Options) { o.Limits.DrainTimeout = 2 * time.Second })
	conn, err := net.Dial("tcp", strings.TrimPrefix(ts.URL, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, stacktraces(t, clients(t, ts)["connect"]), "accepted after the silent one")
	ts.stop()
	err = <-ts.ended
	ts.ended = nil
	require.NoError(t, err)
}

// TestRunFails: a listener that breaks is an error, not an end.
func TestRunFails(t *testing.T) {
	t.Parallel()
	s, err := New(Options{Pusher: &fakePusher{}, Querier: &fakeQuerier{}})
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, ln.Close())
	err = s.Run(t.Context(), ln)
	require.ErrorIs(t, err, net.ErrClosed)
	require.ErrorContains(t, err, ln.Addr().String())
}

// TestClientGoesAway: its question is cancelled.
func TestClientGoesAway(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	for name, c := range clients(t, ts) {
		gone := make(chan error, 1)
		entered := make(chan struct{})
		ts.Querier.hook = func(ctx context.Context, _ query.Selection) {
			close(entered)
			<-ctx.Done()
			gone <- ctx.Err()
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			_, _ = c.SelectMergeStacktraces(ctx, connect.NewRequest(&querierv1.SelectMergeStacktracesRequest{
				ProfileTypeID: "a:b:c:d:e", LabelSelector: "{}", Start: 1, End: 2,
			}))
		}()
		<-entered
		cancel()
		require.ErrorIs(t, <-gone, context.Canceled, name)
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	var problem error
	ts := start(t, func(o *Options) { o.Ready = func(context.Context) error { return problem } })
	res := ts.do(t, "GET", "/ready", "")
	require.Equal(t, 200, res.status)
	require.Equal(t, "ready\n", res.body)
	require.Equal(t, "SERVING", health(t, ts))

	problem = errors.New("no leader yet")
	res = ts.do(t, "GET", "/ready", "")
	require.Equal(t, 503, res.status)
	require.Equal(t, "not ready: no leader yet\n", res.body)
	require.Equal(t, "NOT_SERVING", health(t, ts))
}

// health asks gRPC's health protocol and returns the status.
func health(t *testing.T, ts *testServer) string {
	t.Helper()
	res := ts.do(t, "POST", "/grpc.health.v1.Health/Check", `{}`, "Content-Type", "application/json")
	require.Equal(t, 200, res.status, res.body)
	var answer struct{ Status string }
	require.NoError(t, json.Unmarshal([]byte(res.body), &answer))
	return strings.TrimPrefix(answer.Status, "SERVING_STATUS_")
}

func TestBuildInfo(t *testing.T) {
	t.Parallel()
	ts := start(t, func(o *Options) {
		o.Info = func() Info { return Info{Version: "v1.2.3", Revision: "abc", BuiltAt: "today"} }
	})
	res := ts.do(t, "GET", "/api/v1/status/buildinfo", "")
	require.Equal(t, 200, res.status)
	require.Contains(t, res.body, `{"status":"success","data":{"version":"v1.2.3","revision":"abc","branch":"","buildUser":"","buildDate":"today","goVersion":"go`)
}

func TestDebug(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	for path, want := range map[string]string{
		"/debug/pprof/":                  "goroutine",
		"/debug/pprof/goroutine?debug=1": "goroutine profile:",
		"/debug/pprof/cmdline":           "api.test",
		"/debug/pprof/symbol":            "num_symbols",
	} {
		res := ts.do(t, "GET", path, "")
		require.Equal(t, 200, res.status, path)
		require.Contains(t, res.body, want, path)
	}
	require.Equal(t, 404, ts.do(t, "GET", "/debug/pprof/nothing", "").status)
}

// TestUnencryptedHTTP2 also over an upgrade-free start: prior knowledge.
func TestUnencryptedHTTP2(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	res, err := http2(t).Get(ts.URL + "/ready")
	require.NoError(t, err)
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	require.NoError(t, err)
	require.Equal(t, 2, res.ProtoMajor)
	require.Equal(t, http.StatusOK, res.StatusCode)
}
