package confined

import (
	"encoding/binary"
	"errors"
	"fmt"

	flatbuffers "github.com/google/flatbuffers/go"

	"github.com/apache/arrow-go/v18/arrow/memory"
)

// checkStream walks the messages of an Arrow stream and reports whether each lies
// within the bytes there are: the reader takes memory on the word of their headers.
// The form is that of "Encapsulated message format" in Arrow's columnar format: a
// marker, the size of the metadata, metadata, and as many bytes as those say.
func checkStream(data []byte) (err error) {
	const marker, head = 0xffffffff, 8
	defer func() {
		if recover() != nil { // of the reader of metadata, at places that are none
			err = errors.New("the metadata of a message make no sense")
		}
	}()
	for len(data) > 0 {
		if len(data) < head || binary.LittleEndian.Uint32(data) != marker {
			return fmt.Errorf("%d bytes are no message", len(data))
		}
		size := int64(binary.LittleEndian.Uint32(data[4:]))
		if size == 0 {
			return nil // the end
		}
		if size > int64(len(data)-head) {
			return fmt.Errorf("a message says that its metadata has %d bytes, there are %d", size, len(data)-head)
		}
		body := bodySize(data[head : head+size])
		rest := int64(len(data)-head) - size
		if body < 0 || body > rest {
			return fmt.Errorf("a message says that it has %d bytes, there are %d", body, rest)
		}
		data = data[head+size+body:]
	}
	return nil
}

// bodySize reads bodyLength, the fourth field of the table Message.
func bodySize(metadata []byte) int64 {
	t := flatbuffers.Table{Bytes: metadata, Pos: flatbuffers.GetUOffsetT(metadata)}
	const bodyLength = 4 + 3*2 // of its place in the table of fields
	at := t.Offset(bodyLength)
	if at == 0 {
		return 0
	}
	return t.GetInt64(t.Pos + flatbuffers.UOffsetT(at))
}

// bounded is an allocator that refuses, by a panic, what no honest stream of that
// many bytes needs.
type bounded struct {
	memory.Allocator
	left int64
}

func (b *bounded) take(n int) {
	if b.left -= int64(n); b.left < 0 {
		panic("an Arrow stream asks for more memory than it has bytes")
	}
}

func (b *bounded) Allocate(n int) []byte {
	b.take(n)
	return b.Allocator.Allocate(n)
}

func (b *bounded) Reallocate(n int, old []byte) []byte {
	b.take(max(n-len(old), 0))
	return b.Allocator.Reallocate(n, old)
}
