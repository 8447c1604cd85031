package statement

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// day stores 24 hours of four services, a block an hour, of the last one segments, one
// behind the other.
func (w *world) day() {
	rng := rand.New(rand.NewPCG(1, 7)) //nolint:gosec // a test
	id := uint64(0)
	hour := func(h int) (out []sample) {
		for range 40 {
			for n := range 4 {
				service := fmt.Sprintf("service-%d", n)
				series := warehouse.Series{Type: cpuType, Labels: warehouse.LabelsOf(warehouse.LabelService, service)}
				series.ID = warehouse.SeriesID(hash(series.Labels.String()))
				id++
				var profile warehouse.ProfileID
				binary.BigEndian.PutUint64(profile[8:], id)
				at := (firstHour + warehouse.Hour(h)).Start() + warehouse.Micros(rng.Int64N(3600))*1_000_000
				seen := map[warehouse.StacktraceID]bool{}
				for range 10 {
					if st := stackOf(service, rng); !seen[st.ID] {
						seen[st.ID] = true
						out = append(out, sample{tenantA, at, series, profile, st, 1 + rng.Int64N(1000)})
					}
				}
			}
		}
		return out
	}
	for h := range 23 {
		w.store(warehouse.LevelFinal, hour(h), func() bool { return true })
	}
	last := hour(23)
	slices.SortFunc(last, func(a, b sample) int { return cmp.Compare(a.time, b.time) })
	for n := range 6 {
		w.store(warehouse.LevelSegment, last[n*len(last)/6:(n+1)*len(last)/6], func() bool { return true })
	}
}

// TestADayIsPruned: of 24 hours, a question about five minutes of a service reads a
// twentieth at most, and one about some rows three objects at most.
func TestADayIsPruned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.day()
	s := w.service(nil)
	whole := w.service(func(o *Options) { o.unplanned = true })
	from := (firstHour + 7).Start() + 600_000_000
	minutes := fmt.Sprintf("service_name = 'service-1' AND time >= make_timestamptz(%d) AND time < make_timestamptz(%d)", from, from+300_000_000)
	for _, text := range []string{
		"SELECT sum(value), count(*) FROM samples WHERE " + minutes,
		"SELECT time, value FROM profiles WHERE " + minutes,
		"SELECT stacktrace_id, sum(value) FROM samples WHERE " + minutes + " GROUP BY 1",
	} {
		pruned, err := ask(t.Context(), s, session(), text)
		require.NoError(t, err)
		all, err := ask(t.Context(), whole, session(), text)
		require.NoError(t, err)
		assert.ElementsMatch(t, all.rows, pruned.rows, text)
		assert.NotEmpty(t, all.rows, text)
		assert.LessOrEqual(t, 20*pruned.stats.ScannedBytes, all.stats.ScannedBytes, "%s reads %d of %d bytes", text, pruned.stats.ScannedBytes, all.stats.ScannedBytes)
	}
	for _, text := range []string{
		"SELECT * FROM samples LIMIT 100",
		"SELECT * FROM samples ORDER BY time DESC LIMIT 100",
		"SELECT * FROM profiles LIMIT 20",
	} {
		a, err := ask(t.Context(), s, session(), text)
		require.NoError(t, err)
		assert.LessOrEqual(t, a.stats.Sections, 3, text)
		assert.GreaterOrEqual(t, len(a.rows), 20, text)
	}
}
