package pgwire

import (
	"bufio"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/prometheus/client_golang/prometheus"
)

// bufferBytes of each direction: what a client may send ahead while its statement
// runs, and what is collected before it is written.
const bufferBytes = 32 << 10

// past is a deadline that makes a read fail at once.
var past = time.Unix(1, 0)

// wire is one connection: messages in and out, through buffers.
//
// Concurrency: one goroutine, except for interrupt, hurry and relax, and for watch
// between its start and its stop.
type wire struct {
	conn net.Conn
	r    *bufio.Reader
	w    *bufio.Writer
	b    *pgproto3.Backend
	err  error // of the first write that failed: later ones do nothing

	writeTimeout time.Duration // for each write, unless hurried
	sent         prometheus.Counter

	mu struct {
		sync.Mutex
		interrupted bool // reads fail at once from now on
		hurried     bool // the write deadline stands
	}
}

func newWire(conn net.Conn, opts Options, sent prometheus.Counter) *wire {
	w := &wire{conn: conn, r: bufio.NewReaderSize(conn, bufferBytes), writeTimeout: opts.WriteTimeout, sent: sent}
	w.w = bufio.NewWriterSize(timedWriter{w}, bufferBytes)
	w.b = pgproto3.NewBackend(w.r, w.w)
	w.b.SetMaxBodyLen(opts.MaxMessageBytes)
	return w
}

// timedWriter writes to the connection, with a deadline for each write.
type timedWriter struct{ *wire }

func (w timedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	if !w.mu.hurried {
		_ = w.conn.SetWriteDeadline(time.Now().Add(w.writeTimeout))
	}
	w.mu.Unlock()
	n, err := w.conn.Write(p)
	w.sent.Add(float64(n))
	return n, err
}

// hurry lets all writes together, one that is under way included, take no longer
// than d; relax undoes it. Any goroutine may call them.
func (w *wire) hurry(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.hurried = true
	_ = w.conn.SetWriteDeadline(time.Now().Add(d))
}

func (w *wire) relax() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.hurried = false
}

// send buffers a message. A failure shows in err.
func (w *wire) send(msg pgproto3.BackendMessage) {
	if w.err == nil {
		w.b.Send(msg)
		w.err = w.b.Flush() // into w.w
	}
}

// write buffers the bytes of whole messages.
func (w *wire) write(p []byte) error {
	if w.err == nil {
		_, w.err = w.w.Write(p)
	}
	return w.err
}

// flush writes what is buffered to the client.
func (w *wire) flush() {
	if w.err == nil {
		w.err = w.w.Flush()
	}
}

// receive returns the next message, which is valid until the next call. It waits
// no longer than until deadline; zero: without end.
func (w *wire) receive(deadline time.Time) (pgproto3.FrontendMessage, error) {
	w.readUntil(deadline)
	return w.b.Receive()
}

func (w *wire) readUntil(deadline time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mu.interrupted {
		deadline = past
	}
	_ = w.conn.SetReadDeadline(deadline) // fails on a closed connection only, and so will the read
}

// interrupt makes the current read and all later ones fail, once what is buffered
// is used up. Any goroutine may call it.
func (w *wire) interrupt() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.interrupted = true
	_ = w.conn.SetReadDeadline(past)
}

// isTimeout reports whether a read or write ended because of its deadline.
func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
