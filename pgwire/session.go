package pgwire

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stackhouse-db/stackhouse/sql/statement"
)

// maxNames limits each kind of thing that a session may name: prepared
// statements, portals, savepoints, parameters.
const maxNames = 4096

// session is one client past its start-up.
//
// Concurrency: one goroutine, except for cancelRunning and terminate.
type session struct {
	srv  *Server
	wire *wire
	key  key
	identity

	params   *params
	txn      transaction
	txnBorn  uint64 // portalSeq when the transaction began
	prepared map[string]*prepared
	portals  map[string]*portal

	portalSeq uint64
	several   bool // the Query in work holds several statements: one transaction
	skipping  bool // an extended message failed: ignore all until Sync

	running struct {
		sync.Mutex
		cancel context.CancelCauseFunc // of the statement that runs; nil when idle
		end    context.CancelCauseFunc // of the session
	}
}

func newSession(srv *Server, w *wire, id identity, p *params) *session {
	return &session{
		srv: srv, wire: w, identity: id, params: p,
		txn:      transaction{status: txnIdle},
		prepared: map[string]*prepared{},
		portals:  map[string]*portal{},
	}
}

// serve handles messages until the client or the server ends the session. ctx
// ends with the server, its cause an error for the client.
func (s *session) serve(ctx context.Context) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	s.running.Lock()
	s.running.end = end
	s.running.Unlock()

	for s.wire.err == nil {
		msg, err := s.receive(ctx)
		if err == nil {
			err = s.handle(ctx, msg)
		}
		if err != nil {
			s.farewell(err)
			return
		}
	}
}

// close frees what the session holds.
func (s *session) close() {
	s.finish(false)
	for name := range s.portals {
		s.dropPortal(name)
	}
	s.srv.keys.remove(s.key.pid)
	s.srv.leave()
}

// errBye ends a session without a word: the client said Terminate or left.
var errBye = errors.New("client left")

// receive waits for a message, as long as the idle time-outs allow.
func (s *session) receive(ctx context.Context) (pgproto3.FrontendMessage, error) {
	name, expired := "idle_session_timeout", fatalf(stateIdleSession, "terminating connection due to idle-session timeout")
	if s.inBlock() {
		name, expired = "idle_in_transaction_session_timeout", fatalf(stateIdleInTransaction, "terminating connection due to idle-in-transaction timeout")
	}
	var deadline time.Time
	if d := s.params.duration(name); d > 0 {
		deadline = time.Now().Add(d)
	}
	msg, err := s.wire.receive(deadline)
	if err == nil {
		return msg, nil
	}
	return nil, s.readError(ctx, err, expired)
}

// readError says why no message came.
func (s *session) readError(ctx context.Context, err error, expired *pgError) error {
	var tooLong *pgproto3.ExceededMaxBodyLenErr
	switch {
	case ctx.Err() != nil:
		return asPGError(context.Cause(ctx))
	case isTimeout(err) && s.srv.isDraining():
		return errShutdown
	case isTimeout(err):
		return expired
	case errors.As(err, &tooLong):
		return fatalf(stateProgramLimit, "message of %d bytes: the limit is %d", tooLong.ActualBodyLen, tooLong.MaxExpectedBodyLen)
	case isConnectionError(err):
		return errBye
	}
	return fatalf(stateProtocolViolation, "invalid message: %s", err)
}

// isConnectionError reports whether a read failed for want of bytes, not for what
// they were.
func isConnectionError(err error) bool {
	var timeout interface{ Timeout() bool } // *net.OpError and its like
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) || errors.As(err, &timeout)
}

// farewell tells the client why its session ends.
func (s *session) farewell(err error) {
	if errors.Is(err, errBye) {
		return
	}
	s.wire.hurry(s.srv.opts.WriteGrace)
	s.wire.send(asPGError(err).response())
	s.wire.flush()
}

// handle does what a message asks. An error ends the session.
func (s *session) handle(ctx context.Context, msg pgproto3.FrontendMessage) error {
	if s.skipping {
		switch msg.(type) {
		case *pgproto3.Sync, *pgproto3.Terminate:
		default:
			return nil
		}
	}
	switch m := msg.(type) {
	case *pgproto3.Query:
		return s.simpleQuery(ctx, m.String)
	case *pgproto3.Parse:
		return s.extended(ctx, func(ctx context.Context) error { return s.parse(ctx, m) })
	case *pgproto3.Bind:
		return s.extended(ctx, func(ctx context.Context) error { return s.bind(ctx, m) })
	case *pgproto3.Describe:
		return s.extended(ctx, func(ctx context.Context) error { return s.describe(ctx, m) })
	case *pgproto3.Execute:
		return s.extended(ctx, func(ctx context.Context) error { return s.execute(ctx, m) })
	case *pgproto3.Close:
		return s.extended(ctx, func(context.Context) error { return s.closeNamed(m) })
	case *pgproto3.Sync:
		s.sync()
	case *pgproto3.Flush:
		s.wire.flush()
	case *pgproto3.Terminate:
		return errBye
	case *pgproto3.CopyData, *pgproto3.CopyDone, *pgproto3.CopyFail:
		// left over from a COPY FROM that was refused
	case *pgproto3.FunctionCall:
		s.begin()
		if err := s.fail(errorf(stateFeatureNotSupported, "function calls by message are not supported")); err != nil {
			return err
		}
		s.finishImplicit(false)
		s.ready()
	default:
		return fatalf(stateProtocolViolation, "unexpected message %T", msg)
	}
	return nil
}

// fail answers a statement's error. It returns the error if the session is over.
func (s *session) fail(err error) error {
	e := asPGError(err)
	if e.severity == severityFatal {
		return e
	}
	s.log(e)
	if s.txn.status == txnOpen {
		s.txn.status = txnFailed
	}
	s.wire.send(e.response())
	s.wire.flush()
	return nil
}

// log notes the errors that are not the client's.
func (s *session) log(e *pgError) {
	if class := e.code[:2]; class == "XX" || class == "58" {
		s.srv.opts.Logger.Error("statement failed", "tenant", s.tenant, "code", e.code, "err", e.message, "cause", e.cause)
		return
	}
	s.srv.opts.Logger.Debug("statement refused", "tenant", s.tenant, "code", e.code, "err", e.message,
		"application", s.params.value("application_name"))
}

// warn sends a notice that does not stop the statement.
func (s *session) warn(code, message string) {
	if s.params.value("client_min_messages") == "error" {
		return
	}
	s.wire.send(&pgproto3.NoticeResponse{
		Severity: severityWarning, SeverityUnlocalized: severityWarning, Code: code, Message: message,
	})
}

// ready tells the client that the next statement may come.
func (s *session) ready() {
	s.reportParams()
	s.wire.send(&pgproto3.ReadyForQuery{TxStatus: s.txn.status})
	s.wire.flush()
}

// reportParams tells the client of parameters that changed.
func (s *session) reportParams() {
	for _, c := range s.params.changes() {
		s.wire.send(&pgproto3.ParameterStatus{Name: c.param, Value: c.value})
	}
}

// view is what the SQL layer sees of the session.
func (s *session) view() *statement.Session {
	s.begin()
	return &statement.Session{
		Tenant:          s.tenant,
		User:            s.user,
		ApplicationName: s.params.value("application_name"),
		PID:             s.key.pid,
		TimeZone:        s.params.value("timezone"),
		Now:             s.txn.now,
		Settings:        s.params.settings(),
		Pin:             s.txn.pin,
	}
}
