package metastore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// The names of what Inspect finds in a directory, besides those of
// state.View.Consistent. Programs rely on them.
const (
	CheckLogOpen          = "log.open"          // the log can be opened
	CheckLogEntry         = "log.entry"         // its checksum is right, and it is a command that this build knows
	CheckLogTerm          = "log.term"          // terms never go back
	CheckLogGap           = "log.gap"           // the log goes on from the newest readable snapshot
	CheckSnapshotMeta     = "snapshot.meta"     // its description can be read and is true
	CheckSnapshotChecksum = "snapshot.checksum" // the bytes have the checksum of the description
	CheckSnapshotState    = "snapshot.state"    // the bytes are a state
	CheckReplay           = "replay.differs"    // older snapshot and log give what the newer snapshot holds
)

// Offline is what the directory of a node that does not run holds.
type Offline struct {
	Path    string
	Format  int
	Node    string
	Since   time.Time // when the directory was made
	Log     OfflineLog
	Damaged int // snapshots that were moved aside

	Snapshots []OfflineSnapshot // the newest first
	From      uint64            // index of the snapshot from which the state was made; 0 if from none
	View      *state.View       // behind the log's last entry; nil if damage keeps it from being known
	Report    warehouse.Report
}

// OfflineLog is the log of such a directory.
type OfflineLog struct {
	First, Last uint64 // indices; 0 if it is empty
	Term        uint64
	Files       int
	Bytes       int64                // of its files, most of them not yet written
	Torn        int                  // bytes of a last write that was torn, which is normal after a crash
	Commands    map[state.Kind]int64 // by kind
	Others      int64                // entries of Raft's own
}

// OfflineSnapshot is a snapshot of such a directory.
type OfflineSnapshot struct {
	ID          string
	Index, Term uint64
	Bytes       int64
	Readable    bool

	view    *state.View
	isOlder bool // of an earlier build, which knew less
}

// Inspect reads and checks the directory of a node that does not run, and changes
// nothing: the log, which cannot be opened without writing, is read from a copy.
// Damage is what the report says, no error.
//
// Errors: NotFound if it is no metastore's directory, Invalid for one of a newer
// build, Unavailable if a process uses it, and for what the system refuses.
func Inspect(ctx context.Context, dir string) (*Offline, error) {
	d := &directory{path: dir}
	if err := d.readFormat(); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, warehouse.Errorf(warehouse.NotFound, "inspect metastore: %s has no file %s", dir, formatFile)
		}
		return nil, err
	}
	if err := CheckVersions(dir); err != nil {
		return nil, err
	}
	unlock, err := shareLock(d)
	if err != nil {
		return nil, err
	}
	defer unlock()
	o := &Offline{Path: dir, Format: d.version, Node: d.node, Since: d.since}
	if err := o.readSnapshots(d); err != nil {
		return nil, err
	}
	if err := o.readLog(ctx, d); err != nil {
		return nil, err
	}
	if o.View != nil {
		o.View.Consistent(&o.Report)
	}
	return o, nil
}

// shareLock keeps the directory from being used until unlock. Without a LOCK, as in
// a copy, there is nobody to keep away.
func shareLock(d *directory) (unlock func(), err error) {
	f, err := os.Open(d.join(lockFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return func() {}, nil
	case err != nil:
		return nil, warehouse.Errorf(warehouse.Unavailable, "inspect metastore: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		_ = f.Close()
		return nil, warehouse.Errorf(warehouse.Unavailable, "inspect metastore %s: a server uses it: stop it, or ask it (system.blocks, system.segments and system.jobs in SQL, and the page /status)", d.path)
	case err != nil:
		_ = f.Close()
		return nil, warehouse.Errorf(warehouse.Unavailable, "inspect metastore: lock %s: %w", f.Name(), err)
	}
	return func() { _ = f.Close() }, nil
}

// addf adds a finding about a file of the directory.
func (o *Offline) addf(name, file, format string, args ...any) {
	o.Report.Add(warehouse.Finding{Check: name, Object: file, Row: warehouse.NoRow, Text: fmt.Sprintf(format, args...)})
}

// readLog reads all of the log and makes the state from it and the snapshots.
func (o *Offline) readLog(ctx context.Context, d *directory) error {
	copied, err := os.MkdirTemp("", "stackhouse-log-")
	if err != nil {
		return warehouse.Errorf(warehouse.Unavailable, "inspect metastore: %w", err)
	}
	defer os.RemoveAll(copied) //nolint:errcheck // a copy
	if err := o.copyLog(ctx, d.join(logDir), copied); err != nil {
		return err
	}
	if o.Log.Files == 0 {
		o.stateWithoutLog()
		return nil
	}
	const smallFile = 64 << 10 // of one that opening may add to the copy
	meta := &logMeta{log: slog.New(slog.DiscardHandler)}
	w, err := openLogWith(meta, copied, smallFile, meta.log)
	o.Report.Checks++
	if err != nil {
		o.addf(CheckLogOpen, logDir, "%s", strings.ReplaceAll(err.Error(), copied, d.join(logDir)))
		return nil
	}
	defer w.Close() //nolint:errcheck // a copy
	o.Log.Torn = meta.torn
	return o.replay(ctx, &logStore{entries: w})
}

func (o *Offline) stateWithoutLog() {
	o.View = state.New().View()
	if s := o.newest(); s != nil {
		o.From, o.View = s.Index, s.view
	}
}

// copyLog copies the log's files.
func (o *Offline) copyLog(ctx context.Context, from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return warehouse.Errorf(warehouse.Unavailable, "inspect metastore: %w", err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		data, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, e.Name()), data, 0o600)
		}
		if err != nil {
			return warehouse.Errorf(warehouse.Unavailable, "inspect metastore: copy the log: %w", err)
		}
		o.Log.Files++
		o.Log.Bytes += int64(len(data))
	}
	return nil
}
