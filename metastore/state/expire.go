package state

import (
	"slices"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Expire drops what is older, at the command's time, than its tenant's
// retention. Its answer is the number of parts, an int.
//
// An hour goes as a whole, once everything in it is old enough: the samples of
// its end may need the definitions of its beginning.
type Expire struct{}

// Kind returns KindExpire.
func (Expire) Kind() Kind { return KindExpire }

func (Expire) appendTo(dst []byte) []byte { return dst }

func decodeExpire(body []byte) (Command, error) {
	return Expire{}, warehouse.NewDecoder("body", body).Finish()
}

func (Expire) apply(s *State, m moment) any {
	dropped := 0
	for _, t := range slices.Clone(s.draft.tenants) { // editing replaces elements
		var doomed []warehouse.Hour
		for h := range s.draft.expired(t, m.at) {
			doomed = append(doomed, h.hour)
		}
		for _, h := range doomed {
			dropped += s.removeParts(t.name, h, m, func(*warehouse.Part) bool { return true })
		}
	}
	return dropped
}

// HasExpired reports whether an Expire at the time would drop anything.
func (v *View) HasExpired(at warehouse.Micros) bool {
	for _, t := range v.tenants {
		for range v.expired(t, at) {
			return true
		}
	}
	return false
}

// expired yields the hours of a tenant that are older than its retention.
func (v *View) expired(t *tenant, at warehouse.Micros) func(yield func(*hour) bool) {
	return func(yield func(*hour) bool) {
		keep := v.Retention(t.name)
		if keep <= 0 {
			return
		}
		cutoff := at - warehouse.Micros(keep.Microseconds())
		if cutoff > at { // it went below the smallest number
			return
		}
		for _, h := range t.hours {
			if h.hour.End() > cutoff {
				return
			}
			if h.span.To < cutoff && !v.keepsSome(t, h, at) && !yield(h) {
				return
			}
		}
	}
}

// keepsSome reports whether a rule keeps something of an hour for longer than the
// tenant's retention.
func (v *View) keepsSome(t *tenant, h *hour, at warehouse.Micros) bool {
	if len(t.rules) == 0 {
		return false
	}
	for _, p := range h.parts {
		for i := range p.Datasets {
			for _, typ := range p.Datasets[i].Types {
				if to, ok := v.keptFrom(t, p.Datasets[i].Service, typ.Type, at); !ok || h.hour.End() > to {
					return true
				}
			}
		}
	}
	return false
}
