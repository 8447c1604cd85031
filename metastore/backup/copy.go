package backup

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/stackhouse-db/stackhouse/metastore/manifest"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// Source is a snapshot that is copied.
type Source interface {
	// Manifest returns the byte form of the snapshot's state.
	Manifest(ctx context.Context) ([]byte, error)

	// Read returns all bytes of a file that the snapshot names.
	Read(ctx context.Context, name string) ([]byte, error)
}

// Options says how files are copied. The zero value of each field means its default.
type Options struct {
	Parallel int // files at a time; default 4

	// Progress is told what is done of how much. It is called by one goroutine at a
	// time.
	Progress func(Progress)
}

// Progress is how far a copy is.
type Progress struct {
	Files, AllFiles int
	Bytes, AllBytes int64 // as far as the index says sizes
	Kept            int   // files that were there already
	KeptBytes       int64
}

// Report is what a copy did.
type Report struct {
	List
	Progress
	Pruned int // files of an older backup that were deleted
}

// copier counts.
type copier struct {
	Options
	mu    sync.Mutex
	done  Progress
	files []File
}

func newCopier(o Options) *copier {
	if o.Parallel <= 0 {
		o.Parallel = 4
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	return &copier{Options: o}
}

func (c *copier) add(f File, wasThere bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files = append(c.files, f)
	c.done.Files++
	c.done.Bytes += f.Size
	if wasThere {
		c.done.Kept++
		c.done.KeptBytes += f.Size
	}
	c.Progress(c.done)
}

// Copy makes a backup of a snapshot in a place, or brings the one that is there up to
// date. After an error the place has what it had, and more: it may be tried again,
// and goes on where it ended.
//
// Corrupt: a file of the source is damaged; the error names it.
func Copy(ctx context.Context, from Source, to object.Bucket, o Options) (*Report, error) {
	data, err := from.Manifest(ctx)
	if err != nil {
		return nil, err
	}
	m, err := manifest.Decode(data)
	if err != nil {
		return nil, err
	}
	c := newCopier(o)
	all := contentsOf(m)
	for _, f := range all {
		c.done.AllBytes += f.size
	}
	c.done.AllFiles = len(all)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(c.Parallel)
	for _, f := range all {
		g.Go(func() error { return c.copy(gctx, from, to, f) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	l := List{Index: m.Index, At: m.At, Manifest: manifest.Name(m.Index), Files: append(c.files, fileOf(manifest.Name(m.Index), data))}
	if err := to.Put(ctx, l.Manifest, data); err != nil {
		return nil, err
	}
	if err := to.Put(ctx, ListName, l.Encode()); err != nil {
		return nil, err
	}
	r := &Report{List: l, Progress: c.done}
	r.Pruned, err = prune(ctx, to, &l)
	return r, err
}

// copy copies a file unless the place has it.
func (c *copier) copy(ctx context.Context, from Source, to object.Bucket, f *content) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	data, err := to.Read(ctx, f.name, 0, -1)
	switch {
	case err == nil && f.check(data) == nil:
		c.add(fileOf(f.name, data), true)
		return nil
	case err != nil && warehouse.KindOf(err) != warehouse.NotFound:
		return err
	}
	if data, err = from.Read(ctx, f.name); err != nil {
		return err
	}
	if err := f.check(data); err != nil {
		return err
	}
	if err := to.Put(ctx, f.name, data); err != nil {
		return err
	}
	c.add(fileOf(f.name, data), false)
	return nil
}

// prune deletes what an older backup had in the place.
func prune(ctx context.Context, b object.Bucket, l *List) (n int, err error) {
	wanted := make(map[string]bool, len(l.Files))
	for _, f := range l.Files {
		wanted[f.Name] = true
	}
	var old []string
	for _, prefix := range []string{block.SegmentPrefix, block.BlockPrefix, manifest.Prefix} {
		err := b.List(ctx, prefix, func(a object.Attrs) error {
			if !wanted[a.Name] {
				old = append(old, a.Name)
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	for _, name := range old {
		if err := b.Delete(ctx, name); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
