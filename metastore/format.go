package metastore

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// The metastore's directory:
//
//	FORMAT       its version, the node's id, and when it was made
//	LOCK         held by the process that uses it
//	log/         raft-wal: the log, term and vote
//	snapshots/   the two newest snapshots
//	damaged/     snapshots that could not be read, for whoever wants to look
//
// Version 2 has jobs in log and snapshots, version 3 deletions and rules of retention.
// An older directory becomes one of this version when it is opened; from then on older
// builds refuse it.
const (
	formatVersion = 3
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

	version int       // as FORMAT says
	since   time.Time // when it was made
}

// openDirectory makes or opens, checks and locks the directory. An empty node
// stands for the one that it has; now is when it is made.
func openDirectory(path, node string, now time.Time) (*directory, error) {
	if err := os.MkdirAll(filepath.Join(path, logDir), 0o750); err != nil {
		return nil, warehouse.Errorf(warehouse.Unavailable, "open metastore: %w", err)
	}
	lock, err := acquireLock(filepath.Join(path, lockFile))
	if err != nil {
		return nil, err
	}
	d := &directory{path: path, lock: lock}
	if err = d.identify(node, now); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// upgrade makes it a directory of this build's version.
func (d *directory) upgrade() error {
	if d.version == formatVersion {
		return nil
	}
	d.version = formatVersion
	return d.writeFormat()
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

// identify reads FORMAT, or writes it if there is none.
func (d *directory) identify(node string, now time.Time) error {
	err := d.readFormat()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.node, d.version, d.since = cmp.Or(node, defaultNodeID), formatVersion, now.UTC().Truncate(time.Second)
		return d.writeFormat()
	case err != nil:
		return err
	case node != "" && node != d.node:
		return warehouse.Errorf(warehouse.Invalid, "open metastore %s: it belongs to node %q, not %q", d.path, d.node, node)
	}
	return nil
}

// readFormat reads FORMAT. That there is none is an error that matches
// fs.ErrNotExist.
func (d *directory) readFormat() error {
	text, err := os.ReadFile(d.join(formatFile))
	if err == nil {
		var info fs.FileInfo
		if info, err = os.Stat(d.join(formatFile)); err == nil {
			d.since = info.ModTime().UTC().Truncate(time.Second) // what version 1 has instead
		}
	}
	if err != nil {
		return warehouse.Errorf(warehouse.Unavailable, "open metastore: %w", err)
	}
	err = d.parseFormat(string(text))
	switch {
	case err != nil:
		return warehouse.Errorf(warehouse.Corrupt, "open metastore %s: %w", d.path, err)
	case d.version > formatVersion:
		return warehouse.Errorf(warehouse.Invalid, "open metastore %s: its format is %d, this build reads 1 to %d: use a newer one",
			d.path, d.version, formatVersion)
	}
	return nil
}

func (d *directory) writeFormat() error {
	if strings.ContainsAny(d.node, "\r\n") {
		return warehouse.Errorf(warehouse.Invalid, "open metastore: node id %q has a line break", d.node)
	}
	text := fmt.Sprintf("%s\nformat %d\nnode %s\nsince %s\n", formatHeader, d.version, d.node, d.since.Format(time.RFC3339))
	if err := writeFileSync(d.join(formatFile), text); err != nil {
		return warehouse.Errorf(warehouse.Unavailable, "open metastore: %w", err)
	}
	return nil
}

func (d *directory) parseFormat(text string) (err error) {
	rest, ok := strings.CutPrefix(text, formatHeader+"\nformat ")
	if !ok {
		return fmt.Errorf("%s begins with %.40q, not %q", formatFile, text, formatHeader)
	}
	number, rest, _ := strings.Cut(rest, "\n")
	d.version, err = strconv.Atoi(number)
	if err != nil || d.version < 1 {
		return fmt.Errorf("%s has the version %.40q", formatFile, number)
	}
	if d.version > formatVersion {
		return nil // what follows is for a newer build
	}
	line, rest, _ := strings.Cut(rest, "\n")
	d.node, ok = strings.CutPrefix(line, "node ")
	if !ok || d.node == "" {
		return fmt.Errorf("%s has no node", formatFile)
	}
	if d.version == 1 {
		return nil
	}
	line, _, _ = strings.Cut(rest, "\n")
	since, ok := strings.CutPrefix(line, "since ")
	if d.since, err = time.Parse(time.RFC3339, since); !ok || err != nil {
		return fmt.Errorf("%s does not say since when it is", formatFile)
	}
	return nil
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
