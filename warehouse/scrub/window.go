package scrub

import (
	"context"
	"fmt"
	"hash/crc32"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// windowBytes is how much of an object is read at once.
const windowBytes = 1 << 20

// claim is what the index says of a range of an object's file.
type claim struct {
	part *warehouse.Part
	warehouse.Section
}

// compare reads the claimed ranges of an object, which ascend, and calls differs for
// those whose bytes are not there or not as claimed.
func (v *verifier) compare(ctx context.Context, object string, claims []claim, differs func(c claim, expected, found string)) error {
	var crc uint32
	var done int64 // bytes of the first claim that were read
	for len(claims) > 0 {
		from := claims[0].Offset + done
		n := windowOf(claims, from)
		data, err := v.read(ctx, object, from, n)
		if err != nil {
			return err
		}
		isShort := int64(len(data)) < n
		for len(claims) > 0 {
			c := &claims[0]
			start := c.Offset + done - from
			if start < 0 || start >= n && done < c.Size {
				break // another window has it
			}
			piece := data[min(start, int64(len(data))):min(c.Offset+c.Size-from, int64(len(data)))]
			crc = crc32.Update(crc, castagnoli, piece)
			done += int64(len(piece))
			switch {
			case done == c.Size && crc != c.CRC:
				differs(*c, fmt.Sprintf("CRC-32C %08x", c.CRC), fmt.Sprintf("CRC-32C %08x", crc))
			case done < c.Size && isShort:
				differs(*c, fmt.Sprintf("%d bytes", c.Size), fmt.Sprintf("%d bytes", done))
			}
			if done < c.Size && !isShort {
				break // the next window has the rest
			}
			claims, crc, done = claims[1:], 0, 0
		}
	}
	return nil
}

// windowOf returns how many bytes to read from a place on: no more than a window, and
// not what follows the last claim in it.
func windowOf(claims []claim, from int64) int64 {
	var end int64
	for i := range claims {
		if claims[i].Offset >= from+windowBytes {
			break
		}
		end = claims[i].Offset + claims[i].Size
	}
	return min(max(end-from, 0), windowBytes)
}
