package scrub

import (
	"cmp"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Finding is damage of a live object.
type Finding struct {
	Part  warehouse.Part // what it is of; without tenant and hour if all parts of the object share it
	Table warehouse.Table
	At    time.Time // when it was found first

	warehouse.Damage
}

// place names what can be damaged in an object. The zero table stands for its
// description: a segment's footer, a block's meta.json.
type place struct {
	tenant warehouse.Tenant
	hour   warehouse.Hour
	table  warehouse.Table
}

// record is what is known of an object.
type record struct {
	verifiedAt time.Time // zero if never
	findings   map[place]*Finding
}

// RegisterOptions configures a [Register].
type RegisterOptions struct {
	// Path is the file that keeps it over restarts. Empty keeps nothing.
	Path string

	Clock    func() time.Time      // nil means time.Now
	Logger   *slog.Logger          // nil discards
	Registry prometheus.Registerer // nil keeps metrics unregistered
}

// Register knows when each object was last verified, and which are damaged. It is
// told by the [Scrubber] and by whoever else compares stored bytes with the index.
//
// Concurrency: all methods may be called at the same time.
type Register struct {
	path  string
	clock func() time.Time
	log   *slog.Logger

	mu       sync.Mutex
	objects  map[warehouse.ObjectID]*record
	damaged  int       // objects with findings
	lastPass time.Time // when every object had been verified since the pass before
	changed  bool      // since the last save
	repaired []warehouse.ObjectID
	bell     chan struct{} // has an element when repaired has
}

// OpenRegister reads the register of an earlier process. A file that is missing,
// damaged or of a newer build is logged and costs only that objects are verified
// again.
func OpenRegister(o RegisterOptions) *Register {
	r := &Register{
		path: o.Path, clock: o.Clock, log: cmp.Or(o.Logger, slog.New(slog.DiscardHandler)),
		objects: map[warehouse.ObjectID]*record{}, bell: make(chan struct{}, 1),
	}
	if r.clock == nil {
		r.clock = time.Now
	}
	r.load()
	registerGauges(o.Registry, r)
	return r
}

func (r *Register) record(id warehouse.ObjectID) *record {
	o := r.objects[id]
	if o == nil {
		o = &record{}
		r.objects[id] = o
	}
	return o
}

// Found notes damage of a part's table; the zero table is the description of the
// whole object. The first of an object is logged.
func (r *Register) Found(p *warehouse.Part, t warehouse.Table, d *warehouse.Damage) {
	f := &Finding{Part: warehouse.Part{Object: p.Object, Level: p.Level, Shard: p.Shard, Tenant: p.Tenant, Hour: p.Hour}, Table: t, At: r.clock(), Damage: *d}
	if t == 0 {
		f.Part.Tenant, f.Part.Hour = "", 0
	}
	if r.add(f) {
		r.log.Warn("a stored object is damaged", "object", d.Object, "level", p.Level, "err", d)
	}
}

// add notes a finding, and reports whether it is the first of its object.
func (r *Register) add(f *Finding) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.record(f.Part.Object)
	at := place{f.Part.Tenant, f.Part.Hour, f.Table}
	if old := o.findings[at]; old != nil {
		f.At = old.At
	}
	isFirst := len(o.findings) == 0
	if isFirst {
		o.findings = map[place]*Finding{}
		r.damaged++
	}
	o.findings[at] = f
	r.changed = true
	return isFirst
}

// Right notes that a part's table was read and is right. Of an object that was not
// damaged it says nothing new.
func (r *Register) Right(p *warehouse.Part, t warehouse.Table) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.damaged == 0 {
		return
	}
	o := r.objects[p.Object]
	if o == nil || len(o.findings) == 0 {
		return
	}
	delete(o.findings, place{p.Tenant, p.Hour, t})
	r.settle(p.Object, o)
}

// settle notes that an object may have lost its last finding.
func (r *Register) settle(id warehouse.ObjectID, o *record) {
	r.changed = true
	if len(o.findings) > 0 {
		return
	}
	r.damaged--
	r.log.Info("a stored object is right again", "object", id)
	r.repaired = append(r.repaired, id)
	select {
	case r.bell <- struct{}{}:
	default:
	}
}

// verified notes that an object was verified as a whole, and what was found.
func (r *Register) verified(id warehouse.ObjectID, at time.Time, found map[place]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.record(id)
	o.verifiedAt = at
	r.changed = true
	if len(o.findings) == 0 {
		return
	}
	for at := range o.findings {
		if !found[at] {
			delete(o.findings, at)
		}
	}
	r.settle(id, o)
}

// Forget drops what is known of an object, because it was deleted.
func (r *Register) Forget(id warehouse.ObjectID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop(id)
}

func (r *Register) drop(id warehouse.ObjectID) {
	o := r.objects[id]
	if o == nil {
		return
	}
	if len(o.findings) > 0 {
		r.damaged--
	}
	delete(r.objects, id)
	r.changed = true
}

// keep drops what is known of objects that are not live any more, and findings of
// their parts that are not.
func (r *Register) keep(live map[warehouse.ObjectID]*target) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, o := range r.objects {
		t := live[id]
		if t == nil {
			r.drop(id)
			continue
		}
		if len(o.findings) == 0 {
			continue
		}
		for at := range o.findings {
			if at.table != 0 && t.part(at.tenant, at.hour) == nil {
				delete(o.findings, at)
				r.changed = true
			}
		}
		if len(o.findings) == 0 {
			r.damaged--
		}
	}
}

// VerifiedAt returns when an object was last verified; zero if never.
func (r *Register) VerifiedAt(id warehouse.ObjectID) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if o := r.objects[id]; o != nil {
		return o.verifiedAt
	}
	return time.Time{}
}

// DamageOf returns what is damaged of a part, in words; "" if nothing is known.
func (r *Register) DamageOf(p *warehouse.Part) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.damaged == 0 {
		return ""
	}
	o := r.objects[p.Object]
	if o == nil {
		return ""
	}
	var texts []string
	for at, f := range o.findings {
		if at.table == 0 || at.tenant == p.Tenant && at.hour == p.Hour {
			texts = append(texts, f.Error())
		}
	}
	slices.Sort(texts)
	return strings.Join(texts, "; ")
}

// IsDamaged reports whether anything of an object is known to be damaged.
func (r *Register) IsDamaged(id warehouse.ObjectID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.objects[id]
	return o != nil && len(o.findings) > 0
}

// damagedCount returns the number of objects that are known to be damaged.
func (r *Register) damagedCount() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.damaged
}

// Findings returns all damage that is known, by object and place.
func (r *Register) Findings() []Finding {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.findings()
}

func (r *Register) findings() (out []Finding) {
	if r.damaged == 0 {
		return nil
	}
	for _, o := range r.objects {
		for _, f := range o.findings {
			out = append(out, *f)
		}
	}
	slices.SortFunc(out, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.Object, b.Object), cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Table, b.Table), strings.Compare(a.What, b.What))
	})
	return out
}

// Damaged returns the number of objects that are known to be damaged, and the bytes
// of what is damaged in them.
func (r *Register) Damaged() (objects int, bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.findings() {
		bytes += f.Size
	}
	return r.damaged, bytes
}

// LastPass returns when the last pass ended: every object that was live when it began
// was verified. Zero means that none has ended yet.
func (r *Register) LastPass() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lastPass
}

func (r *Register) endPass(at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lastPass, r.changed = at, true
}

// Repaired has an element when objects became right that had been damaged;
// TakeRepaired returns them.
func (r *Register) Repaired() <-chan struct{} { return r.bell }

// TakeRepaired returns the objects that became right since the last call.
func (r *Register) TakeRepaired() []warehouse.ObjectID {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := r.repaired
	r.repaired = nil
	return ids
}
