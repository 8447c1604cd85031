package pgwire

import (
	"context"
	"io"
	"sort"

	"github.com/apache/arrow-go/v18/arrow"
)

// fetch returns the rows of a direction and moves the cursor there as they are
// read.
func (p *portal) fetch(ctx context.Context, dir direction) (rowSource, error) {
	if !p.started() {
		if err := p.start(ctx); err != nil {
			return nil, err
		}
	}
	if p.scroll {
		return p.fetchAny(ctx, dir)
	}
	return p.fetchForward(ctx, dir)
}

// fetchForward serves a cursor whose rows are gone once they were read.
func (p *portal) fetchForward(ctx context.Context, dir direction) (rowSource, error) {
	skip, n := int64(0), dir.count
	switch dir.kind {
	case absoluteOne:
		skip, n = dir.count-p.at-1, 1
	case relativeOne:
		skip, n = dir.count-1, 1
	}
	if dir.count < 1 || skip < 0 {
		return nil, errorf(stateNotInPrerequisiteState, "cursor can only scan forward").
			withHint("Declare it with SCROLL option to enable backward scan.")
	}
	if skip > 0 {
		if _, err := countRows(ctx, &forward{p: p, left: skip}); err != nil {
			return nil, err
		}
	}
	return &forward{p: p, left: n}, nil
}

// forward takes the cursor's next rows.
type forward struct {
	p    *portal
	left int64
	rec  recordBatch // given out last
}

func (f *forward) Next(ctx context.Context) (arrow.RecordBatch, error) {
	f.Close()
	if f.left == 0 {
		return nil, f.end(ctx)
	}
	rec, err := f.p.rows.take(ctx, f.left)
	if err != nil {
		return nil, err
	}
	f.rec = rec
	f.left -= rec.NumRows()
	f.p.at += rec.NumRows()
	return rec, nil
}

// end lets the cursor's worker go if the rest of the rows fits in memory.
func (f *forward) end(ctx context.Context) error {
	if err := f.p.rows.readAhead(ctx); err != nil {
		return err
	}
	return io.EOF
}

func (f *forward) Close() {
	if f.rec != nil {
		f.rec.Release()
		f.rec = nil
	}
}

// fetchAny serves a cursor with SCROLL: all its rows are read first and kept.
//
// The cursor stands at 0, before the first row, at a row from 1 to total, or at
// total+1, after the last.
func (p *portal) fetchAny(ctx context.Context, dir direction) (rowSource, error) {
	if err := p.rows.readAll(ctx); err != nil {
		return nil, err
	}
	starts := p.rows.starts()
	total := starts[len(starts)-1]
	from, n, step, to := target(dir, p.at, total)
	p.at = to
	return &scroll{batches: p.rows.ahead, starts: starts, row: from, left: n, step: step}, nil
}

// target turns a direction into the rows from, from+step, … (n of them) and where
// the cursor stands after.
func target(dir direction, at, total int64) (from, n, step, to int64) {
	if dir.kind != relativeMany {
		row := dir.count
		switch {
		case dir.kind == relativeOne:
			row = addClamped(at, dir.count)
		case row < 0:
			row += total + 1
		}
		row = min(max(row, 0), total+1)
		if row < 1 || row > total {
			return 0, 0, 1, row
		}
		return row, 1, 1, row
	}
	switch {
	case dir.count == 0:
		if at < 1 || at > total {
			return 0, 0, 1, at
		}
		return at, 1, 1, at
	case dir.count > 0:
		to = min(addClamped(at, dir.count), total+1)
		return at + 1, min(to, total) - min(at, total), 1, to
	}
	to = max(addClamped(at, dir.count), 0)
	return at - 1, max(at-1, 0) - max(to-1, 0), -1, to
}

// addClamped adds to a row number, at most to the largest.
func addClamped(at, n int64) int64 {
	if n > all-at {
		return all - 1
	}
	return at + n
}

// starts returns the number of rows before each batch, and of all.
func (s *spool) starts() []int64 {
	starts := make([]int64, 1, len(s.ahead)+1)
	for i, b := range s.ahead {
		starts = append(starts, starts[i]+b.NumRows())
	}
	return starts
}

// scroll gives rows out of kept batches. Row numbers begin with 1.
type scroll struct {
	batches         []recordBatch
	starts          []int64
	row, left, step int64
	rec             recordBatch // given out last
}

func (s *scroll) Next(context.Context) (arrow.RecordBatch, error) {
	s.Close()
	if s.left <= 0 {
		return nil, io.EOF
	}
	i := sort.Search(len(s.batches), func(i int) bool { return s.starts[i+1] >= s.row })
	first := s.row - 1 - s.starts[i]
	n := int64(1)
	if s.step > 0 {
		n = min(s.left, s.batches[i].NumRows()-first)
	}
	s.rec = s.batches[i].NewSlice(first, first+n)
	s.row += n * s.step
	s.left -= n
	return s.rec, nil
}

func (s *scroll) Close() {
	if s.rec != nil {
		s.rec.Release()
		s.rec = nil
	}
}
