package metastore

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// HasState reports whether a directory holds anything of a metastore.
func HasState(dir string) (bool, error) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, warehouse.Errorf(warehouse.Unavailable, "look into metastore: %w", err)
	}
	return len(entries) > 0, nil
}

// ReadState returns the state of a metastore that nobody runs: its newest snapshot
// and the log behind it. It is that of a node alone, which has nothing in its log that
// others have not agreed to.
//
// Errors are those of [Open]; a directory without a metastore is NotFound.
func ReadState(dir string, log *slog.Logger) (*state.State, error) {
	if has, err := HasState(dir); err != nil || !has {
		return nil, errors.Join(err, warehouse.Errorf(warehouse.NotFound, "read metastore %s: there is none", dir))
	}
	d, err := openDirectory(dir, "", time.Now())
	if err != nil {
		return nil, err
	}
	defer d.close()
	w, err := openLog(d.join(logDir), Options{}.withDefaults().tuning.logSegment, log)
	if err != nil {
		return nil, err
	}
	l := &logStore{entries: w, oldestNeeded: func() uint64 { return 0 }, fail: func(error) {}}
	defer func() { _ = l.Close() }()
	r, err := restore(d, l, log)
	if err != nil {
		return nil, err
	}
	return r.state, replay(r.state, l)
}

// replay applies what the log holds behind a state.
func replay(s *state.State, l *logStore) error {
	first, err1 := l.FirstIndex()
	last, err2 := l.LastIndex()
	if err := errors.Join(err1, err2); err != nil {
		return warehouse.Errorf(warehouse.Unavailable, "read log: %w", err)
	}
	for i := max(first, s.Index()+1); i <= last && last > 0; i++ {
		var e raft.Log
		if err := l.GetLog(i, &e); err != nil {
			return err
		}
		if e.Type != raft.LogCommand {
			continue
		}
		if _, err := s.Apply(e.Index, e.Data); err != nil {
			return warehouse.Errorf(warehouse.Corrupt, "apply log entry %d: %w", e.Index, err)
		}
	}
	return nil
}

// Install makes the directory of a metastore, of one node, that begins with a state.
// There must be nothing in it yet. The sweep leaves what it does not know alone if
// that is older than since; see [SetGuard].
//
// The directory is there as a whole or, after an error or a crash, not at all; what
// is left beside it then, with the ending .new, is removed the next time.
func Install(dir string, s *state.State, since time.Time, log *slog.Logger) error {
	if has, err := HasState(dir); err != nil || has {
		return errors.Join(err, warehouse.Errorf(warehouse.Exists, "make metastore %s: there is one", dir))
	}
	temp := dir + ".new"
	if err := os.RemoveAll(temp); err != nil {
		return warehouse.Errorf(warehouse.Unavailable, "make metastore: %w", err)
	}
	if err := writeDirectory(temp, s.View(), since, log); err != nil {
		return err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return warehouse.Errorf(warehouse.Unavailable, "make metastore: %w", err)
	}
	err := os.Rename(temp, dir)
	if err == nil {
		err = syncDir(filepath.Dir(dir))
	}
	if err != nil {
		return warehouse.Errorf(warehouse.Unavailable, "make metastore: %w", err)
	}
	return nil
}

// writeDirectory writes a directory with a snapshot and no log, and reads it back.
func writeDirectory(dir string, v *state.View, since time.Time, log *slog.Logger) error {
	d, err := openDirectory(dir, "", since)
	if err != nil {
		return err
	}
	store, err := raft.NewFileSnapshotStoreWithLogger(dir, keptSnapshots, newRaftLogger(log, "raft"))
	if err == nil {
		err = writeSnapshot(store, raft.ServerID(d.node), v)
	}
	d.close()
	if err != nil {
		return warehouse.Errorf(warehouse.Unavailable, "make metastore: %w", err)
	}
	back, err := ReadState(dir, log)
	if err != nil {
		return err
	}
	if back.View().Digest() != v.Digest() {
		return warehouse.Errorf(warehouse.Corrupt, "make metastore %s: what was written reads differently", dir)
	}
	return nil
}

// writeSnapshot writes a view as the snapshot of a cluster of one node.
func writeSnapshot(store *raft.FileSnapshotStore, node raft.ServerID, v *state.View) error {
	const firstTerm = 1
	_, t := raft.NewInmemTransport(raft.ServerAddress(node)) // a node alone is known by its id
	only := raft.Configuration{Servers: []raft.Server{{ID: node, Address: t.LocalAddr()}}}
	sink, err := store.Create(raft.SnapshotVersionMax, v.Index(), firstTerm, only, 1, t)
	if err != nil {
		return err
	}
	if _, err := v.WriteTo(sink); err != nil {
		return errors.Join(err, sink.Cancel())
	}
	return sink.Close()
}

// Guard returns the instant before which objects were made that the sweep leaves
// alone if it does not know them, of a metastore that nobody runs.
func Guard(dir string) (since time.Time, err error) {
	err = withDirectory(dir, func(d *directory) error { since = d.since; return nil })
	return since, err
}

// SetGuard changes what Guard returns. The zero time takes the guard away: such
// objects are orphans like others then.
func SetGuard(dir string, since time.Time) error {
	return withDirectory(dir, func(d *directory) error {
		d.since, d.version = since.UTC().Truncate(time.Second), formatVersion
		return d.writeFormat()
	})
}

// withDirectory does something with a directory that is there.
func withDirectory(dir string, do func(*directory) error) error {
	if has, err := HasState(dir); err != nil || !has {
		return errors.Join(err, warehouse.Errorf(warehouse.NotFound, "open metastore %s: there is none", dir))
	}
	d, err := openDirectory(dir, "", time.Now())
	if err != nil {
		return err
	}
	defer d.close()
	return do(d)
}
