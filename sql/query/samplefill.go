package query

import (
	"context"
	"slices"
)

// wholeRows is the most samples of a part of which all datasets are kept once
// one is read: the next question, about another type, finds its samples.
const wholeRows = 16 << 10

// slicesOf returns the samples of the targets, which are all small.
func (s *Service) slicesOf(ctx context.Context, sel *Selection, ts []target) ([]*sampleSlice, error) {
	ts = slices.DeleteFunc(slices.Clone(ts), func(t target) bool { return t.rows == 0 })
	found, missing := s.samples.lookup(ts)
	if len(missing) == 0 {
		return found, nil
	}
	end, err := s.samples.beginFill(ctx, fillKey{sel.Tenant, sel.Type.String()})
	if err != nil {
		return nil, err
	}
	defer end()
	again, missing := s.samples.lookup(missing)
	found = append(found, again...)

	read, err := s.readParts(ctx, byPart(missing))
	if err != nil {
		return nil, err
	}
	return append(found, read...), nil
}
