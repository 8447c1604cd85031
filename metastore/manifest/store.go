package manifest

import (
	"context"
	"slices"
	"time"

	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// Kept is how many manifests stay in a bucket: the newest, and some for the case
// that it is damaged.
const Kept = 3

// Ref is a manifest in a bucket.
type Ref struct {
	Name  string
	Index uint64
	At    time.Time // when it was put; zero if the listing does not say
}

// List returns the manifests in a bucket, the newest first.
func List(ctx context.Context, b object.Bucket) ([]Ref, error) {
	var refs []Ref
	err := b.List(ctx, Prefix, func(a object.Attrs) error {
		if index, ok := ParseName(a.Name); ok {
			refs = append(refs, Ref{Name: a.Name, Index: index, At: a.ModifiedAt})
		}
		return nil
	})
	slices.Reverse(refs)
	return refs, err
}

// Load reads a manifest. What is damaged is a Corrupt error that names it.
func Load(ctx context.Context, b object.Bucket, name string) (*Manifest, error) {
	data, err := b.Read(ctx, name, 0, -1)
	if err != nil {
		return nil, err
	}
	m, err := Decode(data)
	if index, ok := ParseName(name); err == nil && (!ok || index != m.Index) {
		err = corruptf("it is of index %d by its content", m.Index)
	}
	if err != nil {
		return nil, warehouse.Errorf(warehouse.KindOf(err), "read %s: %w", name, err)
	}
	return m, nil
}

// Newest reads the newest manifest that is not damaged, nil if there is none, and
// returns what was wrong with newer ones. An error is that of a bucket that cannot
// be read.
func Newest(ctx context.Context, b object.Bucket) (_ *Manifest, damaged []error, _ error) {
	refs, err := List(ctx, b)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range refs {
		m, err := Load(ctx, b, r.Name)
		switch warehouse.KindOf(err) {
		case warehouse.Corrupt, warehouse.NotFound: // the latter was deleted since, for newer ones
			damaged = append(damaged, err)
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		return m, damaged, nil
	}
	return nil, damaged, nil
}

// Write stores a view's manifest and returns its size in bytes.
func Write(ctx context.Context, b object.Bucket, v *state.View, at warehouse.Micros) (int, error) {
	data, err := Encode(v, at)
	if err != nil {
		return 0, err
	}
	return len(data), b.Put(ctx, Name(v.Index()), data)
}

// Prune deletes all but the newest [Kept] manifests.
func Prune(ctx context.Context, b object.Bucket) error {
	refs, err := List(ctx, b)
	if err != nil {
		return err
	}
	for _, r := range refs[min(Kept, len(refs)):] {
		if err := b.Delete(ctx, r.Name); err != nil {
			return err
		}
	}
	return nil
}
