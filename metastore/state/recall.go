package state

import "github.com/stackhouse-db/stackhouse/warehouse"

// Recall is what a state knows of an object.
type Recall uint8

// The answers.
const (
	Unknown Recall = iota // nothing, or no more
	Live                  // some of its parts are live
	Dead                  // it was live, and is not any more
	Never                 // it was aborted or fenced, and can never become live
)

// Recall returns what the state knows of an object.
func (s *State) Recall(id warehouse.ObjectID) Recall {
	if s.objects[id] > 0 {
		return Live
	}
	if _, ok := s.buried[id]; ok {
		return Dead
	}
	switch s.verdictOf(id) {
	case wasAdded:
		return Dead
	case wasAborted, wasFenced:
		return Never
	default:
		return Unknown
	}
}

// EachPart calls fn with every live part, by tenant, hour and order of registration.
func (v *View) EachPart(fn func(*warehouse.Part)) {
	for _, t := range v.tenants {
		for _, h := range t.hours {
			for _, p := range h.parts {
				fn(p)
			}
		}
	}
}

// EachProfile calls fn with every profile that is remembered to recognise retries,
// and when it was registered, in the leader's time if that ran on evenly.
func (v *View) EachProfile(fn func(k warehouse.ProfileKey, at warehouse.Micros)) {
	for _, b := range v.batches {
		at := v.clock.last - (v.clock.elapsed - b.elapsed)
		for _, r := range b.runs {
			for _, id := range r.ids {
				fn(warehouse.ProfileKey{Tenant: r.tenant, ID: id}, at)
			}
		}
	}
}

// IsOver reports whether a tenant keeps nothing of an hour any more, at a time.
func (v *View) IsOver(name warehouse.Tenant, h warehouse.Hour, at warehouse.Micros) bool {
	keep := v.Retention(name)
	cutoff := at - micros(keep)
	return keep > 0 && cutoff < at && h.End() <= cutoff
}
