package state

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

func TestAddSegment(t *testing.T) {
	t.Parallel()
	var (
		added      = warehouse.AddResult{Outcome: warehouse.Added}
		acme       = place{"acme", hour0}
		duplicates = func(ks ...warehouse.ProfileKey) warehouse.AddResult {
			return warehouse.AddResult{Outcome: warehouse.HasDuplicates, Duplicates: ks}
		}
		relyOn = func(c AddSegment, epoch uint64) AddSegment {
			c.Segment.Epochs = []warehouse.Epoch{{Key: partition("acme", hour0), Value: epoch}}
			return c
		}
		undefine = ReplaceParts{ // at index 2
			ID: objectID(99), Remove: []PartRef{ref(1, "acme", hour0)},
			Add:    []warehouse.Part{part(50, 1, "acme", hour0)},
			Undefs: []warehouse.PartitionKey{partition("acme", hour0)},
		}
	)
	cases := []struct {
		name  string
		setup func(m *machine)
		add   AddSegment
		want  warehouse.AddResult
		live  []warehouse.ObjectID
	}{
		{"into nothing", nil, segment(1, nil, acme), added, ids(1)},
		{"of several hours and tenants", nil, segment(1, nil, acme, place{"acme", hour0 + 1}, place{"globex", hour0}), added, ids(1, 1)},
		{"twice", func(m *machine) {
			m.mustAdd(segment(1, []warehouse.ProfileKey{key("acme", 1)}, acme))
		}, segment(1, []warehouse.ProfileKey{key("acme", 1)}, acme), added, ids(1)},
		{"twice, its parts replaced", func(m *machine) {
			m.mustAdd(segment(1, nil, acme))
			m.do(ReplaceParts{ID: objectID(99), Remove: []PartRef{ref(1, "acme", hour0)}, Add: []warehouse.Part{part(50, 1, "acme", hour0)}})
		}, segment(1, nil, acme), added, ids(50)},
		{"twice, its parts replaced and its object deleted", func(m *machine) {
			m.mustAdd(segment(1, nil, acme))
			m.do(ReplaceParts{ID: objectID(99), Remove: []PartRef{ref(1, "acme", hour0)}, Add: []warehouse.Part{part(50, 1, "acme", hour0)}})
			m.do(ForgetTombstones{Objects: ids(1)})
			m.pass(FateWindow)
		}, segment(1, nil, acme), added, ids(50)},
		{"twice, long after", func(m *machine) {
			m.mustAdd(segment(1, nil, acme))
			m.pass(1000 * time.Hour)
		}, segment(1, nil, acme), added, ids(1)},
		{"aborted before", func(m *machine) {
			m.do(AbortSegment{ID: objectID(1)})
			m.pass(FateWindow)
		}, segment(1, nil, acme), warehouse.AddResult{Outcome: warehouse.WasAborted}, ids()},
		{"profile of another segment", func(m *machine) {
			m.mustAdd(segment(1, []warehouse.ProfileKey{key("acme", 1), key("acme", 2)}, acme))
			m.pass(ProfileWindow)
		}, segment(2, []warehouse.ProfileKey{key("acme", 3), key("acme", 2)}, acme), duplicates(key("acme", 2)), ids(1)},
		{"profile of another segment that is gone", func(m *machine) {
			m.mustAdd(segment(1, []warehouse.ProfileKey{key("acme", 1)}, acme))
			m.do(ReplaceParts{ID: objectID(99), Remove: []PartRef{ref(1, "acme", hour0)}})
		}, segment(2, []warehouse.ProfileKey{key("acme", 1)}, acme), duplicates(key("acme", 1)), ids()},
		{"profile id of another tenant", func(m *machine) {
			m.mustAdd(segment(1, []warehouse.ProfileKey{key("globex", 1)}, acme))
		}, segment(2, []warehouse.ProfileKey{key("acme", 1)}, acme), added, ids(1, 2)},
		{"profile of long ago", func(m *machine) {
			m.mustAdd(segment(1, []warehouse.ProfileKey{key("acme", 1)}, acme))
			m.pass(ProfileWindow + time.Microsecond)
		}, segment(2, []warehouse.ProfileKey{key("acme", 1)}, acme), added, ids(1, 2)},
		{"profile of a refused segment", func(m *machine) {
			m.mustAdd(segment(1, []warehouse.ProfileKey{key("acme", 1)}, acme))
			m.add(segment(2, []warehouse.ProfileKey{key("acme", 1), key("acme", 2)}, acme))
		}, segment(3, []warehouse.ProfileKey{key("acme", 2)}, acme), added, ids(1, 3)},
		{"refused segment without the duplicates", func(m *machine) {
			m.mustAdd(segment(1, []warehouse.ProfileKey{key("acme", 1)}, acme))
			m.add(segment(2, []warehouse.ProfileKey{key("acme", 1), key("acme", 2)}, acme))
		}, segment(2, []warehouse.ProfileKey{key("acme", 2)}, acme), added, ids(1, 2)},
		{"first epoch", nil, relyOn(segment(1, nil, acme), 0), added, ids(1)},
		{"epoch that is current", func(m *machine) {
			m.mustAdd(segment(1, nil, acme))
			m.do(undefine)
		}, relyOn(segment(2, nil, acme), 2), added, ids(50, 2)},
		{"epoch that is stale", func(m *machine) {
			m.mustAdd(segment(1, nil, acme))
			m.do(undefine)
		}, relyOn(segment(2, nil, acme), 0), warehouse.AddResult{
			Outcome: warehouse.HasStaleEpochs, Stale: []warehouse.Epoch{{Key: partition("acme", hour0), Value: 2}},
		}, ids(50)},
		{"epoch of a lost future", nil, relyOn(segment(1, nil, acme), 7), warehouse.AddResult{
			Outcome: warehouse.HasStaleEpochs, Stale: []warehouse.Epoch{{Key: partition("acme", hour0)}},
		}, ids()},
		{"duplicates and stale epochs", func(m *machine) {
			m.mustAdd(segment(1, []warehouse.ProfileKey{key("acme", 1)}, acme))
			m.do(undefine)
		}, relyOn(segment(2, []warehouse.ProfileKey{key("acme", 1)}, acme), 0), warehouse.AddResult{
			Outcome: warehouse.HasDuplicates, Duplicates: []warehouse.ProfileKey{key("acme", 1)},
			Stale: []warehouse.Epoch{{Key: partition("acme", hour0), Value: 2}},
		}, ids(50)},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			if tc.setup != nil {
				tc.setup(m)
			}
			assert.Equal(t, tc.want, m.add(tc.add))
			assert.Equal(t, tc.live, m.objects("acme"))
			assert.Equal(t, tc.want, m.add(tc.add), "the same again gets the same answer")
			assert.Equal(t, tc.live, m.objects("acme"))
		})
	}
}

// A refusal leaves no trace but the time of the command.
func TestAddSegmentRefusalLeavesNoTrace(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.mustAdd(segment(1, []warehouse.ProfileKey{key("acme", 1)}, place{"acme", hour0}))
	m.do(AbortSegment{ID: objectID(3)})
	index := m.state.Index()
	before := m.state.View()
	m.add(segment(2, []warehouse.ProfileKey{key("acme", 1), key("new", 2)}, place{"new", hour0}))
	m.add(segment(3, []warehouse.ProfileKey{key("new", 2)}, place{"new", hour0}))
	after := m.state.View()
	after.index = index
	assert.Equal(t, before.Digest(), after.Digest())
}

// Time that steps back, or was far ahead, never lets a retry count twice, and
// never stops the forgetting.
func TestProfileWindowUnderBadClocks(t *testing.T) {
	t.Parallel()
	retry := []warehouse.ProfileKey{key("acme", 1)}
	m := newMachine(t)
	m.mustAdd(segment(1, retry, place{"acme", hour0}))
	for n, step := range []time.Duration{-10 * time.Minute, 7 * time.Minute, -time.Hour, 7 * time.Minute, -365 * 24 * time.Hour} {
		m.pass(step)
		assert.Equal(t, warehouse.HasDuplicates, m.add(segment(10+n, retry, place{"acme", hour0})).Outcome, "step %s", step)
	}
	m.pass(2 * time.Minute)
	m.mustAdd(segment(20, retry, place{"acme", hour0})) // 16 minutes went by
}
