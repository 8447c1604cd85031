package objecttest

import (
	"io/fs"

	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// Call is one step that a bucket takes on its operating system.
type Call struct {
	Op   string // "create", "write", "sync", "close", "open", "stat", "read", "rename", "remove", "mkdir", "readdir", "isempty", "syncdir"
	Step string // what the bucket does it for
	Path string // the target, for a rename
}

// HookedOS tells Before of each step of OS. An error of Before is the step's,
// and the step is not taken, except that a write leaves half of its bytes and a
// close closes.
//
// Concurrency: Before is called by whoever takes the step.
type HookedOS struct {
	OS     object.OS
	Before func(Call) error
}

// Create implements [object.OS].
func (h HookedOS) Create(step, path string) (object.File, error) {
	if err := h.Before(Call{"create", step, path}); err != nil {
		return nil, err
	}
	return h.file(step, path)(h.OS.Create(step, path))
}

// Open implements [object.OS].
func (h HookedOS) Open(step, path string) (object.File, error) {
	if err := h.Before(Call{"open", step, path}); err != nil {
		return nil, err
	}
	return h.file(step, path)(h.OS.Open(step, path))
}

// Stat implements [object.OS].
func (h HookedOS) Stat(step, path string) (fs.FileInfo, error) {
	if err := h.Before(Call{"stat", step, path}); err != nil {
		return nil, err
	}
	return h.OS.Stat(step, path)
}

// Rename implements [object.OS].
func (h HookedOS) Rename(step, from, to string) error {
	if err := h.Before(Call{"rename", step, to}); err != nil {
		return err
	}
	return h.OS.Rename(step, from, to)
}

// Remove implements [object.OS].
func (h HookedOS) Remove(step, path string) error {
	if err := h.Before(Call{"remove", step, path}); err != nil {
		return err
	}
	return h.OS.Remove(step, path)
}

// Mkdir implements [object.OS].
func (h HookedOS) Mkdir(step, path string) error {
	if err := h.Before(Call{"mkdir", step, path}); err != nil {
		return err
	}
	return h.OS.Mkdir(step, path)
}

// ReadDir implements [object.OS].
func (h HookedOS) ReadDir(step, path string) ([]fs.DirEntry, error) {
	if err := h.Before(Call{"readdir", step, path}); err != nil {
		return nil, err
	}
	return h.OS.ReadDir(step, path)
}

// IsEmpty implements [object.OS].
func (h HookedOS) IsEmpty(step, path string) (bool, error) {
	if err := h.Before(Call{"isempty", step, path}); err != nil {
		return false, err
	}
	return h.OS.IsEmpty(step, path)
}

// SyncDir implements [object.OS].
func (h HookedOS) SyncDir(step, path string) error {
	if err := h.Before(Call{"syncdir", step, path}); err != nil {
		return err
	}
	return h.OS.SyncDir(step, path)
}

func (h HookedOS) file(step, path string) func(object.File, error) (object.File, error) {
	return func(f object.File, err error) (object.File, error) {
		if err != nil {
			return nil, err
		}
		return &hookedFile{f, h, step, path}, nil
	}
}

type hookedFile struct {
	object.File
	hook HookedOS
	step string
	path string
}

func (f *hookedFile) Write(p []byte) (int, error) {
	if err := f.hook.Before(Call{"write", f.step, f.path}); err != nil {
		n, _ := f.File.Write(p[:len(p)/2])
		return n, err
	}
	return f.File.Write(p)
}

func (f *hookedFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.hook.Before(Call{"read", f.step, f.path}); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, off)
}

func (f *hookedFile) Stat() (fs.FileInfo, error) {
	if err := f.hook.Before(Call{"stat", f.step, f.path}); err != nil {
		return nil, err
	}
	return f.File.Stat()
}

func (f *hookedFile) Sync() error {
	if err := f.hook.Before(Call{"sync", f.step, f.path}); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *hookedFile) Close() error {
	err := f.hook.Before(Call{"close", f.step, f.path})
	if closeErr := f.File.Close(); err == nil {
		err = closeErr
	}
	return err
}
