package cache

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sync"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// damage says how bytes differ from what the index says of them.
type damage struct {
	text            string
	expected, found string // empty if reading again may find nothing wrong
}

func (d *damage) Error() string { return d.text }

// errChanges is what a file is that somebody writes to just now.
var errChanges = &damage{text: "it changes while it is read"}

func isDamage(err error) bool {
	var d *damage
	return errors.As(err, &d)
}

// checkSize compares a number of bytes with the index.
func checkSize(s warehouse.Section, n int64) error {
	if n != s.Size {
		return &damage{
			text:     fmt.Sprintf("it has %d bytes, the index says %d", n, s.Size),
			expected: fmt.Sprintf("%d bytes", s.Size), found: fmt.Sprintf("%d bytes", n),
		}
	}
	return nil
}

// checkCRC compares a checksum with the index.
func checkCRC(s warehouse.Section, crc uint32) error {
	if crc != s.CRC {
		return &damage{
			text:     fmt.Sprintf("its CRC-32C is %08x, the index says %08x", crc, s.CRC),
			expected: fmt.Sprintf("CRC-32C %08x", s.CRC), found: fmt.Sprintf("CRC-32C %08x", crc),
		}
	}
	return nil
}

// checkBytes compares bytes with the index.
func checkBytes(s warehouse.Section, data []byte) error {
	if err := checkSize(s, int64(len(data))); err != nil {
		return err
	}
	return checkCRC(s, crc32.Checksum(data, castagnoli))
}

// buffers are for reading files piece by piece.
var buffers = sync.Pool{New: func() any { return new([256 << 10]byte) }}

// verifyFile compares a file with the index and returns the state in which it
// was right. What differs is damage; other errors are those of package os.
func (c *Sections) verifyFile(ctx context.Context, path string, s warehouse.Section) (fileState, error) {
	f, err := os.Open(path)
	if err != nil {
		return fileState{}, err
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return fileState{}, err
	}
	if err := checkSize(s, before.Size()); err != nil {
		return fileState{}, err
	}
	crc, err := checksum(ctx, f)
	if err != nil {
		return fileState{}, err
	}
	c.metrics.verified.Add(float64(s.Size))
	if err := checkCRC(s, crc); err != nil {
		return fileState{}, err
	}
	after, err := f.Stat()
	if err != nil {
		return fileState{}, err
	}
	state := stateOfInfo(after)
	if state != stateOfInfo(before) {
		return fileState{}, errChanges
	}
	return state, nil
}

func checksum(ctx context.Context, r io.Reader) (uint32, error) {
	buf := buffers.Get().(*[256 << 10]byte)
	defer buffers.Put(buf)
	var crc uint32
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n, err := r.Read(buf[:])
		crc = crc32.Update(crc, castagnoli, buf[:n])
		if errors.Is(err, io.EOF) {
			return crc, nil
		}
		if err != nil {
			return 0, err
		}
	}
}
