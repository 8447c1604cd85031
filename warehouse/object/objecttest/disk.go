package objecttest

import (
	"bytes"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// sectorBytes is the size of what a disk writes whole.
const sectorBytes = 512

// Disk is an [object.OS] in memory with the memory of a disk: bytes that were
// not synced and names whose folder was not synced may be gone after a crash.
// It has the root folder "/".
//
// Concurrency: all methods may be called at the same time.
type Disk struct {
	mu   sync.Mutex
	root *node
}

// node is a file or a folder, whatever its names are.
type node struct {
	folder  bool
	changed time.Time

	// Of a file: its bytes as readers see them, and as they were last synced.
	data, syncedData []byte
	// Of a folder: likewise its entries.
	entries, syncedEntries map[string]*node
}

// NewDisk returns an empty disk.
func NewDisk() *Disk { return &Disk{root: newFolder()} }

func newFolder() *node {
	return &node{folder: true, changed: time.Now(), entries: map[string]*node{}, syncedEntries: map[string]*node{}}
}

// Crash returns the disk as it may be after a power loss now; d itself goes on.
// Of what was not synced, random chooses what survives: each name for itself,
// and of each file's bytes some whole sectors from the front. With nil, nothing.
func (d *Disk) Crash(random *rand.Rand) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &Disk{root: d.root.crash(random, make(map[*node]*node))}
}

func (n *node) crash(random *rand.Rand, done map[*node]*node) *node {
	if c, ok := done[n]; ok {
		return c // a file that a half-lost rename left with two names
	}
	if !n.folder {
		data := n.survivingData(random)
		c := &node{changed: n.changed, data: data, syncedData: data}
		done[n] = c
		return c
	}
	c := newFolder()
	done[n] = c
	names := slices.Sorted(maps.Keys(n.entries)) // in order, so that equal seeds give equal disks
	for _, name := range slices.Sorted(maps.Keys(n.syncedEntries)) {
		if _, ok := n.entries[name]; !ok {
			names = append(names, name)
		}
	}
	for _, name := range names {
		entry := n.syncedEntries[name]
		if now := n.entries[name]; now != entry && random != nil && random.IntN(2) == 0 {
			entry = now
		}
		if entry != nil {
			c.entries[name] = entry.crash(random, done)
		}
	}
	maps.Copy(c.syncedEntries, c.entries)
	return c
}

func (n *node) survivingData(random *rand.Rand) []byte {
	if random == nil || bytes.Equal(n.data, n.syncedData) {
		return bytes.Clone(n.syncedData)
	}
	sectors := random.IntN(len(n.data)/sectorBytes + 2)
	return bytes.Clone(n.data[:min(len(n.data), sectors*sectorBytes)])
}

// find returns the node of a path, or the error of the element that is missing.
func (d *Disk) find(op, name string) (*node, error) {
	n := d.root
	for element := range strings.SplitSeq(strings.Trim(path.Clean(name), "/"), "/") {
		if element == "" {
			break
		}
		if !n.folder {
			return nil, &fs.PathError{Op: op, Path: name, Err: syscall.ENOTDIR}
		}
		next, ok := n.entries[element]
		if !ok {
			return nil, &fs.PathError{Op: op, Path: name, Err: syscall.ENOENT}
		}
		n = next
	}
	return n, nil
}

// findFolder returns the folder of a path.
func (d *Disk) findFolder(op, name string) (*node, error) {
	n, err := d.find(op, name)
	if err == nil && !n.folder {
		err = &fs.PathError{Op: op, Path: name, Err: syscall.ENOTDIR}
	}
	return n, err
}

// add gives a node a name that nothing has.
func (d *Disk) add(op, name string, n *node) error {
	parent, err := d.findFolder(op, path.Dir(name))
	if err != nil {
		return err
	}
	if _, ok := parent.entries[path.Base(name)]; ok {
		return &fs.PathError{Op: op, Path: name, Err: syscall.EEXIST}
	}
	parent.entries[path.Base(name)] = n
	return nil
}

// Create implements [object.OS].
func (d *Disk) Create(_, name string) (object.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := &node{changed: time.Now()}
	if err := d.add("create", name, n); err != nil {
		return nil, err
	}
	return &diskFile{disk: d, node: n, name: path.Base(name)}, nil
}

// Open implements [object.OS].
func (d *Disk) Open(_, name string) (object.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find("open", name)
	if err != nil {
		return nil, err
	}
	return &diskFile{disk: d, node: n, name: path.Base(name)}, nil
}

// Stat implements [object.OS].
func (d *Disk) Stat(_, name string) (fs.FileInfo, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find("stat", name)
	if err != nil {
		return nil, err
	}
	return n.info(path.Base(name)), nil
}

// Rename implements [object.OS].
func (d *Disk) Rename(_, from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find("rename", from)
	if err != nil {
		return err
	}
	parent, err := d.findFolder("rename", path.Dir(to))
	if err != nil {
		return err
	}
	if old, ok := parent.entries[path.Base(to)]; ok && old.folder {
		return &fs.PathError{Op: "rename", Path: to, Err: syscall.EEXIST}
	}
	source, err := d.findFolder("rename", path.Dir(from))
	if err != nil {
		return err
	}
	delete(source.entries, path.Base(from))
	parent.entries[path.Base(to)] = n
	return nil
}

// Remove implements [object.OS].
func (d *Disk) Remove(_, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find("remove", name)
	if err != nil {
		return err
	}
	if n.folder && len(n.entries) > 0 {
		return &fs.PathError{Op: "remove", Path: name, Err: syscall.ENOTEMPTY}
	}
	parent, err := d.findFolder("remove", path.Dir(name))
	if err != nil {
		return err
	}
	delete(parent.entries, path.Base(name))
	return nil
}

// Mkdir implements [object.OS].
func (d *Disk) Mkdir(_, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.add("mkdir", name, newFolder())
}

// ReadDir implements [object.OS].
func (d *Disk) ReadDir(_, name string) ([]fs.DirEntry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.findFolder("readdir", name)
	if err != nil {
		return nil, err
	}
	var entries []fs.DirEntry
	for _, base := range slices.Sorted(maps.Keys(n.entries)) {
		entries = append(entries, fs.FileInfoToDirEntry(n.entries[base].info(base)))
	}
	return entries, nil
}

// IsEmpty implements [object.OS].
func (d *Disk) IsEmpty(_, name string) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.findFolder("isempty", name)
	if err != nil {
		return false, err
	}
	return len(n.entries) == 0, nil
}

// SyncDir implements [object.OS].
func (d *Disk) SyncDir(_, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.findFolder("sync", name)
	if err != nil {
		return err
	}
	n.syncedEntries = maps.Clone(n.entries)
	return nil
}

// diskFile is an open file; it stays readable when its name is gone.
type diskFile struct {
	disk *Disk
	node *node
	name string
}

func (f *diskFile) Write(p []byte) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	f.node.data = append(f.node.data, p...)
	f.node.changed = time.Now()
	return len(p), nil
}

func (f *diskFile) ReadAt(p []byte, off int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if off >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *diskFile) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	f.node.syncedData = bytes.Clone(f.node.data)
	return nil
}

func (f *diskFile) Stat() (fs.FileInfo, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return f.node.info(f.name), nil
}

func (f *diskFile) Close() error { return nil }

func (n *node) info(name string) fs.FileInfo {
	return diskInfo{name: name, size: int64(len(n.data)), folder: n.folder, changed: n.changed}
}

// diskInfo is an fs.FileInfo.
type diskInfo struct {
	name    string
	size    int64
	folder  bool
	changed time.Time
}

func (i diskInfo) Name() string       { return i.name }
func (i diskInfo) Size() int64        { return i.size }
func (i diskInfo) ModTime() time.Time { return i.changed }
func (i diskInfo) IsDir() bool        { return i.folder }
func (i diskInfo) Sys() any           { return nil }
func (i diskInfo) Mode() fs.FileMode {
	if i.folder {
		return fs.ModeDir | 0o750
	}
	return 0o640
}
