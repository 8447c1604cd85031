package state

import (
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// ProfileWindow is how long, in time of commands, a received profile is
// remembered, so that a retry counts once.
const ProfileWindow = 15 * time.Minute

// batch is the profiles of one segment.
type batch struct {
	elapsed warehouse.Micros // when it was registered
	runs    []run
}

// run is the profiles of one tenant.
type run struct {
	tenant warehouse.Tenant
	ids    []warehouse.ProfileID
}

func (b *batch) profiles() int {
	n := 0
	for i := range b.runs {
		n += len(b.runs[i].ids)
	}
	return n
}

// batchOf groups neighbours of the same tenant.
func batchOf(keys []warehouse.ProfileKey, elapsed warehouse.Micros) *batch {
	b := &batch{elapsed: elapsed}
	ids := make([]warehouse.ProfileID, len(keys))
	for start := 0; start < len(keys); {
		end := start
		for end < len(keys) && keys[end].Tenant == keys[start].Tenant {
			ids[end] = keys[end].ID
			end++
		}
		b.runs = append(b.runs, run{tenant: keys[start].Tenant, ids: ids[start:end:end]})
		start = end
	}
	return b
}

// window is the set of remembered profiles. Their order, which decides when
// each is forgotten, is the draft's list of batches.
type window struct {
	ids map[warehouse.Tenant]map[warehouse.ProfileID]struct{}
}

func newWindow() window {
	return window{ids: map[warehouse.Tenant]map[warehouse.ProfileID]struct{}{}}
}

func (w *window) has(k warehouse.ProfileKey) bool {
	_, ok := w.ids[k.Tenant][k.ID]
	return ok
}

func (w *window) add(b *batch) {
	for _, r := range b.runs {
		ids := w.ids[r.tenant]
		if ids == nil {
			ids = make(map[warehouse.ProfileID]struct{}, len(r.ids))
			w.ids[r.tenant] = ids
		}
		for _, id := range r.ids {
			ids[id] = struct{}{}
		}
	}
}

// expire forgets the batches that are older than the window and returns the
// rest. The list may be shared with views: it is cut, not changed.
func (w *window) expire(batches []*batch, now warehouse.Micros) []*batch {
	for len(batches) > 0 && now-batches[0].elapsed > warehouse.Micros(ProfileWindow.Microseconds()) {
		for _, r := range batches[0].runs {
			for _, id := range r.ids {
				delete(w.ids[r.tenant], id)
			}
			if len(w.ids[r.tenant]) == 0 {
				delete(w.ids, r.tenant)
			}
		}
		batches = batches[1:]
	}
	return batches
}
