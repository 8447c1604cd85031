package object

import (
	"github.com/stackhouse-db/stackhouse/warehouse/failpoint"
)

// Failpoints of the file system bucket.
var (
	beforeCreate  = failpoint.Declare("object.create.before", "a temporary file is about to be made")
	afterCreate   = failpoint.Declare("object.create.after", "a temporary file is made and empty")
	beforeSync    = failpoint.Declare("object.sync.before", "a temporary file is written and not synced")
	afterSync     = failpoint.Declare("object.sync.after", "a temporary file is synced and has no name yet")
	beforeRename  = failpoint.Declare("object.rename.before", "a temporary file is about to get its name")
	afterRename   = failpoint.Declare("object.rename.after", "a file has its name; the folder is not synced")
	beforeSyncDir = failpoint.Declare("object.syncdir.before", "a folder's entries are about to be synced")
	afterSyncDir  = failpoint.Declare("object.syncdir.after", "a folder's entries are synced")
	beforeMkdir   = failpoint.Declare("object.mkdir.before", "a folder is about to be made")
	afterMkdir    = failpoint.Declare("object.mkdir.after", "a folder is made and its entry not synced")
	beforeRemove  = failpoint.Declare("object.remove.before", "a file or folder is about to be removed")
	afterRemove   = failpoint.Declare("object.remove.after", "a file or folder is removed")
)

// NewFilesystemWith is [NewFilesystem] with failpoints.
func NewFilesystemWith(points *failpoint.Points, dir string) (*Filesystem, error) {
	if points == nil {
		return NewFilesystem(dir)
	}
	b, err := NewFilesystemOn(failingOS{realOS{}, points}, dir)
	if err != nil {
		return nil, err
	}
	b.local = true
	return b, nil
}

// failingOS is the operating system with failpoints.
type failingOS struct {
	OS
	points *failpoint.Points
}

func (o failingOS) around(before, after failpoint.Name, do func() error) error {
	if err := o.points.Hit(before); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return o.points.Hit(after)
}

// Create implements OS.
func (o failingOS) Create(step, path string) (f File, err error) {
	err = o.around(beforeCreate, afterCreate, func() error {
		f, err = o.OS.Create(step, path)
		return err
	})
	if err != nil {
		return nil, err
	}
	return failingFile{f, o}, nil
}

// Rename implements OS.
func (o failingOS) Rename(step, from, to string) error {
	return o.around(beforeRename, afterRename, func() error { return o.OS.Rename(step, from, to) })
}

// Remove implements OS.
func (o failingOS) Remove(step, path string) error {
	return o.around(beforeRemove, afterRemove, func() error { return o.OS.Remove(step, path) })
}

// Mkdir implements OS.
func (o failingOS) Mkdir(step, path string) error {
	return o.around(beforeMkdir, afterMkdir, func() error { return o.OS.Mkdir(step, path) })
}

// SyncDir implements OS.
func (o failingOS) SyncDir(step, path string) error {
	return o.around(beforeSyncDir, afterSyncDir, func() error { return o.OS.SyncDir(step, path) })
}

type failingFile struct {
	File
	os failingOS
}

// Sync implements File.
func (f failingFile) Sync() error { return f.os.around(beforeSync, afterSync, f.File.Sync) }
