package metastore

import (
	"context"
	"errors"

	"github.com/hashicorp/raft"

	"github.com/stackhouse-db/stackhouse/metastore/state"
)

// replay checks every entry and applies those behind the snapshots: behind the
// newest to know the state, and behind each older one, or the beginning, to see
// that log and snapshots agree.
func (o *Offline) replay(ctx context.Context, log *logStore) error {
	first, err1 := log.FirstIndex()
	last, err2 := log.LastIndex()
	term, err3 := log.GetUint64(keyCurrentTerm)
	if err := errors.Join(err1, err2, err3); err != nil {
		o.addf(CheckLogOpen, logDir, "%v", err)
		return nil
	}
	o.Log.First, o.Log.Last, o.Log.Term, o.Log.Commands = first, last, term, map[state.Kind]int64{}
	runs := o.runs(first)
	var before uint64
	for i := first; i <= last && last > 0; i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		e := o.entry(log, i)
		if e == nil {
			for _, r := range runs {
				r.stop(i)
			}
			continue
		}
		o.Report.Checks++
		if e.Term < before || e.Term > term {
			o.addf(CheckLogTerm, logDir, "entry %d is of term %d, between %d and %d", i, e.Term, before, term)
		}
		before = e.Term
		for _, r := range runs {
			o.step(r, e)
		}
	}
	o.finish(runs, first, last)
	return nil
}

// entry reads and decodes an entry; nil if that cannot be done.
func (o *Offline) entry(log *logStore, i uint64) *raft.Log {
	o.Report.Checks++
	e := new(raft.Log)
	err := log.GetLog(i, e)
	if err == nil {
		err = verifyEntry(e)
	}
	if err == nil && e.Type == raft.LogCommand {
		var cmd state.Command
		if _, cmd, err = state.Decode(e.Data); err == nil {
			o.Log.Commands[cmd.Kind()]++
			return e
		}
	}
	if err != nil {
		o.addf(CheckLogEntry, logDir, "entry %d: %v", i, err)
		return nil
	}
	o.Log.Others++
	return e
}

// run is a state to which entries are applied.
type replayRun struct {
	state  *state.State
	from   uint64
	broken bool
	passed map[uint64][32]byte // digests at the indices of newer snapshots
}

// stop ends the run at an entry that cannot be read.
func (r *replayRun) stop(at uint64) {
	if at > r.from {
		r.broken = true
	}
}

// runs begins a replay behind each readable snapshot, the newest first, and behind
// nothing if the log has its beginning.
func (o *Offline) runs(first uint64) (runs []*replayRun) {
	for i := range o.Snapshots {
		if s := &o.Snapshots[i]; s.Readable {
			runs = append(runs, &replayRun{state: stateOf(s.view), from: s.Index, broken: first > s.Index+1, passed: map[uint64][32]byte{}})
		}
	}
	if first <= 1 {
		runs = append(runs, &replayRun{state: state.New(), passed: map[uint64][32]byte{}})
	}
	return runs
}

func (o *Offline) step(r *replayRun, e *raft.Log) {
	if r.broken || e.Index <= r.from {
		return
	}
	if e.Type == raft.LogCommand {
		if _, err := r.state.Apply(e.Index, e.Data); err != nil {
			r.broken = true
			return
		}
	}
	for i := range o.Snapshots {
		if s := &o.Snapshots[i]; s.Readable && s.Index == e.Index {
			r.passed[e.Index] = r.state.View().Digest()
		}
	}
}

// finish takes the state that a start would have, and compares the runs.
func (o *Offline) finish(runs []*replayRun, first, last uint64) {
	s := o.newest()
	switch {
	case s == nil && first > 1:
		o.addf(CheckLogGap, logDir, "it begins with entry %d, and no snapshot is readable", first)
	case s != nil && last > 0 && first > s.Index+1:
		o.addf(CheckLogGap, logDir, "it begins with entry %d, the newest readable snapshot ends at %d", first, s.Index)
	case s != nil && last < s.Index:
		o.From, o.View = s.Index, s.view // as a start does: the snapshot holds all of it
		if last > 0 {
			o.addf(CheckLogGap, logDir, "it ends with entry %d, before its newest snapshot, %d: what came behind that is lost", last, s.Index)
		}
	case len(runs) > 0 && !runs[0].broken:
		o.From, o.View = runs[0].from, runs[0].state.View()
	}
	for i := range o.Snapshots {
		s := &o.Snapshots[i]
		for _, r := range runs {
			digest, ok := r.passed[s.Index]
			if !ok || s.isOlder {
				continue
			}
			o.Report.Checks++
			if digest != s.view.Digest() {
				o.addf(CheckReplay, s.ID, "the log behind entry %d gives another state at entry %d than the snapshot holds", r.from, s.Index)
			}
		}
	}
}

// newest returns the newest readable snapshot, or nil.
func (o *Offline) newest() *OfflineSnapshot {
	for i := range o.Snapshots {
		if o.Snapshots[i].Readable {
			return &o.Snapshots[i]
		}
	}
	return nil
}
