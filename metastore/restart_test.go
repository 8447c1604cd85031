package metastore

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// openError opens a directory that cannot be opened, and checks that nothing of
// it stays open.
func openError(t *testing.T, dir string, kind warehouse.Kind, text string) {
	t.Helper()
	m, err := Open(quiet(dir))
	require.Nil(t, m)
	require.ErrorContains(t, err, text)
	require.Equal(t, kind, warehouse.KindOf(err), err)
	require.NotContains(t, err.Error(), "\n", "one line")
	lock, err := acquireLock(filepath.Join(dir, lockFile))
	require.NoError(t, err)
	require.NoError(t, lock.Close())
}

// Restarts at random points, with snapshots at random points, cleanly or not.
func TestRestart(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 1))
	dir := filepath.Join(t.TempDir(), "metastore")
	next := 1
	for range 12 {
		n := start(t, quiet(dir))
		require.Equal(t, rangeOf(1, next), n.live())
		for range r.IntN(20) {
			n.mustAdd(segment(next))
			next++
			if r.IntN(8) == 0 {
				require.NoError(t, n.compact(n.ctx()))
			}
			if next > 2 && r.IntN(4) == 0 {
				n.mustAdd(segment(1 + r.IntN(next-1))) // a retry
			}
		}
		want := n.digest()
		if r.IntN(2) == 0 {
			dir = image(t, dir) // as if it was killed here
			n.stop()
		} else {
			n.stop()
		}
		again := start(t, quiet(dir))
		require.Equal(t, want, again.digest())
		again.stop()
	}
	assert.Len(t, snapshotDirs(t, dir), keptSnapshots)
}

// A write that a crash tore was answered to nobody: everything else is there.
func TestTornTail(t *testing.T) {
	t.Parallel()
	const answered = 9
	dir := t.TempDir()
	n := start(t, quiet(dir))
	for i := 1; i <= answered; i++ {
		n.mustAdd(segment(i))
	}
	before := image(t, dir)
	n.mustAdd(segment(answered + 1))
	after := image(t, dir)
	n.stop()

	old, err := os.ReadFile(logFiles(t, before)[0])
	require.NoError(t, err)
	whole, err := os.ReadFile(logFiles(t, after)[0])
	require.NoError(t, err)
	first := 0
	for old[first] == whole[first] {
		first++
	}
	last := len(whole) - 1
	for old[last] == whole[last] {
		last--
	}
	require.Greater(t, last-first, 100, "the write that is torn")

	tails := map[string]func(written int) []byte{
		"zeros": func(written int) []byte {
			torn := bytes.Clone(old)
			copy(torn[first:], whole[first:first+written])
			return torn
		},
		"garbage": func(written int) []byte {
			torn := bytes.Clone(whole)
			r := rand.New(rand.NewPCG(uint64(written), 3))
			for i := first + written; i <= last; i++ {
				torn[i] ^= byte(1 + r.IntN(255)) // never what was to be written
			}
			return torn
		},
		"end of file": func(written int) []byte { return whole[:first+written] },
		"middle missing": func(written int) []byte {
			torn := bytes.Clone(whole)
			clear(torn[first+written/2 : first+written])
			require.NotEqual(t, whole, torn)
			return torn
		},
	}
	for kind, tear := range tails {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			for _, written := range []int{8, 17, 40, (last - first) / 2, last - first - 9, last - first} {
				torn := image(t, before)
				require.NoError(t, os.WriteFile(logFiles(t, torn)[0], tear(written), 0o640))
				n := start(t, quiet(torn))
				require.Equal(t, rangeOf(1, answered+1), n.live(), "%d of %d bytes written", written, last-first+1)
				n.mustAdd(segment(answered + 1)) // the retry
				n.mustAdd(segment(1))
				n.stop()
				n = start(t, quiet(torn))
				require.Equal(t, rangeOf(1, answered+2), n.live())
				n.stop()
			}
		})
	}
}

// A log that is damaged before its end is refused, by the number of the entry,
// and left as it is.
func TestDamagedLog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := start(t, quiet(dir))
	for i := 1; i <= 20; i++ {
		n.mustAdd(segment(i))
	}
	n.stop()
	data, err := os.ReadFile(logFiles(t, dir)[0])
	require.NoError(t, err)
	middle := bytes.Index(data, []byte(service))
	require.Positive(t, middle)

	t.Run("a bit of a command", func(t *testing.T) {
		t.Parallel()
		damaged := image(t, dir)
		rewrite(t, logFiles(t, damaged)[0], func(b []byte) []byte { b[middle] ^= 4; return b })
		before, err := os.ReadFile(logFiles(t, damaged)[0])
		require.NoError(t, err)
		openError(t, damaged, warehouse.Corrupt, "whole writes follow")
		after, err := os.ReadFile(logFiles(t, damaged)[0])
		require.NoError(t, err)
		require.Equal(t, before, after)
	})
	t.Run("no file", func(t *testing.T) {
		t.Parallel()
		damaged := image(t, dir)
		require.NoError(t, os.Remove(logFiles(t, damaged)[0]))
		openError(t, damaged, warehouse.Corrupt, "it is empty in term")
	})
	t.Run("metadata", func(t *testing.T) {
		t.Parallel()
		damaged := image(t, dir)
		rewrite(t, filepath.Join(damaged, logDir, "wal-meta.db"), func(b []byte) []byte { clear(b[:8192]); return b })
		openError(t, damaged, warehouse.Corrupt, "open log")
	})
	t.Run("any bit", func(t *testing.T) {
		t.Parallel()
		r := rand.New(rand.NewPCG(5, 5))
		used := bytes.LastIndexFunc(data, func(r rune) bool { return r != 0 })
		want := rangeOf(1, 21)
		for range 60 {
			damaged := image(t, dir)
			at := r.IntN(used)
			rewrite(t, logFiles(t, damaged)[0], func(b []byte) []byte { b[at] ^= 1 << r.IntN(8); return b })
			m, err := Open(quiet(damaged))
			if err != nil {
				require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err), "byte %d: %v", at, err)
				continue
			}
			m.Close()
			// Only damage to the last write looks as if that had been torn.
			n := start(t, quiet(damaged))
			require.Equal(t, want[:19], n.live()[:19], "byte %d", at)
			n.stop()
		}
	})
}

// twoSnapshots makes a directory with segments 1 to 30 and snapshots behind 10
// and 20.
func twoSnapshots(t *testing.T) (dir string, digest [32]byte) {
	dir = t.TempDir()
	n := start(t, quiet(dir))
	for i := 1; i <= 30; i++ {
		n.mustAdd(segment(i))
		if i == 10 || i == 20 {
			require.NoError(t, n.compact(n.ctx()))
		}
	}
	digest = n.digest()
	n.stop()
	require.Len(t, snapshotDirs(t, dir), 2)
	return dir, digest
}

func newestSnapshot(t *testing.T, dir string) string {
	store, err := raft.NewFileSnapshotStore(dir, 2, nil)
	require.NoError(t, err)
	list, err := store.List()
	require.NoError(t, err)
	return filepath.Join(dir, snapshotsDir, list[0].ID)
}

// One damaged snapshot costs nothing: the one before it and the log hold all.
func TestDamagedSnapshot(t *testing.T) {
	t.Parallel()
	dir, want := twoSnapshots(t)
	cases := []struct {
		name   string
		damage func(t *testing.T, snapshot string)
	}{
		{"flipped bit", func(t *testing.T, s string) {
			rewrite(t, filepath.Join(s, "state.bin"), func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
		}},
		{"cut off", func(t *testing.T, s string) {
			rewrite(t, filepath.Join(s, "state.bin"), func(b []byte) []byte { return b[:len(b)-7] })
		}},
		{"empty", func(t *testing.T, s string) {
			rewrite(t, filepath.Join(s, "state.bin"), func([]byte) []byte { return nil })
		}},
		{"no state", func(t *testing.T, s string) { require.NoError(t, os.Remove(filepath.Join(s, "state.bin"))) }},
		{"no description", func(t *testing.T, s string) { require.NoError(t, os.Remove(filepath.Join(s, "meta.json"))) }},
		{"cut description", func(t *testing.T, s string) {
			rewrite(t, filepath.Join(s, "meta.json"), func(b []byte) []byte { return b[:len(b)/2] })
		}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			damaged := image(t, dir)
			snapshot := newestSnapshot(t, damaged)
			tc.damage(t, snapshot)
			n := start(t, quiet(damaged))
			assert.Equal(t, want, n.digest())
			assert.Equal(t, rangeOf(1, 31), n.live())
			assert.NoDirExists(t, snapshot)
			assert.DirExists(t, filepath.Join(damaged, damagedDir, filepath.Base(snapshot)), "it is kept for whoever wants to look")
			n.mustAdd(segment(31))
			require.NoError(t, n.compact(n.ctx()))
			n.stop()
			n = start(t, quiet(damaged))
			assert.Equal(t, rangeOf(1, 32), n.live())
		})
	}
	t.Run("all of them", func(t *testing.T) {
		t.Parallel()
		damaged := image(t, dir)
		for _, s := range snapshotDirs(t, damaged) {
			rewrite(t, filepath.Join(s, "state.bin"), func([]byte) []byte { return nil })
		}
		openError(t, damaged, warehouse.Corrupt, "the newest readable snapshot ends at 0 (2 damaged)")
	})
	t.Run("all of them, and the log", func(t *testing.T) {
		t.Parallel()
		damaged := image(t, dir)
		for _, s := range snapshotDirs(t, damaged) {
			rewrite(t, filepath.Join(s, "state.bin"), func([]byte) []byte { return nil })
		}
		require.NoError(t, os.RemoveAll(filepath.Join(damaged, logDir)))
		openError(t, damaged, warehouse.Corrupt, "it is empty")
	})
	t.Run("lost", func(t *testing.T) {
		t.Parallel()
		damaged := image(t, dir)
		require.NoError(t, os.RemoveAll(filepath.Join(damaged, snapshotsDir)))
		openError(t, damaged, warehouse.Corrupt, "it begins at entry")
	})
}

// The first snapshot has none before it: the log must still hold everything.
func TestFirstSnapshotDamaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := start(t, quiet(dir))
	for i := 1; i <= 5; i++ {
		n.mustAdd(segment(i))
	}
	require.NoError(t, n.compact(n.ctx()))
	n.stop()
	rewrite(t, filepath.Join(newestSnapshot(t, dir), "state.bin"), func([]byte) []byte { return nil })
	n = start(t, quiet(dir))
	assert.Equal(t, rangeOf(1, 6), n.live())
}

func TestUnfinishedSnapshotIsRemoved(t *testing.T) {
	t.Parallel()
	dir, want := twoSnapshots(t)
	unfinished := filepath.Join(dir, snapshotsDir, "2-99-1790000000000.tmp")
	require.NoError(t, os.MkdirAll(unfinished, 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(unfinished, "state.bin"), []byte("half"), 0o640))
	n := start(t, quiet(dir))
	assert.Equal(t, want, n.digest())
	assert.NoDirExists(t, unfinished)
	assert.NoDirExists(t, filepath.Join(dir, damagedDir))
}

// A log that ends before the newest snapshot is fully in it.
func TestLogBehindSnapshot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := start(t, quiet(dir))
	for i := 1; i <= 5; i++ {
		n.mustAdd(segment(i))
	}
	old := image(t, dir)
	for i := 6; i <= 9; i++ {
		n.mustAdd(segment(i))
	}
	require.NoError(t, n.compact(n.ctx()))
	want := n.digest()
	n.stop()
	require.NoError(t, os.CopyFS(filepath.Join(old, snapshotsDir), os.DirFS(filepath.Join(dir, snapshotsDir))))
	for range 2 {
		n = start(t, quiet(old))
		require.Equal(t, want, n.digest())
		n.stop()
	}
	n = start(t, quiet(old))
	n.mustAdd(segment(10))
	n.stop()
	n = start(t, quiet(old))
	assert.Equal(t, rangeOf(1, 11), n.live())
}

// A crash during the very first start, at any of its writes.
func TestCrashDuringBootstrap(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m, err := Open(quiet(dir))
	require.NoError(t, err)
	require.NoError(t, m.log.SetUint64(keyCurrentTerm, 1)) // Raft's first write; the second never came
	m.Close()
	n := start(t, quiet(dir))
	n.mustAdd(segment(1))
	n.stop()

	opened := t.TempDir() // opened, and never run
	m, err = Open(quiet(opened))
	require.NoError(t, err)
	m.Close()
	n = start(t, quiet(opened))
	n.mustAdd(segment(1))
}

// A directory of version 1 is taken over, but only by a build that can open it.
func TestDirectoryOfVersion1(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := start(t, quiet(dir))
	n.mustAdd(segment(1))
	n.stop()
	path := filepath.Join(dir, formatFile)
	made := time.Date(2025, 5, 4, 3, 2, 1, 0, time.UTC)
	const old = "stackhouse metastore\nformat 1\nnode node-1\n"
	require.NoError(t, os.WriteFile(path, []byte(old), 0o640))
	require.NoError(t, os.Chtimes(path, made, made))

	damaged := image(t, dir)
	rewrite(t, logFiles(t, damaged)[0], func(b []byte) []byte { clear(b[:64]); return b })
	_, err := Open(quiet(damaged))
	require.Error(t, err)
	text, err := os.ReadFile(filepath.Join(damaged, formatFile))
	require.NoError(t, err)
	require.Equal(t, old, string(text), "what cannot be opened is not touched")

	for range 2 {
		n = start(t, quiet(dir))
		require.Equal(t, idsOf(1), n.live())
		require.Equal(t, made, n.dir.since)
		n.stop()
		text, err = os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, "stackhouse metastore\nformat 3\nnode node-1\nsince 2025-05-04T03:02:01Z\n", string(text))
	}
}

func TestDirectoryIsRefusedByName(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		format string
		kind   warehouse.Kind
		want   string
	}{
		{"newer", "stackhouse metastore\nformat 4\nsomething else\n", warehouse.Invalid, "its format is 4, this build reads 1 to 3"},
		{"foreign", "postgres 17\n", warehouse.Corrupt, `FORMAT begins with "postgres 17`},
		{"empty", "", warehouse.Corrupt, "FORMAT begins with"},
		{"no number", "stackhouse metastore\nformat x\n", warehouse.Corrupt, `FORMAT has the version "x"`},
		{"no node", "stackhouse metastore\nformat 1\n", warehouse.Corrupt, "FORMAT has no node"},
		{"no time", "stackhouse metastore\nformat 3\nnode n\n", warehouse.Corrupt, "FORMAT does not say since when it is"},
		{"a time that is none", "stackhouse metastore\nformat 3\nnode n\nsince yesterday\n", warehouse.Corrupt, "FORMAT does not say since when it is"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, formatFile), []byte(tc.format), 0o640))
			openError(t, dir, tc.kind, tc.want)
		})
	}
	t.Run("a file", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(path, nil, 0o640))
		_, err := Open(quiet(path))
		require.Equal(t, warehouse.Unavailable, warehouse.KindOf(err))
	})
	t.Run("in use", func(t *testing.T) {
		t.Parallel()
		n := start(t, quiet(t.TempDir()))
		_, err := Open(quiet(n.opts.Dir))
		require.ErrorContains(t, err, "another process uses it")
		require.Equal(t, warehouse.Unavailable, warehouse.KindOf(err))
	})
	t.Run("of another node", func(t *testing.T) {
		t.Parallel()
		o := quiet(t.TempDir())
		o.NodeID = "a"
		start(t, o).stop()
		start(t, quiet(o.Dir)).stop() // it knows its name
		o.NodeID = "b"
		_, err := Open(o)
		require.ErrorContains(t, err, `it belongs to node "a", not "b"`)
		require.Equal(t, warehouse.Invalid, warehouse.KindOf(err))
	})
	t.Run("node of two lines", func(t *testing.T) {
		t.Parallel()
		o := quiet(t.TempDir())
		o.NodeID = "a\nb"
		_, err := Open(o)
		require.Equal(t, warehouse.Invalid, warehouse.KindOf(err))
	})
}

// A command of a newer build stops the node before it goes its own way.
func TestUnknownCommandStopsTheNode(t *testing.T) {
	t.Parallel()
	m, err := Open(quiet(t.TempDir()))
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- m.Run(context.Background()) }()
	require.NoError(t, m.WaitReady(t.Context()))
	f := m.raft.Load().Apply([]byte("what is this"), 0)
	require.NoError(t, f.Error())
	err = <-ended
	require.ErrorContains(t, err, "apply log entry")
	require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
	require.Equal(t, err, m.Ready(t.Context()))
	_, err = m.AddSegment(t.Context(), segment(1))
	require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
	require.Equal(t, warehouse.Corrupt, warehouse.KindOf(m.WaitReady(t.Context())))
	openError(t, m.opts.Dir, warehouse.Corrupt, "decode command")
}

// The log is kept short, and the two newest snapshots are enough for it.
func TestLogStaysShort(t *testing.T) {
	t.Parallel()
	o := quiet(t.TempDir())
	o.tuning.logSegment = 64 << 10
	n := start(t, o)
	grow := func(from, to int) {
		for i := from; i < to; i++ {
			s := segment(i)
			s.Parts[0].Datasets[0].Service = string(bytes.Repeat([]byte("x"), 4000))
			n.mustAdd(s)
			_, err := n.propose(n.ctx(), state.Expire{})
			require.NoError(t, err)
		}
		require.NoError(t, n.compact(n.ctx()))
	}
	grow(1, 50)
	grow(50, 100)
	files := len(logFiles(t, o.Dir))
	grow(100, 150)
	grow(150, 200)
	assert.LessOrEqual(t, len(logFiles(t, o.Dir)), files+1)
	assert.Zero(t, n.fsm.pendingCommands.Load())
	assert.Zero(t, n.fsm.pendingBytes.Load())
	require.NoError(t, n.compact(n.ctx()), "nothing new is no error")
	want := n.digest()
	n.stop()
	assert.Equal(t, want, start(t, o).digest())
}
