package metastore

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	walfile "github.com/hashicorp/raft-wal/segment"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// CheckVersions reads which versions FORMAT, snapshots and the log's entries of a
// directory have, and changes nothing. One that is newer than this build is an
// Invalid error that names the file and both versions. A directory that does not
// exist or is empty is fine, and so is damage: Open finds it.
//
// Why: an older program that met the newer bytes only when it needs them would
// have moved or mended something by then.
func CheckVersions(dir string) error {
	d := &directory{path: dir}
	err := d.readFormat()
	switch {
	case warehouse.KindOf(err) == warehouse.Invalid:
		return err
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	snapshots, _ := filepath.Glob(filepath.Join(d.join(snapshotsDir), "*", snapshotFile)) // the pattern is valid
	for _, path := range snapshots {
		if err := checkSnapshotVersion(path); err != nil {
			return err
		}
	}
	files, _ := filepath.Glob(filepath.Join(d.join(logDir), "*.wal")) // likewise
	for _, path := range files {
		if err := checkLogVersions(path); err != nil {
			return err
		}
	}
	return nil
}

func checkSnapshotVersion(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return nil //nolint:nilerr // Open meets it too
	}
	defer f.Close()
	if err := state.CheckVersion(f); err != nil {
		return warehouse.Errorf(warehouse.Invalid, "snapshot %s: %w", path, err)
	}
	return nil
}

// checkLogVersions looks at the commands in a file of the log, as far as its
// frames can be followed.
func checkLogVersions(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return nil //nolint:nilerr // Open meets it too
	}
	defer f.Close()
	return eachEntry(bufio.NewReaderSize(f, 64<<10), func(payload []byte) error {
		e, err := decodeEntry(payload)
		if err != nil || e.Type != raft.LogCommand {
			return nil //nolint:nilerr // Open meets it too
		}
		if err := state.CheckCommandVersion(e.Data); err != nil {
			return warehouse.Errorf(warehouse.Invalid, "log file %s: entry %d: %w", path, e.Index, err)
		}
		return nil
	})
}

// decodeEntry decodes an entry. The codec trusts its bytes.
func decodeEntry(payload []byte) (e raft.Log, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = warehouse.Errorf(warehouse.Corrupt, "decode log entry: %v", p)
		}
	}()
	err = (&wal.BinaryCodec{}).Decode(payload, &e)
	return e, err
}

// eachEntry calls fn with every entry in a file of the log, up to its first frame
// that is none: most of the last file is not written yet. See logtail.go.
func eachEntry(r *bufio.Reader, fn func(payload []byte) error) error {
	var payload bytes.Buffer
	if _, err := r.Discard(logHeaderBytes); err != nil {
		return nil //nolint:nilerr // Open meets it too
	}
	for {
		var header [logFrameHeaderBytes]byte
		if _, err := io.ReadFull(r, header[:]); err != nil {
			return nil //nolint:nilerr // likewise
		}
		size := int64(binary.LittleEndian.Uint32(header[4:]))
		switch header[0] {
		case walfile.FrameEntry, walfile.FrameIndex:
		case walfile.FrameCommit:
			size = 0 // the number is a checksum
		default:
			return nil
		}
		const round = logFrameHeaderBytes - 1
		payload.Reset()
		// CopyN takes memory as bytes arrive, not as the size promises.
		if _, err := io.CopyN(&payload, r, (size+round)&^round); err != nil {
			return nil //nolint:nilerr // likewise
		}
		if header[0] != walfile.FrameEntry {
			continue
		}
		if err := fn(payload.Bytes()[:size]); err != nil {
			return err
		}
	}
}
