package object

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/thanos-io/objstore"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// FromObjstore returns a bucket over any store that objstore has a provider for.
// It adds what objstore leaves to its providers: names are checked, errors have
// kinds, a range behind the end is short, a body that breaks off is an error,
// listings are sorted and without duplicates, and a folder is never deleted.
//
// Put is as atomic and durable as the provider's Upload, which holds for S3, GCS
// and Azure but not for objstore's own filesystem provider: use [NewFilesystem].
// List holds all names under the prefix in memory, and tells no sizes.
func FromObjstore(store objstore.Bucket) Bucket { return &fromObjstore{store: store} }

type fromObjstore struct{ store objstore.Bucket }

// Put implements [Bucket].
func (o *fromObjstore) Put(ctx context.Context, name string, data []byte) error {
	if err := begin(ctx, "put", name); err != nil {
		return err
	}
	if err := o.store.Upload(ctx, name, bytes.NewReader(data)); err != nil {
		return o.fail(ctx, "put object", name, err)
	}
	return nil
}

// Read implements [Bucket].
func (o *fromObjstore) Read(ctx context.Context, name string, off, n int64) ([]byte, error) {
	if err := beginRead(ctx, name, off); err != nil {
		return nil, err
	}
	n = min(max(n, -1), math.MaxInt64-off) // off + n must not overflow
	if n == 0 {                            // providers disagree about empty ranges
		_, err := o.Stat(ctx, name)
		return nil, err
	}
	data, err := o.readRange(ctx, name, off, n)
	if err != nil {
		return o.explainRead(ctx, name, off, err)
	}
	return data, nil
}

// readRange reads a range, which is not empty, and checks that it is whole as
// far as the provider says how much it has.
func (o *fromObjstore) readRange(ctx context.Context, name string, off, n int64) ([]byte, error) {
	r, err := o.store.GetRange(ctx, name, off, n)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var body io.Reader = r
	if n > 0 {
		body = io.LimitReader(r, n)
	}
	size, sizeErr := objstore.TryToGetSize(r)
	if sizeErr != nil {
		return io.ReadAll(body)
	}
	var buf bytes.Buffer
	if n > 0 {
		size = min(size, n)
	}
	buf.Grow(int(min(max(size, 0), maxReadAhead)) + bytes.MinRead)
	if _, err := buf.ReadFrom(body); err != nil {
		return nil, err
	}
	if int64(buf.Len()) < size {
		return nil, warehouse.Errorf(warehouse.Unavailable, "the store sent %d of %d bytes", buf.Len(), size)
	}
	return buf.Bytes(), nil
}

// maxReadAhead bounds what is allocated because a store said how much will come.
const maxReadAhead = 16 << 20

// explainRead finds out what an error of a read means where providers differ:
// some fail for a range behind the end, and some say nothing of what is missing.
func (o *fromObjstore) explainRead(ctx context.Context, name string, off int64, err error) ([]byte, error) {
	var ours *warehouse.Error
	if ctx.Err() != nil || o.store.IsObjNotFoundErr(err) || errors.As(err, &ours) {
		return nil, o.fail(ctx, "read object", name, err)
	}
	attrs, statErr := o.Stat(ctx, name)
	switch {
	case statErr == nil && attrs.Size <= off:
		return nil, nil
	case warehouse.KindOf(statErr) == warehouse.NotFound:
		return nil, notFound("read object", name)
	}
	return nil, o.fail(ctx, "read object", name, err)
}

// Stat implements [Bucket].
func (o *fromObjstore) Stat(ctx context.Context, name string) (Attrs, error) {
	if err := begin(ctx, "stat", name); err != nil {
		return Attrs{}, err
	}
	attrs, err := o.store.Attributes(ctx, name)
	if err != nil {
		return Attrs{}, o.fail(ctx, "stat object", name, err)
	}
	// The filesystem provider has attributes of folders, too.
	if o.store.Provider() == objstore.FILESYSTEM {
		if err := o.exists(ctx, "stat object", name); err != nil {
			return Attrs{}, err
		}
	}
	return Attrs{Name: name, Size: attrs.Size, ModifiedAt: attrs.LastModified}, nil
}

// Delete implements [Bucket]. It looks first, because a provider may fail for an
// object that is missing, and the filesystem provider would remove a folder with
// all that is in it.
func (o *fromObjstore) Delete(ctx context.Context, name string) error {
	if err := begin(ctx, "delete", name); err != nil {
		return err
	}
	err := o.exists(ctx, "delete object", name)
	if err == nil {
		if err = o.store.Delete(ctx, name); err != nil {
			err = o.fail(ctx, "delete object", name, err)
		}
	}
	if warehouse.KindOf(err) == warehouse.NotFound {
		return nil
	}
	return err
}

// exists returns nil or a NotFound error.
func (o *fromObjstore) exists(ctx context.Context, what, name string) error {
	ok, err := o.store.Exists(ctx, name)
	if err != nil {
		return o.fail(ctx, what, name, err)
	}
	if !ok {
		return notFound(what, name)
	}
	return nil
}

// List implements [Bucket].
func (o *fromObjstore) List(ctx context.Context, prefix string, fn func(Attrs) error) error {
	folder, err := folderOf(prefix)
	if err != nil {
		return err
	}
	found, err := o.collect(ctx, folder)
	if err != nil {
		return o.fail(ctx, "list", prefix, err)
	}
	slices.SortFunc(found, func(a, b Attrs) int { return strings.Compare(a.Name, b.Name) })
	found = slices.CompactFunc(found, func(a, b Attrs) bool { return a.Name == b.Name })
	for _, a := range found {
		if err := ctx.Err(); err != nil {
			return o.fail(ctx, "list", prefix, err)
		}
		if err := fn(a); err != nil {
			return err
		}
	}
	return nil
}

// collect returns the objects under a folder in the store's order.
func (o *fromObjstore) collect(ctx context.Context, folder string) ([]Attrs, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	options := []objstore.IterOption{objstore.WithRecursiveIter()}
	if slices.Contains(o.store.SupportedIterOptions(), objstore.UpdatedAt) {
		options = append(options, objstore.WithUpdatedAt())
	}
	var found []Attrs
	err := o.store.IterWithAttributes(ctx, folder, func(a objstore.IterObjectAttributes) error {
		if strings.HasPrefix(a.Name, folder) && nameFault(a.Name) == "" {
			modified, _ := a.LastModified()
			found = append(found, Attrs{Name: a.Name, Size: -1, ModifiedAt: modified})
		}
		return ctx.Err()
	}, options...)
	return found, err
}

// LocalPath implements [Bucket]: objects of a store have none.
func (o *fromObjstore) LocalPath(string) (string, bool) { return "", false }

// fail gives err its kind and says what was attempted.
func (o *fromObjstore) fail(ctx context.Context, what, name string, err error) error {
	kind := warehouse.Unavailable
	var ours *warehouse.Error
	switch {
	case ctx.Err() != nil:
		kind = warehouse.KindOf(ctx.Err())
	case errors.As(err, &ours):
		kind = ours.Kind
	case o.store.IsObjNotFoundErr(err):
		return notFound(what, name)
	case o.store.IsAccessDeniedErr(err):
		return warehouse.Errorf(kind, "%s %s: the store denies access: %w", what, name, err)
	}
	return warehouse.Errorf(kind, "%s %s: %w", what, name, err)
}
