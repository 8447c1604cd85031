package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	pushv1 "github.com/grafana/pyroscope/api/gen/proto/go/push/v1"
	"github.com/grafana/pyroscope/api/gen/proto/go/push/v1/pushv1connect"
	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/profile"
)

// pushers returns a push client for each protocol.
func pushers(t *testing.T, ts *testServer) map[string]pushv1connect.PusherServiceClient {
	h1, h2 := http1(t), http2(t)
	return map[string]pushv1connect.PusherServiceClient{
		"connect proto": pushv1connect.NewPusherServiceClient(h1, ts.URL),
		"connect json":  pushv1connect.NewPusherServiceClient(h1, ts.URL, connect.WithProtoJSON()),
		"connect gzip":  pushv1connect.NewPusherServiceClient(h1, ts.URL, connect.WithSendGzip()),
		"grpc":          pushv1connect.NewPusherServiceClient(h2, ts.URL, connect.WithGRPC()),
		"grpc gzip":     pushv1connect.NewPusherServiceClient(h2, ts.URL, connect.WithGRPC(), connect.WithSendGzip()),
		"grpc-web":      pushv1connect.NewPusherServiceClient(h1, ts.URL, connect.WithGRPCWeb()),
	}
}

// pushOf returns a request with one series for each argument: the bodies of its
// samples.
func pushOf(series ...[]string) *connect.Request[pushv1.PushRequest] {
	req := &pushv1.PushRequest{}
	for i, bodies := range series {
		s := &pushv1.RawProfileSeries{
			Labels:      []*typesv1.LabelPair{{Name: "__name__", Value: "process_cpu"}, {Name: "i", Value: fmt.Sprint(i)}},
			Annotations: []*typesv1.ProfileAnnotation{{Key: "k", Value: "from outside"}},
		}
		for _, b := range bodies {
			s.Samples = append(s.Samples, &pushv1.RawSample{RawProfile: []byte(b), ID: "id-" + b})
		}
		req.Series = append(req.Series, s)
	}
	return connect.NewRequest(req)
}

func TestPush(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	for name, c := range pushers(t, ts) {
		before := len(ts.Pusher.pushed())
		req := pushOf([]string{"a", "b"}, []string{"c"})
		req.Header().Set(tenantHeader, "team-a")
		res, err := c.Push(t.Context(), req)
		require.NoError(t, err, name)
		require.Empty(t, res.Header().Get(flagsHeader))
		raws := ts.Pusher.pushed()[before:]
		require.Len(t, raws, 3)
		for i, want := range []string{"a", "b", "c"} {
			require.Equal(t, want, string(raws[i].Body))
			require.Equal(t, "id-"+want, raws[i].ID)
			require.Nil(t, raws[i].SampleTypes)
			require.True(t, raws[i].Time.IsZero())
		}
		require.Equal(t, []warehouse.Label{{Name: "__name__", Value: "process_cpu"}, {Name: "i", Value: "1"}}, raws[2].Labels)
		require.Equal(t, warehouse.Tenant("team-a"), ts.Pusher.tenant(before))
	}
}

func TestPushNothing(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	for name, c := range pushers(t, ts) {
		for _, req := range []*connect.Request[pushv1.PushRequest]{pushOf(), pushOf(nil, nil)} {
			_, err := c.Push(t.Context(), req)
			require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err), name)
			require.ErrorContains(t, err, "no profiles received")
		}
	}
	require.Empty(t, ts.Pusher.pushed())
}

// TestPushPartly: the good profiles are stored, and the error says which are not
// and how many are.
func TestPushPartly(t *testing.T) {
	t.Parallel()
	kinds := map[string]warehouse.Kind{
		"invalid": warehouse.Invalid, "limit": warehouse.Limit, "unavailable": warehouse.Unavailable,
		"internal": warehouse.Internal, "deadline": warehouse.Deadline, "exists": warehouse.Exists,
	}
	ts := start(t, nil)
	ts.Pusher.reply = func(raw profile.Raw) warehouse.PushResult {
		if k, bad := kinds[string(raw.Body)]; bad {
			return warehouse.PushResult{Err: warehouse.Errorf(k, "it is %s", raw.Body)}
		}
		return warehouse.PushResult{}
	}
	tests := []struct {
		name  string
		req   *connect.Request[pushv1.PushRequest]
		code  connect.Code
		later bool
		want  []string
	}{
		{"one bad series", pushOf([]string{"ok"}, []string{"invalid", "ok"}, []string{"ok"}), connect.CodeInvalidArgument, false,
			[]string{"stored 3 of 4 profiles", `push series with index 1 and id "id-invalid" failed: it is invalid`}},
		{"none stored", pushOf([]string{"invalid"}), connect.CodeInvalidArgument, false, []string{"stored 0 of 1 profiles", "index 0"}},
		{"a limit is worth a retry", pushOf([]string{"invalid", "limit", "exists"}), connect.CodeResourceExhausted, true, []string{"stored 0 of 3"}},
		{"unavailable is most worth it", pushOf([]string{"limit"}, []string{"unavailable"}, []string{"deadline"}, []string{"invalid"}, []string{"internal"}),
			connect.CodeUnavailable, true, []string{"stored 0 of 5", "index 4"}},
		{"many", pushOf(manyOf("invalid", 20), []string{"ok"}), connect.CodeInvalidArgument, false, []string{"stored 1 of 21", "and 12 more"}},
	}
	for _, tt := range tests {
		for name, c := range pushers(t, ts) {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				_, err := c.Push(t.Context(), connect.NewRequest(tt.req.Msg))
				require.Equal(t, tt.code, connect.CodeOf(err), "%v", err)
				for _, w := range tt.want {
					require.ErrorContains(t, err, w)
				}
				var ce *connect.Error
				require.ErrorAs(t, err, &ce)
				require.Equal(t, tt.later, ce.Meta().Get("Retry-After") != "")
			})
		}
	}
}

func manyOf(s string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = s
	}
	return out
}

// TestPushErrorIsBounded: an error travels in a header of gRPC, which has a limit.
func TestPushErrorIsBounded(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	ts.Pusher.reply = func(profile.Raw) warehouse.PushResult {
		return warehouse.PushResult{Err: warehouse.Errorf(warehouse.Invalid, "%s", strings.Repeat("ü", 5000))}
	}
	for name, c := range pushers(t, ts) {
		_, err := c.Push(t.Context(), pushOf(manyOf("x", 50)))
		require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err), name)
		require.Less(t, len(err.Error()), 4096)
		require.True(t, strings.HasSuffix(err.Error(), "and 42 more"))
	}
}

// TestPushFlags: what is cut is named, with the number of profiles.
func TestPushFlags(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	ts.Pusher.reply = func(raw profile.Raw) warehouse.PushResult {
		switch string(raw.Body) {
		case "deep":
			return warehouse.PushResult{Flags: warehouse.DepthCut | warehouse.ValuesDropped}
		case "zeros":
			return warehouse.PushResult{Flags: warehouse.ValuesDropped}
		case "bad":
			return warehouse.PushResult{Flags: warehouse.SymbolCut, Err: warehouse.Errorf(warehouse.Invalid, "bad")}
		}
		return warehouse.PushResult{}
	}
	for name, c := range pushers(t, ts) {
		res, err := c.Push(t.Context(), pushOf([]string{"deep", "zeros", "fine"}))
		require.NoError(t, err)
		require.Equal(t, "depth-cut=1, values-dropped=2", res.Header().Get(flagsHeader), name)

		_, err = c.Push(t.Context(), pushOf([]string{"zeros", "bad"}))
		var ce *connect.Error
		require.ErrorAs(t, err, &ce)
		require.Equal(t, "values-dropped=1", ce.Meta().Get(flagsHeader), name)
	}
	res := ts.do(t, "POST", "/ingest?name=x&format=pprof", "zeros")
	require.Equal(t, 200, res.status)
	require.Equal(t, "values-dropped=1", res.header.Get(flagsHeader))
}

func TestPushMetrics(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	ts.Pusher.reply = func(raw profile.Raw) warehouse.PushResult {
		if string(raw.Body) == "bad" {
			return warehouse.PushResult{Err: warehouse.Errorf(warehouse.Invalid, "bad")}
		}
		return warehouse.PushResult{}
	}
	c := pushers(t, ts)["grpc"]
	_, err := c.Push(t.Context(), pushOf([]string{"a", "bad", "c"}))
	require.Error(t, err)
	_, err = c.Push(t.Context(), pushOf([]string{"a"}))
	require.NoError(t, err)
	require.Equal(t, "3", ts.metric(t, `stackhouse_api_pushed_profiles_total{outcome="stored"}`))
	require.Equal(t, "1", ts.metric(t, `stackhouse_api_pushed_profiles_total{outcome="refused"}`))
	const route = `stackhouse_api_requests_total{route="/push.v1.PusherService/Push",status=`
	require.Eventually(t, func() bool { // counted after the answer is on its way
		return ts.metric(t, route+`"400"}`) == "1" && ts.metric(t, route+`"200"}`) == "1"
	}, 5*time.Second, time.Millisecond)
}

// brokenPusher does not keep the contract.
type brokenPusher struct{}

func (brokenPusher) Push(context.Context, warehouse.Tenant, []profile.Raw) []warehouse.PushResult {
	return nil
}

func TestPushWithoutResults(t *testing.T) {
	t.Parallel()
	ts := start(t, func(o *Options) { o.Pusher = brokenPusher{} })
	for name, c := range pushers(t, ts) {
		_, err := c.Push(t.Context(), pushOf([]string{"a"}))
		require.Equal(t, connect.CodeInternal, connect.CodeOf(err), name)
	}
	require.Equal(t, 500, ts.do(t, "POST", "/ingest?name=x&format=pprof", "a").status)
}

// TestTenant covers the header, for pushes and questions.
func TestTenant(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		values []string
		want   warehouse.Tenant
		err    string
	}{
		{"none", nil, "anonymous", ""},
		{"empty", []string{""}, "anonymous", ""},
		{"named", []string{"team-a"}, "team-a", ""},
		{"spaces around", []string{"  team-a "}, "team-a", ""},
		{"twice the same", []string{"team-a", "team-a"}, "team-a", ""},
		{"two", []string{"team-a", "team-b"}, "", "two tenants"},
		{"several", []string{"team-a|team-b"}, "", "several tenants"},
		{"path", []string{"../x"}, "", "X-Scope-OrgID"},
		{"dots", []string{".."}, "", "reserved"},
		{"internal", []string{"__x"}, "", "reserved"},
		{"long", []string{strings.Repeat("x", 151)}, "", "151 bytes"},
	}
	ts := start(t, nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			for _, v := range tt.values {
				h.Add(tenantHeader, v)
			}
			got, err := tenantOf(h)
			if tt.err == "" {
				require.NoError(t, err)
				require.Equal(t, tt.want, got)
				return
			}
			require.ErrorContains(t, err, tt.err)
			require.Equal(t, warehouse.Invalid, warehouse.KindOf(err))
			require.ErrorContains(t, err, tenantHeader)

			headers := []string{"Content-Type", "application/json"}
			for _, v := range tt.values {
				headers = append(headers, tenantHeader, v)
			}
			for _, path := range []string{"/ingest?name=x&format=pprof", querierPath + "SelectSeries", "/push.v1.PusherService/Push", "/"} {
				method := "POST"
				if path == "/" {
					method = "GET"
				}
				res := ts.do(t, method, path, "{}", headers...)
				require.Equal(t, 400, res.status, path)
				require.Contains(t, res.body, tenantHeader)
			}
		})
	}
	require.Empty(t, ts.Pusher.pushed())
}

func TestClip(t *testing.T) {
	t.Parallel()
	require.Equal(t, "abc", clip("abc", 3))
	require.Equal(t, "ab…", clip("abc", 2))
	require.Equal(t, "a…", clip("aüb", 2))
}
