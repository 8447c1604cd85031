package object

import (
	"context"
	"io/fs"
	"path/filepath"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// ReadOnly is the bucket of a [Filesystem] that is looked at: it changes nothing,
// not even what an unfinished Put left, and may be used while another process
// writes to the folder. What that process deletes meanwhile is NotFound.
type ReadOnly struct{ *Filesystem }

var _ Bucket = ReadOnly{}

// OpenReadOnly opens the bucket in a folder. One that does not exist is a NotFound
// error.
func OpenReadOnly(dir string) (ReadOnly, error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return ReadOnly{}, warehouse.Errorf(warehouse.Invalid, "open bucket %q: %w", dir, err)
	}
	var sys realOS
	info, err := sys.Stat("open", root)
	switch {
	case isMissing(err), err == nil && !info.Mode().IsDir():
		return ReadOnly{}, warehouse.Errorf(warehouse.NotFound, "open bucket %s: %w", root, fs.ErrNotExist)
	case err != nil:
		return ReadOnly{}, warehouse.Errorf(warehouse.Unavailable, "open bucket %s: %w", root, err)
	}
	return ReadOnly{&Filesystem{os: sys, root: root, local: true, marker: "."}}, nil
}

// Put refuses.
func (ReadOnly) Put(_ context.Context, name string, _ []byte) error {
	return warehouse.Errorf(warehouse.Denied, "put object %s: the bucket is open for reading only", name)
}

// Delete refuses.
func (ReadOnly) Delete(_ context.Context, name string) error {
	return warehouse.Errorf(warehouse.Denied, "delete object %s: the bucket is open for reading only", name)
}
