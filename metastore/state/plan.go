package state

import (
	"cmp"
	"slices"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Policy says when parts are merged. It travels in each command that plans, so that
// every replica plans alike, whatever it is configured to. See docs/adr/0030.
type Policy struct {
	// Segments of an hour that is not over become a block of level 1 when there are
	// MinSegments and the oldest is of Age, or of a Share-th of the time since the
	// hour's first part if that is longer, or as soon as there are MaxSegments or
	// they have SegmentBytes.
	MinSegments, MaxSegments int
	Age                      time.Duration
	Share                    int
	SegmentBytes             int64

	// More than MaxBlocks blocks of level 1 become one of level 2.
	MaxBlocks int

	// An hour is over when its end has passed. What it has becomes final when Quiet
	// has passed since the last registration; final blocks are merged again with
	// what came late once that is over a LateShare-th of them.
	Quiet     time.Duration
	LateShare int

	MaxParts int // of one job
}

// DefaultPolicy returns the policy of a metastore that is not told another.
func DefaultPolicy() Policy {
	return Policy{
		MinSegments: 16, MaxSegments: 192, Age: 10 * time.Second, Share: 8, SegmentBytes: 32 << 20,
		MaxBlocks: 48, Quiet: 30 * time.Second, LateShare: 4, MaxParts: 1024,
	}
}

// candidate is a job that could be planned.
type candidate struct {
	tenant warehouse.Tenant
	hour   warehouse.Hour
	level  uint8
	inputs []*warehouse.Part
}

// candidates returns the jobs that the policy wants at a time, the most useful
// first: segments, which every query opens one by one, of the newest hours.
func (v *View) candidates(p *Policy, now warehouse.Micros) []candidate {
	byHour := map[hourKey]map[warehouse.ObjectID]*Job{}
	for _, j := range v.jobs {
		k := hourKey{j.Tenant, j.Hour}
		if byHour[k] == nil {
			byHour[k] = map[warehouse.ObjectID]*Job{}
		}
		for _, id := range j.Inputs {
			byHour[k][id] = j
		}
	}
	var out []candidate
	for _, t := range v.tenants {
		for _, h := range t.hours {
			if h.loose == 0 {
				continue
			}
			if level, inputs := p.plan(h, now, byHour[hourKey{t.name, h.hour}]); inputs != nil {
				out = append(out, candidate{t.name, h.hour, level, inputs})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b candidate) int { return cmp.Or(cmp.Compare(a.level, b.level), cmp.Compare(b.hour, a.hour)) })
	return out
}

type hourKey struct {
	tenant warehouse.Tenant
	hour   warehouse.Hour
}

// plan returns what is to be merged of an hour, and to which level; nothing if
// nothing is.
func (p *Policy) plan(h *hour, now warehouse.Micros, jobs map[warehouse.ObjectID]*Job) (uint8, []*warehouse.Part) {
	if p.MaxParts < 2 {
		return 0, nil
	}
	c := p.count(h, jobs)
	over := now >= h.hour.End()
	switch {
	case over && p.isFinal(c, now):
		return warehouse.LevelFinal, c.free
	case p.hasSegments(c, now, over):
		return 1, c.segments[:min(len(c.segments), p.MaxParts)]
	case len(c.blocks) > p.MaxBlocks:
		return 2, c.blocks[:min(len(c.blocks), p.MaxParts)]
	}
	return 0, nil
}

// census is what an hour has.
type census struct {
	free       []*warehouse.Part // of no job
	segments   []*warehouse.Part // of those, level 0
	blocks     []*warehouse.Part // of those, level 1
	loose      int               // of those, below the final level
	running    bool              // some are in a job that was not set aside
	bytes      int64             // of segments
	looseBytes int64
	finalBytes int64
	first      warehouse.Micros // when the oldest object was made, and the newest loose one
	newest     warehouse.Micros
}

func (p *Policy) count(h *hour, jobs map[warehouse.ObjectID]*Job) *census {
	c := &census{}
	for i, part := range h.parts {
		made := warehouse.Micros(part.Object.Time()) * 1000
		if i == 0 {
			c.first = made
		}
		if j := jobs[part.Object]; j != nil {
			c.running = c.running || !j.SetAside
			continue
		}
		c.free = append(c.free, part)
		size := part.SizeBytes()
		if part.Level >= warehouse.LevelFinal {
			c.finalBytes += size
			continue
		}
		c.loose++
		c.looseBytes += size
		c.newest = max(c.newest, made)
		switch part.Level {
		case warehouse.LevelSegment:
			c.segments = append(c.segments, part)
			c.bytes += size
		case 1:
			c.blocks = append(c.blocks, part)
		}
	}
	return c
}

func (p *Policy) isFinal(c *census, now warehouse.Micros) bool {
	return c.loose > 0 && !c.running && len(c.free) <= p.MaxParts && now-c.newest >= micros(p.Quiet) &&
		c.looseBytes > c.finalBytes/int64(max(p.LateShare, 1))
}

// hasSegments decides about level 1. When the hour is over, what it has is final
// soon: only very many segments are merged before.
func (p *Policy) hasSegments(c *census, now warehouse.Micros, over bool) bool {
	n := len(c.segments)
	switch {
	case n < 2:
		return false
	case n >= p.MaxSegments, c.bytes >= p.SegmentBytes && !over:
		return true
	case n < p.MinSegments:
		return false
	}
	oldest := now - warehouse.Micros(c.segments[0].Object.Time())*1000
	wait := micros(p.Age)
	if since := now - c.first; p.Share > 0 {
		wait = max(wait, min(since, micros(time.Hour))/warehouse.Micros(p.Share))
	}
	if over {
		wait = max(wait, 2*micros(p.Quiet))
	}
	return oldest >= wait
}

// EachLoose calls fn with every part below the final level.
func (v *View) EachLoose(fn func(*warehouse.Part)) {
	for _, t := range v.tenants {
		for _, h := range t.hours {
			if h.loose == 0 {
				continue
			}
			for _, p := range h.parts {
				if p.Level < warehouse.LevelFinal {
					fn(p)
				}
			}
		}
	}
}
