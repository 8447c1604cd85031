package object

import (
	"cmp"
	"context"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// List implements [Bucket]. It holds one folder's entries per level in memory.
// Files whose names no object can have are not listed, nor are links.
func (b *Filesystem) List(ctx context.Context, prefix string, fn func(Attrs) error) error {
	folder, err := folderOf(prefix)
	if err != nil {
		return err
	}
	if err := b.present(); err != nil { // an empty listing must mean an empty bucket
		return b.fail("list", prefix, err)
	}
	return b.list(ctx, folder, fn)
}

// list calls fn for the objects under a folder, which is "" or ends in a slash.
func (b *Filesystem) list(ctx context.Context, folder string, fn func(Attrs) error) error {
	if err := ctx.Err(); err != nil {
		return warehouse.Errorf(warehouse.KindOf(err), "list %s: %w", folder, err)
	}
	entries, err := b.os.ReadDir("list", filepath.Join(b.root, filepath.FromSlash(folder)))
	if isMissing(err) {
		return nil // deleted since its parent was read
	}
	if err != nil {
		return b.fail("list", folder, err)
	}
	slices.SortFunc(entries, func(x, y fs.DirEntry) int { return strings.Compare(listKey(x), listKey(y)) })
	for _, e := range entries {
		if err := b.listEntry(ctx, folder, e, fn); err != nil {
			return err
		}
	}
	return nil
}

func (b *Filesystem) listEntry(ctx context.Context, folder string, e fs.DirEntry, fn func(Attrs) error) error {
	name := folder + e.Name()
	switch {
	case nameFault(name) != "":
		return nil
	case e.IsDir():
		return b.list(ctx, name+"/", fn)
	case !e.Type().IsRegular():
		return nil
	}
	info, err := e.Info()
	if isMissing(err) {
		return nil // deleted since the folder was read
	}
	if err := cmp.Or(err, ctx.Err()); err != nil {
		return b.fail("list", name, err)
	}
	return fn(Attrs{Name: name, Size: info.Size(), ModifiedAt: info.ModTime()})
}

// listKey orders entries as the full names under them are ordered: a folder's
// names go on with a slash, so "a-b" comes before "a/b".
func listKey(e fs.DirEntry) string {
	if e.IsDir() {
		return e.Name() + "/"
	}
	return e.Name()
}
