package api

import (
	"context"
	"time"

	querierv1 "github.com/grafana/pyroscope/api/gen/proto/go/querier/v1"
	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// profileTypes lists the profile types that have profiles in the range. Clients
// ask without a range to see whether the server is there: that is the last hour.
func (q queries) profileTypes(ctx context.Context, t warehouse.Tenant, req *querierv1.ProfileTypesRequest) (*querierv1.ProfileTypesResponse, error) {
	start, end := req.GetStart(), req.GetEnd()
	switch {
	case start == 0 && end == 0:
		now := time.Now()
		start, end = now.Add(-time.Hour).UnixMilli(), now.UnixMilli()
	case start > end:
		return nil, warehouse.Errorf(warehouse.Invalid, "start %d is after end %d", start, end)
	}
	types, err := q.ProfileTypes(ctx, t, warehouse.MillisRange(start, end))
	if err != nil {
		return nil, err
	}
	res := &querierv1.ProfileTypesResponse{ProfileTypes: make([]*typesv1.ProfileType, len(types))}
	for i, p := range types {
		res.ProfileTypes[i] = &typesv1.ProfileType{
			ID:         p.String(),
			Name:       p.Name,
			SampleType: p.SampleType,
			SampleUnit: p.SampleUnit,
			PeriodType: p.PeriodType,
			PeriodUnit: p.PeriodUnit,
		}
	}
	return res, nil
}
