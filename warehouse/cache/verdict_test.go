package cache

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/object/objecttest"
)

// verdicts collects what a cache says about the bucket's bytes.
func (w *world) verdicts() *[]*warehouse.Damage {
	var got []*warehouse.Damage
	w.cache.verdict = func(p *warehouse.Part, t warehouse.Table, d *warehouse.Damage) { got = append(got, d) }
	return &got
}

// flip changes the first byte of what is stored of a table.
func (w *world) flip(s stored, t warehouse.Table) {
	w.t.Helper()
	name := block.SectionName(s.Part, t)
	data, err := w.bucket.Read(w.t.Context(), name, 0, -1)
	require.NoError(w.t, err)
	section, _ := s.Section(t)
	data[section.Offset] ^= 1
	require.NoError(w.t, w.bucket.Put(w.t.Context(), name, data))
}

// TestVerdicts: whoever reads from the bucket says what was found there, and what is
// wrong; what comes from a copy says nothing about the bucket.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	for _, o := range []worldOptions{{}, {inPlace: true}} {
		w := newWorld(t, o)
		got := w.verdicts()
		s := w.store(1, "a", map[warehouse.Table]int{warehouse.TableSamples: 100})
		w.acquire(s, warehouse.TableSamples).Release()
		require.Equal(t, []*warehouse.Damage{nil}, *got)
		w.acquire(s, warehouse.TableSamples).Release()
		require.Len(t, *got, 1, "verified before")

		bad := w.store(1, "a", map[warehouse.Table]int{warehouse.TableSamples: 100, warehouse.TableSeries: 5})
		w.flip(bad, warehouse.TableSamples)
		require.NoError(t, w.bucket.Delete(t.Context(), block.SectionName(bad.Part, warehouse.TableSeries)))
		*got = nil
		_, err := w.cache.Acquire(t.Context(), bad.Part, warehouse.TableSamples)
		require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
		_, err = w.cache.Read(t.Context(), bad.Part, warehouse.TableSeries)
		require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
		require.Len(t, *got, 2)
		d := (*got)[0]
		require.Equal(t, block.SectionName(bad.Part, warehouse.TableSamples), d.Object)
		require.Equal(t, "samples of a 2025-10-14T00", d.What)
		require.EqualValues(t, 100, d.Size)
		require.Contains(t, d.Expected, "CRC-32C ")
		require.NotEqual(t, d.Expected, d.Found)
		require.Equal(t, "no object", (*got)[1].Found)

		w.flip(bad, warehouse.TableSamples)
		*got = nil
		w.acquire(bad, warehouse.TableSamples).Release()
		require.Equal(t, []*warehouse.Damage{nil}, *got, "right again")
	}
}

// TestVerdictOfOutage: a bucket that is away says nothing.
func TestVerdictOfOutage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	got := w.verdicts()
	s := w.store(0, "a", map[warehouse.Table]int{warehouse.TableSamples: 100})
	w.faulty.Break(objecttest.FaultPlan{Rules: []objecttest.Rule{{Fault: objecttest.FailBefore, Chance: 1}}})
	_, err := w.cache.Acquire(t.Context(), s.Part, warehouse.TableSamples)
	require.Equal(t, warehouse.Unavailable, warehouse.KindOf(err))
	require.Empty(t, *got)
}

// TestVerifyCopy: a copy that rotted without a trace is found, and fetched again.
func TestVerifyCopy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	s := w.store(0, "a", map[warehouse.Table]int{warehouse.TableSamples: 100, warehouse.TableSeries: 10})
	damaged, err := w.cache.VerifyCopy(t.Context(), s.Part, warehouse.TableSamples)
	require.NoError(t, err)
	require.False(t, damaged, "there is none")
	local := w.acquire(s, warehouse.TableSamples)
	local.Release()
	damaged, err = w.cache.VerifyCopy(t.Context(), s.Part, warehouse.TableSamples)
	require.NoError(t, err)
	require.False(t, damaged)

	info, err := os.Stat(local.Path)
	require.NoError(t, err)
	data, err := os.ReadFile(local.Path)
	require.NoError(t, err)
	data[7] ^= 1
	require.NoError(t, os.WriteFile(local.Path, data, 0o600))
	require.NoError(t, os.Chtimes(local.Path, info.ModTime(), info.ModTime()))
	damaged, err = w.cache.VerifyCopy(t.Context(), s.Part, warehouse.TableSamples)
	require.NoError(t, err)
	require.True(t, damaged)
	w.acquire(s, warehouse.TableSamples).Release()

	_, err = w.cache.VerifyCopy(t.Context(), s.Part, warehouse.TableStackTotals)
	require.Equal(t, warehouse.NotFound, warehouse.KindOf(err))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = w.cache.VerifyCopy(ctx, s.Part, warehouse.TableSamples)
	require.Equal(t, warehouse.Canceled, warehouse.KindOf(err))
	require.NoError(t, os.Remove(local.Path))
	_, err = w.cache.VerifyCopy(t.Context(), s.Part, warehouse.TableSamples)
	require.NoError(t, err, "whoever wants it fetches it")
}

// TestDistrust: a file that looks as before is compared again.
func TestDistrust(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{inPlace: true})
	s := w.store(1, "a", map[warehouse.Table]int{warehouse.TableSamples: 100})
	got := w.verdicts()
	w.acquire(s, warehouse.TableSamples).Release()
	w.cache.Distrust(s.Part, warehouse.TableSamples)
	w.acquire(s, warehouse.TableSamples).Release()
	require.Len(t, *got, 2)
	w.cache.Distrust(s.Part, warehouse.TableSeries)
	damaged, err := w.cache.VerifyCopy(t.Context(), s.Part, warehouse.TableSamples)
	require.NoError(t, err)
	require.False(t, damaged, "in place: not a copy")
}
