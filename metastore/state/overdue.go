package state

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Overdue returns the deletions, without ids, that rules of retention ask for at a
// time: of what is in hours that are over for longer than it is kept, and that is not
// deleted yet. What an Expire drops is left to it.
func (v *View) Overdue(at warehouse.Micros) (out []*warehouse.Deletion) {
	for _, t := range v.tenants {
		if len(t.rules) > 0 {
			out = append(out, v.overdueOf(t, at)...)
		}
	}
	return out
}

// due is what is deleted together: types, each of several services, up to an instant.
type due struct {
	to    warehouse.Micros
	types string // separated by a zero byte
}

func (v *View) overdueOf(t *tenant, at warehouse.Micros) (out []*warehouse.Deletion) {
	types := map[warehouse.Micros]map[string]map[string]bool{} // by end and service
	masks := v.Masks(t.name)
	expired := map[warehouse.Hour]bool{}
	for h := range v.expired(t, at) {
		expired[h.hour] = true
	}
	for _, h := range t.hours {
		if expired[h.hour] {
			continue
		}
		v.eachOverdue(t, h, masks, at, func(to warehouse.Micros, service, typ string) {
			if types[to] == nil {
				types[to] = map[string]map[string]bool{}
			}
			if types[to][service] == nil {
				types[to][service] = map[string]bool{}
			}
			types[to][service][typ] = true
		})
	}
	services := map[due][]string{}
	for to, byService := range types {
		for service, set := range byService {
			k := due{to, strings.Join(slices.Sorted(maps.Keys(set)), "\x00")}
			services[k] = append(services[k], service)
		}
	}
	keys := slices.SortedFunc(maps.Keys(services), func(a, b due) int { return cmp.Or(cmp.Compare(a.to, b.to), strings.Compare(a.types, b.types)) })
	for _, k := range keys {
		slices.Sort(services[k])
		out = append(out, &warehouse.Deletion{
			Tenant: t.name, Services: services[k], Types: strings.Split(k.types, "\x00"),
			From: warehouse.MinTime, To: k.to, Reason: warehouse.DeletedByRetention,
		})
	}
	return out
}

// eachOverdue calls fn with each service and type that has profiles in the hour which
// are due and not masked, and with the end of what is due of it.
func (v *View) eachOverdue(t *tenant, h *hour, masks []*warehouse.Deletion, at warehouse.Micros, fn func(to warehouse.Micros, service, typ string)) {
	for _, p := range h.parts {
		for i := range p.Datasets {
			ds := &p.Datasets[i]
			for j := range ds.Types {
				typ := &ds.Types[j]
				to, ok := v.keptFrom(t, ds.Service, typ.Type, at)
				if !ok || h.hour.End() > to {
					continue
				}
				isMasked := slices.ContainsFunc(masks, func(d *warehouse.Deletion) bool {
					return d.Index > p.Masked && d.Covers(ds.Service, typ.Type, typ.Range)
				})
				if !isMasked {
					fn(to, ds.Service, typ.Type)
				}
			}
		}
	}
}

// keptFrom returns the start of the first hour that is kept of a service and type;
// false if all are.
func (v *View) keptFrom(t *tenant, service, typ string, at warehouse.Micros) (warehouse.Micros, bool) {
	keep := v.RetentionOf(t.name, service, typ)
	if keep <= 0 {
		return 0, false
	}
	cutoff := at - micros(keep)
	if cutoff > at || cutoff <= warehouse.MinTime { // it went below the smallest number
		return 0, false
	}
	return cutoff.Hour().Start(), true
}
