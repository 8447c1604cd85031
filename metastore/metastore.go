package metastore

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Metastore is one node of the metastore.
//
// Concurrency: all methods may be called at the same time; Run once.
type Metastore struct {
	opts    Options
	metrics *metrics
	raftLog hclog.Logger

	dir       *directory
	peers     *peerListener // nil without Options.Listen
	log       *logStore
	snapshots *raft.FileSnapshotStore
	fsm       *fsm
	pins      *pins
	submit    func(context.Context, state.Command) (any, error) // brings a command into the log
	strangers atomic.Int64                                      // files older than this that the last sweep saw

	manifests manifests

	raft    atomic.Pointer[raft.Raft] // nil until Run
	leading atomic.Bool               // the state is current, and commands are taken
	ready   signal                    // when leading becomes true
	gate    gate                      // commands on their way

	failure struct {
		once sync.Once
		err  error
		done chan struct{} // closed when err is set
	}
	closing sync.Once
}

// Open opens the metastore in a directory, or makes one. It restores the newest
// snapshot and checks the log behind it; Run replays that. Nothing runs on
// until then, and nothing at all after an error.
//
// Errors: Invalid for options, and for a directory of a newer build or another
// node; Corrupt for damage; Unavailable for what the system refuses (a file, a
// lock, a port). They are meant for the operator, in one line.
func Open(o Options) (_ *Metastore, err error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if err := CheckVersions(o.Dir); err != nil {
		return nil, err
	}
	m := &Metastore{opts: o.withDefaults()}
	m.failure.done = make(chan struct{})
	m.manifests.writing = make(chan struct{}, 1)
	m.ready.init()
	m.pins = newPins(m.opts.tuning.maxPinAge, m.opts.Clock)
	m.raftLog = newRaftLogger(m.opts.Logger, "raft")
	defer func() {
		if err != nil {
			m.Close()
		}
	}()
	m.submit = m.proposeRaw
	if err = m.findLost(); err != nil {
		return nil, err
	}
	if m.dir, err = openDirectory(o.Dir, o.NodeID, m.opts.Clock()); err != nil {
		return nil, err
	}
	if o.Listen != "" {
		if m.peers, err = listenForPeers(o.Listen); err != nil {
			return nil, err
		}
	}
	if err := m.openState(); err != nil {
		return nil, err
	}
	if err := m.dir.upgrade(); err != nil {
		return nil, err
	}
	return m, m.metrics.register(m)
}

func (m *Metastore) openState() error {
	w, err := openLog(m.dir.join(logDir), m.opts.tuning.logSegment, m.opts.Logger)
	if err != nil {
		return err
	}
	m.log = &logStore{entries: w, oldestNeeded: m.oldestNeeded, fail: m.fail, points: m.opts.Failpoints}
	r, err := restore(m.dir, m.log, m.opts.Logger)
	if err != nil {
		return err
	}
	m.snapshots = r.snapshots
	m.metrics = newMetrics(m.opts.Registry)
	m.metrics.damagedSnapshots.Add(float64(r.damaged))
	m.fsm = newFSM(r.state, m.metrics, m.fail)
	m.fsm.points = m.opts.Failpoints
	return nil
}

// Close releases what Open took. It is for a Metastore whose Run is never
// called; Run closes it itself.
func (m *Metastore) Close() {
	m.closing.Do(func() {
		if m.log != nil {
			if err := m.log.Close(); err != nil && !errors.Is(err, wal.ErrClosed) {
				m.opts.Logger.Error("close log of the metastore", "err", err)
			}
		}
		if m.peers != nil {
			_ = m.peers.Close()
		}
		if m.dir != nil {
			m.dir.close()
		}
		if m.metrics != nil {
			m.metrics.unregister()
		}
	})
}

// fail makes Run return with the error; the first one counts.
func (m *Metastore) fail(err error) {
	m.failure.once.Do(func() {
		m.failure.err = err
		m.setLeading(false)
		close(m.failure.done)
	})
}

// oldestNeeded returns the index of the second-newest snapshot: the log goes on
// from there, should the newest be damaged. 0 means that all of it is needed.
func (m *Metastore) oldestNeeded() uint64 {
	list, err := m.snapshots.List()
	if err != nil || len(list) < keptSnapshots {
		return 0
	}
	return list[keptSnapshots-1].Index
}

var errNotReady = warehouse.Errorf(warehouse.Unavailable, "metastore is not ready: no leader, or it is starting or stopping")
