package pgwire

import (
	"context"
	"io"
	"math"
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
)

// spool is a running result with the rows that were read ahead of their client.
// While a client pauses between rows, it keeps as many as fit its budget, so that
// a small result frees its worker at once; a larger one goes on holding it.
//
// Ownership: it closes its source, at the end of the rows or with close.
type spool struct {
	src    rowSource // nil after its end
	ahead  []recordBatch
	offset int64 // rows of ahead[0] that were taken
	used   *atomic.Int64
	limit  int64 // of used
}

// newSpool wraps a source. used is what all spools of the server hold in bytes.
func newSpool(src rowSource, used *atomic.Int64, limit int64) *spool {
	return &spool{src: src, used: used, limit: limit}
}

// take returns the next rows, at least one and at most that many, or io.EOF.
//
// Ownership: the caller releases the batch.
func (s *spool) take(ctx context.Context, most int64) (recordBatch, error) {
	for len(s.ahead) == 0 {
		if err := s.read(ctx); err != nil {
			return nil, err
		}
	}
	rec := s.ahead[0]
	n := min(most, rec.NumRows()-s.offset)
	slice := rec.NewSlice(s.offset, s.offset+n)
	s.offset += n
	if s.offset == rec.NumRows() {
		s.drop()
	}
	return slice, nil
}

// read takes one batch from the source. The source is closed by any error.
func (s *spool) read(ctx context.Context) error {
	if s.src == nil {
		return io.EOF
	}
	rec, err := s.src.Next(ctx)
	if err != nil {
		s.src.Close()
		s.src = nil
		return err
	}
	if rec.NumRows() == 0 {
		return nil
	}
	rec.Retain()
	s.ahead = append(s.ahead, rec)
	s.used.Add(batchBytes(rec))
	return nil
}

// drop forgets the first batch.
func (s *spool) drop() {
	s.used.Add(-batchBytes(s.ahead[0]))
	s.ahead[0].Release()
	s.ahead, s.offset = s.ahead[1:], 0
}

// patience is how long a client waits for rows that it has not asked for yet.
const patience = 10 * time.Millisecond

// readAhead reads until nothing is left, the budget is used up or it takes too
// long.
func (s *spool) readAhead(ctx context.Context) error {
	return s.readFor(ctx, patience)
}

func (s *spool) readFor(ctx context.Context, most time.Duration) error {
	for start := time.Now(); s.src != nil && s.used.Load() < s.limit && time.Since(start) < most; {
		if err := s.read(ctx); err != nil && !isEOF(err) {
			return err
		}
	}
	return nil
}

// readAll reads what is left, and fails if that is more than the budget.
func (s *spool) readAll(ctx context.Context) error {
	if err := s.readFor(ctx, math.MaxInt64); err != nil {
		return err
	}
	if s.src != nil {
		return errorf(stateConfigurationLimit, "cursors would hold more than %d bytes", s.limit).
			withHint("Declare it without HOLD and SCROLL, or select fewer rows.")
	}
	return nil
}

// close frees the rows and ends the source.
func (s *spool) close() {
	for len(s.ahead) > 0 {
		s.drop()
	}
	if s.src != nil {
		s.src.Close()
		s.src = nil
	}
}

// batchBytes is the memory that a batch holds. Slices of one batch count as all of
// it.
func batchBytes(rec recordBatch) int64 {
	n := int64(0)
	for _, col := range rec.Columns() {
		n += dataBytes(col.Data())
	}
	return n
}

func dataBytes(d arrow.ArrayData) int64 {
	n := int64(0)
	for _, b := range d.Buffers() {
		if b != nil {
			n += int64(b.Len())
		}
	}
	for _, c := range d.Children() {
		n += dataBytes(c)
	}
	if d.DataType().ID() == arrow.DICTIONARY {
		n += dataBytes(d.Dictionary())
	}
	return n
}
