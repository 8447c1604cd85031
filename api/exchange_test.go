package api

import (
	"context"
	"log/slog"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/sql/query"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/profile"
)

func TestRequestID(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	require.Equal(t, "abc-1.2_3", ts.do(t, "GET", "/ready", "", "X-Request-Id", "abc-1.2_3").header.Get("X-Request-Id"))
	for _, bad := range []string{"", "with space", `"quoted"`, strings.Repeat("x", 65)} {
		got := ts.do(t, "GET", "/ready", "", "X-Request-Id", bad).header.Get("X-Request-Id")
		require.Regexp(t, `^[0-9A-Z]{26}$`, got)
	}
}

type panicking struct{}

func (panicking) Push(context.Context, warehouse.Tenant, []profile.Raw) []warehouse.PushResult {
	panic("the pusher's secret")
}

// TestPanic: an answer, a count and a log line, in every protocol; the next
// request is served.
func TestPanic(t *testing.T) {
	t.Parallel()
	logs := &syncBuffer{}
	ts := start(t, func(o *Options) {
		o.Pusher = panicking{}
		o.Logger = slog.New(slog.NewTextHandler(logs, nil))
	})
	ts.Querier.hook = func(context.Context, query.Selection) { panic("the querier's secret") }
	var n int
	for name, ask := range protocols(t, ts) {
		for method, body := range map[string]string{
			"SelectMergeStacktraces": okSide,
			"Diff":                   `{"left":` + okSide + `,"right":` + okSide + `}`, // in goroutines of its own
		} {
			code, message := ask(t, method, body)
			require.Equal(t, connect.CodeInternal, code, "%s %s", name, method)
			require.NotContains(t, message, "secret")
			require.Contains(t, message, "internal error")
			n++
		}
	}
	res := ts.do(t, "POST", "/ingest?name=a&format=pprof", "x")
	require.Equal(t, 500, res.status)
	require.NotContains(t, res.body, "secret")
	require.Contains(t, res.body, res.header.Get("X-Request-Id"))
	require.Eventually(t, func() bool {
		return ts.metric(t, "stackhouse_api_panics_total") == strconv.Itoa(n+1)
	}, 5*time.Second, time.Millisecond)
	require.Contains(t, logs.String(), "the querier's secret")
	require.Contains(t, logs.String(), "the pusher's secret")
	require.Contains(t, logs.String(), "exchange_test.go", "the stack names where it happened")
	require.Equal(t, 200, ts.do(t, "GET", "/ready", "").status)
}

// TestLog: one line for each request, louder when the server is to blame.
func TestLog(t *testing.T) {
	t.Parallel()
	logs := &syncBuffer{}
	ts := start(t, func(o *Options) {
		o.Logger = slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	line := func(id string) string {
		t.Helper()
		var found string
		require.Eventually(t, func() bool {
			found = regexp.MustCompile(`.*msg="request done" request=` + id + ` .*`).FindString(logs.String())
			return found != ""
		}, 5*time.Second, time.Millisecond)
		return found
	}
	post := func(id, path, body string) {
		ts.do(t, "POST", path, body, "Content-Type", "application/json", "X-Request-Id", id, tenantHeader, "team-a")
	}
	post("good", querierPath+"SelectMergeStacktraces", okSide)
	require.Contains(t, line("good"), "level=DEBUG")
	require.Contains(t, line("good"), "status=200 tenant=team-a")
	require.Contains(t, line("good"), "path=/querier.v1.QuerierService/SelectMergeStacktraces")

	post("wrong", querierPath+"SelectMergeStacktraces", `{}`)
	require.Contains(t, line("wrong"), "level=DEBUG")
	require.Contains(t, line("wrong"), "status=400")
	require.Contains(t, line("wrong"), `err="missing profile_typeID"`)

	ts.Querier.err = warehouse.Errorf(warehouse.Unavailable, "no leader")
	post("busy", querierPath+"SelectMergeStacktraces", okSide)
	require.Contains(t, line("busy"), "level=WARN")

	ts.Querier.err = warehouse.Errorf(warehouse.Corrupt, "block is damaged")
	post("bad", querierPath+"SelectMergeStacktraces", okSide)
	require.Contains(t, line("bad"), "level=ERROR")
	require.Contains(t, line("bad"), "block is damaged")
}

// TestCrossSite: a page of another site cannot push through somebody's browser.
func TestCrossSite(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	for site, want := range map[string]int{"cross-site": 403, "same-site": 403, "same-origin": 200, "none": 200, "": 200} {
		var headers []string
		if site != "" {
			headers = []string{"Sec-Fetch-Site", site}
		}
		require.Equal(t, want, ts.do(t, "POST", "/ingest?name=a&format=pprof", "x", headers...).status, site)
		require.Equal(t, 200, ts.do(t, "GET", "/", "", headers...).status, "a link from elsewhere is fine")
	}
}

// TestMetricNames: what is registered, with its help; and failures of gRPC do not
// count as successes.
func TestMetricNames(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	code, _ := protocols(t, ts)["grpc"](t, "LabelNames", `{}`)
	require.Equal(t, connect.CodeInvalidArgument, code)
	code, _ = protocols(t, ts)["grpc-web"](t, "LabelNames", `{}`)
	require.Equal(t, connect.CodeInvalidArgument, code)
	ts.do(t, "POST", "/ingest?name=a&format=pprof", "12345")
	ts.do(t, "GET", "/some/where", "")
	require.Eventually(t, func() bool {
		return ts.metric(t, `stackhouse_api_requests_total{route="/querier.v1.QuerierService/LabelNames",status="400"}`) == "2"
	}, 5*time.Second, time.Millisecond)
	require.Equal(t, "5", ts.metric(t, `stackhouse_api_received_bytes_total{route="/ingest"}`))
	require.Equal(t, "1", ts.metric(t, `stackhouse_api_requests_total{route="/",status="404"}`))
	require.Equal(t, "1", ts.metric(t, "stackhouse_api_inflight_requests"), "this one")

	families, err := ts.Metrics.Gather()
	require.NoError(t, err)
	require.Len(t, families, 8)
	for _, f := range families {
		require.Regexp(t, `^stackhouse_api_[a-z_]+$`, f.GetName())
		require.True(t, strings.HasSuffix(f.GetHelp(), "."), f.GetName())
	}
}

// TestFailStatusKeepsSuccess: only failing answers change their status.
func TestFailStatusKeepsSuccess(t *testing.T) {
	t.Parallel()
	x := exchangeOf(t.Context())
	x.failStatus = 413
	x.WriteHeader(http.StatusOK)
	require.Equal(t, 200, x.status)
}
