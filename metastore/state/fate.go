package state

import (
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// FateWindow is how long, in time of commands, it is remembered what became of
// an id, so that the same command proposed again gets the same answer, and an
// aborted segment can never become live.
//
// Why that is enough: an id is made when its object is written. Its owner
// proposes it for 30 seconds at most, aborts it, and never proposes it again. A
// proposal that is still under way then either enters the log within the time
// of a Raft round, or is refused; there is no queue in which it could wait for
// an hour.
const FateWindow = time.Hour

// verdict is what became of an id. The numbers are stored: never renumber.
type verdict uint8

const (
	wasAdded    verdict = 1
	wasAborted  verdict = 2
	wasReplaced verdict = 3 // the id of a ReplaceParts
)

// fate is a verdict and when it was given.
type fate struct {
	id      warehouse.ObjectID
	elapsed warehouse.Micros
	verdict verdict
}

// fates finds verdicts by id. Their order is the draft's list of fates.
type fates struct {
	byID map[warehouse.ObjectID]verdict
}

func newFates() fates { return fates{byID: map[warehouse.ObjectID]verdict{}} }

// seal gives an id its verdict, for good.
func (s *State) seal(id warehouse.ObjectID, v verdict, m moment) {
	s.fates.byID[id] = v
	s.draft.fates = append(s.draft.fates, fate{id: id, elapsed: m.elapsed, verdict: v})
}

// expire forgets what is older than the window and returns the rest.
func (f *fates) expire(list []fate, now warehouse.Micros) []fate {
	for len(list) > 0 && now-list[0].elapsed > warehouse.Micros(FateWindow.Microseconds()) {
		delete(f.byID, list[0].id)
		list = list[1:]
	}
	return list
}
