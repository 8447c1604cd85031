package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	"github.com/stackhouse-db/stackhouse/sql/query"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Server answers HTTP requests.
//
// Concurrency: all methods may be called by many goroutines; Run once for each
// listener.
type Server struct {
	pusher  Pusher
	queries queries
	index   query.Index
	isReady func(context.Context) error
	storage func(context.Context) (*Status, error) // nil: not known
	admit   func() error                           // nil: always
	warn    func() []string
	scrub   func(context.Context, func(ScrubEvent) error) error // nil: none
	jobs    JobAdmin                                            // nil: none
	admin   Admin                                               // nil: there is none
	info    func() Info
	backups Backups // nil: none
	limits  Limits
	logger  *slog.Logger
	metrics *metrics
	bodies  bodies
	errors  *connect.ErrorWriter
	root    http.Handler
	metered http.Handler // of /metrics

	// draining is true from the end of Run's context on; /ready says so.
	draining atomic.Bool
}

// New returns a server that is not listening yet. It starts nothing.
func New(opts Options) (*Server, error) {
	opts = opts.withDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	s := &Server{
		pusher:  opts.Pusher,
		queries: queries{opts.Querier},
		index:   opts.Index,
		isReady: opts.Ready,
		storage: opts.Status,
		admit:   opts.Admit,
		warn:    opts.Warnings,
		scrub:   opts.Scrub,
		jobs:    opts.Jobs,
		admin:   opts.Admin,
		info:    opts.Info,
		backups: opts.Backups,
		limits:  opts.Limits,
		logger:  opts.Logger,
		metrics: newMetrics(opts.Registry),
		bodies:  bodies{limit: opts.Limits.MaxBodiesBytes},
		errors:  connect.NewErrorWriter(),
		metered: newMetricsHandler(opts.Gatherer, opts.Logger),
	}
	s.root = s.handler()
	return s, nil
}

// Handler returns the server's routes, for a listener of the caller's own.
func (s *Server) Handler() http.Handler { return s.root }

const (
	headerTimeout  = 10 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 64 << 10
	cutTimeout     = time.Second // from cancelling requests to closing their connections
)

// Run serves ln until ctx is done, then stops accepting and lets requests
// finish. Those that are still running after Limits.DrainTimeout are cancelled,
// a second later their connections are closed, and Run says so. Nil means that
// every request has ended. Run closes ln.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	silent := new(silentConns)
	srv := s.httpServer(base)
	srv.ConnState = silent.observe
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()

	select {
	case err := <-served:
		return errors.Join(fmt.Errorf("serve %s: %w", ln.Addr(), err), srv.Close())
	case <-ctx.Done():
	}
	s.draining.Store(true)
	silent.close()
	err := s.drain(context.WithoutCancel(ctx), srv, cancel)
	<-served // ErrServerClosed, by now
	return err
}

func (s *Server) httpServer(base context.Context) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true) // gRPC without TLS
	return &http.Server{
		Handler:           s.root,
		Protocols:         protocols,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		BaseContext:       func(net.Listener) context.Context { return base },
		ErrorLog:          slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}
}

// drain lets requests end in three steps: by themselves, cancelled, cut.
func (s *Server) drain(ctx context.Context, srv *http.Server, cancel func()) error {
	if shutdown(ctx, srv, s.limits.DrainTimeout) == nil {
		return nil
	}
	cancel()
	if shutdown(ctx, srv, cutTimeout) == nil {
		return warehouse.Errorf(warehouse.Deadline, "drain http: requests were cancelled after %s", s.limits.DrainTimeout)
	}
	_ = srv.Close() // closes what did not want to end
	return warehouse.Errorf(warehouse.Deadline, "drain http: connections were cut after %s", s.limits.DrainTimeout+cutTimeout)
}

func shutdown(ctx context.Context, srv *http.Server, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return srv.Shutdown(ctx)
}
