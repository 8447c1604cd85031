package api

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// bodies is the account of the memory that request bodies hold.
type bodies struct {
	limit int64
	held  atomic.Int64
}

// take adds n bytes, unless that would exceed the limit.
func (b *bodies) take(n int64) bool {
	if b.held.Add(n) > b.limit {
		b.held.Add(-n)
		return false
	}
	return true
}

func (b *bodies) give(n int64) { b.held.Add(-n) }

// limitBody bounds the request's body in bytes and time, and inflates it if the
// whole of it is compressed. Frames of gRPC are inflated by connect, which
// bounds each message by the same number of bytes.
func (s *Server) limitBody(rt route) http.Handler {
	limit := s.limits.MaxQueryBytes
	if rt.push {
		limit = s.limits.MaxPushBytes
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := exchangeOf(r.Context())
		b := &body{s: s, x: x, src: r.Body, raw: r.Body, limit: limit}
		defer b.release()
		if err := b.admit(r.ContentLength); err != nil {
			if r.ProtoMajor == 1 {
				w.Header().Set("Connection", "close") // rather than read what is refused
			}
			s.fail(x, r, 0, err)
			return
		}
		if err := b.inflate(r); err != nil {
			s.fail(x, r, 0, err)
			return
		}
		b.startClock(w, r)
		r.Body = b
		rt.handler.ServeHTTP(w, r)
	})
}

// body is a request body that is counted and bounded while it is read.
type body struct {
	s     *Server
	x     *exchange
	src   io.Reader // what is read: inflated, if that was needed
	raw   io.ReadCloser
	gz    *gunzip // nil unless inflating
	limit int64
	taken int64  // bytes on the account
	stop  func() // stops the clock
	err   error  // what the last Read returned
}

// admit refuses a body whose declared length is too much already.
func (b *body) admit(length int64) error {
	if length > b.limit {
		return b.tooLarge()
	}
	return b.grow(max(length, 0))
}

func (b *body) tooLarge() error {
	b.x.failStatus = http.StatusRequestEntityTooLarge
	return warehouse.Errorf(warehouse.Limit, "request body is larger than the limit of %d bytes", b.limit)
}

// grow takes what is missing until the account covers n bytes.
func (b *body) grow(n int64) error {
	if n <= b.taken {
		return nil
	}
	if !b.s.bodies.take(n - b.taken) {
		err := warehouse.Errorf(warehouse.Unavailable,
			"memory for request bodies is used up: the limit is %d bytes, try again", b.s.bodies.limit)
		setRetryAfter(b.x, err)
		return err
	}
	b.s.metrics.bodies.Add(float64(n - b.taken))
	b.taken = n
	return nil
}

// inflate prepares to inflate a body that is compressed as a whole.
func (b *body) inflate(r *http.Request) error {
	encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding")))
	switch encoding {
	case "", "identity":
		return nil
	case "gzip", "x-gzip":
		b.gz = &gunzip{src: r.Body}
		b.src = b.gz
		r.Header.Del("Content-Encoding")
		r.ContentLength = -1
		return nil
	}
	b.x.failStatus = http.StatusUnsupportedMediaType
	return warehouse.Errorf(warehouse.Invalid, "content encoding %q is not supported: use gzip or none", encoding)
}

// startClock gives the client time to send: a base and, for large bodies, what
// a slow line needs. The clock stops at the end of the body only: it also bounds
// how long net/http reads what an endpoint has left unread.
func (b *body) startClock(w http.ResponseWriter, r *http.Request) {
	size := r.ContentLength
	switch {
	case size == 0:
		b.stop = func() {}
		return
	case size < 0:
		size = b.limit
	}
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(b.s.limits.BodyTimeout + timeToMove(size))) // not every writer in tests has deadlines
	b.stop = func() { _ = rc.SetReadDeadline(time.Time{}) }
}

// timeToMove returns how long n bytes may take on a slow line, 64 KiB a second.
func timeToMove(n int64) time.Duration { return time.Duration(n>>16) * time.Second }

// Read reads inflated bytes. Its errors carry a connect code.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.src.Read(p)
	b.x.read += int64(n)
	switch {
	case b.x.read > b.limit:
		b.err = connectError(b.tooLarge())
	case b.grow(b.x.read) != nil:
		b.err = connectError(b.grow(b.x.read))
	case errors.Is(err, io.EOF):
		b.err = io.EOF
	case err != nil:
		b.err = connectError(b.explain(err))
	}
	if errors.Is(b.err, io.EOF) {
		b.stop() // else the deadline would end the connection while the endpoint works
	}
	return n, b.err
}

func (b *body) explain(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.x.failStatus = http.StatusRequestTimeout
		return warehouse.Errorf(warehouse.Deadline, "request body did not arrive in time: %w", err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return warehouse.Errorf(warehouse.Invalid, "request body ends early: %w", err)
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.As(err, new(flate.CorruptInputError)):
		return warehouse.Errorf(warehouse.Invalid, "inflate request body: %w", err)
	}
	return warehouse.Errorf(warehouse.Canceled, "read request body: %w", err)
}

// Close closes the body beneath.
func (b *body) Close() error { return b.raw.Close() }

// release gives back what the body holds, when its request has ended.
func (b *body) release() {
	b.s.bodies.give(b.taken)
	b.s.metrics.bodies.Sub(float64(b.taken))
	if b.gz != nil {
		b.gz.release()
	}
}

// gunzip inflates src. It reads the header with the first Read, so that what is
// wrong with it is an error like any other.
type gunzip struct {
	src io.Reader
	z   *gzip.Reader
}

var gunzipPool = sync.Pool{New: func() any { return new(gzip.Reader) }}

func (g *gunzip) Read(p []byte) (int, error) {
	if g.z == nil {
		z, _ := gunzipPool.Get().(*gzip.Reader)
		if err := z.Reset(g.src); err != nil {
			gunzipPool.Put(z)
			return 0, err
		}
		g.z = z
	}
	return g.z.Read(p)
}

func (g *gunzip) release() {
	if g.z != nil {
		gunzipPool.Put(g.z)
		g.z = nil
	}
}
