package api

import (
	"context"

	querierv1 "github.com/grafana/pyroscope/api/gen/proto/go/querier/v1"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// selectMergeSpanProfile is selectMergeStacktraces for samples of spans, as
// Grafana's way from traces to profiles asks for it. Without spans it selects
// all samples.
func (q queries) selectMergeSpanProfile(ctx context.Context, t warehouse.Tenant, req *querierv1.SelectMergeSpanProfileRequest) (*querierv1.SelectMergeSpanProfileResponse, error) {
	sel, err := fields{
		typeID: req.GetProfileTypeID(), selector: req.GetLabelSelector(), start: req.GetStart(), end: req.GetEnd(),
		spans: req.GetSpanSelector(),
	}.selection(t)
	if err != nil {
		return nil, err
	}
	maxNodes, err := maxNodesOf(req.MaxNodes)
	if err != nil {
		return nil, err
	}
	isTree := req.GetFormat() == querierv1.ProfileFormat_PROFILE_FORMAT_TREE
	if !isTree && req.GetFormat() > querierv1.ProfileFormat_PROFILE_FORMAT_FLAMEGRAPH {
		return nil, warehouse.Errorf(warehouse.Invalid, "format %s is not one of this method: ask SelectMergeStacktraces", req.GetFormat())
	}
	tree, err := q.trimmed(ctx, sel, maxNodes)
	switch {
	case err != nil:
		return nil, err
	case isTree:
		return &querierv1.SelectMergeSpanProfileResponse{Tree: tree.AppendBinary(nil)}, nil
	}
	return &querierv1.SelectMergeSpanProfileResponse{Flamegraph: flamegraph(tree)}, nil
}
