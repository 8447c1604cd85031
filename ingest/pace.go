package ingest

import "time"

// pacer says how long to wait between two seals of a shard: minEvery when the
// shard is idle, growing linearly to maxEvery at busyPerSecond seals in the last
// second, so that a busy shard writes few segments and an idle one answers at
// once.
//
// Concurrency: used by one goroutine.
type pacer struct {
	minEvery, maxEvery time.Duration
	seals              [busyPerSecond]time.Time // ring of the last seals
	next               int
}

// busyPerSecond is the rate of seals at which the pause is longest.
const busyPerSecond = 10

// sealed records a seal.
func (p *pacer) sealed(now time.Time) {
	p.seals[p.next] = now
	p.next = (p.next + 1) % len(p.seals)
}

// wait returns how long to wait from now until the next seal.
func (p *pacer) wait(now time.Time) time.Duration {
	recent := 0
	for _, t := range p.seals {
		if !t.IsZero() && now.Sub(t) < time.Second {
			recent++
		}
	}
	every := p.minEvery + (p.maxEvery-p.minEvery)*time.Duration(recent)/time.Duration(len(p.seals))
	last := p.seals[(p.next+len(p.seals)-1)%len(p.seals)]
	if last.IsZero() {
		return 0
	}
	return max(0, every-now.Sub(last))
}
