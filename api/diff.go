package api

import (
	"context"
	"fmt"
	"runtime/debug"

	querierv1 "github.com/grafana/pyroscope/api/gen/proto/go/querier/v1"
	"golang.org/x/sync/errgroup"

	"github.com/stackhouse-db/stackhouse/sql/query"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/flame"
)

// diff compares two call trees, node by node. Errors keep their kind, so that a
// server that is down does not look like a wrong question.
func (q queries) diff(ctx context.Context, t warehouse.Tenant, req *querierv1.DiffRequest) (*querierv1.DiffResponse, error) {
	left, leftNodes, err := sideOf(t, "left", req.GetLeft())
	if err != nil {
		return nil, err
	}
	right, rightNodes, err := sideOf(t, "right", req.GetRight())
	if err != nil {
		return nil, err
	}
	trees, err := q.twoTrees(ctx, left, right)
	if err != nil {
		return nil, err
	}
	f, err := flame.Diff(trees[0], trees[1], max(leftNodes, rightNodes))
	if err != nil {
		return nil, err
	}
	return &querierv1.DiffResponse{Flamegraph: &querierv1.FlameGraphDiff{
		Names: f.Names, Levels: levels(f.Levels), Total: f.Total, MaxSelf: f.MaxSelf,
		LeftTicks: f.LeftTicks, RightTicks: f.RightTicks,
	}}, nil
}

func sideOf(t warehouse.Tenant, side string, req *querierv1.SelectMergeStacktracesRequest) (query.Selection, int64, error) {
	if req == nil {
		return query.Selection{}, 0, warehouse.Errorf(warehouse.Invalid, "missing %s", side)
	}
	sel, maxNodes, err := stacktracesOf(t, req)
	if warehouse.KindOf(err) == warehouse.Invalid && err != nil {
		err = warehouse.Errorf(warehouse.Invalid, "%s: %w", side, err)
	}
	return sel, maxNodes, err
}

// twoTrees builds both sides at once. A panic of either goes on in the caller,
// where it becomes an answer, instead of ending the process.
func (q queries) twoTrees(ctx context.Context, sides ...query.Selection) ([2]*flame.Tree, error) {
	var trees [2]*flame.Tree
	var panics [2]any
	g, ctx := errgroup.WithContext(ctx)
	for i, sel := range sides {
		g.Go(func() (err error) {
			defer func() {
				if v := recover(); v != nil {
					panics[i] = fmt.Sprintf("%v\n%s", v, debug.Stack())
				}
			}()
			trees[i], err = q.Tree(ctx, sel)
			return err
		})
	}
	err := g.Wait()
	for _, v := range panics {
		if v != nil {
			panic(v)
		}
	}
	return trees, err
}
