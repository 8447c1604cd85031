package state

import (
	"slices"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// planMasked plans an hour of which something was deleted: one job for all that the
// masks bind, as soon as none of that is in another job and the first has waited for
// its like. See treat.
func (d *draft) planMasked(masks []*warehouse.Deletion) {
	isBoundPart := func(p *warehouse.Part) bool {
		return slices.ContainsFunc(masks, func(m *warehouse.Deletion) bool { return isBound(m, p) })
	}
	isDue := slices.ContainsFunc(masks, func(m *warehouse.Deletion) bool { return m.SubmittedAt <= d.now-micros(d.MaskAge) })
	all := 0
	for _, p := range d.hour.parts {
		if isBoundPart(p) {
			all++
		}
	}
	var bound, rest []*warehouse.Part
	for _, p := range d.free {
		if isBoundPart(p) {
			bound = append(bound, p)
		} else {
			rest = append(rest, p)
		}
	}
	if isDue && len(bound) == all && d.planRewrite(bound) {
		return
	}
	// What goes on being pushed is merged meanwhile, and what is not bound to a job that
	// was set aside.
	switch {
	case d.isOpen():
		d.regroup(rest)
		d.planOpen()
	case isDue && !d.isRunning:
		d.regroup(rest)
		d.plan()
	}
}

// planRewrite plans the job that applies masks, and reports whether it can be done.
func (d *draft) planRewrite(bound []*warehouse.Part) bool {
	final, level := 0, uint8(1)
	for _, p := range bound {
		level = max(level, p.Level)
		if p.Level >= warehouse.LevelFinal {
			final++
		}
	}
	switch {
	case final == len(bound):
	case final > 0 || !d.isOpen() && d.now-d.newest >= micros(d.Quiet):
		// The hour becomes final on this occasion, if that is possible. With too many
		// parts those that can be merged are merged before; where deletions lie between
		// all of them none can, and one job has to take more than it should.
		switch {
		case !d.isRunning && d.loose() <= max(d.MaxParts, 2):
			bound, level = d.free, warehouse.LevelFinal
		case final == 0:
		case d.isRunning:
			return false
		case d.thin(slices.DeleteFunc(slices.Clone(bound), func(p *warehouse.Part) bool { return p.Level >= warehouse.LevelFinal })):
			return true
		default:
			bound, level = d.free, warehouse.LevelFinal
		}
	}
	if loose := len(bound) - final; level < warehouse.LevelFinal && loose > max(d.MaxParts, 2) {
		if d.thin(bound) {
			return true
		}
	}
	d.candidates = append(d.candidates, candidate{level: level, inputs: bound, masks: true})
	return true
}

// thin plans merges of parts that are too many for one job, and that apply nothing:
// neighbours between which nothing was deleted. It reports whether there are such.
func (d *draft) thin(bound []*warehouse.Part) bool {
	before, parts := len(d.candidates), slices.Clone(bound)
	slices.SortStableFunc(parts, func(a, b *warehouse.Part) int {
		if a.Level != b.Level {
			return int(a.Level) - int(b.Level)
		}
		switch {
		case a.Masked < b.Masked:
			return -1
		case a.Masked > b.Masked:
			return 1
		}
		return 0
	})
	for len(parts) > 0 {
		n := 1
		for n < len(parts) && parts[n].Level == parts[0].Level && !d.isBetween(parts[0].Masked, parts[n].Masked) {
			n++
		}
		d.merge(min(parts[0].Level+1, warehouse.LevelFinal-1), parts[:n], 2)
		parts = parts[n:]
	}
	return len(d.candidates) > before
}

// isBetween reports whether something was deleted behind one index up to another.
func (d *draft) isBetween(from, to uint64) bool {
	return slices.ContainsFunc(d.masks, func(m *warehouse.Deletion) bool {
		return from < m.Index && m.Index <= to && m.Range().Overlaps(d.hour.span)
	})
}

// isOpen reports whether the hour runs.
func (d *draft) isOpen() bool {
	return d.now < d.hour.hour.End() && d.now >= (d.hour.hour-1).Start() // not of a clock that is far ahead
}

// regroup leaves only some of the free parts for planning.
func (d *draft) regroup(parts []*warehouse.Part) {
	d.free, d.segments, d.blocks, d.merged = nil, nil, nil, nil
	d.segmentBytes, d.looseBytes, d.finalBytes, d.oldest, d.newest = 0, 0, 0, 0, 0
	for _, p := range parts {
		d.count(p)
	}
}

// haunted returns the objects that hold rows which are deleted, of parts that are
// rewritten or dropped; those that are still live are segments, with parts of others.
func (v *View) haunted() map[warehouse.ObjectID]bool {
	var out map[warehouse.ObjectID]bool
	for _, d := range v.deletions {
		for _, id := range d.Residue {
			if out == nil {
				out = map[warehouse.ObjectID]bool{}
			}
			out[id] = true
		}
	}
	return out
}

// planHaunted merges the segments of which others wait to be rid, unless the hour has
// something else to do first.
func (d *draft) planHaunted(haunted map[warehouse.ObjectID]bool) {
	if len(haunted) == 0 || len(d.candidates) > 0 {
		return
	}
	var segments []*warehouse.Part
	for _, p := range d.segments {
		if haunted[p.Object] {
			segments = append(segments, p)
		}
	}
	d.merge(1, segments, 1)
}
