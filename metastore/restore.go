package metastore

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// keptSnapshots is how many snapshots are kept: one to start from, and one for
// the case that it is damaged.
const keptSnapshots = 2

var keyCurrentTerm = []byte("CurrentTerm") // the name is Raft's

// restored is what a directory gives back.
type restored struct {
	snapshots *raft.FileSnapshotStore
	state     *state.State // of the newest readable snapshot
	damaged   int          // snapshots that were moved aside
}

// restore finds the newest snapshot that can be read and makes sure that the
// log goes on from there. Unreadable snapshots are moved aside, never deleted.
func restore(d *directory, log *logStore, logger *slog.Logger) (*restored, error) {
	r := &restored{}
	if err := r.sweep(d); err != nil {
		return nil, err
	}
	var err error
	if r.snapshots, err = raft.NewFileSnapshotStoreWithLogger(d.path, keptSnapshots, newRaftLogger(logger, "raft")); err != nil {
		return nil, warehouse.Errorf(warehouse.Unavailable, "open snapshots: %w", err)
	}
	index, err := r.newest(d)
	if err != nil {
		return nil, err
	}
	if r.damaged > 0 {
		logger.Error("snapshots of the metastore were damaged and moved aside", "count", r.damaged, "folder", d.join(damagedDir))
	}
	return r, connect(log, index, r.damaged, logger)
}

// sweep removes what a crash left of snapshots that were being written.
func (r *restored) sweep(d *directory) error {
	unfinished, err := filepath.Glob(filepath.Join(d.join(snapshotsDir), "*.tmp"))
	for _, path := range unfinished {
		err = errors.Join(err, os.RemoveAll(path))
	}
	if err != nil {
		return warehouse.Errorf(warehouse.Unavailable, "open snapshots: %w", err)
	}
	return nil
}

// newest restores the newest readable snapshot and returns its index, 0 if there
// is none.
func (r *restored) newest(d *directory) (uint64, error) {
	if err := r.moveUnlisted(d); err != nil {
		return 0, err
	}
	for {
		list, err := r.snapshots.List()
		if err != nil {
			return 0, warehouse.Errorf(warehouse.Unavailable, "open snapshots: %w", err)
		}
		if len(list) == 0 {
			r.state = state.New()
			return 0, nil
		}
		if r.state, err = r.read(list[0].ID); err == nil {
			return list[0].Index, nil
		}
		if err := r.moveAside(d, list[0].ID); err != nil {
			return 0, err
		}
	}
}

func (r *restored) read(id string) (*state.State, error) {
	_, source, err := r.snapshots.Open(id) // which checks a checksum of its own
	if err != nil {
		return nil, err
	}
	s, err := state.Read(source)
	return s, errors.Join(err, source.Close())
}

// moveUnlisted moves snapshots aside whose description cannot be read: the store
// does not list them.
func (r *restored) moveUnlisted(d *directory) error {
	entries, err := os.ReadDir(d.join(snapshotsDir))
	if err != nil {
		return warehouse.Errorf(warehouse.Unavailable, "open snapshots: %w", err)
	}
	list, err := r.snapshots.List()
	if err != nil {
		return warehouse.Errorf(warehouse.Unavailable, "open snapshots: %w", err)
	}
	listed := map[string]bool{}
	for _, s := range list {
		listed[s.ID] = true
	}
	for _, e := range entries {
		full := len(list) == keptSnapshots
		if !e.IsDir() || listed[e.Name()] || full && r.isReadable(e.Name()) {
			continue
		}
		if err := r.moveAside(d, e.Name()); err != nil {
			return err
		}
	}
	return nil
}

// isReadable reports whether a snapshot that is not listed is merely too old: a
// crash came between writing a new one and removing it.
func (r *restored) isReadable(id string) bool {
	_, source, err := r.snapshots.Open(id)
	if err != nil {
		return false
	}
	return source.Close() == nil
}

func (r *restored) moveAside(d *directory, id string) error {
	err := os.MkdirAll(d.join(damagedDir), 0o750)
	if err == nil {
		err = os.Rename(filepath.Join(d.join(snapshotsDir), id), filepath.Join(d.join(damagedDir), id))
	}
	if err != nil {
		return warehouse.Errorf(warehouse.Unavailable, "move damaged snapshot %s aside: %w", id, err)
	}
	r.damaged++
	return nil
}

// connect checks that the log goes on from a snapshot's index (0: from nothing).
func connect(log *logStore, snapshot uint64, damaged int, logger *slog.Logger) error {
	first, err1 := log.FirstIndex()
	last, err2 := log.LastIndex()
	term, err3 := log.GetUint64(keyCurrentTerm)
	if err := errors.Join(err1, err2, err3); err != nil {
		return warehouse.Errorf(warehouse.Unavailable, "open log: %w", err)
	}
	switch {
	case last == 0 && snapshot == 0 && (term > 1 || damaged > 0):
		return warehouse.Errorf(warehouse.Corrupt, "open log: it is empty in term %d, and no snapshot is readable (%d damaged)", term, damaged)
	case last == 0:
		return nil
	case last < snapshot:
		// The snapshot holds all of it. Raft would append behind the snapshot, which
		// the log refuses unless it is empty.
		logger.Error("the log of the metastore ends before its newest snapshot; what came behind that is lost", "index", snapshot, "last", last)
		return log.entries.DeleteRange(first, last)
	case first > snapshot+1:
		return warehouse.Errorf(warehouse.Corrupt, "open log: it begins at entry %d, the newest readable snapshot ends at %d (%d damaged)",
			first, snapshot, damaged)
	}
	return verifyLog(log, snapshot+1, last, term)
}

// bootstrap makes the node its cluster's only member, unless it has a log.
func bootstrap(conf *raft.Config, log *logStore, snapshots raft.SnapshotStore, t raft.Transport) error {
	last, err := log.LastIndex()
	if err != nil {
		return err
	}
	list, err := snapshots.List()
	if err != nil || last > 0 || len(list) > 0 {
		return err
	}
	// A crash between the two writes of an earlier attempt leaves a term, which
	// Raft takes for a life of its own.
	if err := log.SetUint64(keyCurrentTerm, 0); err != nil {
		return err
	}
	only := raft.Server{ID: conf.LocalID, Address: t.LocalAddr()}
	return raft.BootstrapCluster(conf, log, log, snapshots, t, raft.Configuration{Servers: []raft.Server{only}})
}
