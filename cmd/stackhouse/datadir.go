package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/stackhouse-db/stackhouse/metastore"
)

// Names in the data directory.
const (
	formatFile   = "FORMAT"     // versions of what is stored; see format.go
	lockFile     = "LOCK"       // held while a process uses the directory
	bucketDir    = "bucket"     // objects, when they are stored on this disk
	metastoreDir = "metastore"  // log and snapshots of the index
	cacheDir     = "cache"      // copies of parts of objects; may be deleted
	tempDir      = "tmp"        // what queries spill; emptied at start
	scrubFile    = "SCRUB"      // when objects were verified; may be deleted
	newFormat    = "FORMAT.new" // FORMAT while it is written
	restoring    = "RESTORING"  // there while a backup is restored into the directory
)

// dataDir is a data directory that this process alone uses.
type dataDir struct {
	path  string // absolute
	lock  *os.File
	known []string // names that are no stranger's in a directory without FORMAT
}

// openDataDir creates or opens a data directory and locks it until close.
//
// It changes nothing in a directory that is not Stackhouse's, that a newer
// version wrote, or that another process uses.
func openDataDir(path string) (*dataDir, error) {
	d, err := openDataDirWith(path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(d.file(restoring)); err == nil {
		d.close()
		return nil, fmt.Errorf("data directory %s: a restore into it has not ended; run it again, or remove the directory", d.path)
	}
	return d, nil
}

// openDataDirWith is openDataDir for a new directory that may hold some names, and
// for one into which a backup is being restored.
func openDataDirWith(path string, known ...string) (*dataDir, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("data directory %q: %w", path, err)
	}
	d := &dataDir{path: abs, known: known}
	if err := os.MkdirAll(abs, 0o750); err != nil {
		return nil, d.wrap(err)
	}
	isNew, err := d.isNew()
	if err == nil && !isNew {
		err = d.checkVersions() // before the lock's file is touched
	}
	if err != nil {
		return nil, err
	}
	if err := d.acquire(); err != nil {
		return nil, err
	}
	if err := d.prepare(isNew); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// checkVersions refuses what a newer version wrote, here or in the metastore's
// folder. It changes nothing.
func (d *dataDir) checkVersions() error {
	if err := d.checkFormat(false); err != nil {
		return err
	}
	return metastore.CheckVersions(d.file(metastoreDir))
}

// isNew reports whether the directory holds nothing yet. Anything without a
// FORMAT file beside it is somebody else's.
func (d *dataDir) isNew() (bool, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return false, d.wrap(err)
	}
	var foreign string
	for _, e := range entries {
		switch e.Name() {
		case formatFile:
			return false, nil
		case lockFile, newFormat, "lost+found":
		default:
			if foreign == "" && !slices.Contains(d.known, e.Name()) {
				foreign = e.Name()
			}
		}
	}
	if foreign != "" {
		return false, fmt.Errorf("data directory %s is not Stackhouse's: it holds %q and no FORMAT file; choose an empty directory with --data-dir", d.path, foreign)
	}
	return true, nil
}

// acquire takes the lock. The kernel gives it back when the process ends, in
// whatever way, so that a stale lock cannot be.
func (d *dataDir) acquire() error {
	f, err := os.OpenFile(d.file(lockFile), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return d.wrap(err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		owner, _ := os.ReadFile(f.Name())
		f.Close()
		return fmt.Errorf("data directory %s is in use by another stackhouse%s", d.path, ownerText(owner))
	case err != nil:
		f.Close()
		return d.wrap(fmt.Errorf("lock: %w", err))
	}
	d.lock = f
	return nil
}

func ownerText(owner []byte) string {
	if pid := strings.TrimSpace(string(owner)); pid != "" {
		return fmt.Sprintf(" (process %q)", pid)
	}
	return ""
}

// prepare runs under the lock: it checks or writes FORMAT and makes the folders.
func (d *dataDir) prepare(isNew bool) error {
	if err := d.checkFormat(isNew); err != nil {
		return err
	}
	if err := d.noteOwner(); err != nil {
		return d.wrap(err)
	}
	if err := os.RemoveAll(d.file(tempDir)); err != nil {
		return d.wrap(err)
	}
	for _, name := range []string{bucketDir, metastoreDir, cacheDir, tempDir} {
		if err := os.MkdirAll(d.file(name), 0o750); err != nil {
			return d.wrap(err)
		}
	}
	return d.wrap(syncDir(d.path))
}

// checkFormat refuses a newer FORMAT, and writes one into a new directory.
func (d *dataDir) checkFormat(isNew bool) error {
	text, err := os.ReadFile(d.file(formatFile))
	switch {
	case errors.Is(err, fs.ErrNotExist) && isNew:
		return d.wrap(d.writeFormat(currentFormats))
	case err != nil:
		return d.wrap(err)
	}
	stored, err := parseFormats(string(text))
	if err != nil {
		return d.wrap(fmt.Errorf("%s: %w", formatFile, err))
	}
	if err := stored.readableBy(currentFormats); err != nil {
		return fmt.Errorf("data directory %s was written by a newer version of Stackhouse: %w", d.path, err)
	}
	return nil
}

// writeFormat writes FORMAT so that it exists whole or not at all.
func (d *dataDir) writeFormat(f formats) error {
	if err := writeSynced(d.file(newFormat), f.String()); err != nil {
		return err
	}
	if err := os.Rename(d.file(newFormat), d.file(formatFile)); err != nil {
		return err
	}
	return syncDir(d.path)
}

// noteOwner leaves the process id for the message of a second process.
func (d *dataDir) noteOwner() error {
	if err := d.lock.Truncate(0); err != nil {
		return err
	}
	_, err := d.lock.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	return err
}

// file returns the path of a name in the directory.
func (d *dataDir) file(name string) string { return filepath.Join(d.path, name) }

// close gives the directory back. The lock's file stays: removing it would let
// two processes lock two files of one name.
func (d *dataDir) close() { d.lock.Close() }

// wrap adds the directory to an error of the system, without repeating paths.
func (d *dataDir) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("data directory %s: %w", d.path, err)
}

// diskBytes returns the size of the file system that holds the directory.
func (d *dataDir) diskBytes() (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(d.path, &st); err != nil {
		return 0, d.wrap(fmt.Errorf("size of the disk: %w", err))
	}
	return int64(st.Blocks) * int64(st.Bsize), nil //nolint:unconvert // of another type on other systems
}

func writeSynced(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
