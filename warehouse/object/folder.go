package object

import (
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"sync"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// maxKnownFolders bounds what is remembered; forgetting costs one more sync.
const maxKnownFolders = 1 << 16

// folders makes and removes the folders of a file system bucket, and knows which
// of them are durable. Paths are relative to root, with slashes; root is ".".
//
// A folder is durable when its entry in its parent is synced and the parent is
// durable. That a folder exists says nothing: another Put may be about to sync
// it, or a process that was killed never did.
type folders struct {
	os   OS
	root string

	// use is held shared from when a Put asks for its folder until the object's
	// name in it is synced, and exclusively while folders are removed.
	use sync.RWMutex

	creating sync.Mutex // held while making and syncing folders

	mu    sync.Mutex
	known map[string]struct{} // durable since this process looked
}

// ensure makes dir and its parents durable.
//
// Concurrency: the caller holds use at least shared.
func (f *folders) ensure(dir string) error {
	if f.isKnown(dir) {
		return nil
	}
	f.creating.Lock()
	defer f.creating.Unlock()
	return f.create(dir)
}

func (f *folders) create(dir string) error {
	if f.isKnown(dir) {
		return nil
	}
	parent := path.Dir(dir)
	if err := f.create(parent); err != nil {
		return err
	}
	if err := f.os.Mkdir("put: make folder", f.path(dir)); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := f.os.SyncDir("put: sync parent folder", f.path(parent)); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.known) >= maxKnownFolders {
		clear(f.known)
	}
	f.known[dir] = struct{}{}
	return nil
}

// prune removes dir and its parents as far as they are empty. It is best effort:
// an empty folder that stays is no object.
func (f *folders) prune(dir string) {
	for ; dir != "."; dir = path.Dir(dir) {
		if empty, err := f.os.IsEmpty("delete: look into folder", f.path(dir)); err != nil || !empty {
			return
		}
		if !f.removeEmpty(dir) {
			return
		}
	}
}

func (f *folders) removeEmpty(dir string) bool {
	f.use.Lock()
	defer f.use.Unlock()
	if err := f.os.Remove("delete: remove folder", f.path(dir)); err != nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.known, dir)
	return true
}

// forget makes ensure look at every folder again.
func (f *folders) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.known)
}

func (f *folders) isKnown(dir string) bool {
	if dir == "." {
		return true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.known[dir]
	return ok
}

func (f *folders) path(dir string) string { return filepath.Join(f.root, filepath.FromSlash(dir)) }

// makeRoot makes an absolute folder and those above it, and syncs each parent
// of one that it made.
func makeRoot(sys OS, dir string) error {
	info, err := sys.Stat("open", dir)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return warehouse.Errorf(warehouse.Invalid, "%s is not a folder", dir)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent := filepath.Dir(dir)
	if parent == dir {
		return err
	}
	if err := makeRoot(sys, parent); err != nil {
		return err
	}
	if err := sys.Mkdir("open: make folder", dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return sys.SyncDir("open: sync parent folder", parent)
}
