package rebuild

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/metastore/manifest"
	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

// received makes a profile of the world that is not pushed yet.
func (w *world) received(n byte) *profile {
	p := &profile{hour: w.micros().Hour(), series: 1, received: w.micros()}
	p.key = warehouse.ProfileKey{Tenant: "acme", ID: warehouse.ProfileID{n}}
	w.profiles[p.key] = p
	return p
}

// store seals profiles and stores the segment; whether it is registered is another
// thing.
func (w *world) store(ps ...*profile) *warehouse.Segment {
	w.now = w.now.Add(time.Second)
	seg, data, _ := w.seal(ps)
	w.put(block.SegmentName(seg.Shard, seg.ID), data)
	return seg
}

func (w *world) register(seg *warehouse.Segment) {
	require.Equal(w.t, warehouse.Added, w.do(state.AddSegment{Segment: seg}).(warehouse.AddResult).Outcome)
}

func (w *world) made(o Options) *Result {
	w.t.Helper()
	o.Bucket, o.Now = w.bucket, w.now
	r, err := Run(w.t.Context(), o)
	require.NoError(w.t, err)
	require.NoError(w.t, r.Save(w.t.Context(), w.bucket))
	return r
}

func whys(notes []Note) (all []string) {
	for _, n := range notes {
		all = append(all, n.Why)
	}
	return all
}

// What two segments have in common counts once, and what one of them has alone is
// there, whichever was refused.
func TestSharedProfilesCountOnce(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		segments         [][]byte // the profiles of each, in order
		taken, cut, left int
	}{
		"a retry of one that was given up":      {[][]byte{{1, 2}, {1}}, 1, 0, 1},
		"one that was refused, and what is new": {[][]byte{{1}, {1, 2}, {2}}, 1, 1, 1},
		"nobody knows which":                    {[][]byte{{1, 2}, {1, 3}}, 1, 1, 0},
		"the same again":                        {[][]byte{{1, 2}, {1, 2}, {2, 1}}, 1, 0, 2},
		"nothing in common":                     {[][]byte{{1}, {2}}, 2, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 1)
			w.save()
			ids := map[byte]bool{}
			for _, ns := range tt.segments {
				var ps []*profile
				for _, n := range ns {
					ps = append(ps, w.received(n))
					ids[n] = true
				}
				w.store(ps...)
			}
			r := w.made(Options{})
			require.Len(t, r.Report.Taken, tt.taken)
			require.Len(t, r.Report.Cut, tt.cut)
			require.Len(t, r.Report.Left, tt.left)
			counts := w.counts(r.State.View())
			require.Len(t, counts, len(ids))
			for k, n := range counts {
				require.Equal(t, 1, n, k.ID)
			}
			again := w.made(Options{})
			require.Equal(t, counts, w.counts(again.State.View()), "a rebuild of what was rebuilt")
		})
	}
}

// A profile that is sent again after the window counts twice, as it did.
func TestLateResendsCountAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.save()
	p := w.received(1)
	w.register(w.store(p))
	w.now = w.now.Add(20 * time.Minute)
	p.received = w.micros()
	w.register(w.store(p))
	require.Equal(t, map[warehouse.ProfileKey]int{p.key: 2}, w.counts(w.made(Options{}).State.View()))
}

func TestAbortedStaysAborted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	seg := w.store(w.received(1))
	w.do(state.AbortSegment{ID: seg.ID})
	w.save()
	r := w.made(Options{})
	require.Equal(t, []string{whyNever}, whys(r.Report.Left))
	require.Empty(t, w.counts(r.State.View()))
}

// What is left can never become live: its owner may still be on its way.
func TestLeftIsFenced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.save()
	w.store(w.received(1))
	late := w.store(w.received(1))
	r := w.made(Options{})
	require.Len(t, r.Report.Left, 1)
	w.goOn(r)
	require.Equal(t, warehouse.WasAborted, w.do(state.AddSegment{Segment: late}).(warehouse.AddResult).Outcome)
}

func TestLossIsNamed(t *testing.T) {
	t.Parallel()
	run := func(w *world, o Options) (*Result, error) {
		o.Bucket, o.Now = w.bucket, w.now
		return Run(t.Context(), o)
	}
	w := newWorld(t, 1)
	seg := w.store(w.received(1))
	w.register(seg)
	w.register(w.store(w.received(2)))
	w.save()
	w.delete(block.SegmentName(seg.Shard, seg.ID))
	damaged := w.store(w.received(3))
	w.put(block.SegmentName(damaged.Shard, damaged.ID), []byte("no segment, however one looks at it"))

	r, err := run(w, Options{})
	require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
	require.Nil(t, r.State)
	require.Len(t, r.Report.Lost, 2)
	names := r.Report.Lost[0].Name + r.Report.Lost[1].Name
	require.Contains(t, names, seg.ID.String())
	require.Contains(t, names, damaged.ID.String())

	r, err = run(w, Options{AcceptLoss: true})
	require.NoError(t, err)
	require.Len(t, r.Report.Lost, 2)
	require.Equal(t, 1, r.Report.Totals.Parts)
}

func TestWithoutManifest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.register(w.store(w.received(1)))
	w.put(manifest.Name(7), []byte("damaged"))
	_, err := Run(t.Context(), Options{Bucket: w.bucket, Now: w.now})
	require.Equal(t, warehouse.NotFound, warehouse.KindOf(err))
	r := w.made(Options{WithoutManifest: true})
	require.Len(t, w.counts(r.State.View()), 1)
	require.Greater(t, r.Report.Index, uint64(Leap+7), "beyond what is damaged, too")
}

// The guard is behind every id, also behind those of a clock that is ahead.
func TestGuard(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.save()
	w.now = w.now.Add(time.Hour)
	seg := w.store(w.received(1))
	w.now = w.now.Add(-time.Hour)
	r := w.made(Options{})
	require.True(t, r.Report.Guard.After(time.UnixMilli(int64(seg.ID.Time()))))
	w.now = w.now.Add(2 * time.Hour)
	r = w.made(Options{})
	require.True(t, r.Report.Guard.After(w.now))
}
