package cache

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// readKey names a read: two descriptions of one section are not the same read.
type readKey struct {
	sectionKey
	section warehouse.Section
}

// sharedRead is a read from the bucket that several callers wait for.
type sharedRead struct {
	done  chan struct{} // closed when data and err are set
	data  []byte
	err   error
	retry bool // the one who read was canceled, which is no reason for others to fail
}

// Read returns the bytes of the part's section, verified, from the cache or else
// from the bucket. It leaves nothing on disk. Errors are those of Acquire.
//
// Ownership: callers that ask at the same time may get the same bytes, which
// nobody may change.
func (c *Sections) Read(ctx context.Context, p *warehouse.Part, t warehouse.Table) ([]byte, error) {
	w, err := want("read", p, t)
	if err != nil {
		return nil, err
	}
	if data, ok := c.readFile(ctx, w); ok {
		c.metrics.reads.WithLabelValues(outcomeHit).Inc()
		return data, nil
	}
	data, err := c.readShared(ctx, w)
	if err != nil {
		c.metrics.reads.WithLabelValues(outcomeFailed).Inc()
		return nil, err
	}
	c.metrics.reads.WithLabelValues(outcomeFetched).Inc()
	return data, nil
}

// readFile returns the bytes of the section's file, if there is one and it is
// right. If one is just being fetched, it waits for that.
func (c *Sections) readFile(ctx context.Context, w wanted) ([]byte, bool) {
	for {
		f, _, wait, err := c.tryPin(w, false)
		switch {
		case err != nil || f == nil:
			return nil, false
		case wait != nil:
			if c.await(ctx, f, wait) != nil {
				return nil, false
			}
			continue
		}
		data, err := readVerified(f.path, w.section)
		if err != nil {
			c.distrust(f, err)
		}
		c.unpin(f)
		return data, err == nil
	}
}

// readVerified returns the bytes of a file if they are what the index says.
func readVerified(path string, s warehouse.Section) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := checkSize(s, info.Size()); err != nil {
		return nil, err
	}
	data := make([]byte, s.Size)
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, err
	}
	return data, checkBytes(s, data)
}

// distrust makes the next one who acquires a file verify it.
func (c *Sections) distrust(f *sectionFile, err error) {
	if !f.inPlace && !errors.Is(err, fs.ErrNotExist) {
		c.foundDamaged(f.path, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f.state = fileState{}
}

// readShared reads the section from the bucket, once for all who want it now.
func (c *Sections) readShared(ctx context.Context, w wanted) ([]byte, error) {
	key := readKey{w.key, w.section}
	for {
		c.mu.Lock()
		if c.mu.closed {
			c.mu.Unlock()
			return nil, warehouse.Errorf(warehouse.Unavailable, "read %s: the cache is closed", w)
		}
		r, running := c.mu.reads[key]
		if !running {
			r = &sharedRead{done: make(chan struct{}), retry: true}
			c.mu.reads[key] = r
		}
		c.mu.Unlock()
		if !running {
			return c.lead(ctx, key, r, w)
		}
		select {
		case <-r.done:
			if !r.retry {
				return r.data, r.err
			}
		case <-ctx.Done():
			return nil, c.failed("read", w, ctx.Err())
		}
	}
}

// lead reads for all who wait for r.
func (c *Sections) lead(ctx context.Context, key readKey, r *sharedRead, w wanted) ([]byte, error) {
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.mu.reads, key)
		close(r.done)
	}()
	r.data, r.err = c.readBucket(ctx, w)
	r.retry = r.err != nil && ctx.Err() != nil
	return r.data, r.err
}

func (c *Sections) readBucket(ctx context.Context, w wanted) ([]byte, error) {
	var err error
	for range fetchTries {
		var data []byte
		if data, err = c.readPiece(ctx, w, 0, w.section.Size); err == nil {
			if err = checkBytes(w.section, data); err == nil {
				c.report(w, nil)
				return data, nil
			}
		}
		if !isDamage(err) {
			break
		}
	}
	return nil, c.failed("read", w, err)
}
