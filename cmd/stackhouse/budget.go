package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

// minMemory is the least --memory with which the server is useful.
const minMemory = 256 << 20

// budgets says how --memory is divided, in bytes. The engine's memory is not
// Go's: neither sees the other's, so each has a limit of its own. What the sum
// leaves is kept for merging blocks (15 %).
type budgets struct {
	total  int64
	goHeap int64 // 30 %: the soft limit of the Go runtime
	engine int64 // 25 %: the query engine
	sql    int64 // 27 %: the engines that run users' SQL
	spool  int64 // 3 %: rows of cursors whose clients pause

	// Parts of goHeap. The rest is for answers and the index.
	bodies      int64 // requests while they are read
	pushes      int64 // profiles that wait for their acknowledgement
	definitions int64 // what the ingester remembers as registered
	symbols     int64 // names of stacktraces
	series      int64 // series of stored objects
	samples     int64 // samples of small datasets
}

func newBudgets(total int64) budgets {
	heap := total * 30 / 100
	return budgets{
		total:       total,
		goHeap:      heap,
		engine:      total * 25 / 100,
		sql:         total * 27 / 100,
		spool:       total * 3 / 100,
		bodies:      heap * 15 / 100,
		pushes:      heap * 25 / 100,
		definitions: heap * 5 / 100,
		symbols:     heap * 15 / 100,
		series:      heap * 10 / 100,
		samples:     heap * 10 / 100,
	}
}

// gcPercent is how much the heap may grow between two collections, in percent of what
// lives. Go's own 100 saves 2 % of the CPU time and takes a fifth more memory.
const gcPercent = 50

// spareProcessor lets Go run one goroutine more at a time than there are processors,
// unless GOMAXPROCS is set. When all of them decode profiles or merge, nobody looks at
// the network for up to 10 ms, which the system's scheduler would not do to a socket
// that is ready. What sizes itself by the number of processors does so before.
func spareProcessor() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
}

// applyGoLimit gives the Go runtime its share, unless GOMEMLIMIT already did.
func (b budgets) applyGoLimit() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(b.goHeap)
	}
}
