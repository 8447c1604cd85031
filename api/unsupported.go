package api

import (
	"context"

	querierv1 "github.com/grafana/pyroscope/api/gen/proto/go/querier/v1"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

func (queries) analyzeQuery(context.Context, warehouse.Tenant, *querierv1.AnalyzeQueryRequest) (*querierv1.AnalyzeQueryResponse, error) {
	return nil, unsupported("AnalyzeQuery is")
}
