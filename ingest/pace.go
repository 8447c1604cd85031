package ingest

import "time"

// pacer says how long to wait between two seals of one kind: minEvery when the
// shard is idle, growing linearly to maxEvery at busyPerSecond seals in the last
// second, so that a busy shard writes few segments and an idle one answers at
// once.
//
// Concurrency: used by one goroutine.
type pacer struct {
	minEvery, maxEvery time.Duration
	seals              [busyPerSecond]time.Time // ring of the last seals
	next               int
	last               time.Time // last seal of the shard, be it another pacer's
}

// busyPerSecond is the rate of seals at which the pause is longest.
const busyPerSecond = 10

// sealed records a seal.
func (p *pacer) sealed(now time.Time) {
	p.seals[p.next] = now
	p.next = (p.next + 1) % len(p.seals)
	p.last = now
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
	own := p.seals[(p.next+len(p.seals)-1)%len(p.seals)]
	var wait time.Duration
	if !own.IsZero() {
		wait = every - now.Sub(own)
	}
	if !p.last.IsZero() {
		wait = max(wait, p.minEvery-now.Sub(p.last))
	}
	return max(0, wait)
}
