package metastore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"sync/atomic"
	"syscall"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/failpoint"
)

// entries is what the log keeps on disk: entries, term and vote.
type entries interface {
	raft.LogStore
	raft.StableStore
	raft.MonotonicLogStore
	Close() error
}

// logStore is the log on disk, with four rules of our own:
//
//   - Every entry carries a checksum, and is checked when it is read.
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
	points       *failpoint.Points
	broken       atomic.Bool
}

var errBroken = errors.New("an earlier write failed; restart to go on")

// StoreLog appends an entry; see StoreLogs.
func (l *logStore) StoreLog(e *raft.Log) error { return l.StoreLogs([]*raft.Log{e}) }

// StoreLogs appends entries and syncs them, all with one call to the disk.
func (l *logStore) StoreLogs(es []*raft.Log) error {
	sealed := make([]*raft.Log, len(es))
	for i, e := range es {
		c := *e // Raft may be reading e
		c.Extensions = checksum(e)
		sealed[i] = &c
	}
	return l.write("append to log", beforeAppend, afterAppend, func() error { return l.entries.StoreLogs(sealed) })
}

// GetLog reads an entry. One that is damaged is a Corrupt error.
func (l *logStore) GetLog(index uint64, e *raft.Log) (err error) {
	defer func() {
		if p := recover(); p != nil { // raft-wal trusts the bytes that it decodes
			err = warehouse.Errorf(warehouse.Corrupt, "read log entry %d: %v", index, p)
		}
	}()
	if err := l.entries.GetLog(index, e); err != nil {
		return err // raft.ErrLogNotFound has a meaning
	}
	if e.Index != index || !bytes.Equal(e.Extensions, checksum(e)) {
		return warehouse.Errorf(warehouse.Corrupt, "read log entry %d: its checksum is wrong", index)
	}
	e.Extensions = nil
	return nil
}

// checksum covers everything in an entry but the time, which only metrics use.
func checksum(e *raft.Log) []byte {
	head := make([]byte, 0, 3*binary.MaxVarintLen64)
	head = binary.AppendUvarint(head, e.Index)
	head = binary.AppendUvarint(head, e.Term)
	head = binary.AppendUvarint(head, uint64(e.Type))
	sum := crc32.Update(crc32.Checksum(head, castagnoli), castagnoli, e.Data)
	return binary.LittleEndian.AppendUint32(nil, sum)
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
	return l.write("shorten log", beforeShorten, afterShorten, func() error { return l.entries.DeleteRange(first, last) })
}

// Set saves a value of Raft's own, such as the candidate it voted for.
func (l *logStore) Set(key, value []byte) error {
	return l.mustWrite(func() error { return l.entries.Set(key, value) })
}

// SetUint64 saves a number of Raft's own, such as the term.
func (l *logStore) SetUint64(key []byte, value uint64) error {
	return l.mustWrite(func() error { return l.entries.SetUint64(key, value) })
}

func (l *logStore) write(what string, before, after failpoint.Name, do func() error) error {
	if l.broken.Load() {
		return errBroken
	}
	err := l.points.Hit(before)
	if err == nil {
		err = do()
	}
	if err == nil {
		err = l.points.Hit(after)
	}
	if err != nil && l.broken.CompareAndSwap(false, true) {
		l.fail(warehouse.Errorf(warehouse.Unavailable, "%s: %w", what, err))
	}
	return err
}

func (l *logStore) mustWrite(do func() error) error {
	if l.write("save term or vote", beforeVote, afterVote, do) != nil {
		select {} // the process is about to end
	}
	return nil
}

// openLog opens or makes the log; see logMeta for what it puts right.
func openLog(dir string, segmentBytes int, log *slog.Logger) (*wal.WAL, error) {
	return openLogWith(&logMeta{log: log}, dir, segmentBytes, log)
}

func openLogWith(meta *logMeta, dir string, segmentBytes int, log *slog.Logger) (w *wal.WAL, err error) {
	defer func() {
		if p := recover(); p != nil { // the database panics on some kinds of damage
			w, err = nil, warehouse.Errorf(warehouse.Corrupt, "open log %s: %v", dir, p)
		}
		if err != nil {
			_ = meta.Close()
		}
	}()
	w, err = wal.Open(dir, wal.WithSegmentSize(segmentBytes), wal.WithLogger(newRaftLogger(log, "raft-wal")), wal.WithMetaStore(meta))
	if err == nil {
		return w, nil
	}
	kind := warehouse.Corrupt
	var system *fs.PathError
	var number syscall.Errno
	if (errors.As(err, &system) || errors.As(err, &number)) && !errors.Is(err, fs.ErrNotExist) {
		kind = warehouse.Unavailable
	}
	return nil, warehouse.Errorf(kind, "open log %s: %w", dir, err)
}

// verifyLog reads the entries from first to last and checks all that Raft and
// the state take for granted. Errors are Corrupt and name the entry.
func verifyLog(l *logStore, first, last, term uint64) error {
	var before uint64
	for i := first; i <= last; i++ {
		var e raft.Log
		err := l.GetLog(i, &e)
		if err == nil {
			err = verifyEntry(&e)
		}
		switch {
		case err != nil:
			return warehouse.Errorf(warehouse.Corrupt, "check log to entry %d: entry %d: %w", last, i, err)
		case e.Term < before || e.Term > term:
			return warehouse.Errorf(warehouse.Corrupt, "check log to entry %d: entry %d: term is %d, between %d and %d", last, i, e.Term, before, term)
		}
		before = e.Term
	}
	return nil
}

func verifyEntry(e *raft.Log) error {
	switch e.Type {
	case raft.LogCommand:
		return state.Check(e.Data)
	case raft.LogNoop, raft.LogBarrier, raft.LogConfiguration:
		return nil
	}
	return warehouse.Errorf(warehouse.Corrupt, "its type is %d", e.Type)
}
