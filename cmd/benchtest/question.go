package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	querierv1 "github.com/grafana/pyroscope/api/gen/proto/go/querier/v1"
	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"
	"google.golang.org/protobuf/proto"
)

// question is a request of the profiling API, and what bare DuckDB is asked beside
// it.
type question struct {
	name   string
	method string // of querier.v1
	ask    proto.Message
	bare   *bareQuestion // nil: only the server is asked
}

// allNodes lets every node of a tree through: it is the server's limit.
const allNodes = 1 << 20

// span is a closed range of time, ms.
type span struct{ from, to int64 }

func spanOf(from, to time.Time) span { return span{from.UnixMilli(), to.UnixMilli()} }

const (
	everything  = `{}`
	generated   = `{namespace=~"data|platform|shop"}` // every service, by a label
	one         = `{service_name="service-0"}`
	oneService  = "service-0"
	regexRegion = `{region=~"eu-.*",namespace=~"shop|platform"}`
)

func flame(name, typ, selector string, s span, nodes int64) question {
	return question{name: name, method: "SelectMergeStacktraces", ask: &querierv1.SelectMergeStacktracesRequest{
		ProfileTypeID: typ, LabelSelector: selector, Start: s.from, End: s.to, MaxNodes: &nodes,
	}}
}

func series(name, typ, selector string, s span, by []string, step time.Duration) question {
	return question{name: name, method: "SelectSeries", ask: &querierv1.SelectSeriesRequest{
		ProfileTypeID: typ, LabelSelector: selector, Start: s.from, End: s.to, GroupBy: by, Step: step.Seconds(),
	}}
}

func pprofOf(name, typ, selector string, s span) question {
	return question{name: name, method: "SelectMergeProfile", ask: &querierv1.SelectMergeProfileRequest{
		ProfileTypeID: typ, LabelSelector: selector, Start: s.from, End: s.to,
	}}
}

func diffOf(name, selector string, a, b span) question {
	nodes := int64(allNodes)
	half := func(s span) *querierv1.SelectMergeStacktracesRequest {
		return &querierv1.SelectMergeStacktracesRequest{ProfileTypeID: cpuType, LabelSelector: selector, Start: s.from, End: s.to, MaxNodes: &nodes}
	}
	return question{name: name, method: "Diff", ask: &querierv1.DiffRequest{Left: half(a), Right: half(b)}}
}

func labelNames(name, selector string, s span) question {
	return question{name: name, method: "LabelNames", ask: &typesv1.LabelNamesRequest{Matchers: []string{selector}, Start: s.from, End: s.to}}
}

func labelValues(name, label, selector string, s span) question {
	return question{name: name, method: "LabelValues", ask: &typesv1.LabelValuesRequest{Name: label, Matchers: []string{selector}, Start: s.from, End: s.to}}
}

// beside adds what DuckDB is asked.
func (q question) beside(b bareQuestion) question {
	q.bare = &b
	return q
}

// questions are those of the table in docs/benchmarks.md, over a workload.
func questions(w *workload) []question {
	all := spanOf(w.start, w.end())
	third := time.Duration(w.steps/3) * step
	mid := w.start.Add(time.Duration(w.steps/2) * step)
	before, after := spanOf(w.start, mid), spanOf(mid, w.end())
	middle := spanOf(w.start.Add(third), w.end().Add(-third))
	shifted := span{all.from + (all.to-all.from)/8 + 1, all.to - 1}
	names := bareQuestion{sql: bareLabels}
	pods := bareQuestion{sql: bareSeriesByPod, typ: cpuType, span: all, step: step}
	return []question{
		{name: "profile_types", method: "ProfileTypes", ask: &querierv1.ProfileTypesRequest{Start: all.from, End: all.to}, bare: &names},
		labelNames("label_names", everything, all).beside(names),
		labelValues("label_values_service", "service_name", everything, all).beside(names),
		labelValues("label_values_pod", "pod", everything, all).beside(names),
		labelValues("label_values_version_of_service", "version", one, all).beside(names),
		series("series_cpu_one_by_pod_15s", cpuType, one, all, []string{"pod"}, step).beside(pods.of(oneService)),
		series("series_cpu_all_by_pod_15s", cpuType, everything, all, []string{"pod"}, step).beside(pods),
		series("series_total_300s", cpuType, everything, all, nil, 300*time.Second).beside(bareQuestion{sql: bareSeries, typ: cpuType, span: all, step: 300 * time.Second}),
		flame("flame_cpu_one_full", cpuType, one, all, allNodes).beside(sums(all).of(oneService)),
		flame("flame_cpu_one_8192", cpuType, one, all, 8192).beside(sums(all).of(oneService)),
		flame("flame_cpu_all_full", cpuType, generated, all, allNodes).beside(sums(all)),
		flame("flame_cpu_all_8192", cpuType, generated, all, 8192).beside(sums(all)),
		flame("flame_cpu_nofilter_16384", cpuType, everything, all, 16384).beside(sums(all)),
		flame("flame_cpu_nofilter_shifted_16384", cpuType, everything, shifted, 16384).beside(sums(shifted)),
		flame("flame_cpu_regex_full", cpuType, regexRegion, all, allNodes).beside(sums(all).matching()),
		flame("flame_cpu_third_of_time_full", cpuType, one, middle, allNodes).beside(sums(middle).of(oneService)),
		flame("flame_inuse_space_one_full", inuseType, one, all, allNodes).beside(bareQuestion{sql: bareSums, typ: inuseType, span: all, service: oneService}),
		pprofOf("pprof_cpu_one", cpuType, one, all).beside(sums(all).of(oneService)),
		pprofOf("pprof_cpu_all", cpuType, generated, all).beside(sums(all)),
		diffOf("diff_cpu_halves_full", one, before, after).beside(sums(before).of(oneService).and(after)),
	}
}

// asker asks a server.
type asker struct {
	client *http.Client
	url    string
	plain  bool // asks for answers that are not compressed
	buf    bytes.Buffer
}

func newAsker(url string) *asker { return &asker{client: newClient(1), url: url} }

// answer is a response as it came over the wire.
type answer struct {
	took   time.Duration // until the last byte
	wire   int           // bytes of the body
	zipped bool
	body   []byte // valid until the next question
}

// ask sends the question and reads the answer, without decoding it.
func (a *asker) ask(ctx context.Context, q *question) (answer, error) {
	data, err := proto.Marshal(q.ask)
	if err != nil {
		return answer{}, err
	}
	service := "/querier.v1.QuerierService/"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url+service+q.method, bytes.NewReader(data))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", "application/proto")
	req.Header.Set("Accept-Encoding", "gzip")
	if a.plain {
		req.Header.Set("Accept-Encoding", "identity")
	}
	began := time.Now()
	res, err := a.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	a.buf.Reset()
	if _, err := io.Copy(&a.buf, res.Body); err != nil {
		return answer{}, err
	}
	out := answer{took: time.Since(began), wire: a.buf.Len(), zipped: res.Header.Get("Content-Encoding") == "gzip", body: a.buf.Bytes()}
	if res.StatusCode != http.StatusOK {
		return out, fmt.Errorf("%s: status %d: %.200s", q.name, res.StatusCode, a.buf.String())
	}
	return out, nil
}
