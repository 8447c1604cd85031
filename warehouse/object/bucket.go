package object

import (
	"context"
	"time"
)

// Attrs is what a bucket knows of an object besides its bytes.
type Attrs struct {
	Name       string
	Size       int64     // bytes; -1 in a listing of a store that does not say
	ModifiedAt time.Time // when it was last put; zero in a listing of a store that does not say
}

// Bucket is a set of objects by name: our narrow view of an object store, with
// promises that objstore's interface leaves open. objecttest.Run holds every
// implementation to them.
//
// Names are slash-separated paths; a name that is not allowed is an Invalid
// error. No name may be a folder of another ("a" and "a/b"): a file system
// cannot store both. Errors have one of the kinds NotFound (only where said),
// Invalid, Canceled, Deadline and Unavailable. Unavailable is everything that
// the store or the disk did wrong, also a refusal of our credentials: the
// request was right, and may be sent again.
//
// Concurrency: all methods may be called at the same time, also for one name.
type Bucket interface {
	// Put stores data under the name, replacing what was there. Readers see the
	// old object or the new one, never a part. When Put returns nil, the object
	// survives a crash and a power loss. After an error the object may be there,
	// whole, now or later, or not: putting it again is safe.
	//
	// Ownership: data is the caller's again when Put returns.
	Put(ctx context.Context, name string, data []byte) error

	// Read returns n bytes from offset off, or all up to the end if n < 0; fewer
	// where the object ends earlier, none where it ends before off. A store that
	// breaks off is an Unavailable error, not a short answer. A missing object is
	// NotFound; a negative offset is Invalid.
	//
	// Ownership: the bytes are the caller's.
	Read(ctx context.Context, name string, off, n int64) ([]byte, error)

	// Stat returns the object's size and time. A missing object is NotFound.
	Stat(ctx context.Context, name string) (Attrs, error)

	// List calls fn for every object under the folder prefix ("" for all, "a" and
	// "a/" for a/…), recursively, once each, in bytewise order of names. Objects
	// that are put or deleted meanwhile may be missing or there. An error of fn
	// ends the listing and is returned as it is. A folder that does not exist has
	// no objects.
	List(ctx context.Context, prefix string, fn func(Attrs) error) error

	// Delete removes the object. Deleting what is not there is fine, so that it
	// can be repeated. The name of a folder removes nothing. After a power loss a
	// deleted object may be there again, whole.
	Delete(ctx context.Context, name string) error

	// LocalPath returns where the object lies, or would lie, on the local file
	// system, so that it can be read in place; ok is false unless the bucket
	// stores objects as files of their own.
	LocalPath(name string) (path string, ok bool)
}
