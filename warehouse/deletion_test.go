package warehouse

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func someDeletion() *Deletion {
	return &Deletion{
		ID: ObjectID{1}, Tenant: "acme", Services: []string{"api", "db"}, Types: []string{"cpu"}, Series: []SeriesID{-3, 5},
		From: 100, To: 200, Selector: `{pod="a"}`, Reason: DeletedByOperator, Index: 7, SubmittedAt: 9,
	}
}

// A deletion hides what all of its lists have, from its start to before its end.
func TestDeletionHides(t *testing.T) {
	t.Parallel()
	d := someDeletion()
	for _, tt := range []struct {
		service, typ string
		series       SeriesID
		at           Micros
		want         bool
	}{
		{"api", "cpu", -3, 100, true},
		{"db", "cpu", 5, 199, true},
		{"db", "cpu", 5, 200, false},
		{"db", "cpu", 5, 99, false},
		{"cart", "cpu", 5, 150, false},
		{"api", "heap", 5, 150, false},
		{"api", "cpu", 4, 150, false},
	} {
		assert.Equal(t, tt.want, d.Hides(tt.service, tt.typ, tt.series, tt.at), "%+v", tt)
	}
	all := &Deletion{From: 100, To: 200}
	assert.True(t, all.Hides("x", "y", 1, 150))
	assert.True(t, all.Covers("x", "y", TimeRange{100, 199}))
	assert.False(t, all.Covers("x", "y", TimeRange{100, 200}))
	assert.False(t, d.Covers("api", "cpu", TimeRange{150, 150}), "not all series")
	assert.True(t, d.Overlaps("api", "cpu", TimeRange{199, 300}))
	assert.False(t, d.Overlaps("api", "cpu", TimeRange{200, 300}))
}

// It masks parts of its tenant that are older and may have such rows.
func TestDeletionMasks(t *testing.T) {
	t.Parallel()
	part := func(change func(*Part)) *Part {
		r := TimeRange{150, 250}
		p := &Part{Tenant: "acme", Range: r, Masked: 6, Datasets: []Dataset{{Service: "api", Types: []TypeStats{{"cpu", r, 1}, {"heap", r, 1}}}}}
		if change != nil {
			change(p)
		}
		return p
	}
	d := someDeletion()
	assert.True(t, d.Masks(part(nil)))
	for name, p := range map[string]*Part{
		"newer":          part(func(p *Part) { p.Masked = 7 }),
		"of another":     part(func(p *Part) { p.Tenant = "globex" }),
		"later":          part(func(p *Part) { p.Range.From = 200 }),
		"other service":  part(func(p *Part) { p.Datasets[0].Service = "cart" }),
		"other type":     part(func(p *Part) { p.Datasets[0].Types = p.Datasets[0].Types[1:] }),
		"type not until": part(func(p *Part) { p.Datasets[0].Types[0].Range.From = 201 }),
	} {
		assert.False(t, d.Masks(p), name)
	}
	masks := MasksOf([]*Deletion{d, {Tenant: "acme", Index: 6, From: 0, To: 500}}, part(nil))
	require.Equal(t, []*Deletion{d}, masks)
	of, gone := MasksOfDataset(masks, "api", "heap", TimeRange{150, 250})
	assert.Nil(t, of)
	assert.False(t, gone)
}

func TestDeletionCodec(t *testing.T) {
	t.Parallel()
	for _, d := range []*Deletion{someDeletion(), {ID: ObjectID{2}, Tenant: "a", From: MinTime, To: MaxTime + 1, Reason: DeletedByRetention}} {
		e := NewEncoder(nil)
		e.Deletion(d)
		dec := NewDecoder("deletion", e.Bytes())
		got := dec.Deletion()
		require.NoError(t, dec.Finish())
		want := *d
		want.Index, want.SubmittedAt = 0, 0
		require.Equal(t, &want, got)
		require.NoError(t, got.Validate())
		for n := range e.Bytes() {
			cut := NewDecoder("deletion", e.Bytes()[:n])
			cut.Deletion()
			require.Error(t, cut.Finish(), n)
		}
	}
	bad := someDeletion()
	bad.Services = []string{"b", "a"}
	e := NewEncoder(nil)
	e.Deletion(bad)
	dec := NewDecoder("deletion", e.Bytes())
	dec.Deletion()
	require.ErrorContains(t, dec.Finish(), "are not sorted")
	require.Error(t, bad.Validate())
}
