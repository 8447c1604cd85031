package scrub

import (
	"context"
	"errors"
	"log/slog"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/object/objecttest"
)

// TestPassFindsNothing: what is right is right, whatever the sizes.
func TestPassFindsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := time.Now()
	w.segment(t, at, 100, 0, 7)
	w.segment(t, at, windowBytes-8, 16, 2*windowBytes+3)
	w.segment(t, at, 3*windowBytes, 1, 1, 1)
	w.block(t, at, 1, windowBytes, windowBytes+1, 5*windowBytes/2)
	reg := prometheus.NewRegistry()
	s, r := w.scrubber(t, func(o *Options) { o.Registry = reg })
	var last Progress
	sum, err := s.Pass(t.Context(), Events{Progress: func(p Progress) { last = p }})
	require.NoError(t, err)
	require.True(t, sum.IsClean())
	require.Equal(t, 4, sum.Objects)
	require.Equal(t, last.OfBytes, last.Bytes)
	require.Equal(t, 4, last.Objects)
	require.GreaterOrEqual(t, sum.Bytes, last.Bytes, "descriptions are read, too")
	require.Empty(t, r.Findings())
	require.WithinDuration(t, time.Now(), r.LastPass(), time.Minute)
	require.Zero(t, w.pins)
	require.InDelta(t, sum.Bytes, metric(t, reg, "stackhouse_scrub_verified_bytes_total"), 0)
	require.InDelta(t, 4, metric(t, reg, "stackhouse_scrub_verified_objects_total"), 0)
	require.Less(t, metric(t, reg, "stackhouse_scrub_oldest_unverified_seconds"), 60.0)
}

// TestEveryFlip: whichever bit of a section, a footer or a description is another one,
// that object is named, with what is damaged in it, and no other.
func TestEveryFlip(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := time.Now()
	w.segment(t, at, 40, 24)
	seg := w.segment(t, at, 64, 33)
	b := w.block(t, at, 50, 20)
	w.block(t, at, 50, 20)
	s, r := w.scrubber(t, nil)
	segName, p := block.SegmentName(0, seg.id), b.parts[0]
	size, err := w.bucket.Stat(t.Context(), segName)
	require.NoError(t, err)

	type flip struct {
		name string
		at   int64
		what string
	}
	var flips []flip
	for _, part := range seg.parts {
		for _, sec := range part.Sections {
			for i := range sec.Size {
				flips = append(flips, flip{segName, sec.Offset + i, sec.Table.String() + " of " + string(part.Tenant)})
			}
		}
	}
	last := seg.parts[1].Sections[1]
	for i := (last.Offset + last.Size + 7) / 8 * 8; i < size.Size; i++ {
		flips = append(flips, flip{segName, i, "footer"})
	}
	for _, sec := range p.Sections {
		for i := range sec.Size {
			flips = append(flips, flip{block.SectionName(p, sec.Table), i, sec.Table.String() + " of a"})
		}
	}
	for i, f := range flips {
		mask := byte(1) << (i % 8)
		w.edit(t, f.name, flipAt(f.at, mask))
		sum, found := pass(t, s)
		require.Equal(t, 1, sum.Damaged, f)
		require.Len(t, found, 1, f)
		require.Equal(t, f.name, found[0].Object)
		require.Contains(t, found[0].What, f.what)
		require.LessOrEqual(t, found[0].Offset, f.at)
		require.Greater(t, found[0].Offset+found[0].Size, f.at)
		require.Len(t, r.Findings(), 1)
		w.edit(t, f.name, flipAt(f.at, mask))
	}
	sum, _ := pass(t, s)
	require.True(t, sum.IsClean())
	require.Empty(t, r.Findings())
}

// TestDamagedMeta: a block's description that says something else, or nothing.
func TestDamagedMeta(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.block(t, time.Now(), 10)
	s, _ := w.scrubber(t, nil)
	name := path.Join(block.BlockDir(b.parts[0]), block.MetaName)
	for what, change := range map[string]func([]byte) []byte{
		"another description":  func(d []byte) []byte { return []byte(strings.Replace(string(d), `"cart"`, `"carp"`, 1)) },
		"unexpected end":       func(d []byte) []byte { return d[:len(d)/2] },
		"newer than":           func(d []byte) []byte { return []byte(strings.Replace(string(d), `"format": 1`, `"format": 99`, 1)) },
		"no valid description": func([]byte) []byte { return []byte("{}\n") },
	} {
		var old []byte
		w.edit(t, name, func(d []byte) []byte { old = append(old, d...); return change(d) })
		_, found := pass(t, s)
		require.Len(t, found, 1, what)
		require.Equal(t, "description", found[0].What)
		if what != "no valid description" && what != "newer than" {
			require.Contains(t, found[0].Found, what)
		}
		w.edit(t, name, func([]byte) []byte { return old })
	}
}

// TestLengths: objects that are missing, too short or too long.
func TestLengths(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	seg, b := w.segment(t, time.Now(), 100, windowBytes+100), w.block(t, time.Now(), 100, 200)
	s, r := w.scrubber(t, nil)
	segName, tableName := block.SegmentName(0, seg.id), block.SectionName(b.parts[0], warehouse.TableProfiles)
	damageOf := func(name string, change func([]byte) []byte) (out []string) {
		var old []byte
		w.edit(t, name, func(d []byte) []byte { old = append(old, d...); return change(d) })
		_, found := pass(t, s)
		for _, f := range found {
			require.Equal(t, name, f.Object)
			out = append(out, f.What+": "+f.Found+" for "+f.Expected)
		}
		w.edit(t, name, func([]byte) []byte { return old })
		return out
	}
	require.Equal(t, []string{"profiles of a 2025-11-24T16: 199 bytes for 200 bytes"}, damageOf(tableName, func(d []byte) []byte { return d[:199] }))
	require.Equal(t, []string{"profiles of a 2025-11-24T16: 201 bytes for 200 bytes"}, damageOf(tableName, func(d []byte) []byte { return append(d, 0) }))
	got := damageOf(segName, func(d []byte) []byte { return d[:50] })
	require.Len(t, got, 5)
	require.Equal(t, "samples of a 2025-11-24T16: 50 bytes for 100 bytes", got[0])
	require.Equal(t, "profiles of a 2025-11-24T16: 0 bytes for 1048676 bytes", got[1])
	require.Contains(t, got[4], "footer: ")
	got = damageOf(segName, func(d []byte) []byte { return append(d, 'x') })
	require.Len(t, got, 1)
	require.Contains(t, got[0], "footer: ")

	require.NoError(t, w.bucket.Delete(t.Context(), segName))
	_, found := pass(t, s)
	require.Len(t, found, 5)
	require.Equal(t, "no object", found[0].Found)
	require.NotEmpty(t, r.DamageOf(seg.parts[1]))
	require.Empty(t, r.DamageOf(b.parts[0]))
}

// TestDeletedMeanwhile: an object that is merged or deleted while it is read is no
// damage, whenever that happens.
func TestDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	for pins := range 5 {
		w := newWorld(t)
		seg := w.segment(t, time.Now(), 10)
		require.NoError(t, w.bucket.Delete(t.Context(), block.SegmentName(0, seg.id)))
		s, r := w.scrubber(t, nil)
		n := 0
		w.onPin = func() {
			if n++; n > pins {
				w.remove(seg.id)
			}
		}
		sum, found := pass(t, s)
		if pins < 4 { // the plan, two readings, and the last look
			require.Zero(t, sum.Damaged, pins)
			require.Empty(t, found)
			require.Empty(t, r.Findings())
		} else {
			require.Equal(t, 1, sum.Damaged)
		}
		w.onPin = nil
		pass(t, s)
		require.Empty(t, r.Findings(), "it is not live any more")
	}
}

// TestBucketAway: a bucket or an index that does not answer is no damage.
func TestBucketAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.segment(t, time.Now(), 10)
	w.block(t, time.Now(), 10)
	faulty := objecttest.NewFaulty(w.files, objecttest.FaultPlan{})
	w.bucket = faulty
	s, r := w.scrubber(t, nil)
	faulty.Break(objecttest.FaultPlan{Rules: []objecttest.Rule{{Fault: objecttest.FailBefore, Chance: 1}}})
	sum, found := pass(t, s)
	require.Equal(t, 2, sum.Unread)
	require.Equal(t, warehouse.Unavailable, warehouse.KindOf(sum.Error))
	require.False(t, sum.IsClean())
	require.Empty(t, found)
	require.True(t, r.LastPass().IsZero())
	faulty.Heal()
	w.absent = warehouse.Errorf(warehouse.Unavailable, "no leader")
	_, err := s.Pass(t.Context(), Events{})
	require.ErrorIs(t, err, w.absent)
	w.absent = nil
	sum, _ = pass(t, s)
	require.True(t, sum.IsClean())
}

// TestWrongOnce: bytes that are right when they are read again are no damage.
func TestWrongOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	seg := w.segment(t, time.Now(), 10)
	name := block.SegmentName(0, seg.id)
	w.edit(t, name, flipAt(0, 1))
	n := 0
	w.onPin = func() {
		if n++; n == 3 {
			w.edit(t, name, flipAt(0, 1))
		}
	}
	s, _ := w.scrubber(t, nil)
	sum, _ := pass(t, s)
	require.True(t, sum.IsClean())
}

func TestPassEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 3 {
		w.segment(t, time.Now(), 10)
	}
	s, _ := w.scrubber(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := s.Pass(ctx, Events{Progress: func(p Progress) {
		_, err := s.Pass(ctx, Events{})
		assert.Equal(t, warehouse.Exists, warehouse.KindOf(err))
		cancel()
	}})
	require.Equal(t, warehouse.Canceled, warehouse.KindOf(err))
	sum, _ := pass(t, s)
	require.Equal(t, 3, sum.Objects)
}

// fakeCopies are copies of which some are damaged.
type fakeCopies struct {
	damaged    bool
	err        error
	verified   int
	distrusted []warehouse.Table
}

func (c *fakeCopies) VerifyCopy(context.Context, *warehouse.Part, warehouse.Table) (bool, error) {
	c.verified++
	return c.damaged, c.err
}

func (c *fakeCopies) Distrust(_ *warehouse.Part, t warehouse.Table) {
	c.distrusted = append(c.distrusted, t)
}

func TestCopies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.block(t, time.Now(), 10, 10)
	w.edit(t, block.SectionName(b.parts[0], warehouse.TableProfiles), flipAt(3, 4))
	copies := &fakeCopies{damaged: true}
	reg := prometheus.NewRegistry()
	s, _ := w.scrubber(t, func(o *Options) { o.Copies, o.Registry = copies, reg })
	pass(t, s)
	require.Equal(t, 2, copies.verified)
	require.Equal(t, []warehouse.Table{warehouse.TableProfiles}, copies.distrusted)
	require.InDelta(t, 2, metric(t, reg, "stackhouse_scrub_damaged_copies_total"), 0)
	copies.err = errors.New("disk of copies is away")
	sum, _ := pass(t, s)
	require.Zero(t, sum.Unread)
}

// TestRegister: what others find counts as well, is logged once, and ends with the
// right bytes.
func TestRegister(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	reg := prometheus.NewRegistry()
	r := OpenRegister(RegisterOptions{Logger: slog.New(slog.NewTextHandler(&log, nil)), Registry: reg})
	w := newWorld(t)
	seg := w.segment(t, time.Now(), 10, 20)
	a, b := seg.parts[0], seg.parts[1]
	d := &warehouse.Damage{Object: "segments/0/x.seg", What: "samples of a", Offset: 8, Size: 10, Expected: "CRC-32C 1", Found: "CRC-32C 2"}
	r.Right(a, warehouse.TableSamples)
	r.Found(a, warehouse.TableSamples, d)
	r.Found(a, warehouse.TableSamples, d)
	r.Found(b, warehouse.TableProfiles, d)
	require.Equal(t, 1, strings.Count(log.String(), "level=WARN"))
	require.Contains(t, log.String(), "segments/0/x.seg: samples of a, bytes 8 to 18: found CRC-32C 2, expected CRC-32C 1")
	objects, bytes := r.Damaged()
	require.Equal(t, 1, objects)
	require.EqualValues(t, 20, bytes)
	require.Equal(t, "segments/0/x.seg: samples of a, bytes 8 to 18: found CRC-32C 2, expected CRC-32C 1", r.DamageOf(a))
	require.InDelta(t, 20, metric(t, reg, "stackhouse_scrub_damaged_bytes"), 0)
	require.InDelta(t, 1, metric(t, reg, "stackhouse_scrub_damaged_objects"), 0)
	require.InDelta(t, 0, metric(t, reg, "stackhouse_scrub_last_pass_timestamp_seconds"), 0)
	r.Right(a, warehouse.TableSamples)
	require.True(t, r.IsDamaged(seg.id))
	require.Empty(t, r.DamageOf(a))
	require.Empty(t, r.TakeRepaired())
	r.Right(b, warehouse.TableProfiles)
	require.False(t, r.IsDamaged(seg.id))
	<-r.Repaired()
	require.Equal(t, []warehouse.ObjectID{seg.id}, r.TakeRepaired())
	require.Contains(t, log.String(), "right again")

	r.Found(b, 0, d)
	require.NotEmpty(t, r.DamageOf(a), "the description is everybody's")
	r.Forget(seg.id)
	require.Empty(t, r.Findings())
	require.Empty(t, r.TakeRepaired(), "it is gone, not right")
}
