package api

import (
	"context"
	"io"
	"net/http"

	"connectrpc.com/grpchealth"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// ready answers 200 if the process can serve, else 503 and why it cannot. What an
// operator should look at follows, a line each: a full disk refuses pushes alone.
func (s *Server) ready(x *exchange, r *http.Request) error {
	x.Header().Set("Content-Type", "text/plain; charset=utf-8")
	x.Header().Set("Cache-Control", "no-store")
	if err := s.readiness(r.Context()); err != nil {
		x.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(x, "not ready: "+err.Error()+"\n")
		return nil
	}
	_, _ = io.WriteString(x, "ready\n")
	for _, w := range s.warn() {
		_, _ = io.WriteString(x, "warning: "+w+"\n")
	}
	return nil
}

// readiness returns nil if the process can serve, else why not.
func (s *Server) readiness(ctx context.Context) error {
	if s.draining.Load() {
		return warehouse.Errorf(warehouse.Unavailable, "the server is stopping")
	}
	return s.isReady(ctx)
}

// healthChecker answers gRPC's health protocol with the same readiness, for the
// whole process and every service alike.
type healthChecker struct{ s *Server }

// Check reports whether the process can serve.
func (h healthChecker) Check(ctx context.Context, _ *grpchealth.CheckRequest) (*grpchealth.CheckResponse, error) {
	if h.s.readiness(ctx) != nil {
		return &grpchealth.CheckResponse{Status: grpchealth.StatusNotServing}, nil
	}
	return &grpchealth.CheckResponse{Status: grpchealth.StatusServing}, nil
}
