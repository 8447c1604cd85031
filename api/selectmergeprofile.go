package api

import (
	"context"

	googlev1 "github.com/grafana/pyroscope/api/gen/proto/go/google/v1"
	querierv1 "github.com/grafana/pyroscope/api/gen/proto/go/querier/v1"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// selectMergeProfile merges the samples selected into one pprof with files and
// lines. It has all stacktraces: max_nodes is checked, but cuts nothing, as in
// the reference.
func (q queries) selectMergeProfile(ctx context.Context, t warehouse.Tenant, req *querierv1.SelectMergeProfileRequest) (*googlev1.Profile, error) {
	sel, err := fields{
		typeID: req.GetProfileTypeID(), selector: req.GetLabelSelector(), start: req.GetStart(), end: req.GetEnd(),
		stacks: req.GetStackTraceSelector(), profileIDs: req.GetProfileIdSelector(), traces: req.GetTraceIdSelector(),
	}.selection(t)
	if err != nil {
		return nil, err
	}
	if _, err := maxNodesOf(req.MaxNodes); err != nil {
		return nil, err
	}
	p, err := q.Pprof(ctx, sel)
	if err != nil {
		return nil, err
	}
	return pprofMessage(p), nil
}
