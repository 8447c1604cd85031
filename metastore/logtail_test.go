package metastore

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// openTestLog opens a log without a metastore above it.
func openTestLog(t testing.TB, dir string, fileBytes int) *logStore {
	t.Helper()
	w, err := openLog(dir, fileBytes, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	l := &logStore{entries: w, oldestNeeded: func() uint64 { return 0 }, fail: func(error) {}}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func entry(index uint64, size int) *raft.Log {
	return &raft.Log{Index: index, Term: 1, Type: raft.LogCommand, Data: bytes.Repeat([]byte{byte(index)}, size)}
}

// requireEntries checks that the log holds the entries from 1 to last.
func requireEntries(t *testing.T, l *logStore, last uint64, size int) {
	t.Helper()
	end, err := l.LastIndex()
	require.NoError(t, err)
	require.Equal(t, last, end)
	for i := uint64(1); i <= last; i++ {
		var e raft.Log
		require.NoError(t, l.GetLog(i, &e))
		require.Equal(t, entry(i, size).Data, e.Data)
		require.Empty(t, e.Extensions)
	}
}

// A crash came between closing a full file of the log and entering that into
// its database: raft-wal 0.4 alone would refuse every write from then on.
func TestCrashBeforeRotation(t *testing.T) {
	t.Parallel()
	const fileBytes, size = 4096, 1000
	dir := t.TempDir()
	l := openTestLog(t, dir, fileBytes)
	for i := uint64(1); i <= 3; i++ {
		require.NoError(t, l.StoreLog(entry(i, size)))
	}
	crashed := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.CopyFS(crashed, os.DirFS(dir)))
	require.NoError(t, l.StoreLog(entry(4, size))) // closes the first file
	first := "00000000000000000001-0000000000000000.wal"
	full, err := os.ReadFile(filepath.Join(dir, first))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(crashed, first), full, 0o640))

	for last := uint64(4); last < 12; last++ { // over two more rotations
		l = openTestLog(t, crashed, fileBytes)
		requireEntries(t, l, last, size)
		require.NoError(t, l.StoreLog(entry(last+1, size)))
		requireEntries(t, l, last+1, size)
		require.NoError(t, l.Close())
	}
}

// A file of the log, damaged in a bit of each of its bytes, and cut everywhere.
func TestMendTail(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := openTestLog(t, dir, 4096)
	var ends []int // of the writes
	path := filepath.Join(dir, "00000000000000000001-0000000000000000.wal")
	for i := uint64(1); i <= 4; i++ {
		require.NoError(t, l.StoreLogs([]*raft.Log{entry(2*i-1, 30), entry(2*i, 50)}))
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		ends = append(ends, (len(bytes.TrimRight(data, "\x00"))+7)&^7)
	}
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	tail, err := mendTail(path)
	require.NoError(t, err)
	require.Equal(t, tailState{entries: 8, end: ends[3]}, tail)

	copied := filepath.Join(t.TempDir(), "copy.wal")
	for at := range ends[3] {
		damaged := bytes.Clone(whole)
		damaged[at] ^= 1 << (at % 7)
		require.NoError(t, os.WriteFile(copied, damaged, 0o640))
		tail, err := mendTail(copied)
		after, readErr := os.ReadFile(copied)
		require.NoError(t, readErr)
		if at < ends[2] {
			require.ErrorContains(t, err, "whole writes follow", "byte %d", at)
			require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
			require.Equal(t, damaged, after, "it is left as it is")
			continue
		}
		require.NoError(t, err)
		require.Equal(t, 6, tail.entries)
		require.Positive(t, tail.torn)
		require.Equal(t, whole[:ends[2]], after[:ends[2]])
		require.Empty(t, bytes.TrimRight(after[ends[2]:], "\x00"))
	}
	for end := 0; end < ends[3]; end += 3 {
		require.NoError(t, os.WriteFile(copied, whole[:end], 0o640))
		tail, err := mendTail(copied)
		require.NoError(t, err)
		writes := 0
		for writes < 4 && ends[writes] <= end {
			writes++
		}
		require.Equal(t, 2*writes, tail.entries, "cut at %d", end)
	}
}

func TestEntriesAreChecked(t *testing.T) {
	t.Parallel()
	l := openTestLog(t, t.TempDir(), 1<<20)
	given := entry(1, 10)
	require.NoError(t, l.StoreLog(given))
	assert.Empty(t, given.Extensions, "Raft's entry is not touched")

	other := entry(2, 10)
	other.Extensions = checksum(other)
	other.Data = append([]byte{}, other.Data...)
	other.Data[3] ^= 1
	require.NoError(t, l.entries.StoreLogs([]*raft.Log{other}))
	var e raft.Log
	require.NoError(t, l.GetLog(1, &e))
	err := l.GetLog(2, &e)
	require.ErrorContains(t, err, "read log entry 2: its checksum is wrong")
	assert.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
	require.ErrorIs(t, l.GetLog(3, &e), raft.ErrLogNotFound)

	base := *entry(7, 5)
	for name, change := range map[string]func(e *raft.Log){
		"index": func(e *raft.Log) { e.Index++ },
		"term":  func(e *raft.Log) { e.Term++ },
		"type":  func(e *raft.Log) { e.Type++ },
		"data":  func(e *raft.Log) { e.Data = e.Data[1:] },
	} {
		changed := base
		change(&changed)
		assert.NotEqual(t, checksum(&base), checksum(&changed), name)
	}
}

func FuzzInspectTail(f *testing.F) {
	dir := f.TempDir()
	l := openTestLog(f, dir, 4096)
	require.NoError(f, l.StoreLogs([]*raft.Log{entry(1, 30), entry(2, 5)}))
	require.NoError(f, l.StoreLogs([]*raft.Log{entry(3, 9)}))
	data, err := os.ReadFile(filepath.Join(dir, "00000000000000000001-0000000000000000.wal"))
	require.NoError(f, err)
	f.Add(bytes.TrimRight(data, "\x00"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		tail, err := inspectTail(data)
		require.LessOrEqual(t, tail.end+tail.torn, len(data))
		if err != nil {
			require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
			return
		}
		clear(data[tail.end:])
		again, err := inspectTail(data)
		require.NoError(t, err)
		tail.torn = 0
		require.Equal(t, tail, again, "what was mended is whole")
	})
}
