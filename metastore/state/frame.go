package state

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Frames are the pieces in which a snapshot is written and checked:
//
//	frame = u32le(length of the payload) ‖ kind[1] ‖ u32le(crc) ‖ payload
//
// The crc is CRC-32C of length, kind and payload, continued from the frame
// before it: a frame that is missing, repeated or out of place is found as a
// damaged one is.
const (
	frameHeaderBytes = 4 + 1 + 4
	frameTargetBytes = 256 << 10
	maxFrameBytes    = 1 << 30
)

// frameWriter gathers values of one kind into frames.
type frameWriter struct {
	w       io.Writer
	sum     uint32
	kind    frameKind
	values  *warehouse.Encoder
	written int64
	err     error
}

// begin starts a frame of the kind.
func (f *frameWriter) begin(kind frameKind) *warehouse.Encoder {
	f.kind = kind
	f.values = warehouse.NewEncoder(make([]byte, frameHeaderBytes, frameHeaderBytes+1024))
	return f.values
}

// next is called after each value: it returns the encoder for the next one,
// behind a full frame that of a new one.
func (f *frameWriter) next() *warehouse.Encoder {
	if len(f.values.Bytes()) < frameTargetBytes {
		return f.values
	}
	f.end()
	return f.begin(f.kind)
}

// end writes the frame, unless it is empty.
func (f *frameWriter) end() {
	frame := f.values.Bytes()
	if f.err != nil || len(frame) == frameHeaderBytes {
		return
	}
	binary.LittleEndian.PutUint32(frame, uint32(len(frame)-frameHeaderBytes))
	frame[4] = byte(f.kind)
	f.sum = crc32.Update(f.sum, castagnoli, frame[:5])
	f.sum = crc32.Update(f.sum, castagnoli, frame[frameHeaderBytes:])
	binary.LittleEndian.PutUint32(frame[5:], f.sum)
	n, err := f.w.Write(frame)
	f.written += int64(n)
	f.err = err
}

// frameReader reads frames and checks them.
type frameReader struct {
	r   io.Reader
	sum uint32
	buf bytes.Buffer
}

// next returns the next frame; its payload is valid until the next call.
func (f *frameReader) next() (frameKind, []byte, error) {
	var header [frameHeaderBytes]byte
	if _, err := io.ReadFull(f.r, header[:]); err != nil {
		return 0, nil, warehouse.Errorf(warehouse.Corrupt, "read frame: %w", err)
	}
	length := binary.LittleEndian.Uint32(header[:])
	if length > maxFrameBytes {
		return 0, nil, warehouse.Errorf(warehouse.Corrupt, "read frame: length %d is over %d", length, maxFrameBytes)
	}
	f.buf.Reset()
	// CopyN takes memory as bytes arrive, not as the length promises.
	if _, err := io.CopyN(&f.buf, f.r, int64(length)); err != nil {
		return 0, nil, warehouse.Errorf(warehouse.Corrupt, "read frame of %d bytes: %w", length, err)
	}
	f.sum = crc32.Update(f.sum, castagnoli, header[:5])
	f.sum = crc32.Update(f.sum, castagnoli, f.buf.Bytes())
	if want := binary.LittleEndian.Uint32(header[5:]); want != f.sum {
		return 0, nil, warehouse.Errorf(warehouse.Corrupt, "read frame: checksum is %08x, the bytes give %08x", want, f.sum)
	}
	return frameKind(header[4]), f.buf.Bytes(), nil
}
