package api

import (
	"fmt"

	"google.golang.org/protobuf/proto"
)

// protoCodec is connect's binary codec with generated code for writing, which is
// several times as fast as reflection for large flamegraphs
// (BenchmarkEncodeFlamegraph). Reading keeps to the standard library, because
// only that checks that strings are UTF-8.
type protoCodec struct{}

// generated is what messages with generated marshalling have.
type generated interface {
	SizeVT() int
	MarshalToSizedBufferVT(data []byte) (int, error)
}

// Name returns the codec's content subtype.
func (protoCodec) Name() string { return "proto" }

// IsBinary reports that the encoding is not text.
func (protoCodec) IsBinary() bool { return true }

// Marshal encodes a message.
func (c protoCodec) Marshal(message any) ([]byte, error) { return c.MarshalAppend(nil, message) }

// MarshalAppend appends an encoded message to dst.
func (protoCodec) MarshalAppend(dst []byte, message any) ([]byte, error) {
	if m, ok := message.(generated); ok {
		return appendGenerated(dst, m)
	}
	m, ok := message.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%T is no protobuf message", message)
	}
	return proto.MarshalOptions{}.MarshalAppend(dst, m)
}

// MarshalStable encodes a message with its fields in order.
func (protoCodec) MarshalStable(message any) ([]byte, error) {
	m, ok := message.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%T is no protobuf message", message)
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(m)
}

// Unmarshal decodes a message.
func (protoCodec) Unmarshal(data []byte, message any) error {
	m, ok := message.(proto.Message)
	if !ok {
		return fmt.Errorf("%T is no protobuf message", message)
	}
	return proto.Unmarshal(data, m)
}

func appendGenerated(dst []byte, m generated) ([]byte, error) {
	start, size := len(dst), m.SizeVT()
	if cap(dst)-start < size {
		grown := make([]byte, start, start+size)
		copy(grown, dst)
		dst = grown
	}
	dst = dst[:start+size]
	n, err := m.MarshalToSizedBufferVT(dst[start:])
	if err != nil {
		return nil, err
	}
	if n != size {
		return nil, fmt.Errorf("%T took %d bytes, said %d", m, n, size)
	}
	return dst, nil
}
