package profile

import (
	"errors"
	"sync"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/inflate"
)

var inflaters = sync.Pool{New: func() any { return new(inflate.Decoder) }}

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
	d := inflaters.Get().(*inflate.Decoder)
	defer inflaters.Put(d)
	out, err := d.Gzip(dst, body, int(limit))
	switch {
	case errors.Is(err, inflate.ErrLimit):
		return dst, tooLarge(limit)
	case err != nil:
		return dst, malformed("inflate profile: %w", err)
	}
	return out, nil
}

func tooLarge(limit int64) error {
	return refuse(warehouse.ReasonProfileSize, "inflate profile: it has more than the %d bytes allowed", limit)
}
