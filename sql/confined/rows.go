package confined

import (
	"context"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Rows are the rows of a statement that runs in another process, made as they are
// read.
//
// Concurrency: one goroutine at a time.
type Rows struct {
	process *Process
	schema  *arrow.Schema
	waiting []arrow.RecordBatch // received and not read
	current arrow.RecordBatch
	ended   error
}

// Schema describes the batches.
func (r *Rows) Schema() *arrow.Schema { return r.schema }

// Next returns the next rows, or [engine.ErrDone] after the last.
//
// Ownership: the batch is valid until the next call of Next or Close, unless the
// caller retains it.
func (r *Rows) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if r.ended != nil {
		return nil, r.ended
	}
	r.drop()
	if len(r.waiting) == 0 {
		if err := r.receive(ctx); err != nil {
			r.ended = err
			return nil, err
		}
	}
	r.current, r.waiting = r.waiting[0], r.waiting[1:]
	return r.current, nil
}

func (r *Rows) receive(ctx context.Context) error {
	body, err := r.process.call(ctx, askNext, nil)
	if err != nil {
		return err
	}
	if _, r.waiting, err = decodeBatches(body); err == nil && len(r.waiting) == 0 {
		err = warehouse.Errorf(warehouse.Internal, "no rows and no end")
	}
	if err != nil {
		return r.process.garbled(err)
	}
	return nil
}

func (r *Rows) drop() {
	if r.current != nil {
		r.current.Release()
		r.current = nil
	}
}

// closePatience is how long a process may take to end a statement that nobody reads
// any more.
const closePatience = 5 * time.Second

// Close ends the statement. Closing twice is fine.
func (r *Rows) Close() {
	if r.process == nil {
		return
	}
	r.drop()
	for _, b := range r.waiting {
		b.Release()
	}
	r.waiting = nil
	if !r.process.Broken() {
		ctx, cancel := context.WithTimeout(context.Background(), closePatience)
		defer cancel()
		if _, err := r.process.call(ctx, askClose, nil); err != nil {
			r.process.kill(err)
		}
	}
	r.process = nil
	if r.ended == nil {
		r.ended = warehouse.Errorf(warehouse.Invalid, "read rows: they are closed")
	}
}
