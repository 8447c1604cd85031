package main

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/stackhouse-db/stackhouse/api"
	"github.com/stackhouse-db/stackhouse/metastore"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
	"github.com/stackhouse-db/stackhouse/warehouse/scrub"
	"github.com/stackhouse-db/stackhouse/warehouse/space"
)

// health is what looks after stored bytes and the disks that they are on.
type health struct {
	index    *metastore.Metastore
	register *scrub.Register
	scrubber *scrub.Scrubber
	guard    *space.Guard
	log      *slog.Logger
}

// healthOptions are what openHealth needs.
type healthOptions struct {
	meta       *metastore.Metastore
	dir        *dataDir
	bucket     object.Bucket
	copies     scrub.Copies
	every      time.Duration
	stop, warn space.Threshold
	usage      func(path string) (space.Usage, error) // nil asks the system
	component  func(name string) *slog.Logger
	registry   prometheus.Registerer
}

// openRegister opens what is known of stored bytes, before those who read them.
func (h *health) openRegister(dir *dataDir, log *slog.Logger, reg prometheus.Registerer) {
	h.log = log
	h.register = scrub.OpenRegister(scrub.RegisterOptions{Path: dir.file(scrubFile), Logger: log, Registry: reg})
}

// openHealth opens the rest.
func (h *health) openHealth(o healthOptions) (err error) {
	h.index = o.meta
	h.scrubber, err = scrub.New(scrub.Options{
		Index: scrubIndex{o.meta}, Bucket: o.bucket, Register: h.register, Copies: o.copies,
		Every: o.every, IsBusy: newUsedShare().isBusy, Logger: o.component("scrub"), Registry: o.registry,
	})
	if err != nil {
		return err
	}
	h.guard, err = space.New(space.Options{
		Disks: []space.Disk{{Name: bucketDir, Path: o.dir.file(bucketDir)}, {Name: metastoreDir, Path: o.dir.file(metastoreDir)}},
		Stop:  o.stop, Warn: o.warn, Usage: o.usage, Logger: o.component("disk"), Registry: o.registry,
	})
	return err
}

// runHealth verifies what is stored, and watches the disks, until ctx is done.
func (h *health) runHealth(ctx context.Context) error {
	var g errgroup.Group
	g.Go(func() error { return h.scrubber.Run(ctx) })
	g.Go(func() error { return h.guard.Run(ctx) })
	g.Go(func() error { h.followRepairs(ctx); return nil })
	return g.Wait()
}

// noteVerdict notes what a reader has found of a part. The inputs of a job whose lease
// is over may be gone by then, which is no damage.
func (h *health) noteVerdict(p *warehouse.Part, t warehouse.Table, d *warehouse.Damage) {
	switch {
	case d == nil:
		h.register.Right(p, t)
	case h.index.IsLive(p):
		h.register.Found(p, t, d)
	}
}

// roomForMerge asks for room in the bucket.
func (h *health) roomForMerge(n int64) error { return h.guard.Room(bucketDir, n) }

// followRepairs releases the jobs that were set aside because of damage, when that was
// repaired.
func (h *health) followRepairs(ctx context.Context) {
	const retryEvery = 10 * time.Second
	var repaired []warehouse.ObjectID
	for {
		var retry <-chan time.Time
		if len(repaired) > 0 {
			retry = time.After(retryEvery)
		}
		select {
		case <-ctx.Done():
			return
		case <-h.register.Repaired():
		case <-retry:
		}
		repaired = append(repaired, h.register.TakeRepaired()...)
		if err := h.releaseJobs(ctx, repaired); err != nil {
			h.log.Warn("jobs with repaired inputs could not be released, and will be later", "err", err)
			continue
		}
		repaired = nil
	}
}

// releaseJobs releases the jobs that were set aside and have one of the objects as an
// input, and none that is damaged.
func (h *health) releaseJobs(ctx context.Context, repaired []warehouse.ObjectID) error {
	snap, err := h.index.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer snap.Release()
	var ids []warehouse.ObjectID
	for _, j := range snap.Jobs() {
		isRepaired := func(id warehouse.ObjectID) bool { return slices.Contains(repaired, id) }
		if j.SetAside && slices.ContainsFunc(j.Inputs, isRepaired) && !slices.ContainsFunc(j.Inputs, h.register.IsDamaged) {
			ids = append(ids, j.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	n, err := h.index.ReleaseJobs(ctx, ids)
	if err == nil {
		h.log.Info("jobs whose damaged inputs were repaired are planned anew", "count", n)
	}
	return err
}

// mostDamage is how much damage the page /status lists.
const mostDamage = 20

// scrubStatus is what the page /status shows of it.
func (h *health) scrubStatus() *api.ScrubStatus {
	s := &api.ScrubStatus{LastPass: h.register.LastPass(), Oldest: h.scrubber.OldestAge()}
	s.Damaged, s.DamagedBytes = h.register.Damaged()
	for _, f := range h.register.Findings() {
		if len(s.Damage) < mostDamage {
			s.Damage = append(s.Damage, f.Error())
		}
	}
	return s
}

// scrubAll verifies everything once, for the API.
func (h *health) scrubAll(ctx context.Context, emit func(api.ScrubEvent) error) error {
	const every = 200 * time.Millisecond
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	tell := func(e api.ScrubEvent) {
		if err := emit(e); err != nil {
			cancel(err)
		}
	}
	var last time.Time
	sum, err := h.scrubber.Pass(ctx, scrub.Events{
		Damaged: func(f scrub.Finding) { tell(damageEvent(&f.Damage)) },
		Progress: func(p scrub.Progress) {
			if now := time.Now(); now.Sub(last) >= every || p.Objects == p.OfObjects {
				last = now
				tell(progressEvent(p))
			}
		},
	})
	if err != nil {
		return err
	}
	return emit(summaryEvent(sum))
}

func damageEvent(d *warehouse.Damage) api.ScrubEvent {
	return api.ScrubEvent{Event: api.ScrubDamage, Object: d.Object, What: d.What, Offset: d.Offset, Size: d.Size, Expected: d.Expected, Found: d.Found}
}

func progressEvent(p scrub.Progress) api.ScrubEvent {
	return api.ScrubEvent{Event: api.ScrubProgress, Objects: p.Objects, OfObjects: p.OfObjects, Bytes: p.Bytes, OfBytes: p.OfBytes, Damaged: p.Damaged}
}

func summaryEvent(s *scrub.Summary) api.ScrubEvent {
	e := api.ScrubEvent{
		Event: api.ScrubSummary, Objects: s.Objects, Bytes: s.Bytes, Damaged: s.Damaged, Gone: s.Gone, Unread: s.Unread, Seconds: s.Duration.Seconds(),
	}
	if s.Error != nil {
		e.Error = s.Error.Error()
	}
	return e
}

// scrubIndex is the metastore as the scrubber sees it.
type scrubIndex struct{ meta *metastore.Metastore }

// Snapshot implements scrub.Index.
func (i scrubIndex) Snapshot(ctx context.Context) (scrub.Snapshot, error) {
	s, err := i.meta.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// jobAdmin is the metastore as an operator of jobs sees it.
type jobAdmin struct{ meta *metastore.Metastore }

// Jobs implements api.JobAdmin.
func (a jobAdmin) Jobs(ctx context.Context) ([]api.JobStatus, error) {
	snap, err := a.meta.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Release()
	return jobsOf(snap), nil
}

// ReleaseJobs implements api.JobAdmin.
func (a jobAdmin) ReleaseJobs(ctx context.Context, ids []warehouse.ObjectID) (int, error) {
	return a.meta.ReleaseJobs(ctx, ids)
}
