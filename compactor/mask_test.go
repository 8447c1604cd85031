package compactor

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

// randomMask draws a deletion of services, types, series or a time, or of several.
func (w *world) randomMask(index uint64) *warehouse.Deletion {
	d := &warehouse.Deletion{Tenant: tenant, From: hour.Start(), To: hour.End(), Reason: warehouse.DeletedByOperator, Index: index}
	binary.BigEndian.PutUint64(d.ID[8:], index)
	if w.rng.IntN(2) == 0 {
		d.From += warehouse.Micros(w.rng.Int64N(1800e6))
		d.To = d.From + 1 + warehouse.Micros(w.rng.Int64N(1800e6))
	}
	if w.rng.IntN(2) == 0 {
		d.Services = []string{"service-0", "service-2"}[w.rng.IntN(2):]
	}
	if w.rng.IntN(3) == 0 {
		d.Types = []string{types[w.rng.IntN(len(types))].String()}
	}
	if w.rng.IntN(3) == 0 {
		for id := range w.series {
			d.Series = append(d.Series, id)
		}
		slices.Sort(d.Series)
		d.Series = d.Series[:1+len(d.Series)/3]
	}
	return d
}

// TestMergeWithMasks: rows that a mask hides, of the inputs that are older than it,
// are left out, with the definitions that no other row needs; what is left out is
// counted.
func TestMergeWithMasks(t *testing.T) {
	t.Parallel()
	empty, some := 0, 0
	for seed := range 80 {
		rng := rand.New(rand.NewPCG(uint64(seed), 2))
		w := newWorld(t, uint64(1000+seed))
		w.random(1+rng.IntN(6), 1+rng.IntN(20), rng.IntN(40))
		m := Merge{Level: uint8(1 + rng.IntN(3)), NewID: ids()}
		if rng.IntN(2) == 0 {
			m.MaxBytes, m.groupRows = 1+rng.Int64N(20_000), 1+rng.IntN(200)
		}
		for n := range 1 + rng.IntN(3) {
			m.Masks = append(m.Masks, w.randomMask(uint64(10*(n+1))))
		}
		// What each input is up to; rows and profiles are looked for in their parts.
		var want []block.SampleRow
		wantProfiles, removed := 0, map[warehouse.Removed]int{}
		counts := map[datasetName]warehouse.Removed{}
		used := map[warehouse.StacktraceID]bool{}
		for i := range w.parts {
			p := w.parts[i].Part
			p.Masked = uint64(rng.IntN(35))
			hides := func(k runKey) bool {
				return slices.ContainsFunc(m.Masks, func(d *warehouse.Deletion) bool {
					return d.Index > p.Masked && d.Hides(k.service, k.typ, k.series, k.time)
				})
			}
			got := readPart(t, w.parts[i])
			for _, r := range got.rows {
				k := runKeyOf(&r)
				if hides(k) {
					c := counts[datasetName{k.service, k.typ}]
					c.Samples++
					counts[datasetName{k.service, k.typ}] = c
					continue
				}
				want = append(want, r)
				used[r.Stacktrace] = true
			}
			for _, r := range got.profiles {
				k := keyOf(&r)
				if hides(k) {
					c := counts[datasetName{k.service, k.typ}]
					c.Profiles++
					counts[datasetName{k.service, k.typ}] = c
					continue
				}
				wantProfiles++
			}
		}
		for name, c := range counts {
			c.Service, c.Type = name.service, name.typ
			removed[c]++
		}
		var blocks []*Block
		out, err := m.Run(context.Background(), w.parts, func(b *Block) error { blocks = append(blocks, b); return nil })
		require.NoError(t, err, "seed %d", seed)
		got := read(t, blocks)
		slices.SortFunc(want, compareRows)
		slices.SortFunc(got.rows, compareRows)
		require.Equal(t, want, got.rows, "seed %d", seed)
		require.Len(t, got.profiles, wantProfiles)
		for id := range got.stacks {
			require.True(t, used[id], "seed %d: a definition that no row needs", seed)
		}
		seen := map[warehouse.Removed]int{}
		for _, r := range out {
			seen[r]++
		}
		require.Equal(t, removed, seen, "seed %d", seed)
		w.checkIndex(blocks)
		switch {
		case len(blocks) == 0:
			empty++
		case len(out) > 0:
			some++
		}
	}
	require.Positive(t, empty)
	require.Positive(t, some)
}

// readPart reads an input.
func readPart(t *testing.T, in Input) *contents {
	t.Helper()
	b := &Block{Part: *in.Part}
	for _, s := range in.Part.Sections {
		data, err := in.Data(s.Table)
		require.NoError(t, err)
		b.Tables = append(b.Tables, TableFile{s.Table, data})
	}
	return read(t, []*Block{b})
}

// TestMasksMustAgree: deleted samples that do not fit the deleted profiles fail the
// merge.
func TestMasksMustAgree(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	f := w.fact(50)
	for len(f.rows) < 2 {
		f = w.fact(50)
	}
	in := w.store(0, []fact{f}, nil)
	bad := newWorld(t, 99)
	less := f
	less.rows = f.rows[1:]
	other := bad.store(0, []fact{less}, nil)
	w.parts[0].Data = func(t warehouse.Table) ([]byte, error) {
		if t == warehouse.TableProfiles {
			return other.Data(t)
		}
		return in.Data(t)
	}
	d := &warehouse.Deletion{Tenant: tenant, From: hour.Start(), To: hour.End(), Index: 1}
	_, err := Merge{Level: 1, NewID: ids(), Masks: []*warehouse.Deletion{d}}.Run(t.Context(), w.parts, func(*Block) error { return nil })
	require.ErrorContains(t, err, "samples are deleted, the deleted profiles have")
	require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
}
