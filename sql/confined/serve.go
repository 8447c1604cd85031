package confined

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/stackhouse-db/stackhouse/sql/engine"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Serve is the process's end: it answers requests from r on w until r ends, which it
// does when the parent is gone. A process calls it once, and ends with it.
func Serve(r io.Reader, w io.Writer) error {
	s := &server{w: w, requests: make(chan frame), done: make(chan struct{})}
	defer close(s.done)
	defer s.close()
	failed := make(chan error, 1)
	go func() { failed <- s.read(r) }()
	for {
		select {
		case f := <-s.requests:
			if err := s.answer(f); err != nil {
				return err
			}
		case err := <-failed:
			return err
		}
	}
}

// Exit is what the process's main function calls: it serves the socket that the
// parent left as file descriptor 3 and returns the exit status. It returns at once
// when the parent is gone, whatever still runs.
func Exit() int {
	const socket = 3
	file := os.NewFile(socket, "parent")
	if file == nil {
		return 2
	}
	if err := Serve(file, file); err != nil && !errors.Is(err, io.EOF) {
		return 1
	}
	return 0
}

// server answers one request after the other.
type server struct {
	w        io.Writer
	requests chan frame
	done     chan struct{} // closed when nobody answers any more
	instance *engine.Instance
	rows     *engine.Rows
	sentRows bool         // since the query began
	out      bytes.Buffer // of the frame that is being made

	mu struct {
		sync.Mutex
		number uint32             // of the request that runs
		cancel context.CancelFunc // nil: none runs
	}
}

// read hands requests on and interrupts what runs. When the parent is gone it ends
// the process: what runs may not end by itself.
func (s *server) read(r io.Reader) error {
	for {
		f, err := readFrame(r)
		if err != nil {
			if _, isFile := r.(*os.File); isFile {
				os.Exit(0) //nolint:forbidigo // a worker whose parent is gone has nobody to tell
			}
			return err
		}
		if f.kind == askInterrupt {
			s.interrupt(f.number)
			continue
		}
		s.begin(f.number) // here, or an interrupt could come before the request is known
		select {
		case s.requests <- f:
		case <-s.done:
			return nil
		}
	}
}

func (s *server) close() {
	s.closeRows()
	if s.instance != nil {
		s.instance.Close()
	}
}

func (s *server) begin(number uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.number, s.mu.cancel = number, nil
}

// interrupt cancels the request of the number. One that has not begun to run is
// canceled when it does.
func (s *server) interrupt(number uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.mu.number != number:
	case s.mu.cancel != nil:
		s.mu.cancel()
	default:
		s.mu.cancel = func() {} // begun, and canceled
	}
}

// context returns the context of the request that runs.
func (s *server) context() (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // the root of a process
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.cancel != nil {
		cancel()
	}
	s.mu.cancel = cancel
	return ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.mu.number, s.mu.cancel = 0, nil
		cancel()
	}
}

// answer runs a request. An error is one of the connection.
func (s *server) answer(f frame) error {
	ctx, end := s.context()
	kind, body, err := s.run(ctx, f)
	end()
	if err != nil {
		broken := s.instance == nil || s.instance.Broken()
		kind, body = answerError, encodeError(err, broken)
	}
	return writeFrame(s.w, frame{kind, f.number, body})
}

func (s *server) run(ctx context.Context, f frame) (frameKind, []byte, error) {
	if f.kind == askOpen {
		return s.open(f.body)
	}
	if s.instance == nil {
		return 0, nil, warehouse.Errorf(warehouse.Internal, "request %q before an instance was opened", f.kind)
	}
	if s.rows != nil && f.kind != askNext && f.kind != askClose {
		return 0, nil, warehouse.Errorf(warehouse.Internal, "request %q while rows are read", f.kind)
	}
	switch f.kind {
	case askExec:
		return answerOK, nil, s.instance.Exec(ctx, string(f.body))
	case askText:
		text, err := s.instance.Text(ctx, string(f.body))
		return answerOK, []byte(text), err
	case askDescribe:
		d, err := s.instance.Describe(ctx, string(f.body))
		if err != nil {
			return 0, nil, err
		}
		return answerOK, mustJSON(d), nil
	case askLock:
		return answerOK, nil, s.instance.Lock(ctx)
	case askAppend:
		return answerOK, nil, s.append(ctx, f.body)
	case askQuery:
		return s.query(ctx, string(f.body))
	case askNext:
		return s.next(ctx)
	case askClose:
		s.closeRows()
		return answerOK, nil, nil
	}
	return 0, nil, warehouse.Errorf(warehouse.Internal, "unknown request %q", f.kind)
}

// goHeap bounds the Go runtime of a worker, which only passes batches on.
const goHeap = 64 << 20

// open confines the process, then opens the instance.
func (s *server) open(body []byte) (frameKind, []byte, error) {
	var req openRequest
	if err := json.Unmarshal(body, &req); err != nil {
		return 0, nil, warehouse.Errorf(warehouse.Internal, "open worker: %w", err)
	}
	if s.instance != nil {
		return 0, nil, warehouse.Errorf(warehouse.Internal, "open worker: it is open")
	}
	debug.SetMemoryLimit(goHeap)
	runtime.GOMAXPROCS(min(2, runtime.NumCPU()))
	report, err := confine(&req)
	if err != nil {
		return 0, nil, warehouse.Errorf(warehouse.Internal, "confine worker: %w", err)
	}
	dirs := req.ReadDirs
	if len(req.EngineDirs) > 0 {
		dirs = req.EngineDirs
	}
	s.instance, err = engine.OpenInstance(engine.Options{
		Threads: req.Threads, MemoryBytes: req.MemoryBytes, TempDir: req.TempDir, MaxTempBytes: req.MaxTempBytes, AllowedDirs: dirs,
	}, req.Settings...)
	if err != nil {
		return 0, nil, err
	}
	return answerOK, mustJSON(report), nil
}

// append adds the rows behind an appendRequest: uvarint(size) ‖ request ‖ stream.
func (s *server) append(ctx context.Context, body []byte) error {
	size, n := binary.Uvarint(body)
	if n <= 0 || size > uint64(len(body)-n) {
		return warehouse.Errorf(warehouse.Internal, "append: the request is cut")
	}
	var req appendRequest
	if err := json.Unmarshal(body[n:n+int(size)], &req); err != nil { //nolint:gosec // bounded above
		return warehouse.Errorf(warehouse.Internal, "append: %w", err)
	}
	_, batches, err := decodeBatches(body[n+int(size):]) //nolint:gosec // likewise
	if err != nil {
		return warehouse.Errorf(warehouse.Internal, "append: %w", err)
	}
	for _, b := range batches {
		if err == nil {
			err = s.instance.Append(ctx, req.Database, req.Schema, req.Table, b)
		}
		b.Release()
	}
	return err
}

func (s *server) query(ctx context.Context, text string) (frameKind, []byte, error) {
	rows, err := s.instance.Query(ctx, text)
	if err != nil {
		return 0, nil, err
	}
	s.rows, s.sentRows = rows, false
	schema, err := encodeBatches(rows.Schema())
	if err != nil {
		s.closeRows()
		return 0, nil, warehouse.Errorf(warehouse.Internal, "encode schema: %w", err)
	}
	return answerOK, schema, nil
}

const (
	// framePayload is about how many bytes of batches go into one frame after the
	// first, which holds one batch: whoever waits sees it at once.
	framePayload = 512 << 10
	// frameTime bounds how long batches are gathered.
	frameTime = 20 * time.Millisecond
)

// next answers with the next batches. An error or the end that comes behind some of
// them is found again by the next request.
func (s *server) next(ctx context.Context) (frameKind, []byte, error) {
	if s.rows == nil {
		return 0, nil, warehouse.Errorf(warehouse.Internal, "there are no rows to read")
	}
	s.out.Reset()
	out := &s.out
	w := newBatchWriter(out, s.rows.Schema())
	began := time.Now()
	for n := 0; n == 0 || s.sentRows && out.Len() < framePayload && time.Since(began) < frameTime; n++ {
		rec, err := s.rows.Next(ctx)
		switch {
		case err == nil:
		case n > 0:
			return s.sendBatches(w)
		case errors.Is(err, engine.ErrDone):
			return answerDone, nil, nil
		default:
			return 0, nil, err
		}
		if err := w.Write(rec); err != nil {
			return 0, nil, warehouse.Errorf(warehouse.Internal, "encode rows: %w", err)
		}
	}
	s.sentRows = true
	return s.sendBatches(w)
}

// batchWriter is an Arrow stream that is being written.
type batchWriter interface {
	Write(rec arrow.RecordBatch) error
	Close() error
}

func (s *server) sendBatches(w batchWriter) (frameKind, []byte, error) {
	if err := w.Close(); err != nil {
		return 0, nil, warehouse.Errorf(warehouse.Internal, "encode rows: %w", err)
	}
	return answerOK, s.out.Bytes(), nil
}

func (s *server) closeRows() {
	if s.rows != nil {
		s.rows.Close()
		s.rows = nil
	}
}
