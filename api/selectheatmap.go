package api

import (
	"context"

	querierv1 "github.com/grafana/pyroscope/api/gen/proto/go/querier/v1"
	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"

	"github.com/stackhouse-db/stackhouse/sql/query"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// selectHeatmap counts single profiles by time and value.
func (q queries) selectHeatmap(ctx context.Context, t warehouse.Tenant, req *querierv1.SelectHeatmapRequest) (*querierv1.SelectHeatmapResponse, error) {
	hr, err := heatmapRequestOf(t, req)
	if err != nil {
		return nil, err
	}
	found, err := q.Heatmap(ctx, hr)
	if err != nil {
		return nil, err
	}
	res := &querierv1.SelectHeatmapResponse{Series: make([]*typesv1.HeatmapSeries, len(found))}
	for i, s := range found {
		res.Series[i] = &typesv1.HeatmapSeries{Labels: pairs(s.Labels), Slots: slots(s.Slots)}
	}
	return res, nil
}

func heatmapRequestOf(t warehouse.Tenant, req *querierv1.SelectHeatmapRequest) (query.HeatmapRequest, error) {
	sel, err := fields{
		typeID: req.GetProfileTypeID(), selector: req.GetLabelSelector(), start: req.GetStart(), end: req.GetEnd(),
	}.selection(t)
	if err != nil {
		return query.HeatmapRequest{}, err
	}
	step, err := stepOf(req.GetStep())
	if err != nil {
		return query.HeatmapRequest{}, err
	}
	hr := query.HeatmapRequest{Selection: sel, GroupBy: req.GetGroupBy(), StepMs: step, Limit: req.GetLimit()}
	if hr.Limit < 0 {
		return hr, warehouse.Errorf(warehouse.Invalid, "limit %d is negative", hr.Limit)
	}
	switch req.GetQueryType() {
	case querierv1.HeatmapQueryType_HEATMAP_QUERY_TYPE_UNSPECIFIED, querierv1.HeatmapQueryType_HEATMAP_QUERY_TYPE_INDIVIDUAL:
	case querierv1.HeatmapQueryType_HEATMAP_QUERY_TYPE_SPAN:
		return hr, unsupported("heatmaps of spans (query_type) are")
	default:
		return hr, warehouse.Errorf(warehouse.Invalid, "query_type %d is unknown", req.GetQueryType())
	}
	return hr, exemplarsOf(req.GetExemplarType())
}

// exemplarsOf refuses a request for exemplars.
func exemplarsOf(t typesv1.ExemplarType) error {
	switch t {
	case typesv1.ExemplarType_EXEMPLAR_TYPE_UNSPECIFIED, typesv1.ExemplarType_EXEMPLAR_TYPE_NONE:
		return nil
	}
	return unsupported("exemplars (exemplar_type) are")
}

func slots(in []query.HeatmapSlot) []*typesv1.HeatmapSlot {
	out := make([]*typesv1.HeatmapSlot, len(in))
	for i, s := range in {
		out[i] = &typesv1.HeatmapSlot{Timestamp: s.TimeMs, YMin: s.YMin, Counts: s.Counts}
	}
	return out
}
