package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"connectrpc.com/connect"
	"github.com/oklog/ulid/v2"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// exchange is one request on its way through the server. It is the endpoint's
// ResponseWriter, and is found again in the request's context.
//
// Concurrency: used by the request's goroutine only.
type exchange struct {
	http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration // for one write; see Limits.WriteTimeout

	id     string
	tenant warehouse.Tenant // once known
	err    error            // what the endpoint failed with
	status int              // sent; 0 before
	sent   int64            // bytes of the answer's body
	read   int64            // bytes of the request's body, inflated

	// failStatus replaces the status of a failing answer, where the protocol's
	// own mapping is coarser than HTTP: 405, 408, 413, 415, 422.
	failStatus int
}

type exchangeKey struct{}

// exchangeOf returns the exchange that ctx belongs to. Outside of one it
// returns one that leads nowhere, so that endpoints need not check.
func exchangeOf(ctx context.Context) *exchange {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	return newExchange(nowhere{}, 0, "")
}

func newExchange(w http.ResponseWriter, patience time.Duration, id string) *exchange {
	return &exchange{ResponseWriter: w, control: http.NewResponseController(w), patience: patience, id: id}
}

type nowhere struct{}

func (nowhere) Header() http.Header         { return http.Header{} }
func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) WriteHeader(int)             {}

// WriteHeader sends the status, or failStatus instead of a failing one.
func (x *exchange) WriteHeader(status int) {
	if x.failStatus != 0 && status >= 400 {
		status = x.failStatus
	}
	if x.status == 0 && status >= 200 {
		x.status = status
	}
	x.startClock()
	x.ResponseWriter.WriteHeader(status)
}

// Write sends a part of the answer's body, in pieces with a clock of their own.
func (x *exchange) Write(p []byte) (int, error) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	var n int
	for {
		x.startClock()
		m, err := x.ResponseWriter.Write(p[n:min(len(p), n+64<<10)])
		n += m
		x.sent += int64(m)
		if err != nil || n == len(p) {
			return n, err
		}
	}
}

// startClock gives the client time to take the next piece. One that does not
// read must not hold an answer in memory for ever.
func (x *exchange) startClock() {
	if x.patience > 0 {
		_ = x.control.SetWriteDeadline(time.Now().Add(x.patience)) // writers in tests have none
	}
}

// Flush sends what is buffered.
func (x *exchange) Flush() { _ = x.control.Flush() }

// Unwrap returns the writer beneath, for [http.ResponseController].
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// outcome returns the HTTP status that says best how the request ended: gRPC
// answers 200 whatever happened.
func (x *exchange) outcome() int {
	if x.failStatus != 0 {
		return x.failStatus
	}
	if x.err != nil {
		return replyTo(x.err).status
	}
	if code, err := strconv.Atoi(x.grpcStatus()); err == nil && code != 0 {
		return statusOf(connect.Code(code))
	}
	if x.status == 0 {
		return http.StatusOK
	}
	return x.status
}

func (x *exchange) grpcStatus() string {
	h := x.Header()
	if s := h.Get("Grpc-Status"); s != "" {
		return s
	}
	return h.Get(http.TrailerPrefix + "Grpc-Status")
}

// fail answers with err, in the shape that the client's protocol has for errors.
// A status other than 0 replaces the one of the error's kind.
func (s *Server) fail(x *exchange, r *http.Request, status int, err error) {
	x.err = err
	if status != 0 {
		x.failStatus = status
	}
	setRetryAfter(x, err)
	_ = s.errors.Write(x, r, connectError(err)) // the client is gone, or it is not
}

func setRetryAfter(x *exchange, err error) {
	if replyTo(err).later && x.failStatus == 0 {
		x.Header().Set("Retry-After", retryAfter)
	}
}

// observe does what every request needs around its endpoint: an id, the log
// line, the metrics, and an end to panics.
func (s *Server) observe(rt route) http.Handler {
	next := s.guard(rt)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := newExchange(w, s.limits.WriteTimeout, requestID(r.Header.Get("X-Request-Id")))
		_ = x.control.SetWriteDeadline(time.Time{}) // the connection's last request has left one
		w.Header().Set("X-Request-Id", x.id)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		start := time.Now()
		s.metrics.inflight.Inc()
		defer func() {
			v := recover()
			if v != nil && v != http.ErrAbortHandler {
				s.panicked(x, r, v)
			}
			s.metrics.inflight.Dec()
			s.metrics.done(rt.path, x, time.Since(start))
			s.log(r, x, time.Since(start))
			if v == http.ErrAbortHandler {
				panic(v)
			}
		}()
		next.ServeHTTP(x, r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x)))
	})
}

// guard refuses requests by method and origin before the endpoint sees them.
func (s *Server) guard(rt route) http.Handler {
	next := s.limitBody(rt)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := exchangeOf(r.Context())
		switch {
		case !rt.allows(r.Method):
			w.Header().Set("Allow", rt.allow())
			s.fail(x, r, http.StatusMethodNotAllowed, warehouse.Errorf(warehouse.Invalid, "method %s is not allowed here: use %s", r.Method, rt.allow()))
		case isCrossSiteWrite(r):
			s.fail(x, r, 0, warehouse.Errorf(warehouse.Denied, "a web page of another site may not send this request"))
		default:
			if err := s.admitPush(rt); err != nil {
				w.Header().Set("Retry-After", strconv.Itoa(int(retryFull.Seconds())))
				s.fail(x, r, replyTo(err).status, err)
				return
			}
			next.ServeHTTP(w, r)
		}
	})
}

// admitPush returns why profiles are not accepted now, before their bodies are read.
func (s *Server) admitPush(rt route) error {
	if !rt.push || s.admit == nil {
		return nil
	}
	return s.admit()
}

// isCrossSiteWrite reports whether a browser says that a foreign page made it
// send r: without this, any page could push profiles to a server on localhost.
func isCrossSiteWrite(r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return false
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site":
		return true
	}
	return false
}

// panicked answers 500 if nothing was answered yet. The stack goes to the log.
func (s *Server) panicked(x *exchange, r *http.Request, v any) {
	s.countPanic(r.Context(), x, v)
	x.err = errPanic(x)
	if x.status == 0 {
		s.fail(x, r, 0, x.err)
	}
}

func (s *Server) countPanic(ctx context.Context, x *exchange, v any) {
	s.metrics.panics.Inc()
	s.logger.LogAttrs(ctx, slog.LevelError, "request panicked", slog.String("request", x.id),
		slog.String("err", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
}

// errPanic is what the client is told: not the stack, but where to find it.
func errPanic(x *exchange) error {
	return warehouse.Errorf(warehouse.Internal, "internal error: the server's log tells more of request %s", x.id)
}

func (s *Server) log(r *http.Request, x *exchange, took time.Duration) {
	status := x.outcome()
	level := slog.LevelDebug
	switch {
	case status == http.StatusInternalServerError:
		level = slog.LevelError
	case status == http.StatusNotImplemented, status == http.StatusInsufficientStorage: // logs may be on the full disk
	case status > http.StatusInternalServerError:
		level = slog.LevelWarn
	}
	if !s.logger.Enabled(r.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("request", x.id), slog.String("method", r.Method), slog.String("path", r.URL.Path),
		slog.Int("status", status), slog.String("tenant", string(x.tenant)),
		slog.Int64("read", x.read), slog.Int64("bytes", x.sent), slog.Duration("dur", took),
	}
	if x.err != nil {
		attrs = append(attrs, slog.Any("err", x.err))
	}
	s.logger.LogAttrs(r.Context(), level, "request done", attrs...)
}

// requestID returns the id the client sent if it is fit for logs, else a new one.
func requestID(sent string) string {
	if len(sent) == 0 || len(sent) > 64 {
		return ulid.Make().String()
	}
	for i := range len(sent) {
		c := sent[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
			return ulid.Make().String()
		}
	}
	return sent
}
