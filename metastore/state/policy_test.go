package state

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// constantIngest is an hour of segments that come in even steps, and workers that
// merge at once.
type constantIngest struct {
	*machine
	policy   Policy
	rewrites map[warehouse.ObjectID]float64 // how often a row of an object was written again, on average
	flushed  int64                          // bytes
	merged   int64                          // bytes
	jobs     map[uint8]int                  // by level
	most     int                            // live parts
	blocks   int                            // most of level 1 and 2
	sum      int                            // of live parts, at every step
	steps    int
}

func (c *constantIngest) run(perSecond float64, size int64) {
	n := 0
	for second := range 3600 + 120 {
		for ; second < 3600 && float64(n) < float64(second+1)*perSecond; n++ {
			c.rewrites[c.flush(n+1, size, acme)] = 0
			c.flushed += size
		}
		c.measure()
		for _, j := range c.take("w", 4) {
			c.jobs[j.Level]++
			p := c.output(j, 10_000_000+second*8+len(c.jobs)+c.jobs[j.Level])
			var sum float64
			for _, in := range j.Inputs {
				sum += (c.rewrites[in.Object] + 1) * float64(in.SizeBytes())
				delete(c.rewrites, in.Object)
			}
			c.rewrites[p.Object] = sum / float64(p.SizeBytes())
			c.merged += p.SizeBytes()
			require.Equal(c.t, Finished, c.finish(j, p))
		}
		c.pass(time.Second)
	}
}

func (c *constantIngest) take(worker string, most int) []*warehouse.Job {
	v := c.state.View()
	plans := v.Plans(&c.policy, c.at, most)
	if len(plans) == 0 {
		return nil
	}
	return c.do(TakeJobs{Worker: worker, Max: most, Lease: time.Minute, Plans: plans}).([]*warehouse.Job)
}

func (c *constantIngest) measure() {
	blocks := 0
	parts := c.state.View().Parts("acme", everything)
	for _, p := range parts {
		if p.Level > 0 {
			blocks++
		}
	}
	c.most, c.blocks = max(c.most, len(parts)), max(c.blocks, blocks)
	c.sum += len(parts)
	c.steps++
}

// TestPolicy plays an hour of constant ingest and reports what it costs: these are
// the figures of docs/adr/0030. A merged byte is taken to stay a byte; in truth
// blocks are smaller than the segments that they were made of.
func TestPolicy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		perSecond float64
		size      int64
		most      int     // live parts
		writes    float64 // bytes that were merged for each that came
	}{
		{1. / 15, 30 << 10, 32, 2},
		{0.3, 30 << 10, 48, 2.5},
		{1, 30 << 10, 75, 2.5},
		{10, 30 << 10, 230, 2.5},
		{50, 30 << 10, 600, 2.5},
		{10, 1 << 20, 600, 2}, // 36 GB an hour: blocks of 64 MiB are left as they are
	} {
		t.Run(fmt.Sprintf("%.2f segments a second of %d KiB", tt.perSecond, tt.size>>10), func(t *testing.T) {
			t.Parallel()
			c := &constantIngest{machine: newMachine(t), policy: DefaultPolicy(), rewrites: map[warehouse.ObjectID]float64{}, jobs: map[uint8]int{}}
			c.run(tt.perSecond, tt.size)
			parts := c.state.View().Parts("acme", everything)
			require.Len(t, parts, 1, "one final part")
			require.Equal(t, c.flushed, parts[0].SizeBytes())
			writes := float64(c.merged) / float64(c.flushed)
			rewrites := c.rewrites[parts[0].Object]
			t.Logf("write amplification %.2f, rewrites of a row %.2f, at most %d live parts, %d of them blocks, %.0f on average; jobs by level %v",
				writes, rewrites, c.most, c.blocks, float64(c.sum)/float64(c.steps), c.jobs)
			require.InDelta(t, writes, rewrites, 0.01)
			require.LessOrEqual(t, c.most, tt.most)
			require.LessOrEqual(t, writes, tt.writes)
		})
	}
}
