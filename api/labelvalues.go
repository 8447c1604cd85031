package api

import (
	"context"

	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// labelValues lists the values that one label has among matching series.
func (q queries) labelValues(ctx context.Context, t warehouse.Tenant, req *typesv1.LabelValuesRequest) (*typesv1.LabelValuesResponse, error) {
	if req.GetName() == "" {
		return nil, warehouse.Errorf(warehouse.Invalid, "missing name: whose values?")
	}
	r, err := rangeOf(req.GetStart(), req.GetEnd())
	if err != nil {
		return nil, err
	}
	sets, err := matcherSetsOf(req.GetMatchers())
	if err != nil {
		return nil, err
	}
	values, err := q.LabelValues(ctx, t, req.GetName(), sets, r)
	if err != nil {
		return nil, err
	}
	return &typesv1.LabelValuesResponse{Names: values}, nil
}
