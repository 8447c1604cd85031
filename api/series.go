package api

import (
	"context"

	querierv1 "github.com/grafana/pyroscope/api/gen/proto/go/querier/v1"
	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// series lists the distinct label sets of matching series, reduced to the label
// names asked for; without names, all labels.
func (q queries) series(ctx context.Context, t warehouse.Tenant, req *querierv1.SeriesRequest) (*querierv1.SeriesResponse, error) {
	r, err := rangeOf(req.GetStart(), req.GetEnd())
	if err != nil {
		return nil, err
	}
	sets, err := matcherSetsOf(req.GetMatchers())
	if err != nil {
		return nil, err
	}
	found, err := q.LabelSets(ctx, t, sets, req.GetLabelNames(), r)
	if err != nil {
		return nil, err
	}
	res := &querierv1.SeriesResponse{LabelsSet: make([]*typesv1.Labels, len(found))}
	for i, ls := range found {
		res.LabelsSet[i] = &typesv1.Labels{Labels: pairs(ls)}
	}
	return res, nil
}
