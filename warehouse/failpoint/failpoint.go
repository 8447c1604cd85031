// Package failpoint lets tests interrupt a program at named places: before and after
// each step that changes something outside its memory.
//
// # Parts
//
//   - failpoint.go: names, and the points that a component is given
//   - parse.go: actions as text, as a setting has them
//
// # Guarantees
//
// A component without points (nil) pays the test for nil. A point that is not set
// does nothing.
//
// # Not its job
//
// Who may set points is decided where the program is put together: a production
// build never does.
package failpoint

import (
	"cmp"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Name is a declared failpoint.
type Name string

// Doc is a failpoint and what has happened when it is reached.
type Doc struct {
	Name Name
	What string
}

var declared struct {
	mu   sync.Mutex
	docs []Doc
}

// Declare declares a failpoint for the list, and returns its name. It is called in
// the initialisation of a package's variables; a name is declared once.
func Declare(name, what string) Name {
	declared.mu.Lock()
	defer declared.mu.Unlock()
	if slices.ContainsFunc(declared.docs, func(d Doc) bool { return d.Name == Name(name) }) {
		panic(warehouse.Bug("failpoint %s is declared twice", name))
	}
	declared.docs = append(declared.docs, Doc{Name(name), what})
	return Name(name)
}

// All returns all declared failpoints of the program, by name.
func All() []Doc {
	declared.mu.Lock()
	defer declared.mu.Unlock()
	return slices.SortedFunc(slices.Values(declared.docs), func(a, b Doc) int { return cmp.Compare(a.Name, b.Name) })
}

// Action is what happens at a point.
type Action func() error

// Error returns an action that fails with an Unavailable error.
func Error(name Name) Action {
	return func() error { return warehouse.Errorf(warehouse.Unavailable, "failpoint %s", name) }
}

// Kill is an action that ends the process at once, as kill -9 does: nothing is
// flushed, no deferred function runs.
func Kill() error {
	p, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = p.Kill()
	}
	if err == nil {
		select {} // until the signal arrives
	}
	return err
}

// Points is the failpoints that are set.
//
// Concurrency: Hit may be called at the same time as everything else.
type Points struct {
	set atomic.Pointer[map[Name]*point]
}

type point struct {
	left   atomic.Int64 // hits until it acts; it acts once
	action Action
}

// Set makes the n-th hit of a point from now on act, once.
func (p *Points) Set(name Name, n int64, action Action) {
	points := map[Name]*point{}
	if old := p.set.Load(); old != nil {
		for k, v := range *old {
			points[k] = v
		}
	}
	one := &point{action: action}
	one.left.Store(n)
	points[name] = one
	p.set.Store(&points)
}

// Hit is called where the point is. It returns the error of an action that fails.
func (p *Points) Hit(name Name) error {
	if p == nil {
		return nil
	}
	points := p.set.Load()
	if points == nil {
		return nil
	}
	one := (*points)[name]
	if one == nil || one.left.Add(-1) != 0 {
		return nil
	}
	return one.action()
}
