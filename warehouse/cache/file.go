package cache

import (
	"context"
	"path/filepath"
	"slices"
	"sync"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// sectionFile is the local file of one section: a copy, or a file of the bucket
// that is read in place. Sections.mu guards its fields, except that whoever owns
// the file works on what lies at path alone.
//
// A file is in one of three states:
//
//	owned   busy != nil   one goroutine fetches, verifies or removes it
//	pinned  pins > 0      readers may have it open
//	idle    otherwise     a copy is then in the list of those to evict
type sectionFile struct {
	key     sectionKey
	path    string // set when first used
	inPlace bool   // belongs to the bucket: never written, never removed

	busy chan struct{} // closed when the owner is done
	err  error         // why the owner gave the file up, for those who waited
	pins int

	// state is that of the verified file; zero while none was verified.
	state fileState
	// section is what the file was verified against.
	section warehouse.Section
	// onDisk is true if a file may be at path.
	onDisk bool

	disk   int64 // bytes it counts in the budget; 0 in place
	doomed bool  // to be removed when idle: the object was deleted
	dead   bool  // no longer in the index

	newer, older *sectionFile // in the list of idle copies
	listed       bool
}

// fileIndex is what Sections knows of files.
type fileIndex struct {
	sync.Mutex
	files   map[sectionKey]*sectionFile
	objects map[warehouse.ObjectID][]*sectionFile // the same, by object
	idle    fileList
	disk    int64 // sum of the files' disk
	closed  bool
	reads   map[readKey]*sharedRead
}

// add puts a file into the index, pinned and owned by the caller.
func (c *Sections) add(w wanted) *sectionFile {
	f := &sectionFile{key: w.key, busy: make(chan struct{}), pins: 1}
	f.path, f.inPlace = c.localPath(w)
	if !f.inPlace {
		f.path = c.path(w.key)
	}
	c.index(f)
	c.metrics.pins.Inc()
	return f
}

// index puts a file into the index.
func (c *Sections) index(f *sectionFile) {
	c.mu.files[f.key] = f
	c.mu.objects[f.key.object] = append(c.mu.objects[f.key.object], f)
	c.mu.disk += f.disk
	c.gauge()
}

// drop takes a file out of the index. Its space counts no longer.
func (c *Sections) drop(f *sectionFile) {
	f.dead = true
	delete(c.mu.files, f.key)
	rest := slices.DeleteFunc(c.mu.objects[f.key.object], func(o *sectionFile) bool { return o == f })
	if len(rest) == 0 {
		delete(c.mu.objects, f.key.object)
	} else {
		c.mu.objects[f.key.object] = rest
	}
	c.mu.disk -= f.disk
	f.disk = 0
	c.gauge()
}

func (c *Sections) gauge() {
	c.metrics.files.Set(float64(len(c.mu.files)))
	c.metrics.bytes.Set(float64(c.mu.disk))
}

// pin returns the section's file, pinned. If owned is true, it is new or must be
// verified: the caller has to settle it.
func (c *Sections) pin(ctx context.Context, w wanted) (f *sectionFile, owned bool, err error) {
	for {
		f, owned, wait, err := c.tryPin(w, true)
		switch {
		case err != nil:
			return nil, false, err
		case wait != nil:
			if err := c.await(ctx, f, wait); err != nil {
				return nil, false, err
			}
		case owned, c.isUnchanged(f):
			return f, owned, nil
		case c.own(f):
			return f, true, nil
		}
	}
}

// tryPin pins the file, or returns what to wait for. A file that is missing is
// added and owned by the caller, or nil if create is false.
func (c *Sections) tryPin(w wanted, create bool) (f *sectionFile, owned bool, wait chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f = c.mu.files[w.key]
	switch {
	case c.mu.closed:
		return nil, false, nil, warehouse.Errorf(warehouse.Unavailable, "acquire %s: the cache is closed", w)
	case f == nil && create:
		return c.add(w), true, nil, nil
	case f == nil:
		return nil, false, nil, nil
	case f.busy != nil:
		return f, false, f.busy, nil
	case f.state != fileState{} && f.section != w.section:
		return nil, false, nil, warehouse.Errorf(warehouse.Internal, "acquire %s: described as %+v and as %+v", w, f.section, w.section)
	}
	if f.path == "" {
		f.path = c.path(f.key)
	}
	f.pins++
	c.mu.idle.remove(f)
	c.metrics.pins.Inc()
	return f, false, nil, nil
}

// isUnchanged reports whether a pinned file is the one that was verified.
func (c *Sections) isUnchanged(f *sectionFile) bool {
	now := stateOf(f.path)
	c.mu.Lock()
	defer c.mu.Unlock()
	return now != fileState{} && now == f.state && !f.dead
}

// own makes the caller the owner of a file that it pinned and found changed. If
// somebody else was faster it returns false, and the caller's pin is gone.
func (c *Sections) own(f *sectionFile) bool {
	c.mu.Lock()
	if f.busy == nil && !f.dead {
		f.busy, f.err = make(chan struct{}), nil
		c.mu.Unlock()
		return true
	}
	c.mu.Unlock()
	c.unpin(f)
	return false
}

// await waits until the owner of a file is done, and returns the error with
// which it gave up. An owner that gave up because it was canceled is no reason
// for others to fail: they try again.
func (c *Sections) await(ctx context.Context, f *sectionFile, busy chan struct{}) error {
	select {
	case <-busy:
		c.mu.Lock()
		defer c.mu.Unlock()
		return f.err
	case <-ctx.Done():
		return warehouse.Errorf(warehouse.KindOf(ctx.Err()), "wait for section %s of %s: %w", f.key.file(), f.key.object, ctx.Err())
	}
}

// settle ends the ownership of a file. With an error the owner's pin is taken
// back, and the file is given up unless there is still one to verify later. If
// the failure is only the owner's, those who wait try for themselves.
func (c *Sections) settle(f *sectionFile, w wanted, state fileState, err error, onlyOwners bool) {
	c.mu.Lock()
	close(f.busy)
	f.busy = nil
	switch {
	case err == nil:
		f.state, f.section, f.onDisk = state, w.section, true
		c.charge(f)
	case onlyOwners && f.onDisk && !f.inPlace:
		f.state = fileState{}
	default:
		if !onlyOwners {
			f.err = err
		}
		c.drop(f)
	}
	over := c.isOver()
	c.mu.Unlock()
	if err != nil {
		c.unpin(f)
	}
	if over {
		c.trim()
	}
}

// charge counts a copy in the budget, now that it is known to be as large as the
// index says: a size that is a lie evicts nothing.
func (c *Sections) charge(f *sectionFile) {
	if f.inPlace {
		return
	}
	c.mu.disk -= f.disk
	f.disk = diskSpace(f.section.Size)
	c.mu.disk += f.disk
	c.gauge()
}

// unpin takes back a pin. A file that becomes idle can be evicted.
func (c *Sections) unpin(f *sectionFile) {
	c.mu.Lock()
	f.pins--
	c.metrics.pins.Dec()
	condemned := false
	switch {
	case f.pins > 0 || f.dead:
	case f.doomed:
		condemned = true
		c.condemn(f)
	case !f.inPlace:
		c.mu.idle.push(f)
	}
	over := c.isOver()
	c.mu.Unlock()
	if condemned {
		c.execute(f)
	}
	if over {
		c.trim()
	}
}

// path returns where the copy of a section lies.
func (c *Sections) path(k sectionKey) string {
	return c.dir + string(filepath.Separator) + k.folder() + string(filepath.Separator) + k.file()
}

// localPath returns where the section can be read in place. A segment's sections
// cannot: they are ranges of a file.
func (c *Sections) localPath(w wanted) (string, bool) {
	if w.part.Level == 0 {
		return "", false
	}
	return c.bucket.LocalPath(w.object())
}
