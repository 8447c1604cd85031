package metastore

import (
	"encoding/binary"
	"errors"
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
	data, err := os.ReadFile(path)
	if err != nil {
		return nil //nolint:nilerr // Open meets it too
	}
	return eachEntry(data, func(payload []byte) error {
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

// eachEntry calls fn with every entry in a file of the log; see logtail.go.
func eachEntry(data []byte, fn func(payload []byte) error) error {
	for at := logHeaderBytes; at+logFrameHeaderBytes <= len(data); {
		kind, body := data[at], at+logFrameHeaderBytes
		size := int(binary.LittleEndian.Uint32(data[at+4:]))
		switch kind {
		case walfile.FrameEntry:
			if size > len(data)-body {
				return nil
			}
			if err := fn(data[body : body+size]); err != nil {
				return err
			}
		case walfile.FrameIndex:
		case walfile.FrameCommit:
			size = 0 // the number is a checksum
		default:
			return nil
		}
		const round = logFrameHeaderBytes - 1
		at = body + (size+round)&^round
		if at < body {
			return nil
		}
	}
	return nil
}
