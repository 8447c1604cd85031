package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	querierv1 "github.com/grafana/pyroscope/api/gen/proto/go/querier/v1"
	"github.com/grafana/pyroscope/api/gen/proto/go/querier/v1/querierv1connect"
	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

const querierPath = "/querier.v1.QuerierService/"

// The requests of the matrix, in the JSON that clients send.
const (
	okRange    = `"start":1000,"end":2000`
	okType     = `"profile_typeID":"process_cpu:cpu:nanoseconds:cpu:nanoseconds"`
	okSelector = `"label_selector":"{}"`
	okSelect   = okType + `,` + okSelector + `,` + okRange
	okSide     = `{` + okSelect + `}`
)

// matrix is who answers what to which body. Want is a part of the message; empty
// means that the request is good.
var matrix = []struct {
	methods string // one word each
	name    string
	body    string
	want    string
}{
	{"ProfileTypes", "range", `{` + okRange + `}`, ""},
	{"ProfileTypes", "zero range is the last hour", `{}`, ""},
	{"ProfileTypes", "long range", `{"start":1,"end":4102444800000}`, ""},
	{"ProfileTypes", "empty range", `{"start":5,"end":5}`, ""},
	{"ProfileTypes", "negative", `{"start":-200,"end":-100}`, ""},
	{"ProfileTypes", "int64 as strings", `{"start":"1000","end":"2000"}`, ""},
	{"ProfileTypes", "start after end", `{"start":2000,"end":1000}`, "start 2000 is after end 1000"},

	{"LabelValues", "good", `{"name":"pod",` + okRange + `}`, ""},
	{"LabelValues", "one matcher", `{"name":"pod","matchers":["{a=\"b\"}"],` + okRange + `}`, ""},
	{"LabelValues", "two matchers", `{"name":"pod","matchers":["{a=\"b\"}","{c=~\"d.*\"}"],` + okRange + `}`, ""},
	{"LabelValues", "missing name", `{` + okRange + `}`, "missing name"},
	{"LabelValues", "empty name", `{"name":"",` + okRange + `}`, "missing name"},
	{"LabelNames", "good", `{` + okRange + `}`, ""},
	{"LabelNames", "matcher", `{"matchers":["{a=\"b\"}"],` + okRange + `}`, ""},
	{"LabelNames", "blank matcher restricts nothing", `{"matchers":[""],` + okRange + `}`, ""},
	{"Series", "good", `{` + okRange + `}`, ""},
	{"Series", "matchers and names", `{"matchers":["{}"],"label_names":["service_name"],` + okRange + `}`, ""},
	{"Series", "lowerCamel", `{"labelNames":["service_name"],` + okRange + `}`, ""},
	{"LabelValues LabelNames Series", "no range", `{"name":"pod"}`, "missing time range"},
	{"LabelValues LabelNames Series", "no end", `{"name":"pod","start":1000}`, "missing time range"},
	{"LabelValues LabelNames Series", "start after end", `{"name":"pod","start":2000,"end":1000}`, "start 2000 is after end 1000"},
	{"LabelValues LabelNames Series", "bad matcher", `{"name":"pod","matchers":["{}","{a=}"],` + okRange + `}`, "matchers[1]"},

	{"SelectMergeStacktraces SelectMergeSpanProfile SelectMergeProfile", "good", `{` + okSelect + `}`, ""},
	{"SelectMergeStacktraces SelectMergeSpanProfile SelectMergeProfile", "max_nodes", `{"max_nodes":16,` + okSelect + `}`, ""},
	{"SelectMergeStacktraces SelectMergeSpanProfile SelectMergeProfile", "lowerCamel", `{"maxNodes":"16","profileTypeID":"process_cpu:cpu:nanoseconds:cpu:nanoseconds","labelSelector":"{}",` + okRange + `}`, ""},
	{"SelectMergeStacktraces SelectMergeSpanProfile SelectMergeProfile", "most nodes", `{"max_nodes":1048576,` + okSelect + `}`, ""},
	{"SelectMergeStacktraces SelectMergeSpanProfile SelectMergeProfile", "too many nodes", `{"max_nodes":1048577,` + okSelect + `}`, "max_nodes 1048577"},
	{"SelectMergeStacktraces SelectMergeSpanProfile SelectMergeProfile", "negative nodes", `{"max_nodes":-1,` + okSelect + `}`, "max_nodes -1"},
	{"SelectMergeStacktraces SelectMergeSpanProfile", "tree", `{"format":"PROFILE_FORMAT_TREE",` + okSelect + `}`, ""},
	{"SelectMergeStacktraces SelectMergeSpanProfile", "flamegraph", `{"format":1,` + okSelect + `}`, ""},
	{"SelectMergeStacktraces", "dot", `{"format":"PROFILE_FORMAT_DOT",` + okSelect + `}`, ""},
	{"SelectMergeStacktraces", "pprof", `{"format":"PROFILE_FORMAT_PPROF",` + okSelect + `}`, ""},
	{"SelectMergeStacktraces", "unknown format", `{"format":77,` + okSelect + `}`, "format 77"},
	{"SelectMergeSpanProfile", "format without a field", `{"format":"PROFILE_FORMAT_DOT",` + okSelect + `}`, "PROFILE_FORMAT_DOT"},
	{"SelectMergeStacktraces SelectMergeProfile", "call site", `{"stackTraceSelector":{"call_site":[{"name":"main"}]},` + okSelect + `}`, ""},
	{"SelectMergeStacktraces SelectMergeProfile", "profile id", `{"profileIdSelector":["7c9e6679-7425-40de-944b-e07fc1f90ae7"],` + okSelect + `}`, ""},
	{"SelectMergeStacktraces SelectMergeProfile", "bad profile id", `{"profileIdSelector":["x"],` + okSelect + `}`, "profile_id_selector[0]"},
	{"SelectMergeStacktraces SelectMergeProfile", "trace", `{"trace_id_selector":["0123456789abcdef0123456789ABCDEF"],` + okSelect + `}`, ""},
	{"SelectMergeStacktraces SelectMergeProfile", "bad trace", `{"trace_id_selector":["0123456789abcdef"],` + okSelect + `}`, "trace_id_selector[0]"},
	{"SelectMergeStacktraces SelectMergeSpanProfile", "span", `{"span_selector":["0123456789abcdef"],` + okSelect + `}`, ""},
	{"SelectMergeStacktraces SelectMergeSpanProfile", "bad span", `{"span_selector":["0123456789abcdef","0123456789abcdeg"],` + okSelect + `}`, "span_selector[1]"},
	{"SelectMergeStacktraces", "span and trace", `{"span_selector":["0123456789abcdef"],"trace_id_selector":["0123456789abcdef0123456789abcdef"],` + okSelect + `}`, "span_selector and trace_id_selector"},
	{"SelectMergeStacktraces", "async that is off", `{"async":{},` + okSelect + `}`, ""},

	{"SelectSeries", "good", `{"step":15,` + okSelect + `}`, ""},
	{"SelectSeries", "group by, limit, average", `{"step":15,"group_by":["pod"],"limit":3,"aggregation":"TIME_SERIES_AGGREGATION_TYPE_AVERAGE",` + okSelect + `}`, ""},
	{"SelectSeries", "no exemplars", `{"step":15,"exemplar_type":"EXEMPLAR_TYPE_NONE",` + okSelect + `}`, ""},
	{"SelectSeries", "missing step", `{` + okSelect + `}`, "missing step"},
	{"SelectSeries", "step below a millisecond", `{"step":0.0009,` + okSelect + `}`, "step of 0.0009"},
	{"SelectSeries", "negative step", `{"step":-15,` + okSelect + `}`, "step of -15"},
	{"SelectSeries", "step that is no number", `{"step":"NaN",` + okSelect + `}`, "step of NaN"},
	{"SelectSeries", "endless step", `{"step":"Infinity",` + okSelect + `}`, "step of +Inf"},
	{"SelectSeries", "negative limit", `{"step":15,"limit":-1,` + okSelect + `}`, "limit -1"},
	{"SelectSeries", "unknown aggregation", `{"step":15,"aggregation":9,` + okSelect + `}`, "aggregation 9"},

	{"SelectHeatmap", "good", `{"step":60,"query_type":"HEATMAP_QUERY_TYPE_INDIVIDUAL",` + okSelect + `}`, ""},
	{"SelectHeatmap", "type left out, group by, limit", `{"step":60,"groupBy":["pod"],"limit":"2",` + okSelect + `}`, ""},
	{"SelectHeatmap", "missing step", `{` + okSelect + `}`, "missing step"},
	{"SelectHeatmap", "negative limit", `{"step":60,"limit":-1,` + okSelect + `}`, "limit -1"},
	{"SelectHeatmap", "unknown type", `{"step":60,"query_type":9,` + okSelect + `}`, "query_type 9"},

	{selecting, "no type", `{"step":15,` + okSelector + `,` + okRange + `}`, "missing profile_typeID"},
	{selecting, "empty type", `{"step":15,"profile_typeID":"",` + okSelector + `,` + okRange + `}`, "missing profile_typeID"},
	{selecting, "bad type", `{"step":15,"profile_typeID":"cpu",` + okSelector + `,` + okRange + `}`, "profile_typeID"},
	{selecting, "type of four parts", `{"step":15,"profile_typeID":"a:b:c:d",` + okSelector + `,` + okRange + `}`, "profile_typeID"},
	{selecting, "type with delta", `{"step":15,"profile_typeID":"a:b:c:d:e:delta",` + okSelector + `,` + okRange + `}`, ""},
	{selecting, "no selector", `{"step":15,` + okType + `,` + okRange + `}`, "missing label_selector"},
	{selecting, "empty selector", `{"step":15,"label_selector":"",` + okType + `,` + okRange + `}`, "missing label_selector"},
	{selecting, "bad selector", `{"step":15,"label_selector":"{a=\"b}",` + okType + `,` + okRange + `}`, "label_selector"},
	{selecting, "bad expression", `{"step":15,"label_selector":"{a=~\"(\"}",` + okType + `,` + okRange + `}`, "label_selector"},
	{selecting, "no range", `{"step":15,` + okType + `,` + okSelector + `}`, "missing time range"},
	{selecting, "no start", `{"step":15,"end":1000,` + okType + `,` + okSelector + `}`, "missing time range"},
	{selecting, "start after end", `{"step":15,"start":2000,"end":1000,` + okType + `,` + okSelector + `}`, "start 2000 is after end 1000"},

	{"Diff", "good", `{"left":` + okSide + `,"right":` + okSide + `}`, ""},
	{"Diff", "no left", `{"right":` + okSide + `}`, "missing left"},
	{"Diff", "no right", `{"left":` + okSide + `}`, "missing right"},
	{"Diff", "nothing", `{}`, "missing left"},
	{"Diff", "no type", `{"left":` + okSide + `,"right":{` + okSelector + `,` + okRange + `}}`, "right: missing profile_typeID"},
	{"Diff", "no selector", `{"left":{` + okType + `,` + okRange + `},"right":` + okSide + `}`, "left: missing label_selector"},
	{"Diff", "no range", `{"left":{` + okType + `,` + okSelector + `},"right":` + okSide + `}`, "left: missing time range"},
	{"Diff", "too many nodes", `{"left":` + okSide + `,"right":{"max_nodes":1048577,` + okSelect + `}}`, "right: max_nodes 1048577"},

	{"GetProfileStats", "good", `{}`, ""},
}

const selecting = "SelectMergeStacktraces SelectMergeSpanProfile SelectMergeProfile SelectSeries SelectHeatmap"

// newMessage returns an empty request and answer of a method.
func newMessages(t *testing.T, method string) (req, res proto.Message) {
	t.Helper()
	m := querierv1.File_querier_v1_querier_proto.Services().ByName("QuerierService").Methods()
	for i := range m.Len() {
		if string(m.Get(i).Name()) == method {
			return newMessage(t, string(m.Get(i).Input().FullName())), newMessage(t, string(m.Get(i).Output().FullName()))
		}
	}
	t.Fatalf("no method %s", method)
	return nil, nil
}

// TestMatrix asks every question of the matrix in every protocol: the answer,
// good or bad, must be the same.
func TestMatrix(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	ts.Querier.pprof = somePprof()
	asks := protocols(t, ts)
	for _, tt := range matrix {
		for _, method := range strings.Fields(tt.methods) {
			t.Run(method+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				for protocol, ask := range asks {
					code, message := ask(t, method, tt.body)
					if tt.want == "" {
						require.Zero(t, code, "%s: %s", protocol, message)
						continue
					}
					require.Equal(t, connect.CodeInvalidArgument, code, "%s: %s", protocol, message)
					require.Contains(t, message, tt.want, protocol)
				}
			})
		}
	}
}

// TestMatrixUnsupported: what is not there says so, in every protocol.
func TestMatrixUnsupported(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	tests := []struct{ method, body, want string }{
		{"SelectHeatmap", `{"step":60,"query_type":"HEATMAP_QUERY_TYPE_SPAN",` + okSelect + `}`, "query_type"},
		{"SelectHeatmap", `{"step":60,"exemplar_type":"EXEMPLAR_TYPE_INDIVIDUAL",` + okSelect + `}`, "exemplar_type"},
		{"AnalyzeQuery", `{"query":"{}"}`, "AnalyzeQuery is not supported yet"},
		{"SelectSeries", `{"step":15,"exemplar_type":"EXEMPLAR_TYPE_SPAN",` + okSelect + `}`, "exemplar_type"},
		{"SelectMergeStacktraces", `{"async":{"type":"ASYNC_QUERY_TYPE_FORCE"},` + okSelect + `}`, "async"},
		{"SelectMergeProfile", `{"stack_trace_selector":{"go_pgo":{}},` + okSelect + `}`, "go_pgo"},
	}
	for _, tt := range tests {
		for protocol, ask := range protocols(t, ts) {
			code, message := ask(t, tt.method, tt.body)
			require.Equal(t, connect.CodeUnimplemented, code, "%s %s", protocol, tt.method)
			require.Contains(t, message, tt.want)
		}
	}
	res := ts.do(t, "POST", querierPath+"AnalyzeQuery", `{}`, "Content-Type", "application/json")
	require.Equal(t, http.StatusNotImplemented, res.status)
}

// TestKindsInEveryProtocol: the code of a failing querier is the same everywhere.
func TestKindsInEveryProtocol(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	asks := protocols(t, ts)
	for k, r := range replies {
		ts.Querier.err = errOfKind(k)
		for protocol, ask := range asks {
			for _, method := range []string{"SelectMergeStacktraces", "Diff", "LabelNames"} {
				body := okSide
				if method == "Diff" {
					body = `{"left":` + okSide + `,"right":` + okSide + `}`
				}
				code, message := ask(t, method, body)
				require.Equal(t, r.code, code, "%s %s", protocol, method)
				require.Contains(t, message, "from the querier")
			}
		}
	}
}

// TestTransport covers what HTTP itself has to say.
func TestTransport(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	tests := []struct {
		name, method, body, contentType string
		status                          int
	}{
		{"json", "POST", okSide, "application/json", 200},
		{"json with charset", "POST", okSide, "application/json; charset=utf-8", 200},
		{"json with charset, no space", "POST", okSide, "application/json;charset=UTF-8", 200},
		{"json in capitals", "POST", okSide, "Application/JSON", 200},
		{"unknown field", "POST", `{"surprise":1,` + okSelect + `}`, "application/json", 200},
		{"bad json", "POST", `{`, "application/json", 400},
		{"string instead of number", "POST", `{"start":"x"}`, "application/json", 400},
		{"empty body", "POST", ``, "application/json", 400},
		{"empty proto is without a range", "POST", ``, "application/proto", 400},
		{"bad proto", "POST", "\xff\xff", "application/proto", 400},
		{"text", "POST", okSide, "text/plain", 415},
		{"no content type", "POST", okSide, "", 415},
		{"GET", "GET", ``, "application/json", 405},
		{"PUT", "PUT", okSide, "application/json", 405},
		{"DELETE", "DELETE", ``, "", 405},
		{"PATCH", "PATCH", okSide, "application/json", 405},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var headers []string
			if tt.contentType != "" {
				headers = []string{"Content-Type", tt.contentType}
			}
			res := ts.do(t, tt.method, querierPath+"SelectMergeStacktraces", tt.body, headers...)
			require.Equal(t, tt.status, res.status, res.body)
			if tt.status == 405 {
				require.Equal(t, "POST", res.header.Get("Allow"))
			}
		})
	}
	t.Run("unknown method", func(t *testing.T) {
		t.Parallel()
		res := ts.do(t, "POST", querierPath+"Nothing", `{}`, "Content-Type", "application/json")
		require.Equal(t, 404, res.status)
		require.Contains(t, res.body, `"code":"not_found"`)
	})
}

// TestErrorShape: plain HTTP errors are Connect's JSON.
func TestErrorShape(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	for _, path := range []string{querierPath + "LabelNames", "/ingest", "/nowhere"} {
		res := ts.do(t, "POST", path, `{}`, "Content-Type", "application/json")
		require.GreaterOrEqual(t, res.status, 400)
		require.Equal(t, "application/json", res.header.Get("Content-Type"), path)
		var e struct{ Code, Message string }
		require.NoError(t, json.Unmarshal([]byte(res.body), &e), res.body)
		require.NotEmpty(t, e.Code)
		require.NotEmpty(t, e.Message)
	}
}

// ask sends one request and returns the error's code, 0 if there is none.
type ask func(t *testing.T, method, body string) (connect.Code, string)

// protocols returns a way to ask in each protocol.
func protocols(t *testing.T, ts *testServer) map[string]ask {
	h1, h2 := http1(t), http2(t)
	return map[string]ask{
		"connect json":        asker(ts, h1, connect.WithProtoJSON()),
		"connect proto":       asker(ts, h1),
		"connect proto, gzip": asker(ts, h1, connect.WithSendGzip()),
		"connect proto, h2":   asker(ts, h2),
		"grpc":                asker(ts, h2, connect.WithGRPC()),
		"grpc, gzip":          asker(ts, h2, connect.WithGRPC(), connect.WithSendGzip()),
		"grpc-web":            asker(ts, h1, connect.WithGRPCWeb()),
		"grpc-web, json":      asker(ts, h2, connect.WithGRPCWeb(), connect.WithProtoJSON()),
	}
}

// asker calls methods by name, with requests written as JSON.
func asker(ts *testServer, hc *http.Client, opts ...connect.ClientOption) ask {
	c := querierv1connect.NewQuerierServiceClient(hc, ts.URL, opts...)
	return func(t *testing.T, method, body string) (connect.Code, string) {
		t.Helper()
		req, _ := newMessages(t, method)
		require.NoError(t, protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal([]byte(body), req))
		err := invoke(t.Context(), c, method, req)
		if err == nil {
			return 0, ""
		}
		return connect.CodeOf(err), err.Error()
	}
}

func invoke(ctx context.Context, c querierv1connect.QuerierServiceClient, method string, req proto.Message) error {
	switch r := req.(type) {
	case *querierv1.ProfileTypesRequest:
		return call(ctx, c.ProfileTypes, r)
	case *typesv1.LabelValuesRequest:
		return call(ctx, c.LabelValues, r)
	case *typesv1.LabelNamesRequest:
		return call(ctx, c.LabelNames, r)
	case *querierv1.SeriesRequest:
		return call(ctx, c.Series, r)
	case *querierv1.SelectMergeStacktracesRequest:
		return call(ctx, c.SelectMergeStacktraces, r)
	case *querierv1.SelectMergeSpanProfileRequest:
		return call(ctx, c.SelectMergeSpanProfile, r)
	case *querierv1.SelectMergeProfileRequest:
		return call(ctx, c.SelectMergeProfile, r)
	case *querierv1.SelectSeriesRequest:
		return call(ctx, c.SelectSeries, r)
	case *querierv1.SelectHeatmapRequest:
		return call(ctx, c.SelectHeatmap, r)
	case *querierv1.DiffRequest:
		return call(ctx, c.Diff, r)
	case *typesv1.GetProfileStatsRequest:
		return call(ctx, c.GetProfileStats, r)
	case *querierv1.AnalyzeQueryRequest:
		return call(ctx, c.AnalyzeQuery, r)
	}
	return fmt.Errorf("no way to call %s", method)
}

func call[Req, Res any](ctx context.Context, fn func(context.Context, *connect.Request[Req]) (*connect.Response[Res], error), req *Req) error {
	_, err := fn(ctx, connect.NewRequest(req))
	return err
}
