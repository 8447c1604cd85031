package state

import (
	"math"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// clock turns the leaders' times into one that only moves forward: the sum of
// all steps forward. A leader whose clock steps back, or was ahead and is put
// right, lengthens what is remembered for a while but never makes it end.
type clock struct {
	last    warehouse.Micros // time of the last command
	elapsed warehouse.Micros // sum of the steps forward
}

func (c *clock) advance(at warehouse.Micros) {
	if step := at - c.last; at > c.last && step > 0 {
		c.elapsed = satAdd(c.elapsed, step)
	}
	c.last = at
}

// satAdd returns a + b for b ≥ 0, at most the largest value.
func satAdd(a, b warehouse.Micros) warehouse.Micros {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// moment is where and when a command is applied.
type moment struct {
	index   uint64           // of the Raft log
	at      warehouse.Micros // the leader's time, for what people see
	elapsed warehouse.Micros // for what is remembered for a while
}
