package cache

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// adopt takes over the copies of an earlier process, unverified, the last
// written ones as the last used. It removes unfinished copies and empty folders
// of objects. What it does not know, it leaves alone.
func (c *Sections) adopt() error {
	var found []leftover
	err := eachFolder(c.dir, func(name, path string) error {
		tenant, err := warehouse.ParseTenant(name)
		if err != nil {
			return nil
		}
		return eachFolder(path, func(name, path string) error {
			key := sectionKey{tenant: tenant}
			if !key.parseObject(name) {
				return nil
			}
			files, err := adoptObject(key, path)
			found = append(found, files...)
			return err
		})
	})
	slices.SortFunc(found, func(a, b leftover) int { return int(min(max(a.written-b.written, -1), 1)) })
	for _, l := range found {
		f := &sectionFile{key: l.key, onDisk: true, disk: diskSpace(l.size)}
		c.index(f)
		c.mu.idle.push(f)
	}
	return err
}

// leftover is a copy of an earlier process.
type leftover struct {
	key           sectionKey
	size, written int64 // written in ns
}

// adoptObject returns the copies in an object's folder.
func adoptObject(key sectionKey, dir string) ([]leftover, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var found []leftover
	kept := 0
	for _, e := range entries {
		name, unfinished := strings.CutSuffix(e.Name(), tempSuffix)
		switch info, err := e.Info(); {
		case err != nil || !info.Mode().IsRegular() || !key.parseFile(name):
			kept++
		case unfinished:
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return nil, err
			}
		default:
			kept++
			found = append(found, leftover{key, info.Size(), info.ModTime().UnixNano()})
		}
	}
	if kept == 0 {
		return nil, os.Remove(dir)
	}
	return found, nil
}

// eachFolder calls fn for each folder in dir.
func eachFolder(dir string, fn func(name, path string) error) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if err := fn(e.Name(), filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
