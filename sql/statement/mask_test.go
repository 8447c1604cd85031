package statement

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// delete hides what is stored so far and selected, and takes it from the samples.
func (w *world) delete(d *warehouse.Deletion) {
	d.Index = uint64(len(w.deletions) + 1)
	binary.BigEndian.PutUint64(d.ID[8:], d.Index)
	w.deletions = append(w.deletions, d)
	w.samples = slices.DeleteFunc(slices.Clone(w.samples), func(s sample) bool {
		return s.tenant == d.Tenant && d.Hides(s.service(), s.series.Type.String(), s.series.ID, s.time)
	})
}

func (w *world) randomDeletion(rng *rand.Rand) *warehouse.Deletion {
	d := &warehouse.Deletion{Tenant: tenantA, From: warehouse.MinTime, To: warehouse.MaxTime, Reason: warehouse.DeletedByOperator}
	if rng.IntN(3) > 0 {
		d.From = firstHour.Start() + warehouse.Micros(rng.Int64N(4*3600))*1_000_000
		d.To = d.From + 1 + warehouse.Micros(rng.Int64N(2*3600))*1_000_000
	}
	if rng.IntN(2) == 0 {
		d.Services = [][]string{{"api"}, {"api", "it's"}, {"db"}}[rng.IntN(3)]
	}
	if rng.IntN(4) == 0 {
		d.Types = []string{[]warehouse.ProfileType{cpuType, countType}[rng.IntN(2)].String()}
	}
	if rng.IntN(4) == 0 {
		for range 4 {
			d.Series = append(d.Series, w.samples[rng.IntN(len(w.samples))].series.ID)
		}
		slices.Sort(d.Series)
		d.Series = slices.Compact(d.Series)
	}
	return d
}

// TestStatementsWithDeletions: statements answer as if what is deleted had never been
// stored, with and without a plan; what is stored later shows.
func TestStatementsWithDeletions(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(21, 22)) //nolint:gosec // a test
	shapes := []string{
		"SELECT count(*), sum(value) FROM samples WHERE %s",
		"SELECT service_name, count(*), max(time), sum(samples) FROM profiles WHERE %s GROUP BY 1 ORDER BY 1",
		"SELECT count(*), sum(value) FROM labeled_samples WHERE %s",
		"SELECT functions[1], sum(value) FROM samples JOIN stacktraces USING (stacktrace_id) WHERE %s GROUP BY 1 ORDER BY 1",
		"SELECT labels['pod'], count(*) FROM profiles JOIN series USING (series_id, service_name, profile_type) WHERE %s GROUP BY 1 ORDER BY 1",
	}
	all := []string{
		"SELECT series_id, service_name, profile_type, labels FROM series ORDER BY 1",
		"SELECT stacktrace_id, functions FROM stacktraces ORDER BY 1",
		"SELECT count(*) FROM stacktraces WHERE list_contains(functions, 'api.serve')",
		"SELECT time FROM samples ORDER BY time DESC LIMIT 5",
		"SELECT count(*) FROM (SELECT * FROM samples LIMIT 7)",
	}
	for round := range 4 {
		w := newWorld(t)
		w.generate(uint64(30+round), 120)
		for range 1 + rng.IntN(3) {
			w.delete(w.randomDeletion(rng))
		}
		before := len(w.samples)
		later := newWorld(t)
		later.generate(uint64(60+round), 20)
		w.store(1, later.samples, func() bool { return true }) // behind the deletions
		require.Greater(t, len(w.samples), before)
		if round%2 == 1 {
			w.delete(w.randomDeletion(rng))
		}
		plain := newWorld(t)
		plain.store(1, slices.Clone(w.samples), func() bool { return false })
		services := map[string]*Service{"planned": w.service(nil), "unplanned": w.service(func(o *Options) { o.unplanned = true })}
		oracle := plain.service(nil)
		texts := slices.Clone(all)
		for range 6 {
			texts = append(texts, fmt.Sprintf(shapes[rng.IntN(len(shapes))], condition(rng, 2)))
		}
		for _, text := range texts {
			want := must(t, oracle, text)
			for name, s := range services {
				require.Equal(t, want, must(t, s, text), "round %d, %s: %s\n%s", round, name, text, describeDeletions(w.deletions))
			}
		}
	}
}

func describeDeletions(all []*warehouse.Deletion) string {
	var b strings.Builder
	for _, d := range all {
		fmt.Fprintf(&b, "%v %v %v %v\n", d.Services, d.Types, d.Series, d.Range())
	}
	return b.String()
}
