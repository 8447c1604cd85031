package metastore

import (
	"io"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/failpoint"
)

// fsm is the state under Raft.
//
// Concurrency: Raft calls all methods from one goroutine, except those of the
// snapshots it was given. view may be loaded by anyone.
type fsm struct {
	state   *state.State
	view    atomic.Pointer[state.View] // behind the last applied batch
	metrics *metrics
	fail    func(error) // tells the metastore to stop
	failed  error       // set once; nothing is applied any more
	points  *failpoint.Points
	changed bell // rung behind every batch

	// What the log holds behind the last snapshot.
	pendingCommands atomic.Int64
	pendingBytes    atomic.Int64
}

var _ raft.BatchingFSM = (*fsm)(nil)

func newFSM(s *state.State, m *metrics, fail func(error)) *fsm {
	f := &fsm{state: s, metrics: m, fail: fail}
	f.view.Store(s.View())
	return f
}

// Apply applies one entry.
func (f *fsm) Apply(e *raft.Log) any { return f.ApplyBatch([]*raft.Log{e})[0] }

// ApplyBatch applies entries and publishes one view for all of them. An answer
// is what State.Apply returned; an error stands for itself.
func (f *fsm) ApplyBatch(es []*raft.Log) []any {
	answers := make([]any, len(es))
	for i, e := range es {
		if e.Type == raft.LogCommand {
			answers[i] = f.apply(e)
		}
	}
	f.view.Store(f.state.View())
	f.changed.ring()
	return answers
}

func (f *fsm) apply(e *raft.Log) any {
	if f.failed != nil {
		return f.failed
	}
	answer, err := f.state.Apply(e.Index, e.Data)
	if err != nil {
		// Going on without the command would give a state of our own.
		f.failed = warehouse.Errorf(warehouse.Corrupt, "apply log entry %d: %w", e.Index, err)
		f.fail(f.failed)
		return f.failed
	}
	f.pendingCommands.Add(1)
	f.pendingBytes.Add(int64(len(e.Data)))
	return answer
}

// Snapshot captures the state; it takes no time.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) {
	return &fsmSnapshot{fsm: f, view: f.view.Load(), commands: f.pendingCommands.Load(), bytes: f.pendingBytes.Load()}, nil
}

// Restore replaces the state by that of another node's snapshot.
func (f *fsm) Restore(r io.ReadCloser) error {
	s, err := state.Read(r)
	if err != nil {
		return err
	}
	f.state = s
	f.pendingCommands.Store(0)
	f.pendingBytes.Store(0)
	f.view.Store(s.View())
	f.changed.ring()
	return nil
}

// fsmSnapshot is a view on its way to the disk.
type fsmSnapshot struct {
	fsm             *fsm
	view            *state.View
	commands, bytes int64
}

// Persist writes the view. Raft closes the sink, or cancels it after an error.
func (s *fsmSnapshot) Persist(sink raft.SnapshotSink) error {
	start := time.Now()
	if err := s.fsm.points.Hit(beforeSnapshot); err != nil {
		return err
	}
	n, err := s.view.WriteTo(sink)
	if err == nil {
		err = s.fsm.points.Hit(afterSnapshot)
	}
	if err != nil {
		return err
	}
	s.fsm.pendingCommands.Add(-s.commands)
	s.fsm.pendingBytes.Add(-s.bytes)
	s.fsm.metrics.snapshotSeconds.Observe(time.Since(start).Seconds())
	s.fsm.metrics.snapshotBytes.Set(float64(n))
	return nil
}

// Release does nothing: a view is memory.
func (s *fsmSnapshot) Release() {}
