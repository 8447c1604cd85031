package api

import (
	"context"

	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// labelNames lists the names of the labels that matching series have.
//
// Names outside the Prometheus charset are not hidden from clients that do not
// say they know them: what is stored should be seen, and the selector grammar
// accepts any name in quotes.
func (q queries) labelNames(ctx context.Context, t warehouse.Tenant, req *typesv1.LabelNamesRequest) (*typesv1.LabelNamesResponse, error) {
	r, err := rangeOf(req.GetStart(), req.GetEnd())
	if err != nil {
		return nil, err
	}
	sets, err := matcherSetsOf(req.GetMatchers())
	if err != nil {
		return nil, err
	}
	names, err := q.LabelNames(ctx, t, sets, r)
	if err != nil {
		return nil, err
	}
	return &typesv1.LabelNamesResponse{Names: names}, nil
}
