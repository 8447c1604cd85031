package ingest

import (
	"context"
	"errors"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/segment"
)

// maxSeals bounds how often one head is encoded anew because the metastore
// refused it: once for duplicates and once for stale epochs is the rule.
const maxSeals = 8

// flush stores and registers a head and lands its flights, all of them. It
// outlives ctx, since what was accepted is flushed before the ingester stops,
// but not GiveUpAfter.
func (in *Ingester) flush(ctx context.Context, s *shard, head []*flight) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), in.opts.GiveUpAfter)
	defer cancel()
	start := in.now()
	for range maxSeals {
		b, failed, err := in.seal(s, head)
		for _, f := range failed {
			in.opts.Logger.Error("dataset not encoded", "dataset", f.flights[0].service, "tenant", f.flights[0].key.Tenant, "err", f.err)
			in.land(f.flights, f.err)
		}
		if err != nil {
			in.land(b.flights, err)
			return
		}
		if head = b.flights; len(head) == 0 {
			return
		}
		res, err := in.store(ctx, b)
		if err != nil {
			in.opts.Logger.Error("segment not registered", "shard", s.id, "segment", b.seg.ID, "err", err)
			in.metrics.flushed("failed", 0, 0)
			in.land(head, warehouse.Refuse(warehouse.Unavailable, reasonStore, "store segment %s: %w", b.seg.ID, err))
			return
		}
		in.metrics.flushed(res.Outcome.String(), len(b.data), in.now().Sub(start))
		switch res.Outcome {
		case warehouse.Added:
			in.registered(s, b)
			return
		case warehouse.HasDuplicates:
			head = in.dropDuplicates(head, res.Duplicates)
		case warehouse.HasStaleEpochs:
			for _, e := range res.Stale {
				s.known.reset(e)
			}
		}
		in.discard(ctx, b)
	}
	in.land(head, warehouse.Refuse(warehouse.Unavailable, reasonStore, "register %d profiles: refused %d times: try again later", len(head), maxSeals))
}

// registered lands the flights of a live segment and remembers its definitions.
func (in *Ingester) registered(s *shard, b *batch) {
	for _, d := range b.datasets {
		series := make([]warehouse.SeriesID, 0, len(d.series))
		for id := range d.series {
			series = append(series, id)
		}
		stacks := make([]warehouse.StacktraceID, 0, len(d.stacks))
		for id := range d.stacks {
			stacks = append(stacks, id)
		}
		s.known.add(d.key, series, stacks)
	}
	in.metrics.rows.Add(float64(b.rows()))
	_ = in.opts.Failpoints.Hit(beforeAck) // the segment is live, whatever a test wants
	in.land(b.flights, nil)
	in.cache(b) // nobody's acknowledgement waits for it
}

// maxCachedParts is the most parts of a segment whose sections are offered to the
// sink. With more, each is small and has a file of its own to be made: the few that
// are ever asked for are fetched.
const maxCachedParts = 4

// cache offers the sections of a live segment to the sink.
func (in *Ingester) cache(b *batch) {
	if in.opts.Sections == nil || len(b.seg.Parts) > maxCachedParts {
		return
	}
	for i := range b.seg.Parts {
		p := &b.seg.Parts[i]
		for _, sec := range p.Sections {
			in.opts.Sections.Put(p, sec.Table, b.data[sec.Offset:sec.Offset+sec.Size])
		}
	}
}

// dropDuplicates lands the flights that another segment registered, with
// success, and returns the others.
func (in *Ingester) dropDuplicates(head []*flight, duplicates []warehouse.ProfileKey) []*flight {
	dup := make(map[warehouse.ProfileKey]bool, len(duplicates))
	for _, key := range duplicates {
		dup[key] = true
	}
	var rest, gone []*flight
	for _, f := range head {
		if dup[f.key] {
			gone = append(gone, f)
		} else {
			rest = append(rest, f)
		}
	}
	in.metrics.duplicates.Add(float64(len(gone)))
	in.land(gone, nil)
	return rest
}

// discard deletes the object of a segment that was refused. If that fails the
// object is an orphan: nothing refers to it, and a sweep may remove it.
func (in *Ingester) discard(ctx context.Context, b *batch) {
	if err := in.opts.Store.Delete(ctx, block.SegmentName(b.seg.Shard, b.seg.ID)); err != nil {
		in.opts.Logger.Warn("refused segment not deleted", "segment", b.seg.ID, "err", err)
	}
}

// store puts the segment into the bucket and registers it. On an error the
// segment is not live and never will be.
func (in *Ingester) store(ctx context.Context, b *batch) (warehouse.AddResult, error) {
	name := block.SegmentName(b.seg.Shard, b.seg.ID)
	err := retry(ctx, putTries, func() error {
		return in.step(beforePut, afterPut, func() error { return in.opts.Store.Put(ctx, name, b.data) })
	})
	if err != nil {
		return warehouse.AddResult{}, err
	}
	var res warehouse.AddResult
	err = retry(ctx, registerTries, func() error {
		return in.step(beforeRegister, afterRegister, func() (err error) {
			res, err = in.opts.Registrar.AddSegment(ctx, b.seg)
			return err
		})
	})
	if err == nil && res.Outcome != warehouse.WasAborted {
		return res, nil
	}
	return in.abort(ctx, b, errors.Join(err, abortedError(res)))
}

func abortedError(res warehouse.AddResult) error {
	if res.Outcome == warehouse.WasAborted {
		return warehouse.Errorf(warehouse.Unavailable, "segment was aborted")
	}
	return nil
}

// abort ends the uncertainty about a segment whose registration was not
// answered: either it turns out to be live, or it never can be. When neither can
// be learned within abortFor, the flights fail; should the command be committed
// after all, a retry still counts once, because the command carries the ids.
func (in *Ingester) abort(ctx context.Context, b *batch, cause error) (warehouse.AddResult, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortFor)
	defer cancel()
	var live bool
	err := retry(ctx, registerTries, func() error {
		return in.step(beforeAbort, afterAbort, func() (err error) {
			live, err = in.opts.Registrar.AbortSegment(ctx, b.seg.ID)
			return err
		})
	})
	switch {
	case err == nil && live:
		return warehouse.AddResult{Outcome: warehouse.Added}, nil
	case err == nil:
		in.discard(ctx, b)
	}
	return warehouse.AddResult{}, errors.Join(cause, err)
}

const (
	putTries      = 4
	registerTries = 1 << 30 // until the context ends: the command is idempotent
	abortFor      = 5 * time.Second
)

// retry calls f until it succeeds, has been tried the given number of times,
// fails with an error that a repetition cannot mend, or ctx ends.
func retry(ctx context.Context, tries int, f func() error) error {
	pause := 20 * time.Millisecond
	for try := 1; ; try++ {
		err := f()
		if err == nil || try >= tries || !mayMend(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(pause):
		}
		pause = min(2*pause, time.Second)
	}
}

func mayMend(err error) bool {
	switch warehouse.KindOf(err) {
	case warehouse.Invalid, warehouse.Denied, warehouse.Limit:
		return false
	}
	return true
}

// batch is a sealed head: a segment and its bytes.
type batch struct {
	seg      *warehouse.Segment
	data     []byte
	flights  []*flight
	datasets []*dataset
}

func (b *batch) rows() (n int64) {
	for i := range b.seg.Parts {
		n += b.seg.Parts[i].Rows()
	}
	return n
}

// seal encodes a head as a segment. Datasets that cannot be encoded are left out
// and returned as failed; an error is one of the segment as a whole, and b then
// holds the flights that it concerns.
func (in *Ingester) seal(s *shard, head []*flight) (b *batch, failed []failure, err error) {
	id, err := ulid.New(ulid.Timestamp(in.now()), ulid.DefaultEntropy())
	if err != nil {
		return &batch{flights: head}, nil, warehouse.Errorf(warehouse.Internal, "name segment: %w", err)
	}
	b = &batch{seg: &warehouse.Segment{ID: id, Shard: s.id}}
	parts, failed := group(s.known, head)
	var encoded []encodedPart
	for _, p := range parts {
		e, ok, bad := in.encodeSound(s.id, p)
		failed = append(failed, bad...)
		if ok {
			e.part.Object = id
			encoded = append(encoded, e)
			b.datasets = append(b.datasets, p.datasets...)
		}
	}
	for _, d := range b.datasets {
		b.seg.Epochs = append(b.seg.Epochs, warehouse.Epoch{Key: d.key, Value: d.epoch})
		for _, f := range d.flights {
			b.seg.Profiles = append(b.seg.Profiles, f.key)
			b.flights = append(b.flights, f)
		}
	}
	if len(encoded) == 0 {
		return b, failed, nil
	}
	b.data, err = assemble(b.seg, encoded)
	return b, failed, err
}

// encodeSound encodes a part. If that fails, each dataset is tried alone, and
// the part is encoded from those that succeed; ok is false when none does.
func (in *Ingester) encodeSound(shard uint32, p *partBatch) (e encodedPart, ok bool, failed []failure) {
	encode := func(p *partBatch) (encodedPart, error) {
		return guarded(func() (encodedPart, error) { return in.encode(shard, p) })
	}
	e, err := encode(p)
	if err == nil {
		return e, true, nil
	}
	var sound []*dataset
	for _, d := range p.datasets {
		if _, err := encode(&partBatch{p.tenant, p.hour, []*dataset{d}}); err != nil {
			failed = append(failed, failure{d.flights, err})
			continue
		}
		sound = append(sound, d)
	}
	if len(sound) == 0 {
		return e, false, failed
	}
	p.datasets = sound
	if e, err = encode(p); err != nil {
		for _, d := range sound {
			failed = append(failed, failure{d.flights, err})
		}
		return e, false, failed
	}
	return e, true, failed
}

// assemble places the sections of the parts in one segment.
func assemble(seg *warehouse.Segment, parts []encodedPart) ([]byte, error) {
	for _, e := range parts {
		seg.Parts = append(seg.Parts, e.part)
	}
	sb := segment.NewBuilder(seg)
	for i, e := range parts {
		for _, sec := range e.sections {
			sb.Section(i, sec.table, sec.rows, sec.parquet)
		}
	}
	return sb.Finish()
}

// land ends flights with an outcome and gives back their memory.
func (in *Ingester) land(flights []*flight, err error) {
	for _, f := range flights {
		in.budget.release(f.key.Tenant, in.flights.land(f, err))
		if f.isQuiet {
			in.preparers.hurry(-1) // before the 1, perhaps, which is no matter
		}
	}
}
