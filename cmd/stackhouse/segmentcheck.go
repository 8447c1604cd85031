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

// checkSegments verifies segments one after another and prints a line for each, and
// below it what is wrong.
func (p program) checkSegments(ctx context.Context, cmd *segmentCheckCmd) int {
	if cmd.All == (len(cmd.Paths) > 0) {
		return p.fail(exitUsage, errors.New("name segments or directories to check, or give --all"))
	}
	c := &segmentChecker{objectChecker: newObjectChecker(p, "segment", cmd.JSON)}
	if !cmd.All {
		c.find(cmd.Paths)
		return c.end(ctx, c.run(ctx))
	}
	s, err := cmd.open()
	if err == nil {
		dir := filepath.Join(s.root, filepath.FromSlash(block.SegmentPrefix))
		if _, statErr := os.Stat(dir); !errors.Is(statErr, fs.ErrNotExist) { // it goes with the last segment
			c.walk(dir)
		}
		if err = c.run(ctx); err == nil {
			err = c.definitions(ctx, s, &filterFlags{})
		}
	}
	return c.end(ctx, err)
}

// segmentChecker is one run of the check command: first it finds the objects,
// then it reads them.
type segmentChecker struct {
	*objectChecker
	files []segmentFile
}

type segmentFile struct {
	path  string
	found bool // in a directory, and not named by the caller
}

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
			c.files = append(c.files, segmentFile{path: path})
		}
	}
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
			c.files = append(c.files, segmentFile{path: path, found: true})
		}
		return nil
	})
	if err != nil {
		c.unreadable(root, err)
	}
}

// run checks the files. It ends early, between two of them, when ctx is done.
func (c *segmentChecker) run(ctx context.Context) error {
	for _, f := range c.files {
		if err := ctx.Err(); err != nil {
			return err
		}
		c.check(f)
	}
	return nil
}

// check checks one file. A running server removes segments that nothing needs
// any more: one that was found and is gone now is no fault.
func (c *segmentChecker) check(f segmentFile) {
	data, err := readRegular(f.path)
	switch {
	case f.found && errors.Is(err, fs.ErrNotExist):
		c.gone(f.path)
		return
	case err != nil:
		c.unreadable(f.path, err)
		return
	}
	var r warehouse.Report
	seg := checkSegment(f.path, data, &r)
	text := bytesText(int64(len(data)))
	if seg != nil {
		sections := 0
		var samples int64
		for i := range seg.Parts {
			sections += len(seg.Parts[i].Sections)
			samples += seg.Parts[i].Rows()
		}
		text = fmt.Sprintf("%s, %s, %s, %s", plural(len(seg.Parts), "part"), plural(sections, "section"), plural(samples, "sample"), bytesText(seg.Size))
	}
	c.result(f.path, text, int64(len(data)), &r)
}

// checkSegment verifies a whole object, and that it is the one that a name as
// the bucket has it promises.
func checkSegment(path string, data []byte, r *warehouse.Report) *warehouse.Segment {
	seg := segment.Report(data, path, r)
	if seg == nil {
		return nil
	}
	if shard, id, ok := block.ParseSegmentName(objectName(path)); ok && (id != seg.ID || shard != seg.Shard) {
		r.Add(warehouse.Finding{
			Check: segment.CheckName, Object: path, Row: warehouse.NoRow,
			Text: fmt.Sprintf("it is segment %s of shard %d by its footer", seg.ID, seg.Shard),
		})
	}
	return seg
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
