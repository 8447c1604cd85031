package state

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Whatever the policy and the parts, an hour that is over and quiet becomes final
// after a few jobs, each within its bounds.
func TestEveryHourBecomesFinal(t *testing.T) {
	t.Parallel()
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 3))
		p := DefaultPolicy()
		p.MinSegments, p.MaxSegments, p.MaxBlocks = r.IntN(30), r.IntN(30), r.IntN(9)
		p.MaxParts, p.MaxBytes, p.SegmentBytes = r.IntN(12), int64(r.IntN(3000)), int64(r.IntN(3000))
		p.TwicePercent, p.LateShare = r.IntN(101), r.IntN(6)
		m := newMachine(t)
		n := 0
		for range 1 + r.IntN(60) {
			n++
			m.flush(n, int64(1+r.IntN(500)), acme)
			m.pass(time.Duration(r.IntN(120)) * time.Second)
			if r.IntN(3) == 0 { // a hour of many kinds of parts
				for _, j := range m.takeBy(p, "w", 9) {
					n++
					m.finish(j, m.output(j, n))
				}
			}
		}
		m.at = max(m.at, acme.hour.End())
		jobs := 0
		for final := false; !final; {
			m.pass(time.Hour)
			taken := m.takeBy(p, "w", 9)
			require.NotEmpty(t, taken, "seed %d: stuck with %d parts", seed, len(m.objects("acme")))
			for _, j := range taken {
				jobs++
				if j.Level < warehouse.LevelFinal {
					require.LessOrEqual(t, len(j.Inputs), max(p.MaxParts, 2))
				}
				n++
				require.Equal(t, Finished, m.finish(j, m.output(j, n)))
			}
			loose, parts := 0, m.state.View().Parts("acme", everything)
			for _, part := range parts {
				if part.Level < warehouse.LevelFinal {
					loose++
				}
			}
			final = loose == 0
			if !m.state.View().HasJobs(&p, later(m.at, time.Hour)) {
				require.Less(t, loose, len(parts), "seed %d: only late data stays beside what is final", seed)
				break
			}
		}
		require.Less(t, jobs, 200, "seed %d", seed)
	}
}
