package pgwire

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"math"
	"sync"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Why a statement or session is ended from outside.
var (
	errCanceled   = errorf(stateQueryCanceled, "canceling statement due to user request")
	errTimeout    = errorf(stateQueryCanceled, "canceling statement due to statement timeout")
	errGone       = fatalf("08006", "connection to client lost")
	errTerminated = errShutdown
)

// key lets another connection cancel what a session runs.
type key struct {
	pid    int32 // > 0, unique among open sessions
	secret []byte
}

// cancelRequest is a CancelRequest packet.
type cancelRequest key

// keyBytes is the length of secrets in a minor version of the protocol.
func keyBytes(minor uint16) int {
	if minor >= 2 {
		return 32
	}
	return 4
}

// parseCancel reads the body of a CancelRequest.
func parseCancel(body []byte) (*cancelRequest, error) {
	if len(body) < 8 || len(body) > 4+256 {
		return nil, fatalf(stateProtocolViolation, "invalid length of cancel request")
	}
	return &cancelRequest{pid: int32(binary.BigEndian.Uint32(body)), secret: body[4:]}, nil
}

// keyring finds open sessions by their keys.
//
// Concurrency: safe for concurrent use.
type keyring struct {
	mu       sync.Mutex
	last     int32
	sessions map[int32]*session
}

func newKeyring() *keyring { return &keyring{sessions: map[int32]*session{}} }

// add gives a session its key.
func (k *keyring) add(s *session, secretBytes int) {
	secret := make([]byte, secretBytes)
	_, _ = rand.Read(secret) // never fails
	k.mu.Lock()
	defer k.mu.Unlock()
	for {
		k.last = k.last%math.MaxInt32 + 1
		if k.sessions[k.last] == nil {
			s.key = key{k.last, secret}
			k.sessions[k.last] = s
			return
		}
	}
}

func (k *keyring) remove(pid int32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.sessions, pid)
}

// byPID returns a tenant's session, or nil.
func (k *keyring) byPID(t warehouse.Tenant, pid int32) *session {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.sessions[pid]; s != nil && s.tenant == t {
		return s
	}
	return nil
}

// match returns the session that a request has the key of, or nil.
func (k *keyring) match(req *cancelRequest) *session {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.sessions[req.pid]
	if s == nil || subtle.ConstantTimeCompare(s.key.secret, req.secret) != 1 {
		return nil
	}
	return s
}

// cancel obeys a request. The client learns nothing from it, right or wrong.
func (s *Server) cancel(req *cancelRequest) {
	sess := s.keys.match(req)
	if sess == nil {
		s.metrics.cancels.WithLabelValues("unknown").Inc()
		return
	}
	s.metrics.cancels.WithLabelValues("match").Inc()
	sess.cancelRunning(errCanceled)
}
