package metastore

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

var errDisk = errors.New("input/output error")

// sickDisk fails on demand.
type sickDisk struct {
	entries
	sick   atomic.Bool
	writes atomic.Int64 // after it fell ill
}

func (d *sickDisk) fail() error {
	if d.sick.Load() {
		d.writes.Add(1)
		return errDisk
	}
	return nil
}

func (d *sickDisk) StoreLogs(es []*raft.Log) error {
	return errors.Join(d.fail(), d.entries.StoreLogs(es))
}

func (d *sickDisk) SetUint64(key []byte, v uint64) error {
	return errors.Join(d.fail(), d.entries.SetUint64(key, v))
}

// After a write to the disk failed, nothing is answered and nothing written any
// more; the node ends with the reason, and a restart has all that was answered.
func TestDiskFails(t *testing.T) {
	t.Parallel()
	m, err := Open(quiet(t.TempDir()))
	require.NoError(t, err)
	disk := &sickDisk{entries: m.log.entries}
	m.log.entries = disk
	ended := make(chan error, 1)
	go func() { ended <- m.Run(context.Background()) }()
	require.NoError(t, m.WaitReady(t.Context()))
	r, err := m.AddSegment(t.Context(), segment(1))
	require.NoError(t, err)
	require.Equal(t, warehouse.Added, r.Outcome)

	disk.sick.Store(true)
	_, err = m.AddSegment(t.Context(), segment(2))
	require.Equal(t, warehouse.Unavailable, warehouse.KindOf(err))
	err = <-ended
	require.ErrorIs(t, err, errDisk)
	require.ErrorContains(t, err, "append to log")
	assert.EqualValues(t, 1, disk.writes.Load(), "after the first failure the disk is left alone")
	_, err = m.AddSegment(t.Context(), segment(3))
	require.Equal(t, warehouse.Unavailable, warehouse.KindOf(err))
}

// Raft ends the process when a term cannot be saved; we let it end in order.
func TestTermCannotBeSaved(t *testing.T) {
	t.Parallel()
	m, err := Open(quiet(t.TempDir()))
	require.NoError(t, err)
	require.NoError(t, bootstrap(m.raftConfig(), m.log, m.snapshots, m.transport()))
	disk := &sickDisk{entries: m.log.entries}
	disk.sick.Store(true)
	m.log.entries = disk
	err = m.Run(t.Context())
	require.ErrorIs(t, err, errDisk)
	require.ErrorContains(t, err, "save term or vote")
	require.Equal(t, err, m.WaitReady(t.Context()))
}

func TestDeleteRangeKeepsWhatIsNeeded(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name        string
		needed      uint64
		first, last uint64
		left        [2]uint64
	}{
		{"no second snapshot", 0, 1, 9, [2]uint64{1, 10}},
		{"behind the second snapshot", 4, 1, 9, [2]uint64{5, 10}},
		{"less than allowed", 4, 1, 2, [2]uint64{3, 10}},
		{"the end, after a conflict", 4, 8, 10, [2]uint64{1, 7}},
		{"everything, after another node's snapshot", 4, 1, 10, [2]uint64{0, 0}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l := openTestLog(t, t.TempDir(), 1<<20)
			l.oldestNeeded = func() uint64 { return tc.needed }
			for i := uint64(1); i <= 10; i++ {
				require.NoError(t, l.StoreLog(entry(i, 10)))
			}
			require.NoError(t, l.DeleteRange(tc.first, tc.last))
			first, err := l.FirstIndex()
			require.NoError(t, err)
			last, err := l.LastIndex()
			require.NoError(t, err)
			assert.Equal(t, tc.left, [2]uint64{first, last})
		})
	}
}

func TestVerifyLog(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		entry raft.Log
		want  string
	}{
		{"term ahead of the node's", raft.Log{Index: 1, Term: 9, Type: raft.LogNoop}, "entry 1: term is 9, between 0 and 5"},
		{"type of a newer Raft", raft.Log{Index: 1, Term: 1, Type: 77}, "entry 1: its type is 77"},
		{"no command", raft.Log{Index: 1, Term: 1, Data: []byte("?")}, "entry 1: decode command"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l := openTestLog(t, t.TempDir(), 1<<20)
			require.NoError(t, l.StoreLog(&tc.entry))
			err := verifyLog(l, 1, 1, 5)
			require.ErrorContains(t, err, tc.want)
			assert.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
		})
	}
	l := openTestLog(t, t.TempDir(), 1<<20)
	require.NoError(t, l.StoreLogs([]*raft.Log{{Index: 1, Term: 3, Type: raft.LogNoop}, {Index: 2, Term: 2, Type: raft.LogNoop}}))
	require.ErrorContains(t, verifyLog(l, 1, 2, 5), "entry 2: term is 2, between 3 and 5")
	require.ErrorContains(t, verifyLog(l, 1, 3, 5), "entry 2")
}

// Whatever the disk says later: what it said once counts until a restart.
func TestFailedWriteIsTheLast(t *testing.T) {
	t.Parallel()
	l := openTestLog(t, t.TempDir(), 1<<20)
	disk := &sickDisk{entries: l.entries}
	l.entries = disk
	var reasons []error
	l.fail = func(err error) { reasons = append(reasons, err) }
	require.NoError(t, l.StoreLog(entry(1, 10)))
	disk.sick.Store(true)
	require.ErrorIs(t, l.StoreLog(entry(2, 10)), errDisk)
	disk.sick.Store(false)
	require.ErrorIs(t, l.StoreLog(entry(2, 10)), errBroken)
	require.ErrorIs(t, l.DeleteRange(1, 2), errBroken)
	require.Len(t, reasons, 1)
	require.ErrorIs(t, reasons[0], errDisk)
	require.Equal(t, warehouse.Unavailable, warehouse.KindOf(reasons[0]))
}
