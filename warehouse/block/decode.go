package block

import (
	"encoding/binary"
	"errors"
	"fmt"
)

var errShort = errors.New("unexpected end")

// appendHybridOf appends the n values of a hybrid that appendHybrid wrote, in
// one of its widths. Bytes after the last value are an error.
func appendHybridOf[T level | uint32](dst []T, body []byte, n, width int) ([]T, error) {
	switch width {
	case 1, 8, 16, 24, 32:
	default:
		return dst, fmt.Errorf("width of %d bits", width)
	}
	for n > 0 {
		head, size := binary.Uvarint(body)
		if size <= 0 {
			return dst, errShort
		}
		body = body[size:]
		if head&1 == 0 {
			bytes := (width + 7) / 8
			if count := head >> 1; count == 0 || count > uint64(n) || len(body) < bytes {
				return dst, fmt.Errorf("run of %d, %d values left", head>>1, n)
			}
			v := widthOf(body, width)
			if width == 1 && v > 1 {
				return dst, fmt.Errorf("level %d", v)
			}
			for range head >> 1 {
				dst = append(dst, T(v))
			}
			body, n = body[bytes:], n-int(head>>1)
			continue
		}
		groups := head >> 1
		if groups == 0 || groups > uint64(n+7)/8 || uint64(len(body)) < groups*uint64(width) {
			return dst, fmt.Errorf("literal of %d groups, %d values left", groups, n)
		}
		count := min(n, 8*int(groups))
		dst = appendLiteralOf(dst, body, count, width)
		body, n = body[int(groups)*width:], n-count
	}
	if len(body) > 0 {
		return dst, fmt.Errorf("%d bytes after the last value", len(body))
	}
	return dst, nil
}

func appendLiteralOf[T level | uint32](dst []T, body []byte, n, width int) []T {
	switch width {
	case 1:
		return appendBitsOf(dst, body, n)
	case 8:
		for _, b := range body[:n] {
			dst = append(dst, T(b))
		}
	case 16:
		for i := range n {
			dst = append(dst, T(binary.LittleEndian.Uint16(body[2*i:])))
		}
	default:
		for i := range n {
			dst = append(dst, T(widthOf(body[i*width/8:], width)))
		}
	}
	return dst
}

func appendBitsOf[T level | uint32](dst []T, body []byte, n int) []T {
	for i := range n {
		dst = append(dst, T(body[i/8]>>(i%8)&1))
	}
	return dst
}

// widthOf reads what appendWidth wrote; body is long enough.
func widthOf(body []byte, width int) uint32 {
	switch width {
	case 1, 8:
		return uint32(body[0])
	case 16:
		return uint32(binary.LittleEndian.Uint16(body))
	case 24:
		return uint32(body[0]) | uint32(body[1])<<8 | uint32(body[2])<<16
	}
	return binary.LittleEndian.Uint32(body)
}

// appendLevelsOf appends the n levels that appendLevels wrote, and returns what
// follows them.
func appendLevelsOf(dst []level, body []byte, n int) ([]level, []byte, error) {
	if len(body) < 4 {
		return dst, nil, errShort
	}
	size := binary.LittleEndian.Uint32(body)
	body = body[4:]
	if uint64(size) > uint64(len(body)) {
		return dst, nil, errShort
	}
	dst, err := appendHybridOf(dst, body[:size], n, 1)
	return dst, body[size:], err
}
