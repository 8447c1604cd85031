package api

import (
	"context"

	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// profileStats says whether the tenant has profiles at all, and of what time.
func (q queries) profileStats(ctx context.Context, t warehouse.Tenant, _ *typesv1.GetProfileStatsRequest) (*typesv1.GetProfileStatsResponse, error) {
	st, err := q.Stats(ctx, t)
	if err != nil || !st.Ingested {
		return &typesv1.GetProfileStatsResponse{}, err
	}
	return &typesv1.GetProfileStatsResponse{
		DataIngested:      true,
		OldestProfileTime: st.Oldest.Time().UnixMilli(),
		NewestProfileTime: st.Newest.Time().UnixMilli(),
	}, nil
}
