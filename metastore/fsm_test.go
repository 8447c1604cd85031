package metastore

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

func command(index uint64, c state.Command) *raft.Log {
	return &raft.Log{Index: index, Type: raft.LogCommand, Data: state.Append(nil, hour0.End(), c)}
}

// A batch shows as one view, and is what its entries one by one would be.
func TestApplyBatch(t *testing.T) {
	t.Parallel()
	batch := []*raft.Log{
		command(1, state.AddSegment{Segment: segment(1)}),
		{Index: 2, Type: raft.LogConfiguration, Data: []byte("not for us")},
		command(3, state.AddSegment{Segment: segment(2)}),
		command(4, state.AbortSegment{ID: objectID(1)}),
	}
	f := newFSM(state.New(), newMetrics(nil), func(error) {})
	before := f.view.Load()
	answers := f.ApplyBatch(batch)
	assert.Equal(t, []any{warehouse.AddResult{}, nil, warehouse.AddResult{}, true}, answers)
	assert.Zero(t, before.Totals().Parts)
	assert.EqualValues(t, 3, f.pendingCommands.Load())

	single := newFSM(state.New(), newMetrics(nil), func(error) {})
	for _, e := range batch {
		if e.Type == raft.LogCommand {
			single.Apply(e)
		}
	}
	assert.Equal(t, f.view.Load().Digest(), single.view.Load().Digest())
}

// Another node's snapshot replaces everything; a damaged one replaces nothing.
func TestRestoreFromAnotherNode(t *testing.T) {
	t.Parallel()
	source := newFSM(state.New(), newMetrics(nil), func(error) {})
	source.Apply(command(1, state.AddSegment{Segment: segment(1)}))
	var data bytes.Buffer
	_, err := source.view.Load().WriteTo(&data)
	require.NoError(t, err)

	f := newFSM(state.New(), newMetrics(nil), func(error) {})
	f.Apply(command(1, state.AddSegment{Segment: segment(7)}))
	old := f.view.Load()
	err = f.Restore(io.NopCloser(bytes.NewReader(data.Bytes()[:data.Len()-1])))
	require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
	require.Same(t, old, f.view.Load())
	require.NoError(t, f.Restore(io.NopCloser(&data)))
	assert.Equal(t, source.view.Load().Digest(), f.view.Load().Digest())
	assert.Zero(t, f.pendingCommands.Load())
	f.Apply(command(2, state.AddSegment{Segment: segment(2)}))
	assert.Equal(t, 2, f.view.Load().Totals().Parts)
}

// After a command that it cannot apply, a node answers with the reason only.
func TestNothingIsAppliedBehindDamage(t *testing.T) {
	t.Parallel()
	var reasons []error
	f := newFSM(state.New(), newMetrics(nil), func(err error) { reasons = append(reasons, err) })
	damaged := command(1, state.Expire{})
	damaged.Data[0] ^= 1
	answers := f.ApplyBatch([]*raft.Log{damaged, command(2, state.AddSegment{Segment: segment(1)})})
	require.Len(t, reasons, 1)
	assert.Equal(t, []any{reasons[0], reasons[0]}, answers)
	assert.Zero(t, f.view.Load().Totals().Parts)

	m, err := Open(quiet(t.TempDir()))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	require.NoError(t, m.WaitReady(t.Context()))
	m.fsm.fail = func(error) {} // the answer alone must do
	require.NoError(t, m.raft.Load().Apply([]byte("?"), 0).Error())
	_, err = m.AddSegment(t.Context(), segment(1))
	require.ErrorContains(t, err, "apply log entry")
	cancel()
	require.NoError(t, <-ended)
}
