package compactor

import (
	"context"
	"fmt"
	"path"
	"runtime/debug"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/failpoint"
)

// Failpoints of a job.
var (
	beforeTable  = failpoint.Declare("compactor.table.before", "a job was taken; a table of a block is about to be stored")
	afterTable   = failpoint.Declare("compactor.table.after", "a table of a block is stored")
	beforeMeta   = failpoint.Declare("compactor.meta.before", "all tables of a block are stored, its meta.json is not")
	afterMeta    = failpoint.Declare("compactor.meta.after", "a block is stored; nobody knows it")
	beforeFinish = failpoint.Declare("compactor.finish.before", "all blocks of a job are stored; they are about to be registered in place of the inputs")
	afterFinish  = failpoint.Declare("compactor.finish.after", "the blocks of a job are registered")
	beforeUndo   = failpoint.Declare("compactor.undo.before", "a job has failed; a file that it stored is about to be deleted")
	afterUndo    = failpoint.Declare("compactor.undo.after", "a job has failed; a file that it stored is deleted")
)

// retryFinish is the pause between two attempts to register blocks.
const retryFinish = 500 * time.Millisecond

// running is a job that is being done.
type running struct {
	*warehouse.Job
	cancel context.CancelCauseFunc
	began  time.Time
}

// do does a job to its end, and tells the planner how it went.
func (w *Worker) do(ctx context.Context, j *running) {
	stored, err := w.makeBlocks(ctx, j.Job)
	if err == nil {
		err = w.finish(ctx, j.Job, stored)
	}
	w.metrics.observe(j, stored, err, w.opts.Clock())
	log := w.opts.Logger.With("job", j.ID, "tenant", j.Tenant, "hour", j.Hour, "level", j.Level, "inputs", len(j.Inputs), "attempt", j.Attempt)
	if err == nil {
		log.Info("merged", "blocks", len(stored.parts), "samples", stored.samples(), "deleted", stored.deleted(), "in", stored.in, "out", stored.out, "dur", w.opts.Clock().Sub(j.began))
		return
	}
	w.giveUp(ctx, j.Job, stored, err)
	if ctx.Err() == nil {
		log.Warn("a job failed", "err", err)
	}
}

// stored is what a job has stored so far.
type stored struct {
	parts   []warehouse.Part
	names   []string // of files, also of a block that is not whole
	in, out int64    // bytes
	removed []warehouse.Removed
}

// deleted returns how many samples were left out because they are deleted.
func (s *stored) deleted() (n int64) {
	for _, r := range s.removed {
		n += r.Samples
	}
	return n
}

func (s *stored) samples() (n int64) {
	for i := range s.parts {
		n += s.parts[i].Rows()
	}
	return n
}

// makeBlocks merges the inputs and stores the blocks. An input that cannot be read
// where it is mapped is an error.
func (w *Worker) makeBlocks(ctx context.Context, j *warehouse.Job) (s *stored, err error) {
	s = &stored{}
	inputs, closeInputs := openInputs(ctx, w.opts.Sections, j.Inputs)
	defer closeInputs()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = warehouse.Errorf(warehouse.Internal, "merge: %v", p)
		}
	}()
	sources := make([]warehouse.ObjectID, 0, len(j.Inputs))
	for _, p := range j.Inputs {
		sources = append(sources, p.Object)
		s.in += p.SizeBytes()
	}
	if w.opts.Room != nil { // what is made is smaller than what it is made of, but for its totals
		if err := w.opts.Room(s.in + s.in/4); err != nil {
			return s, err
		}
	}
	m := Merge{Level: j.Level, NewID: w.newID, Masks: j.Masks}
	s.removed, err = m.Run(ctx, inputs, func(b *Block) error { return w.store(ctx, b, sources, s) })
	return s, err
}

// newID returns an id that carries the clock's time.
func (w *Worker) newID() warehouse.ObjectID {
	id := ulid.Make() // monotonic within a millisecond
	_ = id.SetTime(uint64(w.opts.Clock().UnixMilli()))
	return id
}

// store puts the files of a block, meta.json last: a folder with it is whole.
func (w *Worker) store(ctx context.Context, b *Block, sources []warehouse.ObjectID, s *stored) error {
	for _, f := range b.Tables {
		if err := w.put(ctx, block.SectionName(&b.Part, f.Table), f.Data, s, beforeTable, afterTable); err != nil {
			return err
		}
	}
	meta, err := block.EncodeMeta(&b.Part, sources)
	if err != nil {
		return err
	}
	if err := w.put(ctx, path.Join(block.BlockDir(&b.Part), block.MetaName), meta, s, beforeMeta, afterMeta); err != nil {
		return err
	}
	s.parts = append(s.parts, b.Part)
	return nil
}

func (w *Worker) put(ctx context.Context, name string, data []byte, s *stored, before, after failpoint.Name) error {
	if err := w.opts.Failpoints.Hit(before); err != nil {
		return err
	}
	s.names = append(s.names, name) // a failed upload may have an effect
	if err := w.opts.Bucket.Put(ctx, name, data); err != nil {
		return err
	}
	s.out += int64(len(data))
	return w.opts.Failpoints.Hit(after)
}

// finish registers the blocks, as often as it takes to get an answer.
func (w *Worker) finish(ctx context.Context, j *warehouse.Job, s *stored) error {
	if err := w.opts.Failpoints.Hit(beforeFinish); err != nil {
		return err
	}
	for {
		err := w.opts.Jobs.FinishJob(ctx, j.JobRef, s.parts, s.removed)
		switch warehouse.KindOf(err) {
		case warehouse.Unavailable, warehouse.Deadline:
			select {
			case <-ctx.Done():
				return errUnknown{err}
			case <-time.After(retryFinish):
			}
			continue
		case warehouse.Canceled:
			return errUnknown{err}
		}
		if err != nil {
			return err
		}
		return w.opts.Failpoints.Hit(afterFinish)
	}
}

// errUnknown is an error that leaves open whether blocks are registered.
type errUnknown struct{ error }

// Unwrap returns the cause.
func (e errUnknown) Unwrap() error { return e.error }

// giveUp removes what a failed job has stored if it can never be registered, and
// gives the job back. Files that it leaves are removed by the metastore's sweep.
func (w *Worker) giveUp(ctx context.Context, j *warehouse.Job, s *stored, err error) {
	reason := err.Error()
	if kind := warehouse.KindOf(err); ctx.Err() == nil && (kind == warehouse.Unavailable || kind == warehouse.Deadline) {
		reason = "" // what was away comes back: the job is tried again as often as it takes
		select {
		case <-time.After(w.opts.RetryPause):
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		reason = "" // the lease was lost, or the worker stops
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.opts.StopTimeout)
	defer cancel()
	switch err.(type) { //nolint:errorlint // only if finish returned it
	case errUnknown:
		return // its lease ends, and then whoever has the job next finds out
	default:
		// Not registered, and never will be: nobody else has the blocks' ids.
		w.undo(ctx, s)
	}
	if kind := warehouse.KindOf(err); kind == warehouse.NotFound && reason != "" && len(s.parts) > 0 {
		return // the planner has said so
	}
	if err := w.opts.Jobs.FailJob(ctx, j.JobRef, reason); err != nil {
		w.opts.Logger.Warn("could not give a job back", "job", j.ID, "err", err)
	}
}

func (w *Worker) undo(ctx context.Context, s *stored) {
	for _, name := range s.names {
		err := w.opts.Failpoints.Hit(beforeUndo)
		if err == nil {
			err = w.opts.Bucket.Delete(ctx, name)
		}
		if err == nil {
			err = w.opts.Failpoints.Hit(afterUndo)
		}
		if err != nil {
			w.opts.Logger.Warn("could not delete what a failed job stored", "object", name, "err", err)
			return
		}
	}
}

// String returns the job in words, for errors and logs.
func (j *running) String() string {
	return fmt.Sprintf("job %s of %s, hour %s", j.ID, j.Tenant, j.Hour)
}
