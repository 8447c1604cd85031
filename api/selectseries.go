package api

import (
	"context"
	"math"
	"time"

	querierv1 "github.com/grafana/pyroscope/api/gen/proto/go/querier/v1"
	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"

	"github.com/stackhouse-db/stackhouse/sql/query"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// selectSeries sums the values of profiles over time, a point every step.
func (q queries) selectSeries(ctx context.Context, t warehouse.Tenant, req *querierv1.SelectSeriesRequest) (*querierv1.SelectSeriesResponse, error) {
	sr, err := seriesRequestOf(t, req)
	if err != nil {
		return nil, err
	}
	found, err := q.Series(ctx, sr)
	if err != nil {
		return nil, err
	}
	res := &querierv1.SelectSeriesResponse{Series: make([]*typesv1.Series, len(found))}
	for i, ts := range found {
		res.Series[i] = &typesv1.Series{Labels: pairs(ts.Labels), Points: points(ts.Points)}
	}
	return res, nil
}

func seriesRequestOf(t warehouse.Tenant, req *querierv1.SelectSeriesRequest) (query.SeriesRequest, error) {
	sel, err := fields{
		typeID: req.GetProfileTypeID(), selector: req.GetLabelSelector(), start: req.GetStart(), end: req.GetEnd(),
		stacks: req.GetStackTraceSelector(),
	}.selection(t)
	if err != nil {
		return query.SeriesRequest{}, err
	}
	step, err := stepOf(req.GetStep())
	if err != nil {
		return query.SeriesRequest{}, err
	}
	sr := query.SeriesRequest{Selection: sel, GroupBy: req.GetGroupBy(), StepMs: step, Limit: req.GetLimit()}
	switch req.GetAggregation() {
	case typesv1.TimeSeriesAggregationType_TIME_SERIES_AGGREGATION_TYPE_SUM:
	case typesv1.TimeSeriesAggregationType_TIME_SERIES_AGGREGATION_TYPE_AVERAGE:
		sr.Average = true
	default:
		return sr, warehouse.Errorf(warehouse.Invalid, "aggregation %d is unknown", req.GetAggregation())
	}
	if sr.Limit < 0 {
		return sr, warehouse.Errorf(warehouse.Invalid, "limit %d is negative", sr.Limit)
	}
	return sr, exemplarsOf(req.GetExemplarType())
}

// stepOf returns a step of seconds in milliseconds, the resolution of points.
func stepOf(seconds float64) (int64, error) {
	const longest = float64(math.MaxInt64) / float64(time.Second)
	switch {
	case seconds == 0:
		return 0, warehouse.Errorf(warehouse.Invalid, "missing step: seconds between two points")
	case math.IsNaN(seconds) || seconds < 0.001 || seconds >= longest:
		return 0, warehouse.Errorf(warehouse.Invalid, "step of %g seconds: want 0.001 or more", seconds)
	}
	return time.Duration(seconds * float64(time.Second)).Milliseconds(), nil
}

func points(in []query.Point) []*typesv1.Point {
	flat := make([]typesv1.Point, len(in))
	out := make([]*typesv1.Point, len(in))
	for i, p := range in {
		flat[i].Timestamp, flat[i].Value = p.TimeMs, p.Value
		out[i] = &flat[i]
	}
	return out
}
