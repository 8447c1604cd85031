package pgwire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stackhouse-db/stackhouse/sql/lex"
)

// The first packet of a connection has no type byte:
//
//	int32 length, itself included, ≤ 10000
//	int32 code: 0x0003_mmmm = start-up of protocol 3.m, or one of the codes below
//	start-up: name NUL value NUL … NUL
//
// pgproto3 refuses minor versions it does not know; we negotiate, so that the
// packet is read here.
const (
	maxStartupBytes = 10_000
	codeCancel      = 80877102
	codeSSL         = 80877103
	codeGSS         = 80877104
	protocolMajor   = 3
	protocolMinor   = 2 // the newest we speak: cancel keys of 32 bytes
)

// startup is a client's first message of substance.
type startup struct {
	minor      uint16            // of the protocol version, as asked for
	params     map[string]string // user, database and run-time parameters
	extensions []string          // _pq_.… options, none of which we know
	cancel     *cancelRequest    // instead of all the above
}

// greet does everything before the first statement, then serves the session. It
// returns how the start-up ended, for metrics.
func (s *Server) greet(ctx context.Context, w *wire) string {
	w.readUntil(time.Now().Add(s.opts.StartupTimeout))
	su, err := readStartup(w)
	if err != nil {
		if fatal := asFatal(err, s); fatal != nil {
			w.send(fatal.response())
			w.flush()
		}
		return "failed"
	}
	if su.cancel != nil {
		s.cancel(su.cancel)
		return "cancel"
	}
	sess, err := s.open(w, su)
	if err != nil {
		w.send(asPGError(err).response())
		w.flush()
		return "refused"
	}
	defer sess.close()
	sess.serve(ctx)
	return "session"
}

// asFatal is what to answer to a start-up that could not be read; nil: nothing.
func asFatal(err error, s *Server) *pgError {
	var own *pgError
	switch {
	case errors.As(err, &own):
		return own
	case isTimeout(err) && s.isDraining():
		return errShutdown
	case isTimeout(err):
		return fatalf(stateProtocolViolation, "start-up took longer than %s", s.opts.StartupTimeout)
	}
	return nil // the client left, or its bytes were no start-up packet
}

// readStartup answers requests for encryption with no, until another packet comes.
func readStartup(w *wire) (*startup, error) {
	for asked := map[uint32]bool{}; ; {
		code, body, err := readPacket(w.r)
		if err != nil {
			return nil, err
		}
		switch {
		case code == codeSSL || code == codeGSS:
			if asked[code] {
				return nil, fatalf(stateProtocolViolation, "encryption was asked for twice")
			}
			asked[code] = true
			_ = w.write([]byte("N")) // a failure shows at the next read
			w.flush()
		case code == codeCancel:
			req, err := parseCancel(body)
			return &startup{cancel: req}, err
		case code>>16 == protocolMajor:
			return parseStartup(uint16(code), body)
		default:
			return nil, fatalf(stateFeatureNotSupported, "unsupported frontend protocol %d.%d: server supports %d.0 to %d.%d",
				code>>16, code&0xffff, protocolMajor, protocolMajor, protocolMinor)
		}
	}
}

// readPacket reads one packet without a type byte.
func readPacket(r io.Reader) (code uint32, body []byte, err error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[:4])
	if n < 8 || n > maxStartupBytes {
		return 0, nil, fatalf(stateProtocolViolation, "invalid length of startup packet")
	}
	body = make([]byte, n-8)
	if _, err := io.ReadFull(r, body); err != nil {
		return 0, nil, err
	}
	return binary.BigEndian.Uint32(head[4:]), body, nil
}

// parseStartup reads the parameters of a start-up packet.
func parseStartup(minor uint16, body []byte) (*startup, error) {
	su := &startup{minor: minor, params: map[string]string{}}
	for {
		name, rest, ok := cutString(body)
		if ok && name == "" {
			if len(rest) > 0 {
				return nil, fatalf(stateProtocolViolation, "invalid startup packet layout: expected terminator as last byte")
			}
			return su, nil
		}
		value, rest, ok2 := cutString(rest)
		switch {
		case !ok || !ok2:
			return nil, fatalf(stateProtocolViolation, "invalid startup packet layout: a string does not end")
		case !utf8.ValidString(name) || !utf8.ValidString(value):
			return nil, fatalf(stateInvalidEncoding, "startup packet is not UTF-8")
		case strings.HasPrefix(name, "_pq_."):
			su.extensions = append(su.extensions, name)
		default:
			su.params[name] = value
		}
		body = rest
	}
}

// cutString takes a string that ends with NUL.
func cutString(b []byte) (s string, rest []byte, ok bool) {
	before, after, ok := bytes.Cut(b, []byte{0})
	return string(before), after, ok
}

// open makes the session that a start-up asks for, and greets its client.
func (s *Server) open(w *wire, su *startup) (*session, error) {
	if newer := su.minor > protocolMinor; newer || len(su.extensions) > 0 {
		w.send(&pgproto3.NegotiateProtocolVersion{
			NewestMinorProtocol: protocolMajor<<16 | uint32(min(su.minor, protocolMinor)),
			UnrecognizedOptions: su.extensions,
		})
	}
	id, err := authenticate(su.params)
	if err != nil {
		return nil, err
	}
	initial, err := s.initialParams(su.params, id)
	if err != nil {
		return nil, err
	}
	if err := s.enter(); err != nil {
		return nil, err
	}
	sess := newSession(s, w, id, newParams(initial))
	s.keys.add(sess, keyBytes(min(su.minor, protocolMinor)))
	w.send(&pgproto3.AuthenticationOk{})
	sess.reportParams()
	w.send(&pgproto3.BackendKeyData{ProcessID: uint32(sess.key.pid), SecretKey: sess.key.secret})
	sess.ready()
	return sess, nil
}

// initialParams are the session's parameters before any SET: ours, and what the
// start-up packet asks for.
func (s *Server) initialParams(asked map[string]string, id identity) (map[string]string, error) {
	initial := map[string]string{
		"server_version":                      paramDefs["server_version"].initial + " (Stackhouse " + s.opts.Version + ")",
		"session_authorization":               id.user,
		"statement_timeout":                   formatDuration(s.opts.StatementTimeout.Round(time.Millisecond)),
		"idle_session_timeout":                formatDuration(s.opts.IdleTimeout.Round(time.Millisecond)),
		"idle_in_transaction_session_timeout": formatDuration(s.opts.IdleInTransactionTimeout.Round(time.Millisecond)),
	}
	set := map[string]string{}
	if err := parseOptions(asked["options"], set); err != nil {
		return nil, err
	}
	for name, value := range asked {
		switch name {
		case "user", "database", "options":
		case "replication":
			if on, err := boolean(value); err != nil || on == "on" {
				return nil, fatalf(stateFeatureNotSupported, "replication is not supported")
			}
		default:
			set[strings.ToLower(name)] = value
		}
	}
	for _, name := range slices.Sorted(maps.Keys(set)) { // the first error must not depend on chance
		value, err := checkParam(name, set[name])
		if err != nil {
			e := *asPGError(err)
			e.severity = severityFatal
			return nil, &e
		}
		initial[name] = value
	}
	return initial, nil
}

// parseOptions reads command-line arguments of a PostgreSQL server, of which only
// -c name=value and --name=value mean something here.
func parseOptions(options string, set map[string]string) error {
	args := splitArgs(options)
	for i := 0; i < len(args); i++ {
		arg, ok := strings.CutPrefix(args[i], "--")
		if !ok {
			arg, ok = strings.CutPrefix(args[i], "-c")
			if ok && arg == "" && i+1 < len(args) {
				i++
				arg = args[i]
			}
		}
		name, value, found := strings.Cut(arg, "=")
		if !ok || !found {
			return fatalf(stateSyntaxError, "invalid command-line argument for server process: %s", clip(args[i]))
		}
		set[strings.ToLower(strings.ReplaceAll(name, "-", "_"))] = value
	}
	return nil
}

// splitArgs splits at white space; a backslash takes the next character as it is.
func splitArgs(s string) []string {
	var args []string
	var arg strings.Builder
	within := false
	for i := 0; i < len(s); i++ {
		if lex.IsSpace(s[i]) {
			if within {
				args = append(args, arg.String())
			}
			arg.Reset()
			within = false
			continue
		}
		within = true
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		arg.WriteByte(s[i])
	}
	if within {
		args = append(args, arg.String())
	}
	return args
}
