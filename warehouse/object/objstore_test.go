package object_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/thanos-io/objstore"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// provider is an objstore bucket whose operations can be replaced by the odd
// ways of real ones.
type provider struct {
	*objstore.InMemBucket
	getRange func(name string, off, n int64) (io.ReadCloser, error)
	upload   error
	delete   error
	exists   error
	listed   []string // instead of what is there
	listErr  error
	denied   error
	kind     objstore.ObjProvider
}

func newOddProvider(t *testing.T) *provider {
	p := &provider{InMemBucket: objstore.NewInMemBucket(), kind: objstore.S3}
	require.NoError(t, p.InMemBucket.Upload(t.Context(), "a/b", strings.NewReader("0123456789")))
	return p
}

func (p *provider) GetRange(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	if p.getRange != nil {
		return p.getRange(name, off, n)
	}
	return p.InMemBucket.GetRange(ctx, name, off, n)
}

func (p *provider) Upload(ctx context.Context, name string, r io.Reader, o ...objstore.ObjectUploadOption) error {
	if p.upload != nil {
		return p.upload
	}
	return p.InMemBucket.Upload(ctx, name, r, o...)
}

func (p *provider) Delete(ctx context.Context, name string) error {
	if p.delete != nil {
		return p.delete
	}
	return p.InMemBucket.Delete(ctx, name)
}

func (p *provider) Exists(ctx context.Context, name string) (bool, error) {
	if p.exists != nil {
		return false, p.exists
	}
	return p.InMemBucket.Exists(ctx, name)
}

func (p *provider) IterWithAttributes(_ context.Context, _ string, fn func(objstore.IterObjectAttributes) error, _ ...objstore.IterOption) error {
	for _, name := range p.listed {
		if err := fn(objstore.IterObjectAttributes{Name: name}); err != nil {
			return errors.Join(errors.New("wrapped by the provider"), err)
		}
	}
	return p.listErr
}

func (p *provider) SupportedIterOptions() []objstore.IterOptionType {
	return []objstore.IterOptionType{objstore.Recursive}
}

func (p *provider) IsAccessDeniedErr(err error) bool {
	return p.denied != nil && errors.Is(err, p.denied)
}
func (p *provider) Provider() objstore.ObjProvider { return p.kind }

// body is what a provider sends: data, then err.
func body(data string, size int64, err error) io.ReadCloser {
	r := io.MultiReader(strings.NewReader(data), &failingReader{err})
	return objstore.ObjectSizerReadCloser{ReadCloser: io.NopCloser(r), Size: func() (int64, error) {
		if size < 0 {
			return 0, errors.New("unknown")
		}
		return size, nil
	}}
}

type failingReader struct{ err error }

func (f *failingReader) Read([]byte) (int, error) {
	if f.err == nil {
		return 0, io.EOF
	}
	return 0, f.err
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
func (endless) Close() error               { return nil }

func TestOddReads(t *testing.T) {
	t.Parallel()
	reset, rangeErr := errors.New("connection reset"), errors.New("416 invalid range")
	missing := func(t *testing.T) error {
		_, err := objstore.NewInMemBucket().Get(t.Context(), "x")
		return err
	}(t)
	send := func(r io.ReadCloser, err error) func(string, int64, int64) (io.ReadCloser, error) {
		return func(string, int64, int64) (io.ReadCloser, error) { return r, err }
	}
	tests := []struct {
		name     string
		getRange func(string, int64, int64) (io.ReadCloser, error)
		object   string
		off, n   int64
		want     string
		kind     warehouse.Kind // if want is empty
		ok       bool
	}{
		{name: "whole", getRange: send(body("234", 3, nil), nil), object: "a/b", off: 2, n: 3, want: "234", ok: true},
		{name: "size unknown", getRange: send(body("234", -1, nil), nil), object: "a/b", off: 2, n: 3, want: "234", ok: true},
		{name: "size is of the whole object", getRange: send(body("234", 10, nil), nil), object: "a/b", off: 2, n: 3, want: "234", ok: true},
		{name: "more than asked for", getRange: send(endless{}, nil), object: "a/b", off: 0, n: 4, want: "\x00\x00\x00\x00", ok: true},
		{name: "body breaks off without an error", getRange: send(body("23", 3, nil), nil), object: "a/b", off: 2, n: 3, kind: warehouse.Unavailable},
		{name: "body breaks off with an error", getRange: send(body("23", 3, reset), nil), object: "a/b", off: 2, n: 3, kind: warehouse.Unavailable},
		{name: "error at once", getRange: send(nil, reset), object: "a/b", off: 2, n: 3, kind: warehouse.Unavailable},
		{name: "range behind the end is an error", getRange: send(nil, rangeErr), object: "a/b", off: 10, n: 3, ok: true},
		{name: "and later", getRange: send(body("", -1, rangeErr), nil), object: "a/b", off: 11, n: -1, ok: true},
		{name: "range before the end is another error", getRange: send(nil, rangeErr), object: "a/b", off: 9, n: 3, kind: warehouse.Unavailable},
		{name: "missing, told late", getRange: send(body("", -1, missing), nil), object: "a/c", n: -1, kind: warehouse.NotFound},
		{name: "missing, told badly", getRange: send(nil, reset), object: "a/c", n: -1, kind: warehouse.NotFound},
		{name: "size is nonsense", getRange: send(body("234", 1<<62, nil), nil), object: "a/b", off: 0, n: -1, kind: warehouse.Unavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newOddProvider(t)
			p.getRange = tt.getRange
			got, err := object.FromObjstore(p).Read(t.Context(), tt.object, tt.off, tt.n)
			if !tt.ok {
				wantKind(t, tt.kind, err)
				require.ErrorContains(t, err, tt.object)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, string(got))
		})
	}
}

func TestOddListing(t *testing.T) {
	t.Parallel()
	p := newOddProvider(t)
	p.listed = []string{"a/c", "a/b", "a/folder/", "ab/x", "a/b", "../up", "a/a/z", "a"}
	b := object.FromObjstore(p)
	var got []object.Attrs
	require.NoError(t, b.List(t.Context(), "a", func(a object.Attrs) error {
		got = append(got, a)
		return nil
	}))
	require.Equal(t, []object.Attrs{{Name: "a/a/z", Size: -1}, {Name: "a/b", Size: -1}, {Name: "a/c", Size: -1}}, got)

	stop := errors.New("stop")
	require.Equal(t, stop, b.List(t.Context(), "a", func(object.Attrs) error { return stop }), "not wrapped by the provider")

	p.listErr = errors.New("page 7 is gone")
	err := b.List(t.Context(), "a", func(object.Attrs) error {
		t.Error("a listing that is not whole is none")
		return nil
	})
	wantKind(t, warehouse.Unavailable, err)

	ctx, cancel := context.WithCancel(t.Context())
	p.listErr = nil
	err = b.List(ctx, "a", func(object.Attrs) error {
		cancel()
		return nil
	})
	wantKind(t, warehouse.Canceled, err)
}

func TestOddErrors(t *testing.T) {
	t.Parallel()
	denied := errors.New("403")
	p := newOddProvider(t)
	p.denied, p.upload, p.delete, p.exists = denied, denied, denied, nil
	b := object.FromObjstore(p)
	err := b.Put(t.Context(), "a/b", nil)
	wantKind(t, warehouse.Unavailable, err)
	require.ErrorContains(t, err, "denies access")
	require.ErrorIs(t, err, denied)
	wantKind(t, warehouse.Unavailable, b.Delete(t.Context(), "a/b"))
	require.NoError(t, b.Delete(t.Context(), "a/missing"))
	p.exists = denied
	wantKind(t, warehouse.Unavailable, b.Delete(t.Context(), "a/b"))

	p.upload = context.DeadlineExceeded // the provider's own, not the caller's
	wantKind(t, warehouse.Unavailable, b.Put(t.Context(), "a/b", nil))
}

func TestToObjstore(t *testing.T) {
	t.Parallel()
	b := object.NewMemory()
	o := object.ToObjstore(b)
	for _, name := range []string{"a/b/c", "a/b/d", "a/e", "f"} {
		require.NoError(t, o.Upload(t.Context(), name, strings.NewReader(name)))
	}
	list := func(dir string, options ...objstore.IterOption) (got []string) {
		require.NoError(t, o.Iter(t.Context(), dir, func(name string) error {
			got = append(got, name)
			return nil
		}, options...))
		return got
	}
	require.Equal(t, []string{"a/", "f"}, list(""))
	require.Equal(t, []string{"a/b/", "a/e"}, list("a"))
	require.Equal(t, []string{"a/b/c", "a/b/d", "a/e"}, list("a/", objstore.WithRecursiveIter()))
	require.Empty(t, list("a/b/c"))
	modified := 0
	require.NoError(t, o.IterWithAttributes(t.Context(), "a", func(a objstore.IterObjectAttributes) error {
		if at, ok := a.LastModified(); ok {
			require.WithinDuration(t, time.Now(), at, time.Minute)
			modified++
		}
		return nil
	}, objstore.WithUpdatedAt()))
	require.Equal(t, 1, modified, "folders have no time")
	require.ErrorIs(t, o.Iter(t.Context(), "", nil, objstore.IterOption{Type: 99}), objstore.ErrOptionNotSupported)

	_, err := o.Get(t.Context(), "missing")
	require.True(t, o.IsObjNotFoundErr(err))
	require.False(t, o.IsAccessDeniedErr(err))
	ok, err := o.Exists(t.Context(), "missing")
	require.NoError(t, err)
	require.False(t, ok)
	_, err = o.Exists(t.Context(), "../x")
	require.Error(t, err)
	require.Error(t, o.Upload(t.Context(), "x", &failingReader{errors.New("source")}))
	r, err := o.GetRange(t.Context(), "a/e", 1, 2)
	require.NoError(t, err)
	data, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.True(t, bytes.Equal([]byte("/e"), data))
	require.NoError(t, o.Close())
	require.NotEmpty(t, o.Name())
}
