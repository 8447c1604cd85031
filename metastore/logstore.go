package metastore

import (
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// entries is what the log keeps on disk: entries, term and vote.
type entries interface {
	raft.LogStore
	raft.StableStore
	raft.MonotonicLogStore
	Close() error
}

// logStore is the log on disk, with three rules of our own:
//
//   - After a failed write nothing is written again until the process was
//     restarted. What a file holds after a failed sync is unknown; writing it
//     again and being told that it is synced would prove nothing.
//   - The entries behind the second-newest snapshot are kept, so that a damaged
//     newest one costs nothing.
//   - A term or vote that cannot be saved stops the caller for good: Raft would
//     end the process in the middle of whatever else it does.
type logStore struct {
	entries
	oldestNeeded func() uint64 // index of the snapshot whose following entries must stay; 0 keeps all
	fail         func(error)   // tells the metastore to stop
	broken       atomic.Bool
}

var errBroken = errors.New("an earlier write failed; restart to go on")

// StoreLog appends an entry; see StoreLogs.
func (l *logStore) StoreLog(e *raft.Log) error { return l.StoreLogs([]*raft.Log{e}) }

// StoreLogs appends entries and syncs them, all with one call to the disk.
func (l *logStore) StoreLogs(es []*raft.Log) error {
	return l.write("append to log", func() error { return l.entries.StoreLogs(es) })
}

// DeleteRange deletes entries, from the beginning only as far as allowed. Raft
// deletes the beginning after a snapshot, never the last entry with it.
func (l *logStore) DeleteRange(first, last uint64) error {
	end, err := l.LastIndex()
	if err != nil {
		return err
	}
	if last < end {
		last = min(last, l.oldestNeeded())
	}
	if first > last {
		return nil
	}
	return l.write("shorten log", func() error { return l.entries.DeleteRange(first, last) })
}

// Set saves a value of Raft's own, such as the candidate it voted for.
func (l *logStore) Set(key, value []byte) error {
	return l.mustWrite(func() error { return l.entries.Set(key, value) })
}

// SetUint64 saves a number of Raft's own, such as the term.
func (l *logStore) SetUint64(key []byte, value uint64) error {
	return l.mustWrite(func() error { return l.entries.SetUint64(key, value) })
}

func (l *logStore) write(what string, do func() error) error {
	if l.broken.Load() {
		return errBroken
	}
	err := do()
	if err != nil && l.broken.CompareAndSwap(false, true) {
		l.fail(warehouse.Errorf(warehouse.Unavailable, "%s: %w", what, err))
	}
	return err
}

func (l *logStore) mustWrite(do func() error) error {
	if l.write("save term or vote", do) != nil {
		select {} // the process is about to end
	}
	return nil
}

// openLog opens or makes the log. A write that was torn by a crash is taken
// back: it was answered to nobody.
func openLog(dir string, segmentBytes int, log hclog.Logger) (w *wal.WAL, err error) {
	defer func() {
		// The database of the log's metadata panics on some kinds of damage.
		if p := recover(); p != nil {
			w, err = nil, warehouse.Errorf(warehouse.Corrupt, "open log %s: %v", dir, p)
		}
	}()
	w, err = wal.Open(dir, wal.WithSegmentSize(segmentBytes), wal.WithLogger(log))
	switch {
	case err == nil:
		return w, nil
	case errors.Is(err, wal.ErrCorrupt), errors.Is(err, fs.ErrNotExist):
		return nil, warehouse.Errorf(warehouse.Corrupt, "open log %s: %w", dir, err)
	}
	return nil, warehouse.Errorf(warehouse.Unavailable, "open log %s: %w", dir, err)
}

// verifyLog reads the entries from first to last and checks all that Raft and
// the state take for granted. Errors are Corrupt and name the entry.
func verifyLog(l raft.LogStore, first, last uint64) error {
	var term uint64
	for i := first; i <= last; i++ {
		var e raft.Log
		if err := verifyEntry(l, i, &e); err != nil {
			return warehouse.Errorf(warehouse.Corrupt, "read log entry %d of %d: %w", i, last, err)
		}
		if e.Term < term {
			return warehouse.Errorf(warehouse.Corrupt, "read log entry %d of %d: term %d behind %d", i, last, e.Term, term)
		}
		term = e.Term
	}
	return nil
}

func verifyEntry(l raft.LogStore, index uint64, e *raft.Log) (err error) {
	defer func() {
		if p := recover(); p != nil { // both decoders panic on damage
			err = fmt.Errorf("%v", p)
		}
	}()
	if err := l.GetLog(index, e); err != nil {
		return err
	}
	if e.Index != index {
		return fmt.Errorf("it says that it is entry %d", e.Index)
	}
	switch e.Type {
	case raft.LogCommand:
		return state.Check(e.Data)
	case raft.LogConfiguration:
		raft.DecodeConfiguration(e.Data)
		return nil
	case raft.LogNoop, raft.LogBarrier:
		return nil
	}
	return fmt.Errorf("its type is %d", e.Type)
}
