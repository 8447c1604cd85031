package state

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

func TestAbortSegment(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		setup func(m *machine)
		live  bool
		then  warehouse.AddOutcome // of adding it afterwards
	}{
		{"unknown", func(*machine) {}, false, warehouse.WasAborted},
		{"added", func(m *machine) { m.mustAdd(segment(1, nil, place{"acme", hour0})) }, true, warehouse.Added},
		{"aborted", func(m *machine) { m.do(AbortSegment{ID: objectID(1)}) }, false, warehouse.WasAborted},
		{"refused", func(m *machine) {
			m.mustAdd(segment(2, []warehouse.ProfileKey{key("acme", 1)}, place{"acme", hour0}))
			m.add(segment(1, []warehouse.ProfileKey{key("acme", 1)}, place{"acme", hour0}))
		}, false, warehouse.WasAborted},
		{"added, its parts replaced", func(m *machine) {
			m.mustAdd(segment(1, nil, place{"acme", hour0}))
			m.do(ReplaceParts{ID: objectID(99), Remove: []PartRef{ref(1, "acme", hour0)}, Add: []warehouse.Part{part(50, 1, "acme", hour0)}})
		}, true, warehouse.Added},
		{"added long ago", func(m *machine) {
			m.mustAdd(segment(1, nil, place{"acme", hour0}))
			m.pass(1000 * time.Hour)
		}, true, warehouse.Added},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			tc.setup(m)
			before := m.objects("acme")
			assert.Equal(t, tc.live, m.do(AbortSegment{ID: objectID(1)}))
			assert.Equal(t, tc.live, m.do(AbortSegment{ID: objectID(1)}), "again")
			m.pass(FateWindow)
			assert.Equal(t, tc.then, m.add(segment(1, nil, place{"acme", hour0})).Outcome)
			assert.Equal(t, before, m.objects("acme"))
		})
	}
}

func TestReplaceParts(t *testing.T) {
	t.Parallel()
	acme, later, globex := place{"acme", hour0}, place{"acme", hour0 + 1}, place{"globex", hour0}
	block := func(n int) []warehouse.Part { return []warehouse.Part{part(n, 1, "acme", hour0)} }
	base := func(m *machine) {
		m.mustAdd(segment(1, nil, acme))
		m.mustAdd(segment(2, nil, acme, later, globex))
	}
	cases := []struct {
		name    string
		setup   func(m *machine)
		replace ReplaceParts
		want    ReplaceResult
		live    []warehouse.ObjectID // of acme
		buried  []warehouse.ObjectID
	}{
		{
			"two parts by a block", nil,
			ReplaceParts{ID: objectID(99), Remove: []PartRef{ref(1, "acme", hour0), ref(2, "acme", hour0)}, Add: block(50)},
			ReplaceResult{Outcome: Replaced}, ids(50, 2), ids(1),
		},
		{
			"all parts of an object", nil,
			ReplaceParts{ID: objectID(99), Remove: []PartRef{ref(2, "acme", hour0), ref(2, "acme", hour0+1), ref(2, "globex", hour0)}, Add: block(50)},
			ReplaceResult{Outcome: Replaced}, ids(1, 50), ids(2),
		},
		{
			"refs in any order", nil,
			ReplaceParts{ID: objectID(99), Remove: []PartRef{ref(1, "acme", hour0), ref(2, "globex", hour0), ref(2, "acme", hour0)}, Add: block(50)},
			ReplaceResult{Outcome: Replaced}, ids(50, 2), ids(1),
		},
		{
			"by nothing", nil,
			ReplaceParts{ID: objectID(99), Remove: []PartRef{ref(1, "acme", hour0), ref(2, "acme", hour0)}},
			ReplaceResult{Outcome: Replaced}, ids(2), ids(1),
		},
		{
			"by two blocks", nil,
			ReplaceParts{ID: objectID(99), Remove: []PartRef{ref(1, "acme", hour0)}, Add: append(block(50), block(51)...)},
			ReplaceResult{Outcome: Replaced}, ids(2, 50, 51, 2), ids(1),
		},
		{
			"an input is gone", func(m *machine) {
				m.do(ReplaceParts{ID: objectID(98), Remove: []PartRef{ref(1, "acme", hour0)}, Add: block(40)})
			},
			ReplaceParts{ID: objectID(99), Remove: []PartRef{ref(1, "acme", hour0), ref(2, "acme", hour0)}, Add: block(50)},
			ReplaceResult{Outcome: InputGone, Gone: []PartRef{ref(1, "acme", hour0)}}, ids(2, 40, 2), ids(1),
		},
		{
			"an input that never was", nil,
			ReplaceParts{ID: objectID(99), Remove: []PartRef{ref(1, "acme", hour0+5), ref(1, "nobody", hour0)}, Add: block(50)},
			ReplaceResult{Outcome: InputGone, Gone: []PartRef{ref(1, "acme", hour0+5), ref(1, "nobody", hour0)}}, ids(1, 2, 2), ids(),
		},
		{
			"an input named twice", nil,
			ReplaceParts{ID: objectID(99), Remove: []PartRef{ref(1, "acme", hour0), ref(1, "acme", hour0)}, Add: block(50)},
			ReplaceResult{Outcome: InputGone, Gone: []PartRef{ref(1, "acme", hour0)}}, ids(1, 2, 2), ids(),
		},
		{
			"an output that is live", nil,
			ReplaceParts{ID: objectID(99), Remove: []PartRef{ref(1, "acme", hour0)}, Add: block(2)},
			ReplaceResult{Outcome: OutputExists, Exists: ids(2)}, ids(1, 2, 2), ids(),
		},
		{
			"an output that is buried", func(m *machine) {
				m.do(ReplaceParts{ID: objectID(98), Remove: []PartRef{ref(1, "acme", hour0)}, Add: block(40)})
			},
			ReplaceParts{ID: objectID(99), Remove: []PartRef{ref(2, "acme", hour0)}, Add: block(1)},
			ReplaceResult{Outcome: OutputExists, Exists: ids(1)}, ids(2, 40, 2), ids(1),
		},
		{
			"an output that was aborted", func(m *machine) { m.do(AbortSegment{ID: objectID(50)}) },
			ReplaceParts{ID: objectID(99), Remove: []PartRef{ref(1, "acme", hour0)}, Add: block(50)},
			ReplaceResult{Outcome: OutputExists, Exists: ids(50)}, ids(1, 2, 2), ids(),
		},
		{
			"an output named twice", nil,
			ReplaceParts{ID: objectID(99), Remove: []PartRef{ref(1, "acme", hour0)}, Add: append(block(50), block(50)...)},
			ReplaceResult{Outcome: OutputExists, Exists: ids(50)}, ids(1, 2, 2), ids(),
		},
		{
			"an id that a segment has", nil,
			ReplaceParts{ID: objectID(1), Remove: []PartRef{ref(2, "acme", hour0)}, Add: block(50)},
			ReplaceResult{Outcome: OutputExists, Exists: ids(1)}, ids(1, 2, 2), ids(),
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			base(m)
			if tc.setup != nil {
				tc.setup(m)
			}
			for _, again := range []string{"first", "again"} {
				assert.Equal(t, tc.want, m.do(tc.replace), again)
				assert.Equal(t, tc.live, m.objects("acme"), again)
				assert.Equal(t, tc.buried, buried(m.state.View()), again)
			}
			v := m.state.View()
			assert.Equal(t, recount(v), v.Totals())
		})
	}
}

// recount counts what is live from the parts.
func recount(v *View) Totals {
	var n Totals
	objects := map[warehouse.ObjectID]bool{}
	for _, t := range v.tenants {
		for _, h := range t.hours {
			for _, p := range h.parts {
				n.Parts++
				n.Bytes += p.SizeBytes()
				objects[p.Object] = true
			}
		}
	}
	n.Objects = len(objects)
	return n
}

func TestReplacePartsRaisesEpochs(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.mustAdd(segment(1, nil, place{"acme", hour0}, place{"acme", hour0 + 1}))
	other := warehouse.PartitionKey{Tenant: "acme", Service: "cart", Hour: hour0}
	m.do(ReplaceParts{
		ID: objectID(99), Remove: []PartRef{ref(1, "acme", hour0)}, Add: []warehouse.Part{part(50, 3, "acme", hour0)},
		Undefs: []warehouse.PartitionKey{partition("acme", hour0)},
	})
	v := m.state.View()
	assert.EqualValues(t, 2, v.Epoch(partition("acme", hour0)))
	assert.Zero(t, v.Epoch(other), "another service")
	assert.Zero(t, v.Epoch(partition("acme", hour0+1)), "another hour")
	assert.Zero(t, v.Epoch(partition("globex", hour0)), "another tenant")

	// When an hour goes, so do its definitions: all its partitions move on.
	m.do(ReplaceParts{ID: objectID(98), Remove: []PartRef{ref(50, "acme", hour0)}})
	v = m.state.View()
	assert.EqualValues(t, 3, v.Epoch(partition("acme", hour0)))
	assert.EqualValues(t, 3, v.Epoch(other))
	assert.Zero(t, v.Epoch(partition("acme", hour0+1)))

	// It comes back with late data, and its epochs do not start again.
	m.mustAdd(segment(2, nil, place{"acme", hour0}))
	v = m.state.View()
	assert.EqualValues(t, 3, v.Epoch(partition("acme", hour0)))

	// A partition without live parts can be raised, too.
	m.do(ReplaceParts{
		ID: objectID(97), Remove: []PartRef{ref(2, "acme", hour0)}, Undefs: []warehouse.PartitionKey{partition("globex", hour0)},
	})
	assert.EqualValues(t, 5, m.state.View().Epoch(partition("globex", hour0)))
}

func TestSetTenant(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	assert.Empty(t, m.state.View().Tenants())
	m.do(SetTenant{Tenant: "acme", Settings: []Setting{{"a", "1"}, {"b", "2"}}})
	old := m.state.View()
	m.do(SetTenant{Tenant: "acme", Settings: []Setting{{"c", "3"}}})
	m.mustAdd(segment(1, nil, place{"globex", hour0}))
	assert.Equal(t, []Setting{{"a", "1"}, {"b", "2"}}, old.Settings("acme"))
	v := m.state.View()
	assert.Equal(t, []Setting{{"c", "3"}}, v.Settings("acme"))
	assert.Empty(t, v.Settings("nobody"))
	assert.Equal(t, []warehouse.Tenant{"acme", "globex"}, v.Tenants())
	m.do(SetTenant{Tenant: "acme"})
	assert.Equal(t, []warehouse.Tenant{"globex"}, m.state.View().Tenants())
}

func TestSetRetention(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	assert.Zero(t, m.state.View().Retention("acme"), "for ever until said otherwise")
	m.do(SetRetention{Retention: 31 * 24 * time.Hour})
	m.do(SetRetention{Tenant: "acme", Retention: time.Hour})
	m.do(SetRetention{Tenant: "archive", Retention: 0})
	v := m.state.View()
	assert.Equal(t, 31*24*time.Hour, v.DefaultRetention())
	assert.Equal(t, 31*24*time.Hour, v.Retention("nobody"))
	assert.Equal(t, time.Hour, v.Retention("acme"))
	assert.Zero(t, v.Retention("archive"))
	m.do(SetRetention{Tenant: "acme", Retention: InheritRetention})
	assert.Equal(t, 31*24*time.Hour, m.state.View().Retention("acme"))
}

func TestExpire(t *testing.T) {
	t.Parallel()
	const keep = 2 * time.Hour
	m := newMachine(t)
	m.do(SetRetention{Retention: keep})
	m.do(SetRetention{Tenant: "archive", Retention: 0})
	m.do(SetRetention{Tenant: "long", Retention: 2 * keep})
	for n, tenant := range []warehouse.Tenant{"acme", "archive", "long"} {
		m.mustAdd(segment(1+n, nil, place{tenant, hour0}, place{tenant, hour0 + 1}))
	}
	day := part(9, 4, "acme", hour0)
	day.Range.To = (hour0 + 1).Start() + 5
	m.mustAdd(segment(20, nil, place{"days", hour0}))
	m.do(ReplaceParts{ID: objectID(99), Remove: []PartRef{ref(20, "days", hour0)}, Add: []warehouse.Part{func() warehouse.Part {
		day.Tenant = "days"
		return day
	}()}})

	expire := func(at warehouse.Micros) int {
		m.at = at
		has := m.state.View().HasExpired(at)
		dropped := m.do(Expire{}).(int)
		assert.Equal(t, dropped > 0, has, "HasExpired foretells Expire")
		return dropped
	}
	end := (hour0 + 1).Start()
	assert.Zero(t, expire(later(end, keep)-1), "the hour is not over for long enough")
	assert.Equal(t, ids(1, 1), m.objects("acme"))

	assert.Equal(t, 1, expire(later(end, keep)))
	assert.Equal(t, ids(1), m.objects("acme"), "one hour is gone, the object lives on")
	assert.Equal(t, ids(2, 2), m.objects("archive"))
	assert.Equal(t, ids(3, 3), m.objects("long"))
	assert.Equal(t, ids(9), m.objects("days"), "its range ends later than its hour")
	assert.Equal(t, ids(20), buried(m.state.View()))
	index := m.state.Index()
	assert.Equal(t, index, m.state.View().Epoch(partition("acme", hour0)), "definitions are gone")
	assert.Zero(t, m.state.View().Epoch(partition("acme", hour0+1)))

	assert.Equal(t, 2, expire(later((hour0+2).Start(), keep)))
	assert.Empty(t, m.objects("acme"))
	assert.Empty(t, m.objects("days"))
	assert.Equal(t, ids(20, 1, 9), buried(m.state.View()))

	assert.Zero(t, expire(later(end, 2*keep)-1))
	m.do(SetRetention{Tenant: "long", Retention: InheritRetention})
	assert.Equal(t, 2, expire(later(end, 2*keep)-1))
	assert.Equal(t, []warehouse.Tenant{"archive"}, withData(m.state.View()))
	assert.Zero(t, expire(warehouse.MaxTime), "for ever is for ever")
}

func withData(v *View) []warehouse.Tenant {
	var names []warehouse.Tenant
	for _, t := range v.Tenants() {
		if len(v.Parts(t, everything)) > 0 {
			names = append(names, t)
		}
	}
	return names
}

// Absurd times in commands must not overflow into deleting.
func TestExpireAtAbsurdTimes(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.do(SetRetention{Retention: time.Duration(1<<63 - 1)})
	m.mustAdd(segment(1, nil, place{"acme", hour0}))
	for _, at := range []warehouse.Micros{-1 << 63, 0, start, 1<<63 - 1} {
		m.at = at
		want := 0
		if at == 1<<63-1 {
			want = 1 // 290,000 years later it is old
		}
		assert.Equal(t, want, m.do(Expire{}))
	}
}

func TestForgetTombstones(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for n := range 4 {
		m.mustAdd(segment(1+n, nil, place{"acme", hour0 + warehouse.Hour(n)}))
		m.do(ReplaceParts{ID: objectID(90 + n), Remove: []PartRef{ref(1+n, "acme", hour0+warehouse.Hour(n))}})
	}
	old := m.state.View()
	assert.Equal(t, ids(1, 2, 3, 4), buried(old))
	assert.Equal(t, 2, m.do(ForgetTombstones{Objects: ids(3, 1, 77, 3)}))
	assert.Equal(t, 0, m.do(ForgetTombstones{Objects: ids(3, 1)}))
	assert.Equal(t, ids(2, 4), buried(m.state.View()))
	assert.Equal(t, ids(1, 2, 3, 4), buried(old), "an older view keeps its own")

	tomb := m.state.View().Tombstones()[0]
	assert.EqualValues(t, 4, tomb.Index)
	assert.Equal(t, start, tomb.At)
	assert.Nil(t, tomb.Part.Datasets)
	assert.NotEmpty(t, tomb.Part.Sections, "they name the files of a block")
}

func TestApplyTwiceIsApplyOnce(t *testing.T) {
	t.Parallel()
	s := New()
	data := Append(nil, start, segment(1, nil, place{"acme", hour0}))
	answer, err := s.Apply(5, data)
	require.NoError(t, err)
	assert.NotNil(t, answer)
	want := s.View().Digest()
	for _, index := range []uint64{5, 4, 0} {
		answer, err = s.Apply(index, data)
		require.NoError(t, err)
		assert.Nil(t, answer)
		assert.Equal(t, want, s.View().Digest())
	}
}

func TestApplyRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	s := New()
	want := s.View().Digest()
	good := Append(nil, start, AbortSegment{ID: objectID(1)})
	flipped := append([]byte{}, good...)
	flipped[5] ^= 1
	cases := []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "too few"},
		{"flipped bit", flipped, "checksum is"},
		{"cut off", good[:len(good)-1], "checksum is"},
		{"newer envelope", reseal(append([]byte{2}, good[1:]...)), "format version is 2"},
		{"newer command", reseal(append([]byte{1, 200}, good[2:]...)), "command(200): this build does not know it"},
		{"body too long", reseal(append(append([]byte{}, good[:len(good)-4]...), 0, 0, 0, 0, 0)), "1 bytes after the end"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			_, err := s.Apply(1, tc.data)
			require.ErrorContains(t, err, tc.want)
			assert.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
			assert.Equal(t, want, s.View().Digest())
		})
	}
}
