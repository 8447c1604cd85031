package confined

import (
	"bytes"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/sql/engine"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

func someBatch() arrow.RecordBatch {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "a", Type: arrow.PrimitiveTypes.Int64, Nullable: true}, {Name: "b", Type: arrow.BinaryTypes.String},
		{Name: "c", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	b.Field(0).(*array.Int64Builder).AppendValues([]int64{1, 2}, []bool{true, false})
	b.Field(1).(*array.StringBuilder).AppendValues([]string{"x", "longer"}, nil)
	l := b.Field(2).(*array.ListBuilder)
	l.Append(true)
	l.ValueBuilder().(*array.StringBuilder).Append("inner")
	l.AppendNull()
	return b.NewRecordBatch()
}

// FuzzAnswer: whatever a process sends, reading the frame, the error and the sizes of
// an Arrow stream ends, and takes no more memory than there are bytes.
func FuzzAnswer(f *testing.F) {
	rec := someBatch()
	defer rec.Release()
	stream, err := encodeBatches(rec.Schema(), rec, rec)
	require.NoError(f, err)
	for _, body := range [][]byte{stream, nil, encodeError(&engine.Fault{Class: "Binder", Message: "no"}, true), encodeError(warehouse.Errorf(warehouse.Limit, "x"), false)} {
		var b bytes.Buffer
		require.NoError(f, writeFrame(&b, frame{answerOK, 7, body}))
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := readFrame(bytes.NewReader(data))
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(got.body), len(data))
		failure, _ := decodeError(got.body)
		require.Error(t, failure)
		_ = checkStream(got.body)
	})
}

// TestCutStreams: a stream of which bytes are missing or wrong is an error or gives rows
// that can be read, and nobody panics.
func TestCutStreams(t *testing.T) {
	t.Parallel()
	rec := someBatch()
	defer rec.Release()
	stream, err := encodeBatches(rec.Schema(), rec)
	require.NoError(t, err)
	_, batches, err := decodeBatches(stream)
	require.NoError(t, err)
	require.Len(t, batches, 1)
	require.Equal(t, "longer", batches[0].Column(1).ValueStr(1))
	batches[0].Release()
	for n := range stream {
		if n == 0 {
			continue // nothing at all is no stream
		}
		_, batches, err := decodeBatches(stream[:n])
		for _, b := range batches {
			b.Release()
		}
		if err == nil {
			require.LessOrEqual(t, len(batches), 1)
		}
	}
	huge := bytes.Clone(stream)
	copy(huge[4:], []byte{255, 255, 255, 127})
	_, _, err = decodeBatches(huge)
	require.ErrorContains(t, err, "metadata has 2147483647 bytes")
}

func TestFrames(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, smallBody, trusted + 10} {
		want := frame{askQuery, 42, bytes.Repeat([]byte{7}, size)}
		var b bytes.Buffer
		require.NoError(t, writeFrame(&b, want))
		got, err := readFrame(&b)
		require.NoError(t, err)
		require.Equal(t, want.kind, got.kind)
		require.Equal(t, want.number, got.number)
		require.True(t, bytes.Equal(want.body, got.body))
	}
	for _, data := range [][]byte{{0, 0, 0, 0, 1, 0, 0, 0, 0}, {255, 255, 255, 255, 1, 0, 0, 0, 0}, {9, 0, 0, 0, 1, 0, 0, 0, 0, 1}, {1}} {
		_, err := readFrame(bytes.NewReader(data))
		require.Error(t, err)
	}
}
