package api

import (
	"context"

	pprofile "github.com/google/pprof/profile"

	"github.com/stackhouse-db/stackhouse/sql/query"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/flame"
)

// Querier answers questions about stored profiles; [query.Service] does.
type Querier interface {
	Tree(ctx context.Context, sel query.Selection) (*flame.Tree, error)
	Pprof(ctx context.Context, sel query.Selection) (*pprofile.Profile, error)
	Series(ctx context.Context, req query.SeriesRequest) ([]query.TimeSeries, error)
	Heatmap(ctx context.Context, req query.HeatmapRequest) ([]query.HeatmapSeries, error)
	ProfileTypes(ctx context.Context, t warehouse.Tenant, r warehouse.TimeRange) ([]warehouse.ProfileType, error)
	LabelNames(ctx context.Context, t warehouse.Tenant, sets [][]warehouse.Matcher, r warehouse.TimeRange) ([]string, error)
	LabelValues(ctx context.Context, t warehouse.Tenant, name string, sets [][]warehouse.Matcher, r warehouse.TimeRange) ([]string, error)
	LabelSets(ctx context.Context, t warehouse.Tenant, sets [][]warehouse.Matcher, names []string, r warehouse.TimeRange) ([]warehouse.Labels, error)
	Stats(ctx context.Context, t warehouse.Tenant) (query.Stats, error)
}

var _ Querier = (*query.Service)(nil)
