package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/segment"
)

// segmentCmd holds the commands that look into stored segments. They need no
// server and no settings, read only, and may run beside a server.
type segmentCmd struct {
	Ls    segmentLsCmd    `cmd:"" help:"List the segments of a data directory or bucket."`
	Show  segmentShowCmd  `cmd:"" help:"Show what a segment holds: parts, datasets, sections and their sizes."`
	Check segmentCheckCmd `cmd:"" help:"Verify segments down to every row; exit status 1 if one is damaged."`
}

type segmentShowCmd struct {
	JSON  bool     `name:"json" option:"" help:"Print one JSON object a segment, each on a line."`
	Files []string `arg:"" name:"file" help:"Segments."`
}

type segmentCheckCmd struct {
	storeFlags
	All   bool     `name:"all" option:"" help:"Check every segment of a data directory or bucket, and that every id in a sample is defined in a live object of its dataset partition."`
	JSON  bool     `name:"json" option:"" help:"Print one JSON object a segment, each on a line."`
	Paths []string `arg:"" optional:"" name:"path" help:"Segments, and directories in which every *.seg is checked."`
}

// segment runs one of the commands.
func (p program) segment(ctx context.Context, name string, cmd *segmentCmd) int {
	command, _, _ := strings.Cut(name, " ")
	switch command {
	case "ls":
		return p.listSegments(ctx, &cmd.Ls)
	case "show":
		return p.showSegments(&cmd.Show)
	case "check":
		return p.checkSegments(ctx, &cmd.Check)
	}
	return p.fail(exitUsage, fmt.Errorf("no command segment %s", name))
}

// readDescription returns what a segment's footer says. It reads the end of the
// file only.
func readDescription(path string) (*warehouse.Segment, error) {
	f, size, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	end, err := readEnd(f, size, segment.TailSize)
	if err != nil {
		return nil, err
	}
	n, err := segment.FooterSize(end, size)
	if err != nil {
		return nil, err
	}
	if end, err = readEnd(f, size, n); err != nil {
		return nil, err
	}
	return segment.DecodeFooter(end, size)
}

// readEnd returns the last n bytes of a file, or all of a smaller one.
func readEnd(f io.ReaderAt, size, n int64) ([]byte, error) {
	end := make([]byte, min(n, size))
	_, err := f.ReadAt(end, size-int64(len(end)))
	return end, err
}

// openRegular opens a file and returns its size. What is no file with bytes, as
// a directory or a pipe, is an error.
func openRegular(path string) (*os.File, int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s is no regular file", path)
	}
	f, err := os.Open(path)
	return f, info.Size(), err
}

// plainText returns text as it is if a terminal shows it so, else quoted: names
// in objects are from clients.
func plainText(text string) string {
	if quoted := strconv.Quote(text); quoted[1:len(quoted)-1] != text || text == "" {
		return quoted
	}
	return text
}

// bytesText returns a number of bytes for people, rounded: 12.5KiB.
func bytesText(n int64) string {
	for _, u := range sizeUnits[:4] {
		if float64(n) >= u.bytes {
			return strconv.FormatFloat(float64(n)/u.bytes, 'f', 1, 64) + u.suffix
		}
	}
	return plural(n, "byte")
}

// plural returns a number with its noun: "1 part", "2 parts".
func plural[N int | int64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strings.Join([]string{strconv.FormatInt(int64(n), 10), " ", noun, "s"}, "")
}
