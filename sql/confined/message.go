package confined

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/stackhouse-db/stackhouse/sql/engine"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// openRequest says which instance to open, and what the process keeps.
type openRequest struct {
	Threads      int
	MemoryBytes  int64
	TempDir      string
	MaxTempBytes int64
	ReadDirs     []string
	EngineDirs   []string // what DuckDB itself lets through, where that is not ReadDirs
	Settings     []engine.Setting
	DataBytes    int64 // RLIMIT_DATA; 0 is none
	Niceness     int
}

// Report says what a process gave up before it opened its instance.
type Report struct {
	Landlock int    // version of the kernel's Landlock; 0: it has none, files are open to the process
	Seccomp  bool   // system calls are filtered
	Problem  string // why something is missing, or ""
}

// appendRequest says where rows go.
type appendRequest struct{ Database, Schema, Table string }

// wireError is an error on its way to the parent.
type wireError struct {
	Fault  *engine.Fault `json:",omitempty"`
	Kind   warehouse.Kind
	Text   string
	Broken bool // the instance is
}

func encodeError(err error, broken bool) []byte {
	e := wireError{Kind: warehouse.KindOf(err), Text: err.Error(), Broken: broken}
	if f := (*engine.Fault)(nil); errors.As(err, &f) {
		e.Fault = f
	}
	return mustJSON(e)
}

func decodeError(body []byte) (err error, broken bool) { //nolint:revive // the error is the value
	var e wireError
	if err := json.Unmarshal(body, &e); err != nil {
		return warehouse.Errorf(warehouse.Internal, "read the answer of a worker: %w", err), true
	}
	if e.Fault != nil {
		return e.Fault, e.Broken
	}
	return &warehouse.Error{Kind: e.Kind, Text: e.Text}, e.Broken
}

func mustJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(warehouse.Bug("encode %T: %v", v, err))
	}
	return data
}

// newBatchWriter begins an Arrow stream.
func newBatchWriter(w io.Writer, schema *arrow.Schema) *ipc.Writer {
	return ipc.NewWriter(w, ipc.WithSchema(schema))
}

// encodeBatches writes batches of a schema as an Arrow stream.
func encodeBatches(schema *arrow.Schema, batches ...arrow.RecordBatch) ([]byte, error) {
	var b bytes.Buffer
	w := newBatchWriter(&b, schema)
	for _, rec := range batches {
		if err := w.Write(rec); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

// decodeBatches reads them. Each batch is the caller's to release.
//
// The other end may be a process in which something broke: what it says is checked
// before anybody looks at it, offsets into values included.
func decodeBatches(data []byte) (schema *arrow.Schema, batches []arrow.RecordBatch, err error) {
	defer func() {
		if p := recover(); p != nil { // of the reader, at bytes that make no sense
			schema, batches, err = nil, nil, warehouse.Errorf(warehouse.Corrupt, "an Arrow stream: %v", p)
		}
	}()
	if err := checkStream(data); err != nil {
		return nil, nil, err
	}
	room := &bounded{Allocator: memory.DefaultAllocator, left: 2*int64(len(data)) + 1<<20}
	r, err := ipc.NewReader(bytes.NewReader(data), ipc.WithAllocator(room))
	if err != nil {
		return nil, nil, err
	}
	defer r.Release()
	for {
		rec, err := r.Read()
		if errors.Is(err, io.EOF) {
			return r.Schema(), batches, nil
		}
		if err == nil {
			err = array.ValidateRecordFull(rec)
		}
		if err != nil {
			for _, b := range batches {
				b.Release()
			}
			return nil, nil, err
		}
		rec.Retain()
		batches = append(batches, rec)
	}
}

// ctxError gives the end of a context its kind.
func ctxError(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return warehouse.Errorf(warehouse.Deadline, "query instance: %w", ctx.Err())
	}
	return warehouse.Errorf(warehouse.Canceled, "query instance: %w", ctx.Err())
}
