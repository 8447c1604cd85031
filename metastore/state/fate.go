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
// an hour. The leader refuses older ids besides.
const FateWindow = time.Hour

// FenceWindow is how long, in time of commands, the ids of orphans are remembered:
// their objects are deleted, and whoever made them was never heard of. They are few.
const FenceWindow = 31 * 24 * time.Hour

// verdict is what became of an id. The numbers are stored: never renumber.
type verdict uint8

const (
	wasAdded    verdict = 1
	wasAborted  verdict = 2
	wasReplaced verdict = 3 // the id of a ReplaceParts
	wasFinished verdict = 4 // the id of a job
	wasFenced   verdict = 5 // an orphan, see FenceObjects
)

// window returns how long a verdict is remembered.
func (v verdict) window() warehouse.Micros {
	if v == wasFenced {
		return micros(FenceWindow)
	}
	return micros(FateWindow)
}

// fate is a verdict and when it was given.
type fate struct {
	id      warehouse.ObjectID
	elapsed warehouse.Micros
	verdict verdict
	token   uint64 // of the assignment that finished a job
}

// fates finds verdicts by id. Their order is that of the draft's lists.
type fates struct {
	byID map[warehouse.ObjectID]fate
}

func newFates() fates { return fates{byID: map[warehouse.ObjectID]fate{}} }

// verdictOf returns what became of an id, 0 if nothing did.
func (s *State) verdictOf(id warehouse.ObjectID) verdict { return s.fates.byID[id].verdict }

// seal gives an id its verdict, for good.
func (s *State) seal(f fate, m moment) {
	f.elapsed = m.elapsed
	s.remember(f)
}

func (s *State) remember(f fate) {
	s.fates.byID[f.id] = f
	if f.verdict == wasFenced {
		s.draft.fences = append(s.draft.fences, f)
	} else {
		s.draft.fates = append(s.draft.fates, f)
	}
}

// expire forgets what is older than its window and returns the rest of a list.
func (f *fates) expire(list []fate, now warehouse.Micros) []fate {
	for len(list) > 0 && now-list[0].elapsed > list[0].verdict.window() {
		if f.byID[list[0].id].verdict == list[0].verdict { // not fenced since
			delete(f.byID, list[0].id)
		}
		list = list[1:]
	}
	return list
}
