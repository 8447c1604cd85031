package metastore

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

const (
	// electionTimeout is short because a single node waits it out at each start,
	// with nobody to disturb by standing for election too early.
	electionTimeout = 50 * time.Millisecond
	maxBatch        = 512             // commands that share one sync of the disk
	stopTimeout     = 5 * time.Second // for commands on their way, and for Raft to end
)

// Run replays the log, leads, and looks after what is stored until ctx is done.
// It returns after its last goroutine has ended and everything that Open took is
// released; nil means that ctx ended. Everything answered is on disk by then:
// a stop needs no snapshot.
//
// An error means that the node cannot go on: a disk that fails or hangs, or a
// command that this build does not know. The process should end.
func (m *Metastore) Run(ctx context.Context) error {
	r, err := m.startRaft()
	if err != nil {
		m.Close()
		return err
	}
	m.raft.Store(r)
	m.runLoops(ctx)
	m.leaveManifest()
	if err = m.stopRaft(r); err == nil {
		m.Close() // not under a Raft that hangs: closing would wait for it
	}
	select {
	case <-m.failure.done:
		return m.failure.err
	default:
		return err
	}
}

// runLoops runs until ctx is done or the metastore failed.
func (m *Metastore) runLoops(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	for _, loop := range []func(context.Context){m.followLeadership, m.collectLoop, m.retainLoop, m.compactLoop, m.sweepLoop, m.manifestLoop} {
		wg.Go(func() { loop(ctx) })
	}
	select {
	case <-ctx.Done():
	case <-m.failure.done:
	}
	stop()
	wg.Wait()
}

func (m *Metastore) raftConfig() *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(m.dir.node)
	c.Logger = m.raftLog
	c.HeartbeatTimeout = electionTimeout
	c.ElectionTimeout = electionTimeout
	c.LeaderLeaseTimeout = electionTimeout
	c.MaxAppendEntries = maxBatch
	c.NoSnapshotRestoreOnStart = true // Open did, and chose which
	c.NoLegacyTelemetry = true
	// compactLoop decides when; one entry stays, see logStore.DeleteRange.
	c.SnapshotThreshold = math.MaxUint64
	c.SnapshotInterval = 24 * time.Hour
	c.TrailingLogs = 1
	return c
}

// startRaft starts Raft, unless the disk fails while it does: a write of it then
// never returns, see logStore.
func (m *Metastore) startRaft() (*raft.Raft, error) {
	type result struct {
		raft *raft.Raft
		err  error
	}
	done := make(chan result, 1)
	go func() {
		r, err := m.newRaft()
		done <- result{r, err}
	}()
	select {
	case r := <-done:
		return r.raft, r.err
	case <-m.failure.done:
		return nil, m.failure.err
	}
}

func (m *Metastore) newRaft() (*raft.Raft, error) {
	t, conf := m.transport(), m.raftConfig()
	err := bootstrap(conf, m.log, m.snapshots, t)
	var r *raft.Raft
	if err == nil {
		r, err = raft.NewRaft(conf, m.fsm, m.log, m.log, m.snapshots, t)
	}
	if err != nil {
		closeTransport(t)
		return nil, warehouse.Errorf(warehouse.Unavailable, "start raft: %w", err)
	}
	return r, nil
}

func closeTransport(t raft.Transport) {
	if c, ok := t.(raft.WithClose); ok {
		_ = c.Close()
	}
}

// stopRaft waits for the commands on their way, then for Raft. After an error
// Raft still runs.
func (m *Metastore) stopRaft(r *raft.Raft) error {
	m.setLeading(false)
	deadline, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	select {
	case <-m.gate.close():
	case <-m.failure.done:
	case <-deadline.Done():
	}
	ended := make(chan error, 1)
	go func() { ended <- r.Shutdown().Error() }() // closes the transport, too
	select {
	case err := <-ended:
		return err // always nil
	case <-deadline.Done():
		return warehouse.Errorf(warehouse.Unavailable, "stop raft: it did not end within %s; the disk may hang", stopTimeout)
	}
}

func (m *Metastore) setLeading(leading bool) {
	m.leading.Store(leading)
	m.ready.set(leading)
}

// followLeadership keeps the node's idea of whether it leads up to date.
func (m *Metastore) followLeadership(ctx context.Context) {
	r := m.raft.Load()
	for {
		select {
		case <-ctx.Done():
			return
		case leads := <-r.LeaderCh():
			if !leads {
				m.setLeading(false)
				m.opts.Logger.Warn("metastore lost the leadership", "term", r.CurrentTerm())
				continue
			}
			m.lead(ctx, r)
		}
	}
}

// lead makes a new leader's state current and takes commands from then on.
func (m *Metastore) lead(ctx context.Context, r *raft.Raft) {
	start := time.Now()
	for ctx.Err() == nil && r.State() == raft.Leader {
		err := m.takeOver(ctx, r)
		if err == nil && !m.mayLead(ctx) {
			return
		}
		if err == nil {
			m.setLeading(true)
			v := m.fsm.view.Load()
			m.opts.Logger.Info("metastore leads", "term", r.CurrentTerm(), "index", v.Index(), "parts", v.Totals().Parts, "dur", time.Since(start))
			return
		}
		m.opts.Logger.Warn("metastore could not take over the leadership yet", "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(electionTimeout):
		}
	}
}

// mayLead reports whether the bucket does not say that the state is not its own. A
// bucket that cannot be asked is asked again before the first manifest.
func (m *Metastore) mayLead(ctx context.Context) bool {
	err := m.meetManifests(ctx)
	switch {
	case warehouse.KindOf(err) == warehouse.Invalid:
		m.fail(err)
		return false
	case err != nil:
		m.opts.Logger.Warn("metastore could not look for manifests yet", "err", err)
	}
	return true
}

func (m *Metastore) takeOver(ctx context.Context, r *raft.Raft) error {
	// Everything that earlier leaders answered is before this barrier.
	if err := m.await(ctx, "take over", func() error { return r.Barrier(enqueueTimeout).Error() }); err != nil {
		return err
	}
	if m.peers != nil {
		m.peers.hasPeers.Store(m.members(r) > 1)
	}
	if m.fsm.view.Load().DefaultRetention() == m.opts.Retention {
		return nil
	}
	_, err := m.propose(ctx, state.SetRetention{Retention: m.opts.Retention})
	return err
}

func (m *Metastore) members(r *raft.Raft) int {
	f := r.GetConfiguration()
	if f.Error() != nil {
		return 0
	}
	return len(f.Configuration().Servers)
}

// Ready returns nil if there is a leader and the state is current; otherwise an
// Unavailable error, or the one that ended Run.
func (m *Metastore) Ready(context.Context) error {
	select {
	case <-m.failure.done:
		return m.failure.err
	default:
	}
	if !m.leading.Load() {
		return errNotReady
	}
	return nil
}

// WaitReady waits until Ready returns nil. It fails with the error that ended
// Run, or when ctx ends.
func (m *Metastore) WaitReady(ctx context.Context) error {
	select {
	case <-m.ready.wait():
		return nil
	case <-m.failure.done:
		return m.failure.err
	case <-ctx.Done():
		return errOf(ctx, "wait for the metastore")
	}
}
