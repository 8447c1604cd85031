package object

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"

	"github.com/thanos-io/objstore"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// ToObjstore returns b as objstore's wider interface, for libraries that want
// one. Objects pass through memory whole, and a listing of one folder costs one
// of everything under it. Close does nothing: buckets hold no resources.
func ToObjstore(b Bucket) objstore.Bucket { return toObjstore{b} }

type toObjstore struct{ bucket Bucket }

var _ objstore.Bucket = toObjstore{}

func (t toObjstore) Upload(ctx context.Context, name string, r io.Reader, _ ...objstore.ObjectUploadOption) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return warehouse.Errorf(warehouse.KindOf(err), "put object %s: read source: %w", name, err)
	}
	return t.bucket.Put(ctx, name, data)
}

func (t toObjstore) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	return t.GetRange(ctx, name, 0, -1)
}

func (t toObjstore) GetRange(ctx context.Context, name string, off, length int64) (io.ReadCloser, error) {
	data, err := t.bucket.Read(ctx, name, off, length)
	if err != nil {
		return nil, err
	}
	return objstore.NopCloserWithSize(bytes.NewReader(data)), nil
}

func (t toObjstore) Exists(ctx context.Context, name string) (bool, error) {
	_, err := t.bucket.Stat(ctx, name)
	if warehouse.KindOf(err) == warehouse.NotFound {
		return false, nil
	}
	return err == nil, err
}

func (t toObjstore) Attributes(ctx context.Context, name string) (objstore.ObjectAttributes, error) {
	a, err := t.bucket.Stat(ctx, name)
	return objstore.ObjectAttributes{Size: a.Size, LastModified: a.ModifiedAt}, err
}

func (t toObjstore) Delete(ctx context.Context, name string) error { return t.bucket.Delete(ctx, name) }

func (t toObjstore) Iter(ctx context.Context, dir string, fn func(string) error, options ...objstore.IterOption) error {
	return t.IterWithAttributes(ctx, dir, func(a objstore.IterObjectAttributes) error { return fn(a.Name) }, options...)
}

func (t toObjstore) IterWithAttributes(ctx context.Context, dir string, fn func(objstore.IterObjectAttributes) error, options ...objstore.IterOption) error {
	if err := objstore.ValidateIterOptions(t.SupportedIterOptions(), options...); err != nil {
		return err
	}
	folder, err := folderOf(dir)
	if err != nil {
		return err
	}
	params := objstore.ApplyIterOptions(options...)
	last := "" // the folder that was told last; its names follow each other
	return t.bucket.List(ctx, folder, func(a Attrs) error {
		out := objstore.IterObjectAttributes{Name: a.Name}
		head, _, below := strings.Cut(a.Name[len(folder):], objstore.DirDelim)
		switch {
		case below && !params.Recursive:
			out.Name = folder + head + objstore.DirDelim
			if out.Name == last {
				return nil
			}
			last = out.Name
		case params.LastModified:
			out.SetLastModified(a.ModifiedAt)
		}
		return fn(out)
	})
}

func (toObjstore) SupportedIterOptions() []objstore.IterOptionType {
	return slices.Clone(iterOptions)
}

var iterOptions = []objstore.IterOptionType{objstore.Recursive, objstore.UpdatedAt}

func (toObjstore) IsObjNotFoundErr(err error) bool {
	return warehouse.KindOf(err) == warehouse.NotFound
}

func (toObjstore) IsAccessDeniedErr(err error) bool {
	return warehouse.KindOf(err) == warehouse.Denied
}

func (toObjstore) Provider() objstore.ObjProvider { return "STACKHOUSE" }
func (toObjstore) Name() string                   { return "stackhouse" }
func (toObjstore) Close() error                   { return nil }
