package statement

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stackhouse-db/stackhouse/sql/engine"
	"github.com/stackhouse-db/stackhouse/sql/worker"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// rows are the rows of a running statement. They end by themselves at the
// statement's deadline, so that a client that stops reading holds nothing for ever.
type rows struct {
	begin time.Time

	mu struct {
		sync.Mutex
		run   *running
		inner worker.Rows
		timer *time.Timer
		ended error // io.EOF after the last row
	}
}

func newRows(run *running, inner worker.Rows, begin time.Time) *rows {
	r := &rows{begin: begin}
	r.mu.Lock() // the timer may fire before it is stored
	defer r.mu.Unlock()
	r.mu.run, r.mu.inner = run, inner
	r.mu.timer = time.AfterFunc(time.Until(run.deadline), r.expire)
	return r
}

// Next returns the next rows.
func (r *rows) Next(ctx context.Context) (arrow.RecordBatch, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.ended != nil {
		return nil, r.mu.ended
	}
	ctx, cancel := context.WithDeadline(ctx, r.mu.run.deadline)
	defer cancel()
	rec, err := r.mu.inner.Next(ctx)
	switch {
	case errors.Is(err, engine.ErrDone):
		r.end(io.EOF)
		return nil, io.EOF
	case err != nil:
		r.end(r.mu.run.fail(err))
		return nil, r.mu.ended
	}
	r.mu.run.stats.Rows += rec.NumRows()
	r.mu.run.entry.progress(&r.mu.run.stats)
	return rec, nil
}

// Close ends the statement.
func (r *rows) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end(errRowsClosed)
}

// errRowsClosed is what Next returns after Close.
var errRowsClosed = &Error{Kind: warehouse.Invalid, SQLState: stateInternal, Message: "the rows are closed"}

// expire ends a statement whose time is over.
func (r *rows) expire() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end(kindError(warehouse.Errorf(warehouse.Deadline, "read rows: %w", context.DeadlineExceeded)))
}

// end gives everything back once. The caller holds mu.
func (r *rows) end(why error) {
	if r.mu.ended != nil {
		return
	}
	r.mu.ended = why
	r.mu.timer.Stop()
	r.mu.inner.Close()
	run := r.mu.run
	run.free()
	run.stats.Run = run.service.metrics.step("run", r.begin)
	if errors.Is(why, errRowsClosed) {
		why = nil // whoever closes rows has what it wanted
	}
	run.service.metrics.ended(why)
	if errors.Is(why, io.EOF) {
		why = nil
	}
	run.entry.end(why, &run.stats)
}

// Stats says what the statement cost so far.
func (r *rows) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.run.stats
}

// lines is a result of text, a line a row.
type lines struct {
	rec   arrow.RecordBatch
	read  bool
	stats Stats
}

func newLines(texts []string, stats Stats) *lines {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	defer b.Release()
	n := int64(0)
	for _, text := range texts {
		for line := range strings.Lines(text) {
			b.Append(strings.TrimRight(line, "\n"))
			n++
		}
	}
	stats.Rows = n
	schema := arrow.NewSchema([]arrow.Field{{Name: "QUERY PLAN", Type: arrow.BinaryTypes.String}}, nil)
	return &lines{rec: array.NewRecordBatch(schema, []arrow.Array{b.NewArray()}, n), stats: stats}
}

// Next returns all lines.
func (l *lines) Next(context.Context) (arrow.RecordBatch, error) {
	if l.read {
		return nil, io.EOF
	}
	l.read = true
	return l.rec, nil
}

// Close leaves the lines, whose memory is Go's, to the collector.
func (l *lines) Close() {}

// Stats says what planning cost.
func (l *lines) Stats() Stats { return l.stats }
