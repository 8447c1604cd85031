package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"connectrpc.com/grpchealth"
	"github.com/grafana/pyroscope/api/gen/proto/go/push/v1/pushv1connect"
	"github.com/grafana/pyroscope/api/gen/proto/go/querier/v1/querierv1connect"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// route is one row of the route table.
type route struct {
	path    string // as http.ServeMux has it; also the metrics' label
	methods string // separated by spaces
	handler http.Handler
	push    bool // bodies are profiles, and large
}

const (
	get  = "GET HEAD"
	post = "POST"
	put  = "PUT"
)

// routes is everything the server answers; those of backups are in backup.go.
func (s *Server) routes() []route {
	q := s.queries
	healthPath, health := grpchealth.NewHandler(healthChecker{s})
	return append(s.backupRoutes(), []route{
		// Profiles in.
		procedure(s, pushv1connect.PusherServicePushProcedure, s.push).large(),
		{path: "/ingest", methods: post, push: true, handler: s.endpoint(s.ingest)},
		{path: "/pyroscope/ingest", methods: post, push: true, handler: s.endpoint(s.ingest)},

		// Questions.
		procedure(s, querierv1connect.QuerierServiceProfileTypesProcedure, q.profileTypes),
		procedure(s, querierv1connect.QuerierServiceLabelNamesProcedure, q.labelNames),
		procedure(s, querierv1connect.QuerierServiceLabelValuesProcedure, q.labelValues),
		procedure(s, querierv1connect.QuerierServiceSeriesProcedure, q.series),
		procedure(s, querierv1connect.QuerierServiceSelectMergeStacktracesProcedure, q.selectMergeStacktraces),
		procedure(s, querierv1connect.QuerierServiceSelectMergeSpanProfileProcedure, q.selectMergeSpanProfile),
		procedure(s, querierv1connect.QuerierServiceSelectMergeProfileProcedure, q.selectMergeProfile),
		procedure(s, querierv1connect.QuerierServiceSelectSeriesProcedure, q.selectSeries),
		procedure(s, querierv1connect.QuerierServiceSelectHeatmapProcedure, q.selectHeatmap),
		procedure(s, querierv1connect.QuerierServiceDiffProcedure, q.diff),
		procedure(s, querierv1connect.QuerierServiceGetProfileStatsProcedure, q.profileStats),
		procedure(s, querierv1connect.QuerierServiceAnalyzeQueryProcedure, q.analyzeQuery),

		// Operation.
		{path: "/ready", methods: get, handler: s.endpoint(s.ready)},
		{path: "/metrics", methods: get, handler: s.metered},
		{path: "/api/v1/status/buildinfo", methods: get, handler: s.endpoint(s.buildInfo)},
		{path: "/api/v1/admin/delete", methods: post, handler: s.administer(s.delete)},
		{path: "/api/v1/admin/deletions", methods: get, handler: s.administer(s.deletions)},
		{path: "/api/v1/admin/retention", methods: get + " " + put, handler: s.administer(s.retention)},
		{path: healthPath, methods: post, handler: health},
		{path: "/debug/pprof/", methods: get, handler: http.HandlerFunc(debugIndex)},
		{path: "/debug/pprof/cmdline", methods: get, handler: http.HandlerFunc(debugCmdline)},
		{path: "/debug/pprof/profile", methods: get, handler: http.HandlerFunc(debugCPU)},
		{path: "/debug/pprof/symbol", methods: get + " " + post, handler: http.HandlerFunc(debugSymbol)},
		{path: "/debug/pprof/trace", methods: get, handler: http.HandlerFunc(debugTrace)},

		// Operators.
		{path: "/api/v1/admin/scrub", methods: post, handler: s.endpoint(s.adminScrub)},
		{path: "/api/v1/admin/jobs", methods: get, handler: s.endpoint(s.adminJobs)},
		{path: "/api/v1/admin/jobs/release", methods: post, handler: s.endpoint(s.adminReleaseJobs)},

		// People.
		{path: "/status", methods: get, handler: s.endpoint(s.status)},
		{path: "/{$}", methods: get, handler: s.endpoint(s.page)},
		{path: "/", methods: get + " " + post, handler: s.endpoint(s.notFound)},
	}...)
}

// procedure is the row of one remote method.
func procedure[Req, Res any](s *Server, path string, call func(context.Context, warehouse.Tenant, *Req) (*Res, error)) route {
	return route{path: path, methods: post, handler: rpc(s, path, call)}
}

// large marks a route whose bodies are profiles.
func (rt route) large() route {
	rt.push = true
	return rt
}

// allows reports whether the route serves the method.
func (rt route) allows(method string) bool {
	return slices.Contains(strings.Fields(rt.methods), method)
}

// allow returns the Allow header.
func (rt route) allow() string { return strings.Join(strings.Fields(rt.methods), ", ") }

// endpoint serves a function that fails with an error or answers by itself.
func (s *Server) endpoint(fn func(x *exchange, r *http.Request) error) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		x := exchangeOf(r.Context())
		if err := fn(x, r); err != nil {
			s.fail(x, r, 0, err)
		}
	})
}

// handler is the route table as an http.Handler.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	for _, rt := range s.routes() {
		mux.Handle(rt.path, s.observe(rt))
	}
	return mux
}
