package state

import (
	"cmp"
	"slices"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Policy says when parts are merged. Only the leader reads it: what it decides
// comes in commands. docs/adr/0030 tells what it costs, and why it is this one.
type Policy struct {
	// Segments of an hour that is not over become a block of level 1 when there
	// are MinSegments and the oldest is of Age, and their number times their age
	// weighs as much as what is left of the hour; or as soon as there are
	// MaxSegments or they have SegmentBytes.
	MinSegments, MaxSegments int
	Age                      time.Duration
	SegmentBytes             int64

	// What came in the first TwicePercent of an hour may be merged once more while
	// it runs: MaxBlocks blocks of level 1 become one of level 2. Later blocks are
	// left for the final merge, so that few samples are written a third time.
	MaxBlocks    int
	TwicePercent int

	// An hour is over when its end has passed. What it has becomes final when Quiet
	// has passed since the last registration; final blocks are merged again with
	// what came late once that is over a LateShare-th of them. Until then, late
	// segments of LateAge become blocks.
	Quiet     time.Duration
	LateShare int
	LateAge   time.Duration

	// Parts are rewritten when something of them was deleted for MaskAge: deletes that
	// follow each other are applied together.
	MaskAge time.Duration

	// Bounds of a job's inputs. What becomes final is not bounded by bytes.
	MaxParts int
	MaxBytes int64
}

// DefaultPolicy returns the policy of a metastore that is not told another.
func DefaultPolicy() Policy {
	return Policy{
		MinSegments: 16, MaxSegments: 512, Age: 5 * time.Second, SegmentBytes: 64 << 20,
		MaxBlocks: 32, TwicePercent: 45,
		Quiet: 30 * time.Second, LateShare: 4, LateAge: 5 * time.Minute,
		MaskAge:  time.Second,
		MaxParts: 1024, MaxBytes: 256 << 20,
	}
}

// Plans returns the jobs that the policy wants at a time, the most useful first, at
// most so many.
func (v *View) Plans(p *Policy, now warehouse.Micros, most int) []Plan {
	var all []candidate
	v.eachCandidate(p, now, func(c candidate) bool {
		all = append(all, c)
		return true
	})
	// Segments first, which every query opens one by one, and what was deleted; then
	// the newest hours, and the largest backlogs.
	slices.SortStableFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(b.hour.hour, a.hour.hour), cmp.Compare(len(b.inputs), len(a.inputs)))
	})
	var plans []Plan
	for _, c := range all[:min(most, len(all))] {
		plan := Plan{Tenant: c.tenant, Hour: c.hour.hour, Level: c.level}
		for _, part := range c.inputs {
			plan.Inputs = append(plan.Inputs, part.Object)
		}
		plans = append(plans, plan)
	}
	return plans
}

// CountPlans returns how many jobs the policy wants at a time.
func (v *View) CountPlans(p *Policy, now warehouse.Micros) (n int) {
	v.eachCandidate(p, now, func(candidate) bool { n++; return true })
	return n
}

// HasJobs reports whether a TakeJobs at the time would give any.
func (v *View) HasJobs(p *Policy, now warehouse.Micros) bool {
	elapsed := v.clock
	elapsed.advance(max(now, elapsed.last))
	for _, j := range v.jobs {
		if j.isWaiting(elapsed.elapsed) || j.hasEnded(elapsed.elapsed) {
			return true
		}
	}
	has := false
	v.eachCandidate(p, now, func(candidate) bool { has = true; return false })
	return has
}

// MayHaveJobs reports whether there is anything that passing time alone could make
// a job of.
func (v *View) MayHaveJobs() bool {
	if len(v.jobs) > 0 || len(v.masks) > 0 {
		return true
	}
	for _, t := range v.tenants {
		for _, h := range t.hours {
			if h.loose > 0 {
				return true
			}
		}
	}
	return false
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

// candidate is a job that could be planned.
type candidate struct {
	tenant warehouse.Tenant
	hour   *hour
	level  uint8
	inputs []*warehouse.Part
	masks  bool // it is for what was deleted
}

// rank orders candidates by their level, those for what was deleted behind the first.
func (c *candidate) rank() int {
	if c.masks {
		return 3
	}
	return 2 * int(c.level)
}

type hourKey struct {
	tenant warehouse.Tenant
	hour   warehouse.Hour
}

// eachCandidate calls yield with every job that the policy wants, by tenant and
// hour, until it returns false.
func (v *View) eachCandidate(p *Policy, now warehouse.Micros, yield func(candidate) bool) {
	jobs := map[hourKey][]*Job{}
	for _, j := range v.jobs {
		k := hourKey{j.Tenant, j.Hour}
		jobs[k] = append(jobs[k], j)
	}
	haunted := v.haunted()
	for _, t := range v.tenants {
		masks := v.Masks(t.name)
		for _, h := range t.hours {
			concern := hourMasks(masks, h)
			if h.loose == 0 && len(concern) == 0 {
				continue
			}
			d := draftOf(p, h, jobs[hourKey{t.name, h.hour}], now)
			d.masks = masks
			if len(concern) > 0 {
				d.planMasked(concern)
			} else {
				d.plan()
				d.planHaunted(haunted)
			}
			for _, c := range d.candidates {
				c.tenant, c.hour = t.name, h
				if !yield(c) {
					return
				}
			}
		}
	}
}

// draft is the planning of an hour: what it has, and what is to be done with it.
type draft struct {
	*Policy
	hour       *hour
	now        warehouse.Micros
	masks      []*warehouse.Deletion // of the tenant
	candidates []candidate

	// Parts that are in no job.
	free     []*warehouse.Part
	segments []*warehouse.Part // level 0
	blocks   []*warehouse.Part // level 1
	merged   []*warehouse.Part // between that and the final level

	isRunning    bool // some are in a job that was not set aside
	segmentBytes int64
	looseBytes   int64
	finalBytes   int64
	oldest       warehouse.Micros // when the oldest segment was made
	newest       warehouse.Micros // and the newest loose part
}

// madeAt returns when an object was made, as its id says.
func madeAt(p *warehouse.Part) warehouse.Micros {
	return warehouse.Micros(p.Object.Time()) * 1000 // fits: 48 bits of milliseconds
}

func draftOf(p *Policy, h *hour, jobs []*Job, now warehouse.Micros) *draft {
	d := &draft{Policy: p, hour: h, now: now}
	var taken map[warehouse.ObjectID]struct{}
	for _, j := range jobs {
		d.isRunning = d.isRunning || !j.SetAside
		if taken == nil {
			taken = make(map[warehouse.ObjectID]struct{}, len(j.Inputs))
		}
		for _, id := range j.Inputs {
			taken[id] = struct{}{}
		}
	}
	for _, part := range h.parts {
		if _, ok := taken[part.Object]; !ok {
			d.count(part)
		}
	}
	return d
}

func (d *draft) count(part *warehouse.Part) {
	d.free = append(d.free, part)
	size, made := part.SizeBytes(), madeAt(part)
	if part.Level >= warehouse.LevelFinal {
		d.finalBytes += size
		return
	}
	d.looseBytes += size
	d.newest = max(d.newest, made)
	switch part.Level {
	case warehouse.LevelSegment:
		if len(d.segments) == 0 || made < d.oldest {
			d.oldest = made
		}
		d.segments = append(d.segments, part)
		d.segmentBytes += size
	case 1:
		d.blocks = append(d.blocks, part)
	default:
		d.merged = append(d.merged, part)
	}
}

func (d *draft) loose() int { return len(d.segments) + len(d.blocks) + len(d.merged) }

func (d *draft) plan() {
	switch {
	case d.isOpen():
		d.planOpen()
	case d.isFinal():
		d.candidates = append(d.candidates, candidate{level: warehouse.LevelFinal, inputs: d.free})
	default:
		d.planOver()
	}
}

// planOpen plans an hour that runs.
//
// A query of the hour opens every part. n segments that wait while s of them come
// in a second make, each time they are merged, one block that stays for the rest of
// the hour, r seconds: in all n + s·r/n parts at its end, least where n = √(s·r).
// With the blocks that are there already the best is to begin at √(2·s·r) and to
// fall with r; s is n by the age of the oldest, so that is n·age ≥ 2·r.
func (d *draft) planOpen() {
	twiceUntil := d.hour.hour.Start() + micros(time.Hour)*warehouse.Micros(d.TwicePercent)/100
	left := d.hour.hour.End() - max(d.now, twiceUntil)
	weight := 2 * left
	if d.now < twiceUntil {
		weight = left / 2 // half as many segments: the other half are blocks, which do not stay
	}
	age := d.now - d.oldest
	if d.isFull() || len(d.segments) >= d.MinSegments && age >= micros(d.Age) && age >= weight/warehouse.Micros(max(len(d.segments), 1)) {
		d.merge(1, d.segments, 2)
	}
	early := d.blocks
	for i, b := range early {
		if madeAt(b) > twiceUntil {
			early = early[:i]
			break
		}
	}
	switch {
	case d.now < twiceUntil && len(early) >= d.MaxBlocks, d.now >= twiceUntil && len(early) >= max(d.MaxBlocks/2, 2):
		d.merge(2, d.small(early), 2)
	}
}

// isFull reports whether the segments are merged, however young.
func (d *draft) isFull() bool {
	return len(d.segments) >= max(d.MaxSegments, 2) || len(d.segments) > 1 && d.segmentBytes >= d.SegmentBytes
}

// small returns the blocks that are small enough for merging them to be worth it.
func (d *draft) small(blocks []*warehouse.Part) []*warehouse.Part {
	return slices.DeleteFunc(slices.Clone(blocks), func(p *warehouse.Part) bool { return p.SizeBytes() > d.MaxBytes/4 })
}

// isFinal decides about an hour that is over.
func (d *draft) isFinal() bool {
	if d.isRunning || d.loose() == 0 || d.loose() > max(d.MaxParts, 2) {
		return false
	}
	if d.now-d.newest < micros(d.Quiet) {
		return d.finalBytes > 0 && d.looseBytes > d.finalBytes // it may go on for long
	}
	return d.looseBytes > d.finalBytes/int64(max(d.LateShare, 1))
}

// planOver plans an hour that is over and not to become final now: something still
// comes, it is in use, too much, or too little beside what is final.
func (d *draft) planOver() {
	age := d.now - max(d.oldest, d.hour.hour.End())
	n := len(d.segments)
	const patience = 10 * time.Minute   // of segments times their age
	if d.loose() > max(d.MaxParts, 2) { // of those, two are in one of the lists
		d.merge(1, d.segments, 2)
		d.merge(2, append(slices.Clip(d.blocks), d.merged...), 2)
		return
	}
	switch {
	case n == 0:
	case d.isFull():
		d.merge(1, d.segments, 2)
	case n >= d.MinSegments && age >= 2*micros(d.Quiet) && age >= micros(patience)/warehouse.Micros(n):
		d.merge(1, d.segments, 2)
	case age >= micros(d.LateAge) && !d.isRunning:
		d.merge(1, d.segments, 1) // one, too: its object may be a large one of many tenants
	}
	most := max(d.MaxBlocks/2, 2)
	for _, blocks := range [][]*warehouse.Part{d.blocks, d.merged} {
		if late := d.late(blocks); len(late) >= most {
			d.merge(2, d.small(late), 2)
		}
	}
}

// late returns the blocks that were made when the hour was over for a while: others
// are left for the final merge.
func (d *draft) late(blocks []*warehouse.Part) []*warehouse.Part {
	until := d.hour.hour.End() + 2*micros(d.Quiet)
	return slices.DeleteFunc(slices.Clone(blocks), func(p *warehouse.Part) bool { return madeAt(p) <= until })
}

// merge plans jobs of a level, of at least so many parts each, within the bounds.
func (d *draft) merge(level uint8, parts []*warehouse.Part, least int) {
	for rest := 0; len(parts) > 0; {
		n, size := 0, int64(0)
		for n < len(parts) && n < max(d.MaxParts, 2) && (n < 2 || size+parts[n].SizeBytes() <= d.MaxBytes) {
			size += parts[n].SizeBytes()
			n++
		}
		if n < least || len(parts) < rest {
			return
		}
		rest = d.MinSegments // what is left behind a full job waits for more
		d.candidates = append(d.candidates, candidate{level: level, inputs: parts[:n:n]})
		parts = parts[n:]
	}
}
