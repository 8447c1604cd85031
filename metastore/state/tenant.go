package state

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// InheritRetention stands for a tenant's retention that was never set.
const InheritRetention time.Duration = -1

// Setting is one of a tenant's settings. The state does not interpret them.
type Setting struct{ Name, Value string }

// tenant is the second level of the index.
//
// Invariant: a tenant, once known, is never forgotten: its horizon must outlive
// its data.
// Invariant: a published tenant never changes; State edits a copy.
type tenant struct {
	generation uint64 // of the State's draft that may change it in place

	name      warehouse.Tenant
	settings  []Setting     // sorted by name
	retention time.Duration // InheritRetention, 0 for ever, or > 0
	rules     []RetentionRule
	hours     []*hour // sorted; each has at least one part

	// Every dataset partition up to horizonHour has at least horizonEpoch: the
	// epochs of hours that were dropped whole need no entry each.
	horizonHour  warehouse.Hour
	horizonEpoch uint64
}

// hour is the third level: the parts of one tenant and hour.
type hour struct {
	generation uint64

	hour   warehouse.Hour
	parts  []*warehouse.Part // in order of registration
	span   warehouse.TimeRange
	loose  int            // parts below the final level
	epochs []serviceEpoch // sorted by service; only those above the horizon
}

type serviceEpoch struct {
	service string
	value   uint64
}

func newTenant(name warehouse.Tenant, generation uint64) *tenant {
	return &tenant{generation: generation, name: name, retention: InheritRetention}
}

func (t *tenant) find(h warehouse.Hour) (int, bool) {
	return slices.BinarySearchFunc(t.hours, h, func(x *hour, h warehouse.Hour) int { return cmp.Compare(x.hour, h) })
}

// near returns the hours that may have parts in r. A part of a day begins up to
// a day before the last hour that it covers.
func (t *tenant) near(r warehouse.TimeRange) []*hour {
	first, _ := t.find(r.From.Hour() - (warehouse.MaxPartHours - 1))
	end, _ := t.find(r.To.Hour() + 1)
	return t.hours[first:max(first, end)]
}

// epoch returns the epoch of the dataset partition of service in hour h.
func (t *tenant) epoch(service string, h warehouse.Hour) uint64 {
	var epoch uint64
	if h <= t.horizonHour {
		epoch = t.horizonEpoch
	}
	if i, ok := t.find(h); ok {
		if j, ok := t.hours[i].findEpoch(service); ok {
			epoch = max(epoch, t.hours[i].epochs[j].value)
		}
	}
	return epoch
}

// raiseHorizon gives every dataset partition up to h at least the epoch.
func (t *tenant) raiseHorizon(h warehouse.Hour, epoch uint64) {
	if t.horizonEpoch == 0 || h > t.horizonHour {
		t.horizonHour = h
	}
	t.horizonEpoch = max(t.horizonEpoch, epoch)
}

func (h *hour) findEpoch(service string) (int, bool) {
	return slices.BinarySearchFunc(h.epochs, service, func(e serviceEpoch, s string) int { return strings.Compare(e.service, s) })
}

// setEpoch records an epoch. The slice may be shared with published hours.
func (h *hour) setEpoch(service string, value uint64) {
	i, ok := h.findEpoch(service)
	epochs := slices.Clone(h.epochs)
	if ok {
		epochs[i].value = value
	} else {
		epochs = slices.Insert(epochs, i, serviceEpoch{service, value})
	}
	h.epochs = epochs
}

// add appends a part. Published hours may share the array behind h.parts: they
// see only their own length, and only the newest hour is ever appended to.
func (h *hour) add(p *warehouse.Part) {
	h.parts = append(h.parts, p)
	h.count(p)
}

func (h *hour) count(p *warehouse.Part) {
	h.span = h.span.Union(p.Range)
	if p.Level < warehouse.LevelFinal {
		h.loose++
	}
}

// remove drops the parts of the objects that doomed selects.
func (h *hour) remove(doomed func(*warehouse.Part) bool) {
	kept := make([]*warehouse.Part, 0, len(h.parts))
	h.span, h.loose = warehouse.EmptyRange, 0
	for _, p := range h.parts {
		if !doomed(p) {
			kept = append(kept, p)
			h.count(p)
		}
	}
	h.parts = kept
}

func (h *hour) part(object warehouse.ObjectID) *warehouse.Part {
	for _, p := range h.parts {
		if p.Object == object {
			return p
		}
	}
	return nil
}

// dropHour takes an hour out. What it knew of epochs moves to the horizon.
func (t *tenant) dropHour(at warehouse.Hour, epoch uint64) {
	if i, ok := t.find(at); ok {
		t.hours = slices.Delete(t.hours, i, i+1)
		t.raiseHorizon(at, epoch)
	}
}
