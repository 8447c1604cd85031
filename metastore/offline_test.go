package metastore

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"hash/crc64"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// oldDirectory returns a copy of the directory of format 2 in testdata.
func oldDirectory(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "metastore")
	require.NoError(t, os.CopyFS(dir, os.DirFS("../testdata/metastore/v2/directory")))
	return dir
}

// contents returns all files of a directory.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		all[strings.TrimPrefix(path, dir)] = string(data)
		return err
	}))
	return all
}

// appendEntries adds entries to the log of a stopped node, as the log store does.
func appendEntries(t *testing.T, dir string, change func(l *logStore, last uint64) []*raft.Log) {
	t.Helper()
	w, err := wal.Open(filepath.Join(dir, logDir), wal.WithSegmentSize(64<<10))
	require.NoError(t, err)
	l := &logStore{entries: w}
	last, err := l.LastIndex()
	require.NoError(t, err)
	require.NoError(t, w.StoreLogs(change(l, last)))
	require.NoError(t, w.Close())
}

// sealedEntry returns an entry with its checksum.
func sealedEntry(index, term uint64, typ raft.LogType, data []byte) *raft.Log {
	e := &raft.Log{Index: index, Term: term, Type: typ, Data: data}
	e.Extensions = checksum(e)
	return e
}

// TestInspectReadsOldDirectory: a directory of format 2 is what a node that opens it
// makes of it, and looking changes nothing.
func TestInspectReadsOldDirectory(t *testing.T) {
	t.Parallel()
	dir := oldDirectory(t)
	before := contents(t, dir)
	o, err := Inspect(t.Context(), dir)
	require.NoError(t, err)
	require.Empty(t, o.Report.Findings)
	require.Equal(t, before, contents(t, dir))
	require.Equal(t, 2, o.Format)
	require.Equal(t, "node-1", o.Node)
	require.EqualValues(t, 1, o.Log.First)
	require.EqualValues(t, 54, o.Log.Last)
	require.EqualValues(t, 54, o.View.Index())
	require.EqualValues(t, 29, o.From)
	require.Len(t, o.Log.Commands, 13, "of every kind")
	require.Len(t, o.Snapshots, 1)
	require.True(t, o.Snapshots[0].Readable)

	options := quiet(dir)
	options.Retention, options.Clock = 31*24*time.Hour, func() time.Time { return o.View.Time().Time() }
	n := start(t, options)
	require.Equal(t, o.View.Describe(), n.fsm.view.Load().Describe())
	_, err = Inspect(t.Context(), dir)
	require.ErrorContains(t, err, "a server uses it")
	require.Equal(t, warehouse.Unavailable, warehouse.KindOf(err))
	n.stop()
	_, err = Inspect(t.Context(), dir)
	require.NoError(t, err)
}

// TestInspectFinds: each kind of damage is found by its name, and nothing is changed.
func TestInspectFinds(t *testing.T) {
	t.Parallel()
	snapshot := func(t *testing.T, dir string) string { return snapshotDirs(t, dir)[0] }
	restate := func(t *testing.T, dir string, change func([]byte) []byte) { // with a right checksum
		at := snapshot(t, dir)
		rewrite(t, filepath.Join(at, snapshotFile), change)
		data, err := os.ReadFile(filepath.Join(at, snapshotFile))
		require.NoError(t, err)
		rewrite(t, filepath.Join(at, snapshotMetaFile), func(text []byte) []byte {
			var meta map[string]any
			require.NoError(t, json.Unmarshal(text, &meta))
			sum := crc64.New(crc64.MakeTable(crc64.ECMA))
			_, _ = sum.Write(data)
			meta["CRC"], meta["Size"] = sum.Sum(nil), len(data)
			text, err := json.Marshal(meta)
			require.NoError(t, err)
			return text
		})
	}
	tests := []struct {
		name   string
		damage func(t *testing.T, dir string)
		want   []string
		known  bool // whether the state still is
	}{
		{"nothing", func(*testing.T, string) {}, nil, true},
		{"a torn write", func(t *testing.T, dir string) {
			rewrite(t, logFiles(t, dir)[0], func(data []byte) []byte {
				tail, err := inspectTail(data)
				require.NoError(t, err)
				data[tail.end] = 1
				data[tail.end+4] = 200
				return data
			})
		}, nil, true},
		{"an entry", func(t *testing.T, dir string) {
			rewrite(t, logFiles(t, dir)[0], func(data []byte) []byte { data[300] ^= 1; return data })
		}, []string{CheckLogOpen}, false},
		{"the log's database", func(t *testing.T, dir string) {
			rewrite(t, filepath.Join(dir, logDir, "wal-meta.db"), func(data []byte) []byte { return data[:100] })
		}, []string{CheckLogOpen}, false},
		{"an entry's checksum", func(t *testing.T, dir string) {
			appendEntries(t, dir, func(_ *logStore, last uint64) []*raft.Log {
				e := sealedEntry(last+1, 2, raft.LogCommand, state.Append(nil, 1, state.Expire{}))
				e.Extensions[0] ^= 1
				return []*raft.Log{e}
			})
		}, []string{CheckLogEntry}, false},
		{"a damaged command", func(t *testing.T, dir string) {
			appendEntries(t, dir, func(_ *logStore, last uint64) []*raft.Log {
				return []*raft.Log{sealedEntry(last+1, 2, raft.LogCommand, []byte("nonsense"))}
			})
		}, []string{CheckLogEntry}, false},
		{"a term that goes back", func(t *testing.T, dir string) {
			appendEntries(t, dir, func(_ *logStore, last uint64) []*raft.Log {
				return []*raft.Log{sealedEntry(last+1, 1, raft.LogNoop, nil)}
			})
		}, []string{CheckLogTerm}, true},
		{"a term to come", func(t *testing.T, dir string) {
			appendEntries(t, dir, func(_ *logStore, last uint64) []*raft.Log {
				return []*raft.Log{sealedEntry(last+1, 9, raft.LogNoop, nil)}
			})
		}, []string{CheckLogTerm}, true},
		{"a log that begins too late", func(t *testing.T, dir string) {
			shorten(t, dir, 1, 40)
		}, []string{CheckLogGap}, false},
		{"a log that ends before its snapshot", func(t *testing.T, dir string) {
			shorten(t, dir, 20, 54)
		}, []string{CheckLogGap}, true},
		{"a snapshot's bytes", func(t *testing.T, dir string) {
			rewrite(t, filepath.Join(snapshot(t, dir), snapshotFile), func(data []byte) []byte { data[50] ^= 1; return data })
		}, []string{CheckSnapshotChecksum}, true},
		{"a shorter snapshot", func(t *testing.T, dir string) {
			rewrite(t, filepath.Join(snapshot(t, dir), snapshotFile), func(data []byte) []byte { return data[:50] })
		}, []string{CheckSnapshotChecksum}, true},
		{"a snapshot that is no state", func(t *testing.T, dir string) {
			restate(t, dir, func(data []byte) []byte { return data[:50] })
		}, []string{CheckSnapshotState}, true},
		{"a snapshot's description", func(t *testing.T, dir string) {
			rewrite(t, filepath.Join(snapshot(t, dir), snapshotMetaFile), func([]byte) []byte { return []byte("{") })
		}, []string{CheckSnapshotMeta}, true},
		{"a snapshot under another name", func(t *testing.T, dir string) {
			require.NoError(t, os.Rename(snapshot(t, dir), filepath.Join(dir, snapshotsDir, "2-29-1")))
		}, []string{CheckSnapshotMeta}, true},
		{"a snapshot without its state", func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(filepath.Join(snapshot(t, dir), snapshotFile)))
		}, []string{CheckSnapshotMeta}, true},
		{"a snapshot of something else", func(t *testing.T, dir string) {
			restate(t, dir, func([]byte) []byte {
				s := state.New()
				_, err := s.Apply(28, state.Append(nil, 5, state.SetTenant{Tenant: "other", Settings: []Setting{set("a", "b")}}))
				require.NoError(t, err)
				var b bytes.Buffer
				_, err = s.View().WriteTo(&b)
				require.NoError(t, err)
				return b.Bytes()
			})
		}, []string{CheckReplay}, true},
		{"an unfinished snapshot", func(t *testing.T, dir string) {
			require.NoError(t, os.Rename(snapshot(t, dir), filepath.Join(dir, snapshotsDir, "2-29-1.tmp")))
		}, nil, true},
		{"no lock", func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, lockFile))) }, nil, true},
		{"no log", func(t *testing.T, dir string) { require.NoError(t, os.RemoveAll(filepath.Join(dir, logDir))) }, nil, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := oldDirectory(t)
			tt.damage(t, dir)
			before := contents(t, dir)
			o, err := Inspect(t.Context(), dir)
			require.NoError(t, err)
			var text []string
			for _, f := range o.Report.Findings {
				text = append(text, f.String())
			}
			require.Equal(t, tt.want, slices.Sorted(maps.Keys(o.Report.Found)), strings.Join(text, "\n"))
			require.Equal(t, tt.known, o.View != nil)
			require.Equal(t, before, contents(t, dir), "looking changes nothing")
		})
	}
}

// shorten deletes entries from the log, at its beginning or its end.
func shorten(t *testing.T, dir string, from, to uint64) {
	t.Helper()
	w, err := wal.Open(filepath.Join(dir, logDir), wal.WithSegmentSize(64<<10))
	require.NoError(t, err)
	require.NoError(t, w.DeleteRange(from, to))
	require.NoError(t, w.Close())
}

// TestInspectRefuses: what is no directory of this build is an error, not a finding.
func TestInspectRefuses(t *testing.T) {
	t.Parallel()
	_, err := Inspect(t.Context(), t.TempDir())
	require.Equal(t, warehouse.NotFound, warehouse.KindOf(err), err)
	dir := oldDirectory(t)
	rewrite(t, filepath.Join(dir, formatFile), func([]byte) []byte { return []byte("something else") })
	_, err = Inspect(t.Context(), dir)
	require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err), err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Inspect(ctx, oldDirectory(t))
	require.ErrorIs(t, err, context.Canceled)
}

// TestNewerIsRefused: what a newer build wrote is refused by name before anything is
// changed, by whoever opens the directory.
func TestNewerIsRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(t *testing.T, dir string)
		want   []string
	}{
		{"FORMAT", func(t *testing.T, dir string) {
			rewrite(t, filepath.Join(dir, formatFile), func(text []byte) []byte {
				return bytes.Replace(text, []byte("format 2"), fmt.Appendf(nil, "format %d", formatVersion+1), 1)
			})
		}, []string{"metastore", fmt.Sprintf("its format is %d, this build reads 1 to %d", formatVersion+1, formatVersion)}},
		{"snapshot", func(t *testing.T, dir string) {
			rewrite(t, filepath.Join(snapshotDirs(t, dir)[0], snapshotFile), newerSnapshot)
		}, []string{"snapshot ", "state.bin", "its format version is ", "this build reads 1 to "}},
		{"log entry", func(t *testing.T, dir string) {
			appendEntries(t, dir, func(_ *logStore, last uint64) []*raft.Log {
				data := state.Append(nil, 1, state.Expire{})
				data[0]++
				return []*raft.Log{sealedEntry(last+1, 2, raft.LogCommand, reseal(data))}
			})
		}, []string{"log file ", "entry 55", "its format version is 2, this build reads 1 to 1"}},
		{"command of a new kind", func(t *testing.T, dir string) {
			appendEntries(t, dir, func(_ *logStore, last uint64) []*raft.Log {
				data := state.Append(nil, 1, state.Expire{})
				data[1] = byte(len(state.Kinds) + 1)
				return []*raft.Log{sealedEntry(last+1, 2, raft.LogCommand, reseal(data))}
			})
		}, []string{"log file ", "entry 55", "this build knows 1 to "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := oldDirectory(t)
			require.NoError(t, CheckVersions(dir))
			tt.change(t, dir)
			before := contents(t, dir)
			for name, open := range map[string]func() error{
				"check":   func() error { return CheckVersions(dir) },
				"inspect": func() error { _, err := Inspect(t.Context(), dir); return err },
				"open":    func() error { _, err := Open(quiet(dir)); return err },
			} {
				err := open()
				require.Equal(t, warehouse.Invalid, warehouse.KindOf(err), "%s: %v", name, err)
				for _, want := range tt.want {
					require.ErrorContains(t, err, want, name)
				}
				require.Equal(t, before, contents(t, dir), name)
			}
		})
	}
	require.NoError(t, CheckVersions(filepath.Join(t.TempDir(), "none")))
}

// newerSnapshot makes a snapshot one of the first version that is too new.
func newerSnapshot(data []byte) []byte {
	const head = 9 // of the first frame, whose payload begins with the version
	for {
		data[head]++
		n := int(data[0]) | int(data[1])<<8
		sum := crc32.Update(crc32.Checksum(data[:5], castagnoli), castagnoli, data[head:head+n])
		data[5], data[6], data[7], data[8] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
		if state.CheckVersion(bytes.NewReader(data)) != nil {
			return data
		}
	}
}

// reseal gives a command the right checksum.
func reseal(data []byte) []byte {
	sum := crc32.Checksum(data[:len(data)-4], castagnoli)
	return append(data[:len(data)-4:len(data)-4], byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24))
}

// TestCheckBucket: what the index says of objects is compared with the bucket.
func TestCheckBucket(t *testing.T) {
	t.Parallel()
	o, err := Inspect(t.Context(), oldDirectory(t))
	require.NoError(t, err)
	parts := map[warehouse.ObjectID]*warehouse.Part{}
	var live *warehouse.Part
	for _, tenant := range o.View.Tenants() {
		for _, p := range o.View.Parts(tenant, everything) {
			parts[p.Object] = p
			if p.Level == 3 {
				live = p
			}
		}
	}
	dead := o.View.Tombstones()[0].Part
	orphan := objectID(987)
	full := func(t *testing.T) object.Bucket {
		b := object.NewMemory()
		for _, p := range parts {
			if p.Level == 0 {
				require.NoError(t, b.Put(t.Context(), block.SegmentName(p.Shard, p.Object), make([]byte, 200)))
				continue
			}
			meta, err := block.EncodeMeta(p, nil)
			require.NoError(t, err)
			require.NoError(t, b.Put(t.Context(), path.Join(block.BlockDir(p), block.MetaName), meta))
			for _, s := range p.Sections {
				require.NoError(t, b.Put(t.Context(), block.SectionName(p, s.Table), make([]byte, s.Size)))
			}
		}
		require.NoError(t, b.Put(t.Context(), block.SegmentName(0, dead.Object), make([]byte, 9)))
		require.NoError(t, b.Put(t.Context(), block.SegmentName(0, orphan), make([]byte, 8)))
		require.NoError(t, b.Put(t.Context(), "notes.txt", nil))
		return b
	}
	name := block.SectionName(live, warehouse.TableSamples)
	tests := []struct {
		name   string
		deep   bool
		change func(t *testing.T, b object.Bucket)
		want   []string
	}{
		{"nothing", false, func(*testing.T, object.Bucket) {}, nil},
		{"a file is missing", false, func(t *testing.T, b object.Bucket) { require.NoError(t, b.Delete(t.Context(), name)) }, []string{CheckObjectMissing}},
		{"meta.json is missing", false, func(t *testing.T, b object.Bucket) {
			require.NoError(t, b.Delete(t.Context(), path.Join(block.BlockDir(live), block.MetaName)))
		}, []string{CheckObjectMissing}},
		{"a file is longer", false, func(t *testing.T, b object.Bucket) { require.NoError(t, b.Put(t.Context(), name, make([]byte, 101))) }, []string{CheckObjectSize}},
		{"a file is shorter", false, func(t *testing.T, b object.Bucket) { require.NoError(t, b.Put(t.Context(), name, make([]byte, 99))) }, []string{CheckObjectSize}},
		{"bytes that were never written", true, func(*testing.T, object.Bucket) {}, []string{CheckObjectChecksum, CheckObjectDescription}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := full(t)
			tt.change(t, b)
			x := *o
			x.Report = warehouse.Report{}
			r, err := x.CheckBucket(t.Context(), b, tt.deep)
			require.NoError(t, err)
			require.Equal(t, tt.want, slices.Sorted(maps.Keys(x.Report.Found)))
			require.Equal(t, 12, r.Objects)
			require.Equal(t, []FoundObject{{dead.Object, block.SegmentName(0, dead.Object), 1, 9}}, r.Dead)
			require.Equal(t, []FoundObject{{orphan, block.SegmentName(0, orphan), 1, 8}}, r.Orphans)
		})
	}
}
