package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// pooled is an instance that can be used again, unless it broke.
type pooled interface {
	comparable
	Close()
	Broken() bool
}

// pool keeps the instances of one kind of all tenants.
//
// Concurrency: safe for concurrent use.
type pool[T pooled] struct {
	open      func(warehouse.Tenant) (T, error)
	perTenant int
	total     chan struct{} // one element an instance in use

	mu struct {
		sync.Mutex
		tenants map[warehouse.Tenant]*tenantPool[T]
		idle    int
		closed  bool
	}
}

// tenantPool is what one tenant has.
type tenantPool[T pooled] struct {
	slots chan struct{} // one element an instance in use
	users int           // calls that use or wait for a slot
	idle  []idle[T]     // the last one was used last
}

type idle[T pooled] struct {
	instance T
	since    time.Time
}

func newPool[T pooled](perTenant, total int, open func(warehouse.Tenant) (T, error)) *pool[T] {
	p := &pool[T]{open: open, perTenant: perTenant, total: make(chan struct{}, total)}
	p.mu.tenants = map[warehouse.Tenant]*tenantPool[T]{}
	return p
}

// take returns an instance of the tenant that nobody else uses, waiting for one if it
// must. release gives it back.
func (p *pool[T]) take(ctx context.Context, tenant warehouse.Tenant) (instance T, release func(), err error) {
	tp, err := p.enter(tenant)
	if err != nil {
		return instance, nil, err
	}
	if err := p.wait(ctx, tp.slots); err != nil {
		p.leave(tenant, tp)
		return instance, nil, err
	}
	if err := p.wait(ctx, p.total); err != nil {
		<-tp.slots
		p.leave(tenant, tp)
		return instance, nil, err
	}
	instance, ok := p.pop(tp)
	if !ok {
		if instance, err = p.open(tenant); err != nil {
			<-p.total
			<-tp.slots
			p.leave(tenant, tp)
			return instance, nil, err
		}
	}
	return instance, func() {
		p.giveBack(tp, instance)
		<-p.total
		<-tp.slots
		p.leave(tenant, tp)
	}, nil
}

func (p *pool[T]) wait(ctx context.Context, slots chan struct{}) error {
	select {
	case slots <- struct{}{}:
		return nil
	default:
	}
	select {
	case slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return warehouse.Errorf(warehouse.Deadline, "wait for worker: %w", ctx.Err())
		}
		return warehouse.Errorf(warehouse.Canceled, "wait for worker: %w", ctx.Err())
	}
}

func (p *pool[T]) enter(tenant warehouse.Tenant) (*tenantPool[T], error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.closed {
		return nil, warehouse.Errorf(warehouse.Unavailable, "take worker: the server is stopping")
	}
	tp := p.mu.tenants[tenant]
	if tp == nil {
		tp = &tenantPool[T]{slots: make(chan struct{}, p.perTenant)}
		p.mu.tenants[tenant] = tp
	}
	tp.users++
	return tp, nil
}

// leave forgets tenants that have nothing.
func (p *pool[T]) leave(tenant warehouse.Tenant, tp *tenantPool[T]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	tp.users--
	p.forget(tenant, tp)
}

func (p *pool[T]) forget(tenant warehouse.Tenant, tp *tenantPool[T]) {
	if tp.users == 0 && len(tp.idle) == 0 && p.mu.tenants[tenant] == tp {
		delete(p.mu.tenants, tenant)
	}
}

func (p *pool[T]) pop(tp *tenantPool[T]) (instance T, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(tp.idle)
	if n == 0 {
		return instance, false
	}
	instance = tp.idle[n-1].instance
	tp.idle = tp.idle[:n-1]
	p.mu.idle--
	return instance, true
}

func (p *pool[T]) giveBack(tp *tenantPool[T], instance T) {
	if instance.Broken() {
		instance.Close()
		return
	}
	p.mu.Lock()
	if p.mu.closed {
		p.mu.Unlock()
		instance.Close()
		return
	}
	tp.idle = append(tp.idle, idle[T]{instance, time.Now()})
	p.mu.idle++
	var old []T
	for p.mu.idle > cap(p.total) {
		old = append(old, p.oldest())
	}
	p.mu.Unlock()
	closeAll(old)
}

// oldest takes the instance that waits for the longest time. There is one.
func (p *pool[T]) oldest() T {
	var owner warehouse.Tenant
	var found *tenantPool[T]
	for tenant, tp := range p.mu.tenants {
		if len(tp.idle) > 0 && (found == nil || tp.idle[0].since.Before(found.idle[0].since)) {
			owner, found = tenant, tp
		}
	}
	instance := found.idle[0].instance
	found.idle = found.idle[1:]
	p.mu.idle--
	p.forget(owner, found)
	return instance
}

// expire closes the instances that wait since before t.
func (p *pool[T]) expire(t time.Time) {
	p.mu.Lock()
	var old []T
	for tenant, tp := range p.mu.tenants {
		for len(tp.idle) > 0 && tp.idle[0].since.Before(t) {
			old = append(old, tp.idle[0].instance)
			tp.idle = tp.idle[1:]
			p.mu.idle--
		}
		p.forget(tenant, tp)
	}
	p.mu.Unlock()
	closeAll(old)
}

// close frees the idle instances, and the others when they are given back.
func (p *pool[T]) close() {
	p.mu.Lock()
	p.mu.closed = true
	p.mu.Unlock()
	p.expire(time.Now().Add(time.Hour))
}

// size returns how many instances there are, and how many of them are idle.
func (p *pool[T]) size() (all, unused int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.idle + len(p.total), p.mu.idle
}

// closeParallel is how many instances are closed at once: each waits for threads of
// its own, and a stop of a process with many tenants has half a second.
const closeParallel = 8

func closeAll[T pooled](instances []T) {
	var g errgroup.Group
	g.SetLimit(closeParallel)
	for _, i := range instances {
		g.Go(func() error { i.Close(); return nil })
	}
	_ = g.Wait() // closing does not fail
}
