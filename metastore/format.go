package metastore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// The metastore's directory:
//
//	FORMAT       its version and the node's id
//	LOCK         held by the process that uses it
//	log/         raft-wal: the log, term and vote
//	snapshots/   the two newest snapshots
//	damaged/     snapshots that could not be read, for whoever wants to look
const (
	formatVersion = 1
	formatFile    = "FORMAT"
	lockFile      = "LOCK"
	logDir        = "log"
	snapshotsDir  = "snapshots" // the name is FileSnapshotStore's
	damagedDir    = "damaged"

	formatHeader = "stackhouse metastore"
)

// directory is the locked directory of a node.
type directory struct {
	path string
	node string
	lock *os.File
}

// openDirectory makes or opens, checks and locks the directory. An empty node
// stands for the one that it has.
func openDirectory(path, node string) (*directory, error) {
	if err := os.MkdirAll(filepath.Join(path, logDir), 0o750); err != nil {
		return nil, warehouse.Errorf(warehouse.Unavailable, "open metastore: %w", err)
	}
	lock, err := acquireLock(filepath.Join(path, lockFile))
	if err != nil {
		return nil, err
	}
	d := &directory{path: path, lock: lock}
	if d.node, err = d.identify(node); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func (d *directory) join(name string) string { return filepath.Join(d.path, name) }

func (d *directory) close() { _ = d.lock.Close() } // which unlocks it

func acquireLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, warehouse.Errorf(warehouse.Unavailable, "open metastore: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, warehouse.Errorf(warehouse.Unavailable, "open metastore %s: another process uses it", filepath.Dir(path))
		}
		return nil, warehouse.Errorf(warehouse.Unavailable, "lock %s: %w", path, err)
	}
	return f, nil
}

// identify reads FORMAT, or writes it if there is none, and returns the node.
func (d *directory) identify(node string) (string, error) {
	text, err := os.ReadFile(d.join(formatFile))
	if errors.Is(err, fs.ErrNotExist) {
		if node == "" {
			node = defaultNodeID
		}
		return node, d.writeFormat(node)
	}
	if err != nil {
		return "", warehouse.Errorf(warehouse.Unavailable, "open metastore: %w", err)
	}
	version, owner, err := parseFormat(string(text))
	switch {
	case err != nil:
		return "", warehouse.Errorf(warehouse.Corrupt, "open metastore %s: %w", d.path, err)
	case version > formatVersion:
		return "", warehouse.Errorf(warehouse.Invalid, "open metastore %s: its format is %d, this build reads 1 to %d: use a newer one",
			d.path, version, formatVersion)
	case node != "" && node != owner:
		return "", warehouse.Errorf(warehouse.Invalid, "open metastore %s: it belongs to node %q, not %q", d.path, owner, node)
	}
	return owner, nil
}

func (d *directory) writeFormat(node string) error {
	if strings.ContainsAny(node, "\r\n") {
		return warehouse.Errorf(warehouse.Invalid, "open metastore: node id %q has a line break", node)
	}
	text := fmt.Sprintf("%s\nformat %d\nnode %s\n", formatHeader, formatVersion, node)
	if err := writeFileSync(d.join(formatFile), text); err != nil {
		return warehouse.Errorf(warehouse.Unavailable, "open metastore: %w", err)
	}
	return nil
}

func parseFormat(text string) (version int, node string, err error) {
	rest, ok := strings.CutPrefix(text, formatHeader+"\nformat ")
	if !ok {
		return 0, "", fmt.Errorf("%s begins with %.40q, not %q", formatFile, text, formatHeader)
	}
	number, rest, _ := strings.Cut(rest, "\n")
	version, err = strconv.Atoi(number)
	if err != nil || version < 1 {
		return 0, "", fmt.Errorf("%s has the version %.40q", formatFile, number)
	}
	if version > formatVersion {
		return version, "", nil // what follows is for a newer build
	}
	line, _, _ := strings.Cut(rest, "\n")
	node, ok = strings.CutPrefix(line, "node ")
	if !ok || node == "" {
		return 0, "", fmt.Errorf("%s has no node", formatFile)
	}
	return version, node, nil
}

// writeFileSync writes a file so that it is whole or not there after a crash.
func writeFileSync(path, text string) error {
	temp := path + ".tmp"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
