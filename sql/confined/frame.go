package confined

import (
	"encoding/binary"
	"fmt"
	"io"
)

// A frame is one message:
//
//	size, u32le ‖ kind[1] ‖ number, u32le ‖ body, size − 5 bytes
//
// The number is that of the request that a frame is about. Both ends are of one
// build, so there is no version.
type frame struct {
	kind   frameKind
	number uint32
	body   []byte
}

type frameKind byte

// Requests, and what they are answered with.
const (
	askOpen      frameKind = 'o' // openRequest → Report
	askExec      frameKind = 'e' // text → nothing
	askText      frameKind = 't' // text → text
	askDescribe  frameKind = 'd' // text → engine.Description
	askQuery     frameKind = 'q' // text → schema, an Arrow stream without batches
	askNext      frameKind = 'n' // nothing → batches, an Arrow stream
	askClose     frameKind = 'c' // nothing → nothing: ends the rows
	askAppend    frameKind = 'a' // appendRequest ‖ an Arrow stream → nothing
	askLock      frameKind = 'l' // nothing → nothing
	askInterrupt frameKind = 'i' // is not answered: ends the request of the number, if it still runs

	answerOK    frameKind = 'k'
	answerDone  frameKind = 'x' // to askNext: no more rows
	answerError frameKind = 'f' // wireError
)

const (
	frameHeader = 5
	// maxFrame is more than any answer: a frame of batches ends soon after
	// framePayload, and one value has at most 4 GiB in DuckDB, which nobody's limit
	// of memory lets through.
	maxFrame = 1 << 30

	smallBody = 4 << 10 // is copied behind its head, so that both are one write
	trusted   = 4 << 20 // is allocated at once, on the word of a header
)

func writeFrame(w io.Writer, f frame) error {
	if len(f.body) > maxFrame-frameHeader {
		return fmt.Errorf("a message has %d bytes, the limit is %d", len(f.body), maxFrame)
	}
	head := make([]byte, 0, 4+frameHeader)
	head = binary.LittleEndian.AppendUint32(head, uint32(frameHeader+len(f.body))) //nolint:gosec // bounded above
	head = append(head, byte(f.kind))
	head = binary.LittleEndian.AppendUint32(head, f.number)
	if len(f.body) < smallBody {
		_, err := w.Write(append(head, f.body...))
		return err
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	_, err := w.Write(f.body)
	return err
}

// readFrame reads one frame, whose body is the caller's. Memory is taken as bytes
// come, so that a size alone costs nothing.
func readFrame(r io.Reader) (frame, error) {
	var head [4 + frameHeader]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return frame{}, err
	}
	size := binary.LittleEndian.Uint32(head[:])
	if size < frameHeader || size > maxFrame {
		return frame{}, fmt.Errorf("a message says that it has %d bytes", size)
	}
	f := frame{kind: frameKind(head[4]), number: binary.LittleEndian.Uint32(head[5:])}
	left := int(size) - frameHeader
	if left <= trusted {
		f.body = make([]byte, left)
		_, err := io.ReadFull(r, f.body)
		return f, err
	}
	for left > 0 {
		n := min(left, 1<<20)
		start := len(f.body)
		f.body = append(f.body, make([]byte, n)...)
		if _, err := io.ReadFull(r, f.body[start:]); err != nil {
			return frame{}, err
		}
		left -= n
	}
	return f, nil
}
