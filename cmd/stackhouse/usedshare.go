package main

import (
	"runtime"
	"sync"
	"syscall"
	"time"
)

// busyShare is the share of the machine's processors above which background work that
// can wait does.
const busyShare = 0.5

// usedShare measures how much of the machine the process uses.
//
// Concurrency: all methods may be called at the same time.
type usedShare struct {
	processors int // as the machine has them
	clock      func() time.Time
	used       func() time.Duration // of processors, since the start of the process

	mu     sync.Mutex
	at     time.Time
	before time.Duration
	isHigh bool
}

func newUsedShare() *usedShare {
	return &usedShare{processors: runtime.NumCPU(), clock: time.Now, used: usedTime}
}

// isBusy reports whether the process used most of the machine since the last time that
// it was asked, half a second ago or more.
func (l *usedShare) isBusy() bool {
	const shortest = 500 * time.Millisecond
	now, used := l.clock(), l.used()
	l.mu.Lock()
	defer l.mu.Unlock()
	if wall := now.Sub(l.at); l.at.IsZero() || wall >= shortest {
		l.isHigh = !l.at.IsZero() && float64(used-l.before) > busyShare*float64(wall)*float64(l.processors)
		l.at, l.before = now, used
	}
	return l.isHigh
}

// usedTime returns the processor time of the process.
func usedTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
