package metastore

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"hash/crc64"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/raft"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Files in the folder of a snapshot; the names are Raft's.
const (
	snapshotFile     = "state.bin"
	snapshotMetaFile = "meta.json"
)

// readSnapshots reads and checks all snapshots. Those that a crash left unfinished
// are none.
func (o *Offline) readSnapshots(d *directory) error {
	entries, err := os.ReadDir(d.join(snapshotsDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return warehouse.Errorf(warehouse.Unavailable, "inspect metastore: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() && !strings.HasSuffix(e.Name(), ".tmp") {
			o.Snapshots = append(o.Snapshots, o.readSnapshot(d, e.Name()))
		}
	}
	slices.SortFunc(o.Snapshots, func(a, b OfflineSnapshot) int {
		return cmp.Or(cmp.Compare(b.Term, a.Term), cmp.Compare(b.Index, a.Index), strings.Compare(b.ID, a.ID))
	})
	if aside, err := os.ReadDir(d.join(damagedDir)); err == nil {
		o.Damaged = len(aside)
	}
	return nil
}

// readSnapshot reads a snapshot. What is wrong with it is reported.
func (o *Offline) readSnapshot(d *directory, id string) OfflineSnapshot {
	s := OfflineSnapshot{ID: id}
	dir := filepath.Join(d.join(snapshotsDir), id)
	o.Report.Checks += 3
	var meta struct {
		raft.SnapshotMeta
		CRC []byte
	}
	text, err := os.ReadFile(filepath.Join(dir, snapshotMetaFile))
	if err == nil {
		err = json.Unmarshal(text, &meta)
	}
	if err != nil {
		o.addf(CheckSnapshotMeta, id, "%v", err)
		return s
	}
	s.Index, s.Term, s.Bytes = meta.Index, meta.Term, meta.Size
	if meta.ID != id {
		o.addf(CheckSnapshotMeta, id, "it describes snapshot %q", meta.ID)
	}
	data, err := os.ReadFile(filepath.Join(dir, snapshotFile))
	if err != nil {
		o.addf(CheckSnapshotMeta, id, "%v", err)
		return s
	}
	sum := crc64.New(crc64.MakeTable(crc64.ECMA))
	_, _ = sum.Write(data) // a hash does not fail
	if got := sum.Sum(nil); !bytes.Equal(got, meta.CRC) || int64(len(data)) != meta.Size {
		o.addf(CheckSnapshotChecksum, id, "%d bytes with checksum %x, its description says %d with %x", len(data), got, meta.Size, meta.CRC)
		return s
	}
	s.isOlder = state.IsOlder(bytes.NewReader(data))
	st, err := state.Read(bytes.NewReader(data))
	switch {
	case err != nil:
		o.addf(CheckSnapshotState, id, "%v", err)
		return s
	case st.Index() > s.Index:
		o.addf(CheckSnapshotMeta, id, "it is of entry %d, its state of command %d", s.Index, st.Index())
		return s
	}
	s.Readable, s.view = true, st.View()
	return s
}

// stateOf returns a state that goes on from a view.
func stateOf(v *state.View) *state.State {
	var b bytes.Buffer
	_, err := v.WriteTo(&b)
	if err == nil {
		var s *state.State
		if s, err = state.Read(&b); err == nil {
			return s
		}
	}
	panic(warehouse.Bug("read back a state: %v", err))
}
