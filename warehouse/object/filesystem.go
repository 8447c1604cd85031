package object

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Filesystem is a [Bucket] that keeps each object in a file of its name under a
// folder.
//
// Put writes and syncs a file in the folder .tmp, renames it, and syncs the
// folder that it went to; a folder that is new is synced into its parent first.
// A sync that failed is never repeated on the same file, since the kernel may
// have dropped what it could not write. Delete removes folders that become
// empty, and syncs nothing.
//
// One process owns the folder at a time. If it disappears or its disk is
// unmounted, that is Unavailable: no object is NotFound for that reason, and
// nothing is written to what lies beneath the mount point.
type Filesystem struct {
	os      OS
	root    string // absolute
	local   bool   // files can be opened by other code of this process
	marker  string // in root: what is there while the bucket is
	folders folders
	temp    atomic.Uint64 // number of the last temporary file
}

// NewFilesystem opens the bucket in dir, which is created if it is missing, and
// removes what unfinished Puts of an earlier process left.
func NewFilesystem(dir string) (*Filesystem, error) {
	b, err := NewFilesystemOn(realOS{}, dir)
	if err != nil {
		return nil, err
	}
	b.local = true
	return b, nil
}

// NewFilesystemOn is [NewFilesystem] on another operating system, for tests.
// Such a bucket has no local paths.
func NewFilesystemOn(sys OS, dir string) (*Filesystem, error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, warehouse.Errorf(warehouse.Invalid, "open bucket %q: %w", dir, err)
	}
	b := &Filesystem{os: sys, root: root, marker: tempFolder}
	b.folders = folders{os: sys, root: root, known: make(map[string]struct{})}
	if err := makeRoot(sys, root); err != nil {
		return nil, b.fail("open bucket", root, err)
	}
	if err := b.clearTemp(); err != nil {
		return nil, b.fail("open bucket", root, err)
	}
	return b, nil
}

// clearTemp makes the folder for temporary files and empties it.
func (b *Filesystem) clearTemp() error {
	dir := filepath.Join(b.root, tempFolder)
	if err := b.os.Mkdir("open: make temporary folder", dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	entries, err := b.os.ReadDir("open: list leftovers", dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := b.os.Remove("open: remove leftover", filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// Put implements [Bucket].
func (b *Filesystem) Put(ctx context.Context, name string, data []byte) error {
	if err := begin(ctx, "put", name); err != nil {
		return err
	}
	temp := filepath.Join(b.root, tempFolder, strconv.FormatUint(b.temp.Add(1), 10))
	err := b.writeTemp(temp, data)
	if err == nil {
		err = ctx.Err() // the last moment at which nothing has happened
	}
	if err == nil {
		err = b.publish(temp, name)
	}
	if err != nil {
		_ = b.os.Remove("put: remove temporary file", temp) // gone already if it was renamed
		return b.fail("put object", name, err)
	}
	return nil
}

// writeTemp creates the file and makes its bytes durable.
func (b *Filesystem) writeTemp(temp string, data []byte) error {
	f, err := b.os.Create("put", temp)
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// publish gives the file its name and makes the name durable.
func (b *Filesystem) publish(temp, name string) error {
	b.folders.use.RLock()
	defer b.folders.use.RUnlock()
	err := b.rename(temp, name)
	if isMissing(err) { // a folder may have been removed behind our back
		b.folders.forget()
		err = b.rename(temp, name)
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return warehouse.Errorf(warehouse.Invalid, "a folder has this name: %w", err)
	case errors.Is(err, syscall.ENOTDIR):
		return warehouse.Errorf(warehouse.Invalid, "an object has the name of its folder: %w", err)
	case err != nil:
		return err
	}
	return b.os.SyncDir("put: sync folder", b.path(path.Dir(name)))
}

// rename moves a file to its name in a durable folder.
func (b *Filesystem) rename(temp, name string) error {
	if err := b.folders.ensure(path.Dir(name)); err != nil {
		return err
	}
	return b.os.Rename("put", temp, b.path(name))
}

// Read implements [Bucket].
func (b *Filesystem) Read(ctx context.Context, name string, off, n int64) ([]byte, error) {
	if err := beginRead(ctx, name, off); err != nil {
		return nil, err
	}
	f, err := b.os.Open("read", b.path(name))
	if err != nil {
		return nil, b.failRead("read object", name, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, b.failRead("read object", name, err)
	}
	if !info.Mode().IsRegular() {
		return nil, notFound("read object", name)
	}
	rest := max(info.Size()-off, 0)
	if n < 0 || n > rest {
		n = rest
	}
	data := make([]byte, n)
	m, err := f.ReadAt(data, off)
	if err != nil && !errors.Is(err, io.EOF) { // the file has become shorter: impossible, and harmless
		return nil, b.failRead("read object", name, err)
	}
	return data[:m], nil
}

// Stat implements [Bucket].
func (b *Filesystem) Stat(ctx context.Context, name string) (Attrs, error) {
	if err := begin(ctx, "stat", name); err != nil {
		return Attrs{}, err
	}
	info, err := b.os.Stat("stat", b.path(name))
	if err != nil {
		return Attrs{}, b.failRead("stat object", name, err)
	}
	if !info.Mode().IsRegular() {
		return Attrs{}, notFound("stat object", name)
	}
	return Attrs{Name: name, Size: info.Size(), ModifiedAt: info.ModTime()}, nil
}

// Delete implements [Bucket].
func (b *Filesystem) Delete(ctx context.Context, name string) error {
	if err := begin(ctx, "delete", name); err != nil {
		return err
	}
	if err := b.remove(b.path(name)); err != nil {
		err = b.failRead("delete object", name, err)
		if warehouse.KindOf(err) == warehouse.NotFound {
			return nil
		}
		return err
	}
	b.folders.prune(path.Dir(name))
	return nil
}

// remove removes a file, and nothing else: an empty folder counts as missing.
func (b *Filesystem) remove(file string) error {
	info, err := b.os.Stat("delete", file)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fs.ErrNotExist
	}
	return b.os.Remove("delete", file)
}

// LocalPath implements [Bucket].
func (b *Filesystem) LocalPath(name string) (string, bool) {
	if !b.local || nameFault(name) != "" {
		return "", false
	}
	return b.path(name), true
}

func (b *Filesystem) path(name string) string {
	return filepath.Join(b.root, filepath.FromSlash(name))
}

// failRead is fail for steps that find an object missing. When something is
// missing, it looks whether the bucket itself is still there.
func (b *Filesystem) failRead(what, name string, err error) error {
	if !isMissing(err) {
		return b.fail(what, name, err)
	}
	if err := b.present(); err != nil {
		return b.fail(what, name, err)
	}
	return notFound(what, name)
}

// present returns an error if the bucket's folder is gone or not mounted.
func (b *Filesystem) present() error {
	if _, err := b.os.Stat("look for the bucket", filepath.Join(b.root, b.marker)); err != nil {
		return warehouse.Errorf(warehouse.Unavailable, "the bucket's folder is gone or not mounted: %w", err)
	}
	return nil
}

// fail gives err its kind and says what was attempted.
func (b *Filesystem) fail(what, name string, err error) error {
	kind := warehouse.KindOf(err)
	if kind == warehouse.Internal { // the system's own errors have none
		kind = warehouse.Unavailable
	}
	return warehouse.Errorf(kind, "%s %s: %w", what, name, err)
}

// isMissing reports whether err says that a file or a folder above it does not
// exist; below a file there is nothing either.
func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

func notFound(what, name string) error {
	return warehouse.Errorf(warehouse.NotFound, "%s %s: it does not exist", what, name)
}

// begin checks what every operation checks first.
func begin(ctx context.Context, verb, name string) error {
	if err := checkName(verb, name); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return warehouse.Errorf(warehouse.KindOf(err), "%s object %s: %w", verb, name, err)
	}
	return nil
}

func beginRead(ctx context.Context, name string, off int64) error {
	if off < 0 {
		return warehouse.Errorf(warehouse.Invalid, "read object %.100q: offset %d is negative", name, off)
	}
	return begin(ctx, "read", name)
}
