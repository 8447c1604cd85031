package rebuild

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/metastore/manifest"
	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

// Whatever happened, and whenever the metastore is lost: what was acknowledged is
// counted once, and nothing is counted twice.
func TestSimulation(t *testing.T) {
	t.Parallel()
	seeds := 12
	if testing.Short() {
		seeds = 10
	}
	met := map[string]int{}
	for seed := range seeds {
		w := newWorld(t, uint64(seed))
		// Some worlds delete what no manifest knows to be dead, and some lose the newest
		// manifest: the rebuild then finds blocks whose inputs are gone.
		w.gated = seed%3 != 0
		w.do(state.SetRetention{Retention: 100 * time.Minute})
		w.save()
		for range 3 {
			for range 150 + w.rng.IntN(150) {
				w.step()
			}
			if seed%4 == 1 {
				w.loseNewest()
			}
			w.rebuild(fmt.Sprintf("seed %d", seed))
		}
		for k, n := range w.met {
			met[k] += n
		}
	}
	t.Log(met)
	for _, what := range []string{
		"never registered", "aborted", "has duplicates", "has stale epochs", "half a job", "job without an end", "finished", "deleted", "retired",
		"taken", "cut", "stand-in", "left: " + whyCovered, "left: " + whyInputs, "left: " + whyNever, "left: " + whyNoMeta,
	} {
		require.Positive(t, met[what], what)
	}
}

// loseNewest damages the newest manifest.
func (w *world) loseNewest() {
	refs, err := manifest.List(w.t.Context(), w.bucket)
	require.NoError(w.t, err)
	if len(refs) > 1 {
		w.put(refs[0].Name, []byte("damaged"))
		w.met["lost a manifest"]++
	}
}

// rebuild loses the metastore, makes it again, compares, and goes on with it.
func (w *world) rebuild(what string) {
	w.t.Helper()
	w.expire() // as the rebuild does: hours that were retired stay retired
	before := w.counts(w.state.View())
	got, err := Run(w.t.Context(), Options{Bucket: w.bucket, Now: w.now})
	require.NoError(w.t, err, "%s: %+v", what, got.Report)
	if w.rng.IntN(4) == 0 {
		again, err := Run(w.t.Context(), Options{Bucket: w.bucket, Now: w.now, Parallel: 1})
		require.NoError(w.t, err, what)
		require.Equal(w.t, got.State.View().Digest(), again.State.View().Digest(), "%s: a rebuild is deterministic", what)
	}
	require.NoError(w.t, got.Save(w.t.Context(), w.bucket))
	after := w.counts(got.State.View())
	for k, n := range after {
		if n != 1 {
			w.t.Fatalf("%s: profile %s is counted %d times, %d before; %s", what, k.ID, n, before[k], w.where(got, k))
		}
	}
	for k := range before {
		if w.profiles[k].acked && after[k] != 1 {
			w.t.Fatalf("%s: profile %s is lost; %s", what, k.ID, w.where(got, k))
		}
	}
	w.met["taken"] += len(got.Report.Taken)
	w.met["cut"] += len(got.Report.Cut)
	for _, n := range got.Report.Taken {
		if n.Why == whyStandIn {
			w.met["stand-in"]++
		}
	}
	for _, n := range got.Report.Left {
		w.met["left: "+n.Why]++
	}
	w.goOn(got)
}

// where tells where a profile is, for the message of a failure.
func (w *world) where(r *Result, k warehouse.ProfileKey) (text string) {
	for _, v := range []*state.View{w.state.View(), r.State.View()} {
		text += "in"
		v.EachPart(func(p *warehouse.Part) {
			_ = readRows(w.t.Context(), w.bucket, p, func(row block.ProfileRow) {
				if p.Tenant == k.Tenant && row.ID == k.ID {
					text += fmt.Sprintf(" %s (level %d, received %s)", p.Object, p.Level, row.Received)
				}
			})
		})
		text += "; "
	}
	return text + fmt.Sprintf("%+v", r.Report)
}

// goOn works with the state that was made. Processes were started anew.
func (w *world) goOn(r *Result) {
	w.state, w.index, w.saved = r.State, r.State.Index(), r.State.Index()
	w.known = map[warehouse.PartitionKey]map[warehouse.SeriesID]uint64{}
	w.running = nil
	w.now = w.now.Add(time.Second)
}
