package cache

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
)

// Sections gives out stored sections as verified local Parquet files.
//
// Sections of segments, and all sections of a remote bucket, are copied to the
// cache's folder when they are first acquired or when their writer offers them,
// and evicted in the order of their last use. Blocks of a bucket with local
// paths are read in place. Either is verified once in the life of the process,
// and again when the file changes.
//
// Concurrency: all methods may be called at the same time. Callers that want
// the same missing section wait for one fetch.
type Sections struct {
	dir      string // absolute
	maxBytes int64
	bucket   object.Bucket
	verdict  func(*warehouse.Part, warehouse.Table, *warehouse.Damage)
	log      *slog.Logger
	metrics  *sectionMetrics

	mu fileIndex
}

// OpenSections opens the cache in its folder, which is created if it is missing.
// Copies of an earlier process are kept as far as the budget allows; each is
// verified when it is first used. What was being written is removed.
func OpenSections(o SectionsOptions) (*Sections, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(o.Dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o750)
	}
	if err != nil {
		return nil, warehouse.Errorf(warehouse.Unavailable, "open section cache %s: %w", o.Dir, err)
	}
	o = o.withDefaults()
	c := &Sections{dir: dir, maxBytes: o.MaxBytes, bucket: o.Bucket, verdict: o.OnVerdict, log: o.Logger, metrics: newSectionMetrics(o.Registry)}
	c.mu.files = make(map[sectionKey]*sectionFile)
	c.mu.objects = make(map[warehouse.ObjectID][]*sectionFile)
	c.mu.reads = make(map[readKey]*sharedRead)
	if err := c.adopt(); err != nil {
		return nil, warehouse.Errorf(warehouse.Unavailable, "open section cache %s: %w", dir, err)
	}
	c.trim()
	return c, nil
}

// Local is an acquired section.
type Local struct {
	// Path is a whole Parquet file, right until Release.
	Path string

	cache    *Sections
	file     *sectionFile
	released atomic.Bool
	unmap    func() // nil unless mapped
}

// Map returns the bytes of the file, without a copy where the system can; they are
// right until Release. It is called once. A file that somebody cuts short meanwhile is
// a fault at the reader: see debug.SetPanicOnFault.
func (l *Local) Map() ([]byte, error) {
	data, unmap, err := mapFile(l.Path)
	if err != nil {
		return nil, warehouse.Errorf(warehouse.Unavailable, "map %s: %w", l.Path, err)
	}
	l.unmap = unmap
	return data, nil
}

// Release gives the section back. More than once is fine, and so is nil.
func (l *Local) Release() {
	if l != nil && l.released.CompareAndSwap(false, true) {
		if l.unmap != nil {
			l.unmap()
		}
		l.cache.unpin(l.file)
	}
}

// Acquire returns the part's section of a table as a local file whose size and
// CRC-32C are those of the index. It stays until it is released.
//
// A part without such a section is NotFound. Bytes that are missing from the
// bucket, or that are not those of the index, are Corrupt: the error names the
// object, the section, what was expected and what was found. Other errors are
// the bucket's or the disk's, with their kind.
func (c *Sections) Acquire(ctx context.Context, p *warehouse.Part, t warehouse.Table) (*Local, error) {
	l, outcome, err := c.acquire(ctx, p, t)
	if err != nil {
		outcome = outcomeFailed
	}
	c.metrics.acquires.WithLabelValues(outcome).Inc()
	return l, err
}

func (c *Sections) acquire(ctx context.Context, p *warehouse.Part, t warehouse.Table) (*Local, string, error) {
	w, err := want("acquire", p, t)
	if err != nil {
		return nil, "", err
	}
	f, owned, err := c.pin(ctx, w)
	if err != nil {
		return nil, "", err
	}
	outcome := outcomeHit
	if owned {
		if outcome, err = c.load(ctx, f, w); err != nil {
			return nil, "", err
		}
	}
	return &Local{Path: f.path, cache: c, file: f}, outcome, nil
}

// Put offers a section that the caller has just stored, so that it need not be
// fetched. It is best effort: bytes that are not those of the index, and a full
// disk, are counted and otherwise ignored.
//
// Ownership: data is the caller's again when Put returns.
func (c *Sections) Put(p *warehouse.Part, t warehouse.Table, data []byte) {
	outcome, err := c.put(p, t, data)
	if err != nil {
		outcome = outcomeFailed
		c.log.Warn("cannot cache a new section", "err", err)
	}
	c.metrics.puts.WithLabelValues(outcome).Inc()
}

func (c *Sections) put(p *warehouse.Part, t warehouse.Table, data []byte) (string, error) {
	w, err := want("put", p, t)
	if err != nil {
		return "", err
	}
	if err := checkBytes(w.section, data); err != nil {
		return "", warehouse.Errorf(warehouse.Invalid, "put %s: %w", w, err)
	}
	if _, ok := c.localPath(w); ok {
		return outcomePresent, nil
	}
	c.mu.Lock()
	if _, ok := c.mu.files[w.key]; ok || c.mu.closed {
		c.mu.Unlock()
		return outcomePresent, nil
	}
	f := c.add(w)
	c.mu.Unlock()
	if err := c.store(f, w, data); err != nil {
		return "", err
	}
	c.unpin(f)
	return outcomeStored, nil
}

// store writes an owned file and settles it.
func (c *Sections) store(f *sectionFile, w wanted, data []byte) error {
	state, err := writeCopy(f.path, func(out *os.File) error {
		_, err := out.Write(data)
		return err
	})
	c.settle(f, w, state, err, true)
	if err != nil {
		return warehouse.Errorf(warehouse.Unavailable, "put %s: %w", w, err)
	}
	return nil
}

// Close ends the use of the cache: whoever asks for a section then gets
// Unavailable. Sections that are acquired stay usable, and copies stay for the
// next process.
func (c *Sections) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.closed {
		return errors.New("section cache is closed already")
	}
	c.mu.closed = true
	return nil
}
