package api

import (
	"context"

	querierv1 "github.com/grafana/pyroscope/api/gen/proto/go/querier/v1"

	"github.com/stackhouse-db/stackhouse/sql/query"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/flame"
)

// defaultDotNodes is the number of functions a drawn graph has if the request
// does not say: more cannot be read.
const defaultDotNodes = 100

// selectMergeStacktraces merges the samples selected into one call tree.
func (q queries) selectMergeStacktraces(ctx context.Context, t warehouse.Tenant, req *querierv1.SelectMergeStacktracesRequest) (*querierv1.SelectMergeStacktracesResponse, error) {
	if req.GetAsync().GetType() == querierv1.AsyncQueryType_ASYNC_QUERY_TYPE_FORCE || req.GetAsync().GetRequestId() != "" {
		return nil, unsupported("async queries are")
	}
	sel, maxNodes, err := stacktracesOf(t, req)
	if err != nil {
		return nil, err
	}
	switch req.GetFormat() {
	case querierv1.ProfileFormat_PROFILE_FORMAT_UNSPECIFIED, querierv1.ProfileFormat_PROFILE_FORMAT_FLAMEGRAPH:
		tree, err := q.trimmed(ctx, sel, maxNodes)
		if err != nil {
			return nil, err
		}
		return &querierv1.SelectMergeStacktracesResponse{Flamegraph: flamegraph(tree)}, nil
	case querierv1.ProfileFormat_PROFILE_FORMAT_TREE:
		tree, err := q.trimmed(ctx, sel, maxNodes)
		if err != nil {
			return nil, err
		}
		return &querierv1.SelectMergeStacktracesResponse{Tree: tree.AppendBinary(nil)}, nil
	case querierv1.ProfileFormat_PROFILE_FORMAT_DOT:
		return q.dot(ctx, sel, req.MaxNodes)
	case querierv1.ProfileFormat_PROFILE_FORMAT_PPROF:
		p, err := q.Pprof(ctx, sel)
		if err != nil {
			return nil, err
		}
		return &querierv1.SelectMergeStacktracesResponse{Pprof: &querierv1.PprofProfile{Profile: pprofMessage(p)}}, nil
	}
	return nil, warehouse.Errorf(warehouse.Invalid, "format %d is unknown", req.GetFormat())
}

// stacktracesOf reads what a request selects and how many nodes it wants.
func stacktracesOf(t warehouse.Tenant, req *querierv1.SelectMergeStacktracesRequest) (query.Selection, int64, error) {
	sel, err := fields{
		typeID: req.GetProfileTypeID(), selector: req.GetLabelSelector(), start: req.GetStart(), end: req.GetEnd(),
		stacks: req.GetStackTraceSelector(), profileIDs: req.GetProfileIdSelector(),
		spans: req.GetSpanSelector(), traces: req.GetTraceIdSelector(),
	}.selection(t)
	if err != nil {
		return sel, 0, err
	}
	maxNodes, err := maxNodesOf(req.MaxNodes)
	return sel, maxNodes, err
}

func (q queries) trimmed(ctx context.Context, sel query.Selection, maxNodes int64) (*flame.Tree, error) {
	tree, err := q.Tree(ctx, sel)
	if err != nil {
		return nil, err
	}
	return tree.Trim(maxNodes), nil
}

func (q queries) dot(ctx context.Context, sel query.Selection, maxNodes *int64) (*querierv1.SelectMergeStacktracesResponse, error) {
	tree, err := q.Tree(ctx, sel)
	if err != nil {
		return nil, err
	}
	nodes := int64(defaultDotNodes)
	if maxNodes != nil && *maxNodes > 0 {
		nodes = *maxNodes
	}
	return &querierv1.SelectMergeStacktracesResponse{Dot: tree.Dot(int(nodes))}, nil
}

// flamegraph returns the wire form of a tree's boxes. Levels are not copied.
func flamegraph(tree *flame.Tree) *querierv1.FlameGraph {
	f := tree.Flamebearer()
	return &querierv1.FlameGraph{Names: f.Names, Levels: levels(f.Levels), Total: f.Total, MaxSelf: f.MaxSelf}
}

func levels(values [][]int64) []*querierv1.Level {
	flat := make([]querierv1.Level, len(values))
	out := make([]*querierv1.Level, len(values))
	for i, v := range values {
		flat[i].Values = v
		out[i] = &flat[i]
	}
	return out
}
