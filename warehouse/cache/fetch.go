package cache

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

const (
	// fetchBytes is how much of a section is in memory while it is copied.
	fetchBytes = 8 << 20
	// fetchTries is how often a fetch is tried that brought wrong bytes, or met a
	// full disk: stores and networks are sometimes wrong once.
	fetchTries = 2
)

// errInterrupted is what others get of work that ended in a panic.
var errInterrupted = warehouse.Errorf(warehouse.Internal, "acquire section: interrupted")

// load makes an owned file right and settles it.
func (c *Sections) load(ctx context.Context, f *sectionFile, w wanted) (outcome string, err error) {
	var state fileState
	err = errInterrupted // unless the work ends
	defer func() { c.settle(f, w, state, err, ctx.Err() != nil) }()
	if f.inPlace {
		state, err = c.verifyInPlace(ctx, f, w)
		return outcomeVerified, err
	}
	if f.onDisk {
		if state, err = c.verifyCopy(ctx, f, w); err == nil {
			return outcomeVerified, nil
		}
		if err := ctx.Err(); err != nil {
			return "", c.failed("acquire", w, err)
		}
	}
	if state, err = c.fetch(ctx, f, w); err != nil {
		c.removeCopy(f.key)
		f.onDisk = false
	}
	return outcomeFetched, err
}

// verifyInPlace verifies a file of the bucket.
func (c *Sections) verifyInPlace(ctx context.Context, f *sectionFile, w wanted) (fileState, error) {
	state, err := c.verifyFile(ctx, f.path, w.section)
	if errors.Is(err, fs.ErrNotExist) { // or is the whole bucket gone?
		if _, err = c.bucket.Stat(ctx, w.object()); err != nil {
			err = explainBucket(err)
		} else {
			err = errChanges
		}
	}
	if err != nil {
		return fileState{}, c.failed("acquire", w, err)
	}
	c.report(w, nil)
	return state, nil
}

// verifyCopy verifies a copy that an earlier process made, or that changed.
func (c *Sections) verifyCopy(ctx context.Context, f *sectionFile, w wanted) (fileState, error) {
	state, err := c.verifyFile(ctx, f.path, w.section)
	if err != nil && ctx.Err() == nil && !errors.Is(err, fs.ErrNotExist) {
		c.foundDamaged(f.path, err)
	}
	return state, err
}

func (c *Sections) foundDamaged(path string, err error) {
	c.metrics.damaged.Inc()
	c.log.Warn("cached section is damaged and will be fetched again", "path", path, "err", err)
}

// fetch copies a section from the bucket to a file.
func (c *Sections) fetch(ctx context.Context, f *sectionFile, w wanted) (fileState, error) {
	var err error
	for range fetchTries {
		var state fileState
		state, err = writeCopy(f.path, func(out *os.File) error { return c.copySection(ctx, out, w) })
		if err == nil {
			c.report(w, nil)
			return state, nil
		}
		if errors.As(err, new(*fs.PathError)) || errors.As(err, new(*os.LinkError)) { // of the disk, not of the bucket
			c.makeRoom(2 * diskSpace(w.section.Size))
		} else if !isDamage(err) {
			break
		}
	}
	return fileState{}, c.failed("acquire", w, err)
}

// copySection copies a section piece by piece and compares it with the index.
func (c *Sections) copySection(ctx context.Context, out *os.File, w wanted) error {
	var crc uint32
	for done := int64(0); done < w.section.Size; done += fetchBytes {
		data, err := c.readPiece(ctx, w, done, min(fetchBytes, w.section.Size-done))
		if err != nil {
			return err
		}
		crc = crc32.Update(crc, castagnoli, data)
		if _, err := out.Write(data); err != nil {
			return err
		}
	}
	return checkCRC(w.section, crc)
}

// readPiece reads n bytes of a section from the bucket, all of them.
func (c *Sections) readPiece(ctx context.Context, w wanted, off, n int64) ([]byte, error) {
	data, err := c.bucket.Read(ctx, w.object(), w.section.Offset+off, n)
	c.metrics.fetched.Add(float64(len(data)))
	if err != nil {
		return nil, explainBucket(err)
	}
	if int64(len(data)) != n {
		return nil, &damage{
			text:     fmt.Sprintf("it has %d bytes from %d on, the index says %d at least", len(data), off, n),
			expected: fmt.Sprintf("%d bytes", w.section.Size), found: fmt.Sprintf("%d bytes", off+int64(len(data))),
		}
	}
	return data, nil
}

// explainBucket makes of a bucket's error what it means for a section that the
// index has: an object that is missing is damage.
func explainBucket(err error) error {
	if warehouse.KindOf(err) == warehouse.NotFound {
		return &damage{text: "the object does not exist", expected: "an object", found: "no object"}
	}
	return bucketError{err}
}

// bucketError hides what an error of the bucket wraps, so that a disk's error
// there is not taken for one of the cache's disk.
type bucketError struct{ err error }

func (e bucketError) Error() string { return e.err.Error() }

// writeCopy makes the file at path, with its folder, from what write writes. On
// error it leaves no temporary file.
func writeCopy(path string, write func(*os.File) error) (fileState, error) {
	out, err := createTemp(path + tempSuffix)
	if err != nil {
		return fileState{}, err
	}
	err = errors.Join(write(out), out.Close())
	if err == nil {
		err = os.Rename(path+tempSuffix, path)
	}
	if err != nil {
		_ = os.Remove(path + tempSuffix)
		return fileState{}, err
	}
	return stateOf(path), nil
}

// createTemp creates or empties a file. Its folder may be missing, or be removed
// by an eviction at any moment before the file exists.
func createTemp(path string) (out *os.File, err error) {
	for range 10 {
		out, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
		err := os.MkdirAll(filepath.Dir(path), 0o750)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	return out, err
}

// failed gives an error its kind and names the section. Damage is Corrupt, also
// when the object is missing: the index says that it is live.
func (c *Sections) failed(verb string, w wanted, err error) error {
	kind := warehouse.KindOf(err)
	var hidden bucketError
	switch {
	case isDamage(err):
		kind = warehouse.Corrupt
		c.metrics.corrupt.Inc()
		c.report(w, err)
	case errors.As(err, &hidden):
		kind = warehouse.KindOf(hidden.err)
	case kind == warehouse.Internal: // the disk's
		kind = warehouse.Unavailable
	}
	return warehouse.Errorf(kind, "%s %s: %w", verb, w, err)
}
