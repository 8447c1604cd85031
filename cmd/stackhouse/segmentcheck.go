package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/segment"
)

// progressEvery is how often a long check says how far it is.
const progressEvery = 5 * time.Second

// checkSegments verifies segments one after another and prints a line for each.
func (p program) checkSegments(ctx context.Context, paths []string) int {
	c := segmentChecker{program: p, now: time.Now}
	c.find(paths)
	c.run(ctx)
	if c.failed() {
		return exitError
	}
	return exitOK
}

// segmentChecker is one run of the check command: first it finds the objects,
// then it reads them, so that it can say how much is left.
type segmentChecker struct {
	program
	now   func() time.Time
	files []segmentFile
	bytes int64 // of all files

	nChecked, nDamaged, nUnreadable, nGone int
	bytesRead                              int64
	stopped                                bool
}

type segmentFile struct {
	path  string
	size  int64
	found bool // in a directory, and not named by the caller
}

// failed reports whether not everything is known to be in order.
func (c *segmentChecker) failed() bool { return c.nDamaged+c.nUnreadable > 0 || c.stopped }

// find collects the files of all paths.
func (c *segmentChecker) find(paths []string) {
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			c.unreadable(path, err)
		case info.IsDir():
			c.walk(path)
		default:
			c.add(segmentFile{path: path, size: info.Size()})
		}
	}
}

func (c *segmentChecker) add(f segmentFile) {
	c.files = append(c.files, f)
	c.bytes += f.size
}

// walk collects the segments below a directory. A directory that cannot be read
// is reported, and the rest is walked.
func (c *segmentChecker) walk(root string) {
	if target, err := filepath.EvalSymlinks(root); err == nil {
		root = target // WalkDir does not enter a link
	}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && path != root: // removed meanwhile
		case err != nil:
			c.unreadable(path, err)
		case entry.Type().IsRegular() && strings.HasSuffix(path, ".seg"):
			if info, err := entry.Info(); err == nil {
				c.add(segmentFile{path: path, size: info.Size(), found: true})
			}
		}
		return nil
	})
	if err != nil {
		c.unreadable(root, err)
	}
}

// run checks the files. It ends early, between two of them, when ctx is done.
func (c *segmentChecker) run(ctx context.Context) {
	start := c.now()
	last := start
	for _, f := range c.files {
		if ctx.Err() != nil {
			c.stopped = true
			break
		}
		c.check(f)
		if now := c.now(); now.Sub(last) >= progressEvery {
			last = now
			fmt.Fprintf(c.stderr, "stackhouse: checked %d of %s, %s of %s; %d damaged\n", c.nChecked,
				plural(len(c.files), "segment"), bytesText(c.bytesRead), bytesText(c.bytes), c.nDamaged)
		}
	}
	end := "checked"
	if c.stopped {
		end = "interrupted; checked"
	}
	fmt.Fprintf(c.stderr, "stackhouse: %s %s, %s, in %s; %d damaged, %d unreadable\n", end, plural(c.nChecked, "segment"),
		bytesText(c.bytesRead), c.now().Sub(start).Round(time.Millisecond), c.nDamaged, c.nUnreadable)
}

// check checks one file. A running server removes segments that nothing needs
// any more: one that was found and is gone now is no fault.
func (c *segmentChecker) check(f segmentFile) {
	data, err := readRegular(f.path)
	switch {
	case f.found && errors.Is(err, fs.ErrNotExist):
		c.nGone++
		c.line("gone", f.path, "removed since the check began")
		return
	case err != nil:
		c.unreadable(f.path, err)
		return
	}
	c.nChecked++
	c.bytesRead += int64(len(data))
	seg, err := checkSegment(f.path, data)
	if err != nil {
		c.nDamaged++
		c.line("damaged", f.path, err.Error())
		return
	}
	var sections int
	var samples int64
	for i := range seg.Parts {
		sections += len(seg.Parts[i].Sections)
		samples += seg.Parts[i].Rows()
	}
	c.line("ok", f.path, fmt.Sprintf("%s, %s, %s, %s", plural(len(seg.Parts), "part"), plural(sections, "section"), plural(samples, "sample"), bytesText(seg.Size)))
}

// checkSegment verifies a whole object, and that it is the one that a name as
// the bucket has it promises.
func checkSegment(path string, data []byte) (*warehouse.Segment, error) {
	if err := segment.Check(data); err != nil {
		return nil, err
	}
	seg, err := segment.Decode(data)
	if err != nil {
		return nil, err
	}
	if shard, id, ok := block.ParseSegmentName(objectName(path)); ok && (id != seg.ID || shard != seg.Shard) {
		return nil, fmt.Errorf("it is segment %s of shard %d by its footer", seg.ID, seg.Shard)
	}
	return seg, nil
}

// objectName returns the end of a path that is the name of an object, if the
// path is of a bucket's directory.
func objectName(path string) string {
	slashed := filepath.ToSlash(path)
	if abs, err := filepath.Abs(path); err == nil {
		slashed = filepath.ToSlash(abs)
	}
	if at := strings.LastIndex(slashed, "/"+block.SegmentPrefix); at >= 0 {
		return slashed[at+1:]
	}
	return slashed
}

func readRegular(path string) ([]byte, error) {
	f, size, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readEnd(f, size, size)
}

func (c *segmentChecker) unreadable(path string, err error) {
	c.nUnreadable++
	c.line("unreadable", path, err.Error())
}

// line prints the verdict on one object.
func (c *segmentChecker) line(verdict, path, text string) {
	fmt.Fprintf(c.stdout, "%s %s: %s\n", verdict, plainText(path), strings.ReplaceAll(text, "\n", " "))
}
