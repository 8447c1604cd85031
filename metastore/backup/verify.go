package backup

import (
	"context"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/stackhouse-db/stackhouse/metastore/manifest"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// Verified is a backup of which every byte is as it was stored.
type Verified struct {
	List
	Manifest *manifest.Manifest
}

// Verify reads all of a backup and compares it with its list and its index. It
// returns what is wrong, in words that name the files; with any, or with an error of
// the bucket, there is no backup.
//
// NotFound: the place has no list. Corrupt: the list or the manifest is damaged.
func Verify(ctx context.Context, from object.Bucket, o Options) (_ *Verified, damaged []string, err error) {
	data, err := from.Read(ctx, ListName, 0, -1)
	if err != nil {
		return nil, nil, err
	}
	l, err := DecodeList(data)
	if err != nil {
		return nil, nil, err
	}
	m, err := manifest.Load(ctx, from, l.Manifest)
	if err != nil {
		return nil, nil, err
	}
	contents, damaged := match(l, m)
	c := newCopier(o)
	c.done.AllFiles, c.done.AllBytes = len(l.Files), l.Bytes()
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(c.Parallel)
	for _, f := range l.Files {
		g.Go(func() error {
			_, err := readFile(gctx, from, f, contents[f.Name])
			if kind := warehouse.KindOf(err); err != nil && kind != warehouse.Corrupt {
				return err
			}
			c.add(f, false)
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				damaged = append(damaged, err.Error())
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	slices.Sort(damaged)
	if len(damaged) > 0 {
		return nil, damaged, nil
	}
	return &Verified{List: *l, Manifest: m}, nil, nil
}

// match compares the list with what the index names.
func match(l *List, m *manifest.Manifest) (contents map[string]*content, damaged []string) {
	contents = map[string]*content{}
	listed := map[string]bool{}
	for _, f := range l.Files {
		listed[f.Name] = true
	}
	for _, c := range contentsOf(m) {
		contents[c.name] = c
		if !listed[c.name] {
			damaged = append(damaged, c.name+": the index names it, "+ListName+" does not")
		}
	}
	if l.Index != m.Index {
		damaged = append(damaged, l.Manifest+": it is not of the index that "+ListName+" says")
	}
	for _, f := range l.Files {
		if contents[f.Name] == nil && f.Name != l.Manifest {
			damaged = append(damaged, f.Name+": "+ListName+" names it, the index does not")
		}
	}
	return contents, damaged
}

// readFile reads a file of a backup, verified. What is missing is Corrupt, too.
func readFile(ctx context.Context, from object.Bucket, f File, c *content) ([]byte, error) {
	data, err := from.Read(ctx, f.Name, 0, -1)
	switch {
	case err != nil && warehouse.KindOf(err) == warehouse.NotFound:
		return nil, warehouse.Errorf(warehouse.Corrupt, "%s: it is missing", f.Name)
	case err != nil:
		return nil, err
	}
	if got := fileOf(f.Name, data); got != f {
		return nil, warehouse.Errorf(warehouse.Corrupt, "%s: it has %d bytes with checksum %08x, %s says %d with %08x", f.Name, got.Size, got.CRC, ListName, f.Size, f.CRC)
	}
	if c != nil {
		if err := c.check(data); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// CopyTo copies the objects of a backup that was verified, but for its manifest,
// verifying them again. What is there already and right is left.
func (v *Verified) CopyTo(ctx context.Context, from, to object.Bucket, o Options) error {
	c := newCopier(o)
	c.done.AllFiles, c.done.AllBytes = len(v.Files)-1, v.Bytes()
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(c.Parallel)
	for _, f := range v.Files {
		if f.Name == v.List.Manifest {
			continue
		}
		g.Go(func() error {
			if data, err := to.Read(gctx, f.Name, 0, -1); err == nil && fileOf(f.Name, data) == f {
				c.add(f, true)
				return nil
			}
			data, err := readFile(gctx, from, f, nil)
			if err == nil {
				err = to.Put(gctx, f.Name, data)
			}
			if err == nil {
				c.add(f, false)
			}
			return err
		})
	}
	return g.Wait()
}
