package metastore

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/raft"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// compactLoop writes a snapshot whenever enough was logged behind the last one:
// that bounds the log on disk and the replay at the next start. A follower does
// so, too.
func (m *Metastore) compactLoop(ctx context.Context) {
	ticker := time.NewTicker(m.opts.tuning.compactEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if !m.isLogLong() {
				continue
			}
			if err := m.compact(ctx); err != nil && ctx.Err() == nil {
				m.opts.Logger.Warn("metastore could not write a snapshot", "err", err)
			}
		}
	}
}

func (m *Metastore) isLogLong() bool {
	t := m.opts.tuning
	return m.fsm.pendingCommands.Load() >= int64(t.compactAfter) || m.fsm.pendingBytes.Load() >= t.compactBytes
}

// compact writes a snapshot and shortens the log.
func (m *Metastore) compact(ctx context.Context) error {
	r := m.raft.Load()
	err := m.await(ctx, "write snapshot", func() error { return r.Snapshot().Error() })
	if err != nil && !errors.Is(err, raft.ErrNothingNewToSnapshot) {
		return warehouse.Errorf(warehouse.Unavailable, "write snapshot: %w", err)
	}
	return nil
}
