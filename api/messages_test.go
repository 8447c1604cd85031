package api

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"connectrpc.com/connect"
	pprofile "github.com/google/pprof/profile"
	googlev1 "github.com/grafana/pyroscope/api/gen/proto/go/google/v1"
	querierv1 "github.com/grafana/pyroscope/api/gen/proto/go/querier/v1"
	"github.com/grafana/pyroscope/api/gen/proto/go/querier/v1/querierv1connect"
	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/stackhouse-db/stackhouse/sql/query"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/flame"
)

func newMessage(t *testing.T, name string) proto.Message {
	t.Helper()
	mt, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(name))
	require.NoError(t, err)
	return mt.New().Interface()
}

func errOfKind(k int) error {
	return warehouse.Errorf(warehouse.Kind(k), "an error from the querier")
}

// somePprof has every feature of the format.
func somePprof() *pprofile.Profile {
	m := &pprofile.Mapping{ID: 1, Start: 0x1000, Limit: 0x9000, Offset: 0x10, File: "app", BuildID: "b1", HasFunctions: true, HasLineNumbers: true}
	f1 := &pprofile.Function{ID: 1, Name: "main", SystemName: "_main", Filename: "main.go", StartLine: 3}
	f2 := &pprofile.Function{ID: 2, Name: "inlined", SystemName: "inlined", Filename: "main.go"}
	l1 := &pprofile.Location{ID: 1, Mapping: m, Address: 0x1234, Line: []pprofile.Line{{Function: f2, Line: 9}, {Function: f1, Line: 5}}}
	l2 := &pprofile.Location{ID: 2, Mapping: m, Address: 0x2000, IsFolded: true, Line: []pprofile.Line{{Function: f1, Line: 7}}}
	l3 := &pprofile.Location{ID: 3, Address: 0x77}
	return &pprofile.Profile{
		SampleType:        []*pprofile.ValueType{{Type: "cpu", Unit: "nanoseconds"}},
		DefaultSampleType: "cpu",
		Sample: []*pprofile.Sample{
			{Location: []*pprofile.Location{l1, l2}, Value: []int64{10}, Label: map[string][]string{"a": {"x", "y"}, "b": {"z"}}},
			{Location: []*pprofile.Location{l3}, Value: []int64{1 << 40}, NumLabel: map[string][]int64{"bytes": {8}}, NumUnit: map[string][]string{"bytes": {"bytes"}}},
			{Value: []int64{3}},
		},
		Mapping: []*pprofile.Mapping{m}, Location: []*pprofile.Location{l1, l2, l3}, Function: []*pprofile.Function{f1, f2},
		Comments: []string{"merged"}, DropFrames: "d.*", KeepFrames: "k", TimeNanos: 12, DurationNanos: 34,
		PeriodType: &pprofile.ValueType{Type: "cpu", Unit: "nanoseconds"}, Period: 10_000_000,
	}
}

// TestPprofMessage compares with what google/pprof itself writes.
func TestPprofMessage(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]*pprofile.Profile{"full": somePprof(), "empty": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := proto.Marshal(pprofMessage(p))
			require.NoError(t, err)
			got, err := pprofile.ParseUncompressed(data)
			require.NoError(t, err)
			var b bytes.Buffer
			require.NoError(t, p.WriteUncompressed(&b))
			want, err := pprofile.ParseUncompressed(b.Bytes())
			require.NoError(t, err)
			require.Equal(t, want.String(), got.String())
			var again bytes.Buffer
			require.NoError(t, got.WriteUncompressed(&again))
			require.Equal(t, b.Bytes(), again.Bytes())
		})
	}
}

// TestFlamegraphSharesLevels: values, the bulk of an answer, are not copied.
func TestFlamegraphSharesLevels(t *testing.T) {
	t.Parallel()
	values := [][]int64{{0, 10, 0, 0}, {0, 10, 10, 1}}
	out := levels(values)
	require.Len(t, out, 2)
	for i := range out {
		require.Same(t, &values[i][0], &out[i].Values[0])
	}
	require.Empty(t, levels(nil))
}

// TestAnswers asks for every kind of answer and looks at its content, in each
// protocol.
func TestAnswers(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	q := ts.Querier
	q.pprof = somePprof()
	q.types = []warehouse.ProfileType{{Name: "process_cpu", SampleType: "cpu", SampleUnit: "nanoseconds", PeriodType: "cpu", PeriodUnit: "nanoseconds"}}
	q.names = []string{"one", "två"}
	q.sets = []warehouse.Labels{warehouse.LabelsOf("a", "b", "c", "d"), nil}
	q.series = []query.TimeSeries{{Labels: warehouse.LabelsOf("pod", "p"), Points: []query.Point{{TimeMs: 15000, Value: 2.5}, {TimeMs: 30000, Value: 1e18}}}}
	q.heatmap = []query.HeatmapSeries{{Labels: warehouse.LabelsOf("pod", "p"), Slots: []query.HeatmapSlot{{TimeMs: 60000, YMin: []float64{1, 2}, Counts: []int32{3, 4}}}}}
	q.stats = query.Stats{Ingested: true, Oldest: 1_000_999, Newest: 2_000_000}

	h1, h2 := http1(t), http2(t)
	for name, c := range map[string]querierv1connect.QuerierServiceClient{
		"json": querierv1connect.NewQuerierServiceClient(h1, ts.URL, connect.WithProtoJSON()),
		"grpc": querierv1connect.NewQuerierServiceClient(h2, ts.URL, connect.WithGRPC()),
	} {
		t.Run(name, func(t *testing.T) { checkAnswers(t, c) })
	}
}

func checkAnswers(t *testing.T, c querierv1connect.QuerierServiceClient) {
	ctx := t.Context()
	sel := func(f querierv1.ProfileFormat) *connect.Request[querierv1.SelectMergeStacktracesRequest] {
		return connect.NewRequest(&querierv1.SelectMergeStacktracesRequest{
			ProfileTypeID: "process_cpu:cpu:nanoseconds:cpu:nanoseconds", LabelSelector: "{}", Start: 1000, End: 2000, Format: f,
		})
	}

	flat, err := c.SelectMergeStacktraces(ctx, sel(0))
	require.NoError(t, err)
	require.Equal(t, []string{"total", "a", "b", "main"}, flat.Msg.Flamegraph.Names)
	require.Len(t, flat.Msg.Flamegraph.Levels, 3)
	require.Equal(t, []int64{0, 10, 0, 3}, flat.Msg.Flamegraph.Levels[1].Values)
	require.Equal(t, []int64{0, 3, 3, 1, 0, 7, 7, 2}, flat.Msg.Flamegraph.Levels[2].Values)
	require.Equal(t, int64(10), flat.Msg.Flamegraph.Total)
	require.Equal(t, int64(7), flat.Msg.Flamegraph.MaxSelf)

	tree, err := c.SelectMergeStacktraces(ctx, sel(querierv1.ProfileFormat_PROFILE_FORMAT_TREE))
	require.NoError(t, err)
	decoded, err := flame.DecodeTree(tree.Msg.Tree)
	require.NoError(t, err)
	require.True(t, decoded.Equal(someTree(t)))
	require.Nil(t, tree.Msg.Flamegraph)

	dot, err := c.SelectMergeStacktraces(ctx, sel(querierv1.ProfileFormat_PROFILE_FORMAT_DOT))
	require.NoError(t, err)
	require.Contains(t, dot.Msg.Dot, "digraph")

	pp, err := c.SelectMergeStacktraces(ctx, sel(querierv1.ProfileFormat_PROFILE_FORMAT_PPROF))
	require.NoError(t, err)
	require.True(t, proto.Equal(pprofMessage(somePprof()), pp.Msg.Pprof.Profile))
	merged, err := c.SelectMergeProfile(ctx, connect.NewRequest(&querierv1.SelectMergeProfileRequest{
		ProfileTypeID: "process_cpu:cpu:nanoseconds:cpu:nanoseconds", LabelSelector: "{}", Start: 1000, End: 2000,
	}))
	require.NoError(t, err)
	require.True(t, proto.Equal(pprofMessage(somePprof()), merged.Msg))

	d, err := c.Diff(ctx, connect.NewRequest(&querierv1.DiffRequest{Left: sel(0).Msg, Right: sel(0).Msg}))
	require.NoError(t, err)
	require.Equal(t, int64(10), d.Msg.Flamegraph.LeftTicks)
	require.Equal(t, int64(10), d.Msg.Flamegraph.RightTicks)
	require.Equal(t, int64(20), d.Msg.Flamegraph.Total)
	require.Len(t, d.Msg.Flamegraph.Levels[1].Values, 7)

	series, err := c.SelectSeries(ctx, connect.NewRequest(&querierv1.SelectSeriesRequest{
		ProfileTypeID: "a:b:c:d:e", LabelSelector: "{}", Start: 1000, End: 2000, Step: 15,
	}))
	require.NoError(t, err)
	require.Equal(t, 2.5, series.Msg.Series[0].Points[0].Value)
	require.Equal(t, int64(30000), series.Msg.Series[0].Points[1].Timestamp)
	require.Equal(t, "pod", series.Msg.Series[0].Labels[0].Name)

	heat, err := c.SelectHeatmap(ctx, connect.NewRequest(&querierv1.SelectHeatmapRequest{
		ProfileTypeID: "a:b:c:d:e", LabelSelector: "{}", Start: 1000, End: 2000, Step: 60,
	}))
	require.NoError(t, err)
	require.Equal(t, "pod", heat.Msg.Series[0].Labels[0].Name)
	require.Equal(t, int64(60000), heat.Msg.Series[0].Slots[0].Timestamp)
	require.Equal(t, []float64{1, 2}, heat.Msg.Series[0].Slots[0].YMin)
	require.Equal(t, []int32{3, 4}, heat.Msg.Series[0].Slots[0].Counts)

	types, err := c.ProfileTypes(ctx, connect.NewRequest(&querierv1.ProfileTypesRequest{}))
	require.NoError(t, err)
	require.Equal(t, "process_cpu:cpu:nanoseconds:cpu:nanoseconds", types.Msg.ProfileTypes[0].ID)
	require.Equal(t, "nanoseconds", types.Msg.ProfileTypes[0].PeriodUnit)

	names, err := c.LabelNames(ctx, connect.NewRequest(&typesv1.LabelNamesRequest{Start: 1, End: 2}))
	require.NoError(t, err)
	require.Equal(t, []string{"one", "två"}, names.Msg.Names)
	values, err := c.LabelValues(ctx, connect.NewRequest(&typesv1.LabelValuesRequest{Name: "pod", Start: 1, End: 2}))
	require.NoError(t, err)
	require.Equal(t, []string{"one", "två"}, values.Msg.Names)
	sets, err := c.Series(ctx, connect.NewRequest(&querierv1.SeriesRequest{Start: 1, End: 2}))
	require.NoError(t, err)
	require.Len(t, sets.Msg.LabelsSet, 2)
	require.Equal(t, "d", sets.Msg.LabelsSet[0].Labels[1].Value)

	stats, err := c.GetProfileStats(ctx, connect.NewRequest(&typesv1.GetProfileStatsRequest{}))
	require.NoError(t, err)
	require.True(t, stats.Msg.DataIngested)
	require.Equal(t, int64(1000), stats.Msg.OldestProfileTime)
	require.Equal(t, int64(2000), stats.Msg.NewestProfileTime)
}

// TestQuestions: what the querier is asked.
func TestQuestions(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	ts.Querier.pprof = somePprof()
	post := func(method, body string, headers ...string) {
		t.Helper()
		res := ts.do(t, "POST", querierPath+method, body, append([]string{"Content-Type", "application/json"}, headers...)...)
		require.Equal(t, 200, res.status, res.body)
	}

	post("SelectMergeStacktraces", `{"profile_typeID":"a:b:c:d:e","label_selector":"{x=\"y\"}","start":1000,"end":2000,
		"stack_trace_selector":{"call_site":[{"name":"main"},{"name":"b"}]},"profile_id_selector":["7c9e6679-7425-40de-944b-e07fc1f90ae7"],
		"span_selector":["00000000000000ff"]}`, tenantHeader, "team-a")
	sel := ts.Querier.last.sel
	require.Equal(t, warehouse.Tenant("team-a"), sel.Tenant)
	require.Equal(t, warehouse.ProfileType{Name: "a", SampleType: "b", SampleUnit: "c", PeriodType: "d", PeriodUnit: "e"}, sel.Type)
	require.Equal(t, warehouse.TimeRange{From: 1_000_000, To: 2_000_000}, sel.Range)
	require.Equal(t, `x="y"`, sel.Matchers[0].String())
	require.Equal(t, []string{"main", "b"}, sel.CallSite)
	require.Equal(t, "7c9e6679-7425-40de-944b-e07fc1f90ae7", sel.ProfileIDs[0].String())
	require.Equal(t, []warehouse.SpanID{255}, sel.Spans)

	post("SelectMergeProfile", `{"trace_id_selector":["000102030405060708090a0b0c0d0e0f"],`+okSelect+`}`)
	require.Equal(t, []warehouse.TraceID{{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}}, ts.Querier.last.sel.Traces)
	require.Equal(t, warehouse.DefaultTenant, ts.Querier.last.sel.Tenant)

	post("SelectSeries", `{"step":0.29,"group_by":["pod","zone"],"aggregation":1,"limit":"5",`+okSelect+`}`)
	sr := ts.Querier.last.series
	require.Equal(t, int64(290), sr.StepMs)
	require.Equal(t, []string{"pod", "zone"}, sr.GroupBy)
	require.True(t, sr.Average)
	require.Equal(t, int64(5), sr.Limit)

	post("LabelValues", `{"name":"pod","matchers":["{a=\"b\"}","","{c!=\"d\",e=~\"f\"}"],`+okRange+`}`)
	require.Equal(t, []string{"pod"}, ts.Querier.last.names)
	require.Len(t, ts.Querier.last.matchers, 3)
	require.Empty(t, ts.Querier.last.matchers[1])
	require.Len(t, ts.Querier.last.matchers[2], 2)

	post("ProfileTypes", `{}`)
	r := ts.Querier.last.r
	require.Equal(t, int64(3_600_000_000), int64(r.To-r.From))
}

// TestDiffUsesGreaterMaxNodes and both sides.
func TestDiffUsesGreaterMaxNodes(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	ts.Querier.tree = treeOf(t, map[string]int64{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6})
	nodes := func(left, right string) int {
		res := ts.do(t, "POST", querierPath+"Diff", fmt.Sprintf(`{"left":{%s%s},"right":{%s%s}}`, left, okSelect, right, okSelect), "Content-Type", "application/json")
		require.Equal(t, 200, res.status, res.body)
		return strings.Count(res.body[strings.Index(res.body, `"names"`):strings.Index(res.body, `"levels"`)], `",`)
	}
	all := nodes("", "")
	require.Less(t, nodes(`"max_nodes":2,`, `"max_nodes":2,`), all)
	require.Equal(t, all, nodes(`"max_nodes":2,`, `"max_nodes":100,`))
	require.Equal(t, all, nodes(`"max_nodes":100,`, `"max_nodes":2,`))
}

// TestMaxNodesTrims: the default leaves small trees alone; totals stay.
func TestMaxNodesTrims(t *testing.T) {
	t.Parallel()
	ts := start(t, nil)
	stacks := map[string]int64{}
	for i := range 9000 {
		stacks[fmt.Sprintf("f%04d", i)] = int64(i + 1)
	}
	ts.Querier.tree = treeOf(t, stacks)
	c := querierv1connect.NewQuerierServiceClient(http1(t), ts.URL)
	boxes := func(maxNodes int64) int {
		req := &querierv1.SelectMergeStacktracesRequest{ProfileTypeID: "a:b:c:d:e", LabelSelector: "{}", Start: 1, End: 2}
		if maxNodes != 0 {
			req.MaxNodes = &maxNodes
		}
		res, err := c.SelectMergeStacktraces(t.Context(), connect.NewRequest(req))
		require.NoError(t, err)
		require.Equal(t, int64(9000*9001/2), res.Msg.Flamegraph.Total)
		return len(res.Msg.Flamegraph.Levels[1].Values) / 4
	}
	require.InDelta(t, DefaultMaxNodes, boxes(0), 1)
	require.Equal(t, 9000, boxes(MaxMaxNodes))
	require.InDelta(t, 10, boxes(10), 1)
}

// bigFlamegraph is an answer of n boxes.
func bigFlamegraph(n int) *querierv1.SelectMergeStacktracesResponse {
	rng := rand.New(rand.NewPCG(1, 2))
	f := &querierv1.FlameGraph{}
	for i := range 4000 {
		f.Names = append(f.Names, fmt.Sprintf("github.com/example/project/pkg%d.(*Type).Method%d", i%50, i))
	}
	for n > 0 {
		width := min(n, 100+rng.IntN(6000))
		n -= width
		values := make([]int64, 0, width*4)
		for range width {
			values = append(values, int64(rng.IntN(3))*rng.Int64N(1e9), rng.Int64N(1e12), rng.Int64N(1e9), rng.Int64N(4000))
		}
		f.Levels = append(f.Levels, &querierv1.Level{Values: values})
	}
	return &querierv1.SelectMergeStacktracesResponse{Flamegraph: f}
}

// BenchmarkEncodeFlamegraph measures the way of a large answer to bytes: by
// reflection, which is what connect's own codec does, by generated code, and
// compressed. A codec that encodes by hand was tried: all three are within a
// fifth of each other, so that connect's own stays.
//
//	go test -run '^$' -bench EncodeFlamegraph ./api
//
// 130 k boxes, the size of a full cpu profile of a service.
func BenchmarkEncodeFlamegraph(b *testing.B) {
	msg := bigFlamegraph(130_000)
	data, err := proto.Marshal(msg)
	require.NoError(b, err)
	report := func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
	}
	b.Run("reflection", func(b *testing.B) {
		report(b)
		dst := make([]byte, 0, 2*len(data))
		for b.Loop() {
			if _, err := (proto.MarshalOptions{}).MarshalAppend(dst, msg); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("generated", func(b *testing.B) {
		report(b)
		dst := make([]byte, 2*len(data))
		for b.Loop() {
			if _, err := msg.MarshalToSizedBufferVT(dst[:msg.SizeVT()]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("gzip", func(b *testing.B) {
		report(b)
		z := newCompressor()
		var out bytes.Buffer
		for b.Loop() {
			out.Reset()
			z.Reset(&out)
			if _, err := z.Write(data); err != nil {
				b.Fatal(err)
			}
			if err := z.Close(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(out.Len())/float64(len(data)), "ratio")
	})
}

// BenchmarkPprofMessage measures a merged pprof's way to a message.
//
//	go test -run '^$' -bench PprofMessage ./api
//
// 20 k samples of 30 locations.
func BenchmarkPprofMessage(b *testing.B) {
	p := &pprofile.Profile{SampleType: []*pprofile.ValueType{{Type: "cpu", Unit: "ns"}}}
	for i := range 5000 {
		f := &pprofile.Function{ID: uint64(i + 1), Name: fmt.Sprintf("pkg.Function%d", i), Filename: fmt.Sprintf("file%d.go", i%100)}
		p.Function = append(p.Function, f)
		p.Location = append(p.Location, &pprofile.Location{ID: uint64(i + 1), Line: []pprofile.Line{{Function: f, Line: int64(i)}}})
	}
	for i := range 20_000 {
		s := &pprofile.Sample{Value: []int64{int64(i)}}
		for j := range 30 {
			s.Location = append(s.Location, p.Location[(i*7+j*13)%5000])
		}
		p.Sample = append(p.Sample, s)
	}
	b.ReportAllocs()
	var msg *googlev1.Profile
	for b.Loop() {
		msg = pprofMessage(p)
	}
	b.ReportMetric(float64(msg.SizeVT()), "wire-bytes")
}
