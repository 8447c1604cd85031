package cache

import (
	"os"
	"path/filepath"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// maxFiles bounds the copies whatever their size: each costs some 200 bytes of
// memory, and time when a process starts.
const maxFiles = 1 << 18

// diskSpace returns what a file of n bytes takes on disk.
func diskSpace(n int64) int64 {
	const unit = 4096
	return max(n+unit-1, unit) / unit * unit
}

// isOver reports whether there is something to evict.
func (c *Sections) isOver() bool {
	return c.mu.idle.oldest != nil && (c.mu.disk > c.maxBytes || len(c.mu.files) > maxFiles)
}

// trim evicts the copies that were not used for the longest time until the
// budget holds, or nothing idle is left.
func (c *Sections) trim() { c.evictWhile(c.isOver) }

// makeRoom evicts copies that take at least n bytes, because the disk is full.
func (c *Sections) makeRoom(n int64) {
	c.evictWhile(func() bool {
		left := n
		n -= c.mu.idle.oldest.disk
		return left > 0
	})
}

// evictWhile evicts the oldest idle copy as long as more returns true, which is
// called under the lock and sees that there is one.
func (c *Sections) evictWhile(more func() bool) {
	for {
		c.mu.Lock()
		f := c.mu.idle.oldest
		if f == nil || !more() {
			c.mu.Unlock()
			return
		}
		c.condemn(f)
		c.mu.Unlock()
		c.execute(f)
		c.metrics.evictions.Inc()
	}
}

// condemn makes the caller the owner of an idle file, to execute it. Its space
// counts no longer.
func (c *Sections) condemn(f *sectionFile) {
	c.mu.idle.remove(f)
	f.busy, f.err = make(chan struct{}), nil
	c.mu.disk -= f.disk
	f.disk = 0
}

// execute removes a condemned file from the disk, then from the index. In
// between, those who want it wait.
func (c *Sections) execute(f *sectionFile) {
	if !f.inPlace {
		c.removeCopy(f.key)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	close(f.busy)
	f.busy = nil
	c.drop(f)
}

// removeCopy removes a copy, and its folder if that is empty then.
func (c *Sections) removeCopy(k sectionKey) {
	path := c.path(k)
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		c.log.Warn("cannot remove a cached section", "path", path, "err", err)
	}
	_ = os.Remove(filepath.Dir(path)) // fails while it has other files
}

// Forget removes what is cached of an object, because it was deleted. Files that
// are acquired go when they are released.
func (c *Sections) Forget(id warehouse.ObjectID) {
	var condemned []*sectionFile
	c.mu.Lock()
	for _, f := range c.mu.objects[id] {
		f.doomed = true
		if f.pins == 0 && f.busy == nil {
			c.condemn(f)
			condemned = append(condemned, f)
		}
	}
	c.mu.Unlock()
	for _, f := range condemned {
		c.execute(f)
	}
}
