package api

import (
	"io"

	"connectrpc.com/connect"
	"github.com/klauspost/compress/gzip"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Levels of compression. On a flame graph of 32,000 boxes, 450 KiB, the thorough
// one takes 13 instead of 9 ms and saves 2 %; the fastest there is would take 5
// and make it a sixth larger. Smaller ones it makes no smaller, and on one of
// 130,000 boxes it would take 50 ms more, which nobody wants to wait for. What is
// small enough costs nothing to try hardest on.
const (
	bestLevel     = 9 // of messages of up to bestTo bytes
	bestTo        = 16 << 10
	usualLevel    = 6
	thoroughLevel = 8 // of messages of thoroughFrom to thoroughTo bytes
	thoroughFrom  = 256 << 10
	thoroughTo    = 1 << 20
)

// compressor is a gzip writer that chooses its level by the size of what is
// written first: a message is written at once.
type compressor struct {
	best, thorough, usual *gzip.Writer // made when needed
	used                  *gzip.Writer // for what is being written; nil before
	to                    io.Writer
}

func newCompressor() connect.Compressor { return new(compressor) }

// Reset begins to write to w.
func (c *compressor) Reset(w io.Writer) { c.used, c.to = nil, w }

// Write compresses p.
func (c *compressor) Write(p []byte) (int, error) {
	if c.used == nil {
		c.begin(len(p))
	}
	return c.used.Write(p)
}

func (c *compressor) begin(size int) {
	level, z := usualLevel, &c.usual
	switch {
	case size <= bestTo:
		level, z = bestLevel, &c.best
	case size >= thoroughFrom && size <= thoroughTo:
		level, z = thoroughLevel, &c.thorough
	}
	if *z == nil {
		var err error
		if *z, err = gzip.NewWriterLevel(c.to, level); err != nil {
			panic(warehouse.Bug("gzip level: %v", err))
		}
	} else {
		(*z).Reset(c.to)
	}
	c.used = *z
}

// Close writes the end.
func (c *compressor) Close() error {
	if c.used == nil {
		c.begin(0)
	}
	err := c.used.Close()
	c.used.Reset(io.Discard) // lets go of the writer
	return err
}
