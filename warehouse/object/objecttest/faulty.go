package objecttest

import (
	"bytes"
	"context"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// Faulty is a bucket that goes wrong as its plan says. It has no local paths,
// so that nothing gets around the faults.
//
// Concurrency: as for any bucket.
type Faulty struct {
	bucket object.Bucket

	mu struct {
		sync.Mutex
		plan     FaultPlan
		fired    []int // calls that each rule concerned
		injected [numFaults]int
		calls    map[Op]int
		perName  map[callKey]uint64
		pending  []late
		changes  map[string]change
	}
}

type callKey struct {
	op   Op
	name string
}

// NewFaulty returns b with the faults of the plan.
func NewFaulty(b object.Bucket, plan FaultPlan) *Faulty {
	f := &Faulty{bucket: b}
	f.mu.plan = plan
	f.mu.fired = make([]int, len(plan.Rules))
	f.mu.calls = make(map[Op]int)
	f.mu.perName = make(map[callKey]uint64)
	f.mu.changes = make(map[string]change)
	return f
}

// Heal ends all faults; late effects still take place.
func (f *Faulty) Heal() { f.Break(FaultPlan{}) }

// Break replaces the plan and counts its calls from now.
func (f *Faulty) Break(plan FaultPlan) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.plan = plan
	f.mu.fired = make([]int, len(plan.Rules))
}

// Injected returns how often the fault happened.
func (f *Faulty) Injected(fault Fault) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.injected[fault%numFaults]
}

// Calls returns how often the operation was called.
func (f *Faulty) Calls(op Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.calls[op]
}

// Settle lets all late effects take place.
func (f *Faulty) Settle(ctx context.Context) error {
	f.mu.Lock()
	pending := f.mu.pending
	f.mu.pending = nil
	f.mu.Unlock()
	for _, l := range pending {
		var err error
		if l.op == OpPut {
			err = f.bucket.Put(ctx, l.name, l.data)
		} else {
			err = f.bucket.Delete(ctx, l.name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// decide counts a call and returns what goes wrong with it: 0 is nothing. random
// is the source for the fault's details.
func (f *Faulty) decide(op Op, name string) (fault Fault, random *rand.Rand) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.calls[op]++
	key := callKey{op, name}
	f.mu.perName[key]++
	random = callRand(f.mu.plan.Seed, key, f.mu.perName[key])
	for i, r := range f.mu.plan.Rules {
		if !r.concerns(op, name) {
			continue
		}
		f.mu.fired[i]++
		if r.Nth == f.mu.fired[i] || (r.Nth == 0 && random.Float64() < r.Chance) {
			f.mu.injected[r.Fault%numFaults]++
			return r.Fault, random
		}
	}
	return 0, random
}

func callRand(seed uint64, key callKey, n uint64) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(string(key.op) + "\x00" + key.name)) // never fails
	return rand.New(rand.NewPCG(seed^h.Sum64(), n))
}

// start lets earlier late effects take place, decides about the call, and
// returns the error of faults that hinder it.
func (f *Faulty) start(ctx context.Context, op Op, name string) (Fault, *rand.Rand, error) {
	if err := f.Settle(ctx); err != nil {
		return 0, nil, err
	}
	fault, random := f.decide(op, name)
	switch fault {
	case FailBefore:
		return fault, random, injected(warehouse.Unavailable, op, name, fault)
	case TimeoutBefore:
		return fault, random, injected(warehouse.Deadline, op, name, fault)
	case Cancel:
		return fault, random, injected(warehouse.Canceled, op, name, fault)
	case Missing:
		return fault, random, injected(warehouse.NotFound, op, name, fault)
	}
	return fault, random, nil
}

// end returns the error of faults that deny an effect, or err.
func end(op Op, name string, fault Fault, err error) error {
	switch {
	case err != nil:
		return err
	case fault == FailAfter || fault == FailLate || fault == Torn:
		return injected(warehouse.Unavailable, op, name, fault)
	case fault == TimeoutAfter:
		return injected(warehouse.Deadline, op, name, fault)
	}
	return nil
}

func injected(kind warehouse.Kind, op Op, name string, fault Fault) error {
	return warehouse.Errorf(kind, "%s object %s: injected: %s", op, name, fault)
}

// Put implements [object.Bucket].
func (f *Faulty) Put(ctx context.Context, name string, data []byte) error {
	fault, _, err := f.start(ctx, OpPut, name)
	if err != nil {
		return err
	}
	f.remember(ctx, name)
	switch fault {
	case FailLate:
		f.postpone(late{OpPut, name, bytes.Clone(data)})
	case Torn:
		err = f.bucket.Put(ctx, name, data[:len(data)/2])
	default:
		err = f.bucket.Put(ctx, name, data)
	}
	return end(OpPut, name, fault, err)
}

// Read implements [object.Bucket].
func (f *Faulty) Read(ctx context.Context, name string, off, n int64) ([]byte, error) {
	fault, random, err := f.start(ctx, OpRead, name)
	if err != nil {
		return nil, err
	}
	data, err := f.bucket.Read(ctx, name, off, n)
	if len(data) > 0 && err == nil {
		switch fault {
		case Short:
			data = data[:random.IntN(len(data))]
		case Flipped:
			data[random.IntN(len(data))] ^= 1 << random.IntN(8)
		}
	}
	if err := end(OpRead, name, fault, err); err != nil {
		return nil, err
	}
	return data, nil
}

// Stat implements [object.Bucket].
func (f *Faulty) Stat(ctx context.Context, name string) (object.Attrs, error) {
	fault, _, err := f.start(ctx, OpStat, name)
	if err != nil {
		return object.Attrs{}, err
	}
	attrs, err := f.bucket.Stat(ctx, name)
	if err := end(OpStat, name, fault, err); err != nil {
		return object.Attrs{}, err
	}
	return attrs, nil
}

// Delete implements [object.Bucket].
func (f *Faulty) Delete(ctx context.Context, name string) error {
	fault, _, err := f.start(ctx, OpDelete, name)
	if err != nil {
		return err
	}
	f.remember(ctx, name)
	if fault == FailLate {
		f.postpone(late{op: OpDelete, name: name})
	} else {
		err = f.bucket.Delete(ctx, name)
	}
	return end(OpDelete, name, fault, err)
}

// List implements [object.Bucket].
func (f *Faulty) List(ctx context.Context, prefix string, fn func(object.Attrs) error) error {
	fault, random, err := f.start(ctx, OpList, prefix)
	if err != nil {
		return err
	}
	var found []object.Attrs
	err = f.bucket.List(ctx, prefix, func(a object.Attrs) error {
		found = append(found, a)
		return nil
	})
	if err != nil {
		return err
	}
	switch {
	case fault == Stale:
		found = f.asBefore(prefix, found)
	case fault == Repeated && len(found) > 0:
		i := random.IntN(len(found))
		found = slices.Insert(found, i, found[i])
	default:
		f.forgetChanges()
	}
	for _, a := range found {
		if err := fn(a); err != nil {
			return err
		}
	}
	return end(OpList, prefix, fault, nil)
}

// LocalPath implements [object.Bucket].
func (f *Faulty) LocalPath(string) (string, bool) { return "", false }

func (f *Faulty) postpone(l late) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.pending = append(f.mu.pending, l)
}

// remember keeps how a name is listed before it changes for the first time.
func (f *Faulty) remember(ctx context.Context, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, known := f.mu.changes[name]; known {
		return
	}
	was, err := f.bucket.Stat(ctx, name)
	if err != nil {
		was = object.Attrs{}
	}
	f.mu.changes[name] = change{was}
}

func (f *Faulty) forgetChanges() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.mu.changes)
}

// asBefore returns the listing as it was before the remembered changes.
func (f *Faulty) asBefore(prefix string, found []object.Attrs) []object.Attrs {
	folder := strings.TrimSuffix(prefix, "/") + "/"
	f.mu.Lock()
	defer f.mu.Unlock()
	found = slices.DeleteFunc(found, func(a object.Attrs) bool {
		_, changed := f.mu.changes[a.Name]
		return changed
	})
	for name, c := range f.mu.changes {
		if c.was.Name != "" && (prefix == "" || strings.HasPrefix(name, folder)) {
			found = append(found, c.was)
		}
	}
	slices.SortFunc(found, func(a, b object.Attrs) int { return strings.Compare(a.Name, b.Name) })
	return found
}
