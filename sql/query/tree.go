package query

import (
	"cmp"
	"context"
	"time"

	"github.com/google/pprof/profile"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/flame"
)

// Tree returns the selection's samples as a tree of function names. Its total is
// exact. A selection without samples has the empty tree.
func (s *Service) Tree(ctx context.Context, sel Selection) (tree *flame.Tree, err error) {
	defer s.metrics.observe("tree", time.Now(), &err)
	err = s.withStacks(ctx, &sel, func(symbols *flame.Symbols, ids []warehouse.StacktraceID, values []int64) error {
		t, err := flame.Build(symbols, ids, values)
		if err == nil {
			tree = t.SubTree(sel.CallSite)
		}
		return err
	})
	return tree, err
}

// Pprof returns the selection's samples as one merged profile in pprof's form,
// with files and lines. It says that it covers the selection's range.
func (s *Service) Pprof(ctx context.Context, sel Selection) (out *profile.Profile, err error) {
	defer s.metrics.observe("pprof", time.Now(), &err)
	meta := flame.PprofMeta{Start: sel.Range.From.Time(), Duration: sel.Range.To.Time().Sub(sel.Range.From.Time())}
	err = s.withStacks(ctx, &sel, func(symbols *flame.Symbols, ids []warehouse.StacktraceID, values []int64) error {
		if len(sel.CallSite) > 0 {
			ids, values = symbols.Below(sel.CallSite, ids, values)
		}
		out, err = flame.Pprof(symbols, ids, values, sel.Type, meta)
		return err
	})
	return out, err
}

// withStacks calls fn with the sums of the selection by stacktrace, all of which
// symbols knows. fn may change ids and values.
//
// It waits for its turn, for this is what keeps all processors busy and takes memory
// for every stacktrace. Questions that the index or the series answer do not wait
// behind it.
func (s *Service) withStacks(ctx context.Context, sel *Selection, fn func(symbols *flame.Symbols, ids []warehouse.StacktraceID, values []int64) error) error {
	if err := s.turns.Take(ctx, sel.Tenant); err != nil {
		return cmp.Or(ctxError(ctx), err)
	}
	defer s.turns.Give(sel.Tenant)
	v, err := s.view(ctx, sel.Tenant, sel.Range)
	if err != nil {
		return err
	}
	defer v.release()
	r, err := s.resolve(ctx, v, sel)
	if err != nil {
		return err
	}
	ids, values, err := s.stackSums(ctx, r)
	if err != nil {
		return err
	}
	symbols, err := s.symbols(ctx, v, r.targets, ids)
	if err != nil {
		return err
	}
	if err := ctxError(ctx); err != nil {
		return err
	}
	return fn(symbols, ids, values)
}
