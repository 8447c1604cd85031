package scrub

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// Copies are local copies of sections; see cache.Sections.
type Copies interface {
	// VerifyCopy verifies the copy of a section, if there is one.
	VerifyCopy(ctx context.Context, p *warehouse.Part, t warehouse.Table) (damaged bool, err error)

	// Distrust makes the next reader of a section verify it.
	Distrust(p *warehouse.Part, t warehouse.Table)
}

// Options configures a [Scrubber]. Index, Bucket and Register are required.
type Options struct {
	Index    Index
	Bucket   object.Bucket
	Register *Register

	// Copies are verified together with their object. Nil means that there are none.
	Copies Copies

	// Every is the time within which Run verifies each object again. Zero means that
	// it only looks again at what is damaged.
	Every time.Duration

	// IsBusy reports whether others need the machine just now: Run waits then, as long
	// as it is not late. Nil means never.
	IsBusy func() bool

	Clock    func() time.Time      // nil means time.Now
	Logger   *slog.Logger          // nil discards
	Registry prometheus.Registerer // nil keeps metrics unregistered
}

// Scrubber verifies stored objects.
//
// Concurrency: all methods may be called at the same time; Run once.
type Scrubber struct {
	opts    Options
	metrics *metrics

	passing sync.Mutex // held by a pass
	pace    pace       // of Run's goroutine alone
	mu      struct {
		sync.Mutex
		oldest time.Time // since when the object waits that waits the longest; zero without any
	}
}

// New returns a Scrubber. It starts nothing.
func New(o Options) (*Scrubber, error) {
	switch {
	case o.Index == nil || o.Bucket == nil || o.Register == nil:
		return nil, warehouse.Errorf(warehouse.Invalid, "new scrubber: an index, a bucket and a register are needed")
	case o.Every < 0:
		return nil, warehouse.Errorf(warehouse.Invalid, "new scrubber: period of %s is negative", o.Every)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.IsBusy == nil {
		o.IsBusy = func() bool { return false }
	}
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	s := &Scrubber{opts: o, pace: newPace()}
	s.metrics = newMetrics(o.Registry, s.OldestAge)
	return s, nil
}

// Run verifies objects until ctx is done. It does not fail: what could not be read is
// logged and read again later.
func (s *Scrubber) Run(ctx context.Context) error {
	defer s.save(false)
	for {
		t, at := s.next(ctx)
		if !s.sleepUntil(ctx, at) {
			return nil
		}
		if t == nil || !s.awaitQuiet(ctx, t) {
			continue
		}
		began := s.opts.Clock()
		_, err := s.inspect(ctx, t, s.rest)
		if ctx.Err() != nil {
			return nil
		}
		s.pace.done(t, began, s.opts.Clock(), err)
		if err != nil {
			s.complain(err)
		}
	}
}

// sleepUntil returns false when ctx is done.
func (s *Scrubber) sleepUntil(ctx context.Context, at time.Time) bool {
	d := at.Sub(s.opts.Clock())
	if d <= 0 {
		return ctx.Err() == nil
	}
	return sleep(ctx, d) == nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Scrubber) complain(err error) {
	s.metrics.errors.Inc()
	if now := s.opts.Clock(); now.Sub(s.pace.complained) >= complainEvery {
		s.pace.complained = now
		s.opts.Logger.Warn("a stored object could not be verified, and will be later", "err", err)
	}
}

func (s *Scrubber) save(durable bool) {
	if err := s.opts.Register.Save(durable); err != nil {
		s.opts.Logger.Warn("when objects were verified could not be saved", "err", err)
	}
}

// report is what became of an object.
type report struct {
	gone  bool // it is not live any more
	bytes int64
	found []found
}

// tries is how often an object is read before it is called damaged: stores and
// networks are sometimes wrong once.
const tries = 2

// inspect verifies an object and tells the register. An error says nothing about the
// object: the bucket or the index is away, or ctx is done.
func (s *Scrubber) inspect(ctx context.Context, t *target, pause func(context.Context, int64) error) (report, error) {
	var r report
	count := func(ctx context.Context, n int64) error {
		r.bytes += n
		s.metrics.bytes.Add(float64(n))
		return pause(ctx, n)
	}
	var live *target
	for range tries {
		snap, err := s.opts.Index.Snapshot(ctx)
		if err != nil {
			return r, err
		}
		if live = t.live(snap); live == nil {
			snap.Release()
			r.gone, r.found = true, nil
			return r, nil
		}
		v := &verifier{bucket: s.opts.Bucket, pause: count}
		err = v.verify(ctx, live)
		snap.Release()
		if err != nil {
			return r, err
		}
		if r.found = v.found; len(r.found) == 0 {
			break
		}
	}
	if err := s.dropDead(ctx, t, &r); err != nil {
		return r, err
	}
	s.tell(live, &r)
	return r, s.verifyCopies(ctx, live, pause)
}

// dropDead takes back what was found of parts that are not live any more: a snapshot
// that is held for too long protects nothing.
func (s *Scrubber) dropDead(ctx context.Context, t *target, r *report) error {
	if len(r.found) == 0 {
		return nil
	}
	snap, err := s.opts.Index.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer snap.Release()
	live := t.live(snap)
	kept := r.found[:0]
	for _, f := range r.found {
		if live != nil && live.part(f.part.Tenant, f.part.Hour) != nil {
			kept = append(kept, f)
		}
	}
	r.found, r.gone = kept, live == nil
	return nil
}

// tell notes what was found.
func (s *Scrubber) tell(t *target, r *report) {
	if r.gone {
		return
	}
	s.metrics.objects.Inc()
	at := make(map[place]bool, len(r.found))
	for i := range r.found {
		f := &r.found[i]
		where := place{f.part.Tenant, f.part.Hour, f.table}
		if f.table == 0 {
			where = place{}
		} else if s.opts.Copies != nil {
			s.opts.Copies.Distrust(f.part, f.table)
		}
		at[where] = true
		s.opts.Register.Found(f.part, f.table, &f.Damage)
	}
	s.opts.Register.verified(t.id, s.opts.Clock(), at)
}

// verifyCopies verifies the local copies of an object's sections, which are right when
// they are made, and may rot as well.
func (s *Scrubber) verifyCopies(ctx context.Context, t *target, pause func(context.Context, int64) error) error {
	if s.opts.Copies == nil {
		return nil
	}
	for _, p := range t.parts {
		for _, section := range p.Sections {
			damaged, err := s.opts.Copies.VerifyCopy(ctx, p, section.Table)
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case err != nil:
				s.opts.Logger.Debug("a local copy could not be verified", "err", err)
			case damaged:
				s.metrics.copies.Inc()
			}
		}
		if err := pause(ctx, 0); err != nil {
			return err
		}
	}
	return nil
}

// OldestAge returns how long the object waits that waits the longest.
func (s *Scrubber) OldestAge() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.oldest.IsZero() {
		return 0
	}
	return max(s.opts.Clock().Sub(s.mu.oldest), 0)
}

func (s *Scrubber) setOldest(all []*target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.oldest = time.Time{}
	if len(all) > 0 {
		s.mu.oldest = all[0].since
	}
}
