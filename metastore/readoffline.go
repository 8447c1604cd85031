package metastore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// ReadOffline returns the index of a metastore that nobody runs: the newest snapshot
// and every command of the log behind it, as a node alone would apply them. It starts
// nothing and proposes nothing; as at each opening, damaged snapshots are moved aside
// and a torn end of the log is cut off. Of a cluster's node, the last commands may be
// ones that the cluster never agreed on.
//
// The snapshot protects nothing, and there is nobody to delete what it shows. Errors
// are those of [Open]; a directory without a metastore is NotFound.
func ReadOffline(o Options) (_ *Snapshot, err error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	if err := checkExists(o.Dir); err != nil {
		return nil, err
	}
	dir, err := openDirectory(o.Dir, o.NodeID, o.Clock())
	if err != nil {
		return nil, err
	}
	defer dir.close()
	w, err := openLog(dir.join(logDir), o.tuning.logSegment, o.Logger)
	if err != nil {
		return nil, err
	}
	defer func() {
		if closed := w.Close(); err == nil && closed != nil && !errors.Is(closed, wal.ErrClosed) {
			err = warehouse.Errorf(warehouse.Unavailable, "close log: %w", closed)
		}
	}()
	log := &logStore{entries: w, oldestNeeded: func() uint64 { return 0 }, fail: func(error) {}}
	r, err := restore(dir, log, o.Logger)
	if err != nil {
		return nil, err
	}
	if err := replay(log, r.state); err != nil {
		return nil, err
	}
	p := newPins(o.tuning.maxPinAge, o.Clock)
	return p.pin(r.state.View), nil
}

// checkExists returns a NotFound error unless a metastore was made in a directory.
func checkExists(dir string) error {
	_, err := os.Stat(filepath.Join(dir, formatFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return warehouse.Errorf(warehouse.NotFound, "open metastore %s: there is none", dir)
	case err != nil:
		return warehouse.Errorf(warehouse.Unavailable, "open metastore: %w", err)
	}
	return nil
}

// replay applies the commands behind a state.
func replay(log *logStore, s *state.State) error {
	last, err := log.LastIndex()
	if err != nil {
		return warehouse.Errorf(warehouse.Unavailable, "read log: %w", err)
	}
	first, err := log.FirstIndex()
	if err != nil {
		return warehouse.Errorf(warehouse.Unavailable, "read log: %w", err)
	}
	for i := max(first, s.Index()+1); i <= last && last > 0; i++ {
		var e raft.Log
		if err := log.GetLog(i, &e); err != nil {
			return warehouse.Errorf(warehouse.Corrupt, "read log entry %d: %w", i, err)
		}
		if e.Type != raft.LogCommand {
			continue
		}
		if _, err := s.Apply(e.Index, e.Data); err != nil {
			return warehouse.Errorf(warehouse.Corrupt, "apply log entry %d: %w", i, err)
		}
	}
	return nil
}
