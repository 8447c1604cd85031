package metastore

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/metastore/manifest"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// still is a bucket into which nothing can be put while it is told so.
type still struct {
	*store
	full bool
}

func (s *still) Put(ctx context.Context, name string, data []byte) error {
	if s.full {
		return warehouse.Errorf(warehouse.Unavailable, "put %s: no space left", name)
	}
	return s.store.Put(ctx, name, data)
}

func manifestOf(t *testing.T, b object.Bucket) *manifest.Manifest {
	t.Helper()
	m, damaged, err := manifest.Newest(t.Context(), b)
	require.NoError(t, err)
	require.Empty(t, damaged)
	require.NotNil(t, m)
	return m
}

func TestManifestIsOfTheWholeState(t *testing.T) {
	t.Parallel()
	c := startCollected(t, func(o *Options) { o.ManifestEvery = time.Hour })
	c.store(1)
	require.NoError(t, c.saveManifest(t.Context()))
	require.Equal(t, c.digest(), manifestOf(t, c.bucket).State.View().Digest())
	require.Zero(t, c.manifestAge())
	require.NoError(t, c.saveManifest(t.Context()), "there is nothing new")
	require.EqualValues(t, 1, valueOf(t, c.metrics.manifests))

	c.store(2)
	c.clock.pass(90 * time.Second)
	require.Equal(t, 90*time.Second, c.manifestAge())
	c.stop()
	require.Equal(t, c.digest(), manifestOf(t, c.bucket).State.View().Digest(), "a clean stop leaves one")
}

func TestManifestsAreWrittenAndFewAreKept(t *testing.T) {
	t.Parallel()
	c := startCollected(t, func(o *Options) { o.ManifestEvery = time.Millisecond })
	for n := range 10 {
		c.store(n)
		eventually(t, "a manifest", func() bool { return c.manifests.index.Load() == c.fsm.view.Load().Index() })
	}
	c.stop()
	refs, err := manifest.List(t.Context(), c.bucket)
	require.NoError(t, err)
	require.Len(t, refs, manifest.Kept)
}

// What the newest manifest names as live is there.
func TestNothingIsDeletedBeforeAManifestKnows(t *testing.T) {
	t.Parallel()
	c := startCollected(t, func(o *Options) { o.ManifestEvery = time.Hour })
	c.store(1)
	require.NoError(t, c.saveManifest(t.Context()))
	c.bucket.put(t, part(9, 1, tenant, hour0))
	c.replace(9, 1)
	require.NoError(t, c.collect(t.Context()))
	require.True(t, c.has(1), "the manifest names it as live")
	require.NoError(t, c.saveManifest(t.Context()))
	require.NoError(t, c.collect(t.Context()))
	require.False(t, c.has(1))
}

// A bucket that is full gets room again.
func TestDeletionsDoNotWaitForEver(t *testing.T) {
	t.Parallel()
	bucket := &still{store: newStore()}
	c := startCollected(t, func(o *Options) { o.ManifestEvery, o.Bucket = time.Hour, bucket })
	c.store(1)
	require.NoError(t, c.saveManifest(t.Context()))
	bucket.full = true
	c.replace(9, 1)
	require.Error(t, c.saveManifest(t.Context()))
	require.EqualValues(t, 1, valueOf(t, c.metrics.manifestErrors))
	require.NoError(t, c.collect(t.Context()))
	require.Len(t, c.fsm.view.Load().Tombstones(), 1)
	c.clock.pass(manifestPatience + time.Second)
	require.NoError(t, c.collect(t.Context()))
	require.Empty(t, c.fsm.view.Load().Tombstones())
}

func TestSettingsAreInAManifestWhenTheyAreAnswered(t *testing.T) {
	t.Parallel()
	bucket := &still{store: newStore()}
	c := startCollected(t, func(o *Options) { o.ManifestEvery, o.Bucket = time.Hour, bucket })
	require.NoError(t, c.SetRetention(t.Context(), tenant, time.Hour))
	require.Equal(t, time.Hour, manifestOf(t, bucket).State.View().Retention(tenant))
	require.NoError(t, c.SetTenant(t.Context(), tenant, []Setting{set("a", "1")}))
	require.Equal(t, []Setting{set("a", "1")}, manifestOf(t, bucket).State.View().Settings(tenant))
	bucket.full = true
	require.Equal(t, warehouse.Unavailable, warehouse.KindOf(c.SetRetention(t.Context(), tenant, time.Minute)))
	bucket.full = false
	require.NoError(t, c.SetRetention(t.Context(), tenant, time.Minute), "it may be sent again")
	require.Equal(t, time.Minute, manifestOf(t, bucket).State.View().Retention(tenant))
}

// A directory that was lost does not go on over the bucket of the old one.
func TestForeignManifest(t *testing.T) {
	t.Parallel()
	bucket := newStore()
	o := quiet(t.TempDir())
	o.Bucket, o.ManifestEvery = bucket, time.Hour
	n := start(t, o)
	for i := range 5 {
		n.mustAdd(segment(i))
	}
	n.stop()
	o.Dir = filepath.Join(t.TempDir(), "new")
	_, err := Open(o)
	require.ErrorContains(t, err, "stackhouse metastore rebuild")
	require.NoDirExists(t, o.Dir)

	other := o // of another bucket
	other.Bucket = newStore()
	start(t, other).stop()
	m, err := Open(o)
	require.NoError(t, err)
	err = m.Run(within(t, 10*time.Second))
	require.ErrorContains(t, err, "stackhouse metastore rebuild")
	require.Equal(t, warehouse.Invalid, warehouse.KindOf(err))
	require.Equal(t, err, m.WaitReady(t.Context()))
}

// A snapshot that is held stays as long as it is renewed.
func TestHold(t *testing.T) {
	t.Parallel()
	c := startCollected(t, nil)
	c.store(1)
	s, err := c.Hold(t.Context(), time.Minute)
	require.NoError(t, err)
	data, err := s.Manifest()
	require.NoError(t, err)
	m, err := manifest.Decode(data)
	require.NoError(t, err)
	require.Equal(t, c.digest(), m.State.View().Digest())
	c.bucket.put(t, part(9, 1, tenant, hour0))
	c.replace(9, 1)
	for range 100 { // longer than a query may take
		c.clock.pass(50 * time.Second)
		require.NoError(t, c.collect(t.Context()))
		require.NoError(t, s.Renew())
	}
	require.True(t, c.has(1))
	c.clock.pass(61 * time.Second)
	require.NoError(t, c.collect(t.Context()))
	require.False(t, c.has(1))
	require.Equal(t, warehouse.Deadline, warehouse.KindOf(s.Renew()))
	s.Release()
}
