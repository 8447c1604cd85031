package metastore

import (
	"context"
	"math"
	"sync/atomic"
	"time"

	"github.com/stackhouse-db/stackhouse/metastore/manifest"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

const (
	// firstManifest is when a new leader writes its first manifest, if that is before
	// Options.ManifestEvery.
	firstManifest = 5 * time.Second

	// lastManifest is how long a clean stop waits for the last one.
	lastManifest = 500 * time.Millisecond

	// askBucket is how long the start waits for an answer of the bucket.
	askBucket = 5 * time.Second

	// manifestPatience is how long a dead object is kept because no manifest knows of
	// its death: a bucket that is full must not stay so because of that.
	manifestPatience = 15 * time.Minute
)

// manifests is what is known of those in the bucket.
type manifests struct {
	writing chan struct{} // holds one token while a manifest is written
	met     atomic.Bool   // those in the bucket are known
	index   atomic.Uint64 // of the newest; 0 without any
	at      atomic.Int64  // when it was written, or the start without any, in µs
}

func (m *Metastore) hasManifests() bool { return m.opts.Bucket != nil && m.opts.ManifestEvery > 0 }

// manifestLoop writes a manifest whenever the state has changed.
func (m *Metastore) manifestLoop(ctx context.Context) {
	if !m.hasManifests() {
		return
	}
	timer := time.NewTimer(min(m.opts.ManifestEvery, firstManifest))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		timer.Reset(m.opts.ManifestEvery)
		if m.leading.Load() {
			_ = m.saveManifest(ctx) // which has logged and counted it
		}
	}
}

// leaveManifest writes the last manifest of a clean stop.
func (m *Metastore) leaveManifest() {
	if !m.hasManifests() || !m.leading.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastManifest)
	defer cancel()
	_ = m.saveManifest(ctx)
}

// saveManifest makes sure that the bucket has a manifest of everything that was
// applied before the call.
func (m *Metastore) saveManifest(ctx context.Context) error {
	least := m.fsm.view.Load().Index()
	select {
	case m.manifests.writing <- struct{}{}:
	case <-ctx.Done():
		return errOf(ctx, "write manifest")
	}
	defer func() { <-m.manifests.writing }()
	if m.manifests.met.Load() && m.manifests.index.Load() >= least {
		return nil
	}
	err := m.meetManifests(ctx)
	switch {
	case err == nil:
		err = m.writeManifest(ctx)
	case warehouse.KindOf(err) == warehouse.Invalid:
		m.fail(err)
	}
	if err != nil {
		m.metrics.manifestErrors.Inc()
		m.opts.Logger.Warn("metastore could not write a manifest", "index", least, "err", err)
		return err
	}
	if err := manifest.Prune(ctx, m.opts.Bucket); err != nil {
		m.opts.Logger.Warn("metastore could not delete old manifests", "err", err)
	}
	return nil
}

func (m *Metastore) writeManifest(ctx context.Context) error {
	if err := m.opts.Failpoints.Hit(beforeManifest); err != nil {
		return err
	}
	begin, now, view := time.Now(), m.now(), m.fsm.view.Load()
	size, err := manifest.Write(ctx, m.opts.Bucket, view, now)
	if err != nil {
		return err
	}
	m.manifests.index.Store(view.Index())
	m.manifests.at.Store(int64(now))
	m.metrics.manifests.Inc()
	m.metrics.manifestBytes.Set(float64(size))
	m.metrics.manifestSeconds.Observe(time.Since(begin).Seconds())
	return m.opts.Failpoints.Hit(afterManifest)
}

// findLost returns an Invalid error if the directory is new and the bucket has a
// manifest: nothing is made then. A bucket that cannot be asked is asked again by
// who leads.
func (m *Metastore) findLost() error {
	has, err := HasState(m.opts.Dir)
	if err != nil || has || !m.hasManifests() {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), askBucket)
	defer cancel()
	refs, err := manifest.List(ctx, m.opts.Bucket)
	if err != nil || len(refs) == 0 {
		return nil //nolint:nilerr // see above
	}
	return lostError(refs[0], 0)
}

func lostError(newest manifest.Ref, index uint64) error {
	return warehouse.Errorf(warehouse.Invalid, "the bucket has %s and this metastore goes to index %d only: its directory was lost, or is of another bucket; "+
		"\"stackhouse metastore rebuild\" makes it from the bucket", newest.Name, index)
}

// meetManifests looks at the manifests that are in the bucket, once. One that is
// ahead of the state is an Invalid error: the directory is not the one that they are
// of, and what it does to the bucket would be damage.
func (m *Metastore) meetManifests(ctx context.Context) error {
	if !m.hasManifests() || m.manifests.met.Load() {
		return nil
	}
	refs, err := manifest.List(ctx, m.opts.Bucket)
	if err != nil {
		return err
	}
	m.manifests.at.Store(int64(m.now()))
	if len(refs) > 0 {
		newest := refs[0]
		if index := m.fsm.view.Load().Index(); newest.Index > index {
			return lostError(newest, index)
		}
		m.manifests.index.Store(newest.Index)
		if !newest.At.IsZero() {
			m.manifests.at.Store(int64(warehouse.MicrosOf(newest.At)))
		}
	}
	m.manifests.met.Store(true)
	return nil
}

// manifestIndex returns the index up to which the newest manifest knows what is
// dead.
func (m *Metastore) manifestIndex() uint64 {
	if !m.hasManifests() {
		return math.MaxUint64
	}
	return m.manifests.index.Load()
}

// manifestAge returns how old the newest manifest is, 0 if it has the whole state.
func (m *Metastore) manifestAge() time.Duration {
	if !m.hasManifests() || m.manifests.index.Load() >= m.fsm.view.Load().Index() {
		return 0
	}
	at := warehouse.Micros(m.manifests.at.Load())
	if at == 0 {
		return 0 // this node has not led yet
	}
	return max(m.opts.Clock().Sub(at.Time()), 0)
}
