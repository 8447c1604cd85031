package metastore

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/raft"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

const (
	// MaxCommandBytes is the largest command that the log takes.
	MaxCommandBytes = 32 << 20

	enqueueTimeout = 5 * time.Second
)

// propose brings a command into the log and returns its answer once it is
// durable and applied. See the package for what errors mean.
func (m *Metastore) propose(ctx context.Context, cmd state.Command) (any, error) {
	start := time.Now()
	answer, err := m.submit(ctx, cmd)
	m.metrics.observe(cmd.Kind(), time.Since(start), err)
	return answer, err
}

func (m *Metastore) proposeRaw(ctx context.Context, cmd state.Command) (any, error) {
	r := m.raft.Load()
	if r == nil {
		return nil, errNotReady
	}
	data := state.Append(nil, warehouse.MicrosOf(m.opts.Clock()), cmd)
	if len(data) > MaxCommandBytes {
		return nil, warehouse.Errorf(warehouse.Limit, "propose %s: %d bytes, the limit is %d", cmd.Kind(), len(data), MaxCommandBytes)
	}
	var f raft.ApplyFuture
	err := m.await(ctx, "propose "+cmd.Kind().String(), func() error {
		f = r.Apply(data, enqueueTimeout)
		return f.Error()
	})
	if err != nil {
		return nil, proposeError(cmd.Kind(), err)
	}
	if err, ok := f.Response().(error); ok {
		return nil, err
	}
	return f.Response(), nil
}

// proposeError gives Raft's errors their kind.
func proposeError(kind state.Kind, err error) error {
	var known *warehouse.Error
	switch {
	case errors.As(err, &known):
		return err
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress), errors.Is(err, raft.ErrRaftShutdown):
		return errNotReady
	}
	// The leadership was lost, the disk failed, or there was no room in time.
	return warehouse.Errorf(warehouse.Unavailable, "propose %s: %w", kind, err)
}
