package state

import (
	"math"
	"slices"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// hourMasks returns those of a tenant's masks that concern a live part of an hour.
func hourMasks(masks []*warehouse.Deletion, h *hour) []*warehouse.Deletion {
	var out []*warehouse.Deletion
	for _, d := range masks {
		if d.Range().Overlaps(h.span) && slices.ContainsFunc(h.parts, d.Masks) {
			out = append(out, d)
		}
	}
	return out
}

// isBound reports whether a part, of an hour that the deletion concerns, was
// registered before it and has profiles of its services: either rows of it go, or it
// may rely on definitions that go with rows of others.
func isBound(d *warehouse.Deletion, p *warehouse.Part) bool {
	return d.Index > p.Masked && slices.ContainsFunc(p.Datasets, func(ds warehouse.Dataset) bool { return d.HasService(ds.Service) })
}

// treatment is how a job treats masks.
type treatment struct {
	masks  []*warehouse.Deletion // rows that are left out
	masked uint64                // what its outputs are up to
}

// treat decides how a job over live parts of an hour that is given out at an index
// treats the masks there, or that it cannot be given out.
//
// Definitions go with the rows that alone use them. So the masks are applied by a job
// that has all parts which are bound by them. Another one applies none, and what it
// makes is as far as its oldest input; that is right only if no mask lies between the
// inputs, or it would hide rows that are newer than it.
func (v *View) treat(name warehouse.Tenant, at warehouse.Hour, parts []*warehouse.Part, index uint64) (treatment, bool) {
	masks := v.Masks(name)
	if len(masks) == 0 {
		return treatment{masked: index}, true
	}
	t := v.tenant(name)
	i, _ := t.find(at)
	inputs := make(map[*warehouse.Part]bool, len(parts))
	oldest, newest := uint64(math.MaxUint64), uint64(0)
	for _, p := range parts {
		inputs[p] = true
		oldest, newest = min(oldest, p.Masked), max(newest, p.Masked)
	}
	if isClosed(hourMasks(masks, t.hours[i]), t.hours[i], parts, inputs) {
		out := treatment{masked: index}
		for _, d := range masks {
			if slices.ContainsFunc(parts, d.Masks) {
				out.masks = append(out.masks, d)
			}
		}
		return out, true
	}
	for _, d := range masks {
		if oldest < d.Index && d.Index <= newest && d.Range().Overlaps(t.hours[i].span) {
			return treatment{}, false
		}
	}
	return treatment{masked: oldest}, true
}

// isClosed reports whether the inputs have, for each mask that binds one of them, all
// parts of the hour that it binds.
func isClosed(masks []*warehouse.Deletion, h *hour, parts []*warehouse.Part, inputs map[*warehouse.Part]bool) bool {
	for _, d := range masks {
		binds := func(p *warehouse.Part) bool { return isBound(d, p) }
		if slices.ContainsFunc(parts, binds) && slices.ContainsFunc(h.parts, func(p *warehouse.Part) bool { return !inputs[p] && binds(p) }) {
			return false
		}
	}
	return true
}

// JobMasks returns the deletions whose rows the job leaves out of its inputs, as
// far as there are any left in the view.
func (v *View) JobMasks(j *Job, inputs []*warehouse.Part) []*warehouse.Deletion {
	var out []*warehouse.Deletion
	for _, d := range v.Masks(j.Tenant) {
		if d.Index <= j.Masked && slices.ContainsFunc(inputs, d.Masks) {
			out = append(out, d)
		}
	}
	return out
}
