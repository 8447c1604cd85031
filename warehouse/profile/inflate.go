package profile

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/gzip"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// maxDeflateRatio is the most bytes one byte of deflate can stand for.
const maxDeflateRatio = 1032

// minGzip is the size of a gzip member's header and trailer.
const minGzip = 18

// gunzipper is a reusable gzip reader over a byte slice.
type gunzipper struct {
	zip gzip.Reader
	src bytes.Reader
}

var gunzippers = sync.Pool{New: func() any { return new(gunzipper) }}

// Inflate appends the unpacked body to dst: of a gzip stream, recognised by its
// magic, what all its members hold; else the body as it is. It returns an Invalid
// error if there are more than limit bytes, or if the stream is damaged, cut
// short, or followed by anything else.
//
// Memory grows with what is really there, not with what the stream claims.
func Inflate(dst, body []byte, limit int64) ([]byte, error) {
	if len(body) < 2 || body[0] != 0x1f || body[1] != 0x8b {
		if int64(len(body)) > limit {
			return dst, tooLarge(limit)
		}
		return append(dst, body...), nil
	}
	g := gunzippers.Get().(*gunzipper)
	defer gunzippers.Put(g)
	g.src.Reset(body)
	defer g.src.Reset(nil)
	if err := g.zip.Reset(&g.src); err != nil {
		return dst, malformed("inflate profile: %w", err)
	}
	return readAll(slices.Grow(dst, sizeHint(body, limit)), &g.zip, limit)
}

// sizeHint returns the room to begin with: what the trailer says is the size of
// the last member, as far as that is allowed and possible, and a little more: to
// meet the end of the stream, and to append an ordinal (see contentID), without
// growing.
func sizeHint(body []byte, limit int64) int {
	const slack = 16
	if len(body) < minGzip {
		return slack
	}
	claimed := int64(binary.LittleEndian.Uint32(body[len(body)-4:]))
	return int(min(claimed, limit, maxDeflateRatio*int64(len(body)))) + slack
}

// readAll appends all of r to dst, at most limit bytes.
func readAll(dst []byte, r io.Reader, limit int64) ([]byte, error) {
	start := len(dst)
	for {
		if len(dst) == cap(dst) {
			dst = slices.Grow(dst, max(512, min(len(dst)-start, int(limit)-(len(dst)-start)+1)))
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if int64(len(dst)-start) > limit {
			return dst[:start], tooLarge(limit)
		}
		switch err {
		case nil:
		case io.EOF:
			return dst, nil
		default:
			return dst[:start], malformed("inflate profile: after %d bytes: %w", len(dst)-start, err)
		}
	}
}

func tooLarge(limit int64) error {
	return refuse(warehouse.ReasonProfileSize, "inflate profile: it has more than the %d bytes allowed", limit)
}
