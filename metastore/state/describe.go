package state

import (
	"fmt"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Description is everything that a view holds, for people and programs that look
// into an index. Its slices are in the view's order.
//
// Ownership: parts and slices may be shared with the view; do not change them.
type Description struct {
	Index     uint64
	Time      warehouse.Micros // the leader's time of the last command
	Elapsed   warehouse.Micros // sum of the clock's steps forward
	Retention time.Duration    // of tenants without their own; 0 is for ever
	Totals    Totals
	Tenants   []TenantDescription
	Jobs      []JobDescription

	Deletions  []*Deletion
	Tombstones []*Tombstone
	Fates      []FateDescription
	Fences     []FateDescription
	Batches    []BatchDescription
}

// TenantDescription is what a view holds of a tenant.
type TenantDescription struct {
	Name         warehouse.Tenant
	Settings     []Setting
	Retention    time.Duration // InheritRetention, 0 for ever, or > 0
	Rules        []RetentionRule
	HorizonHour  warehouse.Hour
	HorizonEpoch uint64 // 0: no hour was ever dropped
	Hours        []HourDescription
}

// HourDescription is what a view holds of a tenant and hour.
type HourDescription struct {
	Hour   warehouse.Hour
	Parts  []*warehouse.Part
	Epochs []warehouse.Epoch // those above the tenant's horizon
}

// JobDescription is a job with what only the state reads of it.
type JobDescription struct {
	*Job
	LeaseEnd  warehouse.Micros // 0 if nobody has it
	NotBefore warehouse.Micros // of the next attempt, in elapsed time
}

// FateDescription is what became of an id.
type FateDescription struct {
	ID      warehouse.ObjectID
	Verdict string
	Token   uint64 // of the assignment that finished a job
	Elapsed warehouse.Micros
}

// BatchDescription counts the profiles of one segment by which retries are
// recognised.
type BatchDescription struct {
	Elapsed  warehouse.Micros
	Profiles map[warehouse.Tenant]int
}

// Describe returns everything in the view.
func (v *View) Describe() *Description {
	d := &Description{
		Index: v.index, Time: v.clock.last, Elapsed: v.clock.elapsed, Retention: v.retention, Totals: v.totals,
		Deletions: v.deletions, Tombstones: v.tombstones, Fates: describeFates(v.fates), Fences: describeFates(v.fences),
	}
	for _, t := range v.tenants {
		d.Tenants = append(d.Tenants, describeTenant(t))
	}
	for _, j := range v.jobs {
		d.Jobs = append(d.Jobs, JobDescription{Job: j, LeaseEnd: v.LeaseEnd(j), NotBefore: j.retry})
	}
	for _, b := range v.batches {
		profiles := map[warehouse.Tenant]int{}
		for _, r := range b.runs {
			profiles[r.tenant] += len(r.ids)
		}
		d.Batches = append(d.Batches, BatchDescription{Elapsed: b.elapsed, Profiles: profiles})
	}
	return d
}

func describeTenant(t *tenant) TenantDescription {
	d := TenantDescription{Name: t.name, Settings: t.settings, Retention: t.retention, Rules: t.rules, HorizonHour: t.horizonHour, HorizonEpoch: t.horizonEpoch}
	for _, h := range t.hours {
		x := HourDescription{Hour: h.hour, Parts: h.parts}
		for _, e := range h.epochs {
			x.Epochs = append(x.Epochs, warehouse.Epoch{Key: warehouse.PartitionKey{Tenant: t.name, Service: e.service, Hour: h.hour}, Value: e.value})
		}
		d.Hours = append(d.Hours, x)
	}
	return d
}

func describeFates(list []fate) (out []FateDescription) {
	for i := range list {
		f := &list[i]
		out = append(out, FateDescription{ID: f.id, Verdict: f.verdict.String(), Token: f.token, Elapsed: f.elapsed})
	}
	return out
}

// String returns the verdict in a word.
func (v verdict) String() string {
	switch v {
	case wasAdded:
		return "added"
	case wasAborted:
		return "aborted"
	case wasReplaced:
		return "replaced"
	case wasFinished:
		return "finished"
	case wasFenced:
		return "fenced"
	}
	return fmt.Sprintf("verdict(%d)", uint8(v))
}
