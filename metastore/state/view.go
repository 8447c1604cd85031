package state

import (
	"slices"
	"strings"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// View is the state behind one command of the log. It never changes.
//
// Concurrency: all methods may be called at the same time.
// Ownership: parts and slices that it returns are shared; do not change them.
type View struct {
	index      uint64
	clock      clock
	retention  time.Duration // of tenants without their own; 0 is for ever
	tenants    []*tenant     // sorted by name
	tombstones []*Tombstone  // in order of index
	batches    []*batch      // see window
	fates      []fate        // see fates
	fences     []fate        // likewise: those of orphans
	jobs       []*Job        // in order of planning
	totals     Totals

	deletions []*Deletion           // in order of the log
	masks     []*warehouse.Deletion // those that are not applied
	forgetAt  warehouse.Micros      // when the next is forgotten, in elapsed time; 0: never
	remnants  []remnant             // in order of removal
}

// Totals counts what is live.
type Totals struct {
	Parts   int
	Objects int
	Bytes   int64 // of all sections
}

// Index returns the log index of the last command that the view includes.
func (v *View) Index() uint64 { return v.index }

// Time returns the leader's time of the last command.
func (v *View) Time() warehouse.Micros { return v.clock.last }

// Totals returns how much is live.
func (v *View) Totals() Totals { return v.totals }

// Parts returns the tenant's live parts with an instant in r, by hour, then in
// order of registration.
func (v *View) Parts(t warehouse.Tenant, r warehouse.TimeRange) []*warehouse.Part {
	tn := v.tenant(t)
	if tn == nil || r.IsEmpty() {
		return nil
	}
	hours := tn.near(r)
	covered := 0
	for _, h := range hours {
		if r.Covers(h.span) {
			covered += len(h.parts)
		}
	}
	parts := make([]*warehouse.Part, 0, covered)
	for _, h := range hours {
		switch {
		case !h.span.Overlaps(r):
		case r.Covers(h.span):
			parts = append(parts, h.parts...)
		default:
			for _, p := range h.parts {
				if p.Range.Overlaps(r) {
					parts = append(parts, p)
				}
			}
		}
	}
	return parts
}

// Bounds returns the smallest range that holds all of the tenant's live parts;
// it is empty if there are none.
func (v *View) Bounds(t warehouse.Tenant) warehouse.TimeRange {
	bounds := warehouse.EmptyRange
	if tn := v.tenant(t); tn != nil {
		for _, h := range tn.hours {
			bounds = bounds.Union(h.span)
		}
	}
	return bounds
}

// Tenants returns the tenants with live parts or settings of their own, sorted.
func (v *View) Tenants() []warehouse.Tenant {
	names := make([]warehouse.Tenant, 0, len(v.tenants))
	for _, t := range v.tenants {
		if len(t.hours) > 0 || len(t.settings) > 0 || t.retention != InheritRetention {
			names = append(names, t.name)
		}
	}
	return names
}

// Settings returns what was set for the tenant, sorted by name.
func (v *View) Settings(t warehouse.Tenant) []Setting {
	if tn := v.tenant(t); tn != nil {
		return tn.settings
	}
	return nil
}

// Retention returns how long the tenant's data is kept; 0 is for ever.
func (v *View) Retention(t warehouse.Tenant) time.Duration {
	if tn := v.tenant(t); tn != nil && tn.retention != InheritRetention {
		return tn.retention
	}
	return v.retention
}

// DefaultRetention returns the retention of tenants without their own.
func (v *View) DefaultRetention() time.Duration { return v.retention }

// Epoch returns the current epoch of a dataset partition: 0 until definitions
// are removed from it, and larger after each time they were.
func (v *View) Epoch(k warehouse.PartitionKey) uint64 {
	if tn := v.tenant(k.Tenant); tn != nil {
		return tn.epoch(k.Service, k.Hour)
	}
	return 0
}

// Tombstones returns the objects that no view from now on holds and that were
// not yet reported as deleted, in the order in which they died.
func (v *View) Tombstones() []*Tombstone { return v.tombstones }

// Profiles returns how many profiles are remembered to recognise retries.
func (v *View) Profiles() int {
	n := 0
	for _, b := range v.batches {
		n += b.profiles()
	}
	return n
}

// Objects returns all objects that are live or wait for their deletion.
func (v *View) Objects() map[warehouse.ObjectID]struct{} {
	all := make(map[warehouse.ObjectID]struct{}, v.totals.Objects+len(v.tombstones))
	for _, t := range v.tenants {
		for _, h := range t.hours {
			for _, p := range h.parts {
				all[p.Object] = struct{}{}
			}
		}
	}
	for _, t := range v.tombstones {
		all[t.Part.Object] = struct{}{}
	}
	return all
}

func (v *View) tenant(name warehouse.Tenant) *tenant {
	if i, ok := v.find(name); ok {
		return v.tenants[i]
	}
	return nil
}

func (v *View) find(name warehouse.Tenant) (int, bool) {
	return slices.BinarySearchFunc(v.tenants, name, func(t *tenant, name warehouse.Tenant) int {
		return strings.Compare(string(t.name), string(name))
	})
}
