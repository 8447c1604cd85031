package object

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// OS is what the file system bucket needs of an operating system. Every call
// carries the step it is made for ("put", "put: sync folder"), so that a test
// can fail exactly one of them, see their order, or forget what was never
// synced.
//
// Errors are those of package os: they match fs.ErrNotExist, fs.ErrExist and
// syscall numbers.
type OS interface {
	// Create makes a new file for writing; one that exists is fs.ErrExist.
	Create(step, path string) (File, error)
	// Open opens a file for reading.
	Open(step, path string) (File, error)
	// Stat describes a file or folder.
	Stat(step, path string) (fs.FileInfo, error)
	// Rename gives a file a new name, replacing what has it.
	Rename(step, from, to string) error
	// Remove removes a file or an empty folder.
	Remove(step, path string) error
	// Mkdir makes a folder; one that exists is fs.ErrExist.
	Mkdir(step, path string) error
	// ReadDir returns a folder's entries in any order.
	ReadDir(step, path string) ([]fs.DirEntry, error)
	// IsEmpty reports whether a folder has no entries, at a cost that does not
	// depend on their number.
	IsEmpty(step, path string) (bool, error)
	// SyncDir makes a folder's entries durable.
	SyncDir(step, path string) error
}

// File is an open file of an [OS].
type File interface {
	io.Writer
	io.ReaderAt
	io.Closer
	// Stat describes the file.
	Stat() (fs.FileInfo, error)
	// Sync makes the file's bytes durable, not its name.
	Sync() error
}

// Permissions of what the bucket creates: profiles are nobody else's business.
const (
	fileMode   = 0o640
	folderMode = 0o750
)

// realOS is the operating system.
type realOS struct{}

func (realOS) Create(_, path string) (File, error) {
	return asFile(os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode))
}

func (realOS) Open(_, path string) (File, error)             { return asFile(os.Open(path)) }
func (realOS) Stat(_, path string) (fs.FileInfo, error)      { return os.Stat(path) }
func (realOS) Rename(_, from, to string) error               { return os.Rename(from, to) }
func (realOS) Remove(_, path string) error                   { return os.Remove(path) }
func (realOS) Mkdir(_, path string) error                    { return os.Mkdir(path, folderMode) }
func (realOS) ReadDir(_, path string) ([]fs.DirEntry, error) { return os.ReadDir(path) }

func (realOS) IsEmpty(_, path string) (bool, error) {
	d, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer d.Close()
	_, err = d.Readdirnames(1)
	if errors.Is(err, io.EOF) {
		return true, nil
	}
	return false, err
}

func (realOS) SyncDir(_, path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// asFile keeps a nil *os.File from becoming a File that is not nil.
func asFile(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}
