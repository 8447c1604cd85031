package pgwire

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stackhouse-db/stackhouse/sql/statement"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Statements answers SELECT statements. Every error is a *statement.Error, or
// has a kind of package warehouse.
type Statements interface {
	// Prepare checks and describes one statement. A paramType is a DuckDB type
	// name, or "" to have it inferred; parameters beyond are inferred too.
	Prepare(ctx context.Context, sess *statement.Session, text string, paramTypes []string) (*statement.Prepared, error)

	// Execute starts a prepared statement. ctx bounds the call, not the rows.
	Execute(ctx context.Context, sess *statement.Session, p *statement.Prepared, args []any) (statement.Rows, error)
}

// Options of a server. Only Statements is required.
type Options struct {
	Statements Statements

	Version         string        // of Stackhouse, shown within server_version; "" is "dev"
	MaxConnections  int           // at once, beyond them 53300; zero: 100
	MaxMessageBytes int           // body of one client message; zero: 16 MiB
	SpoolBytes      int64         // rows that all cursors together may keep in memory; zero: 64 MiB
	StartupTimeout  time.Duration // from connecting to the first ReadyForQuery; zero: 60 s
	DrainTimeout    time.Duration // running statements may finish within it when Run ends; zero: 10 s
	WriteTimeout    time.Duration // a client that takes nothing of what is sent to it for so long is left; zero: 10 min
	WriteGrace      time.Duration // the same once its statement is canceled; zero: 5 s

	// Initial values of the run-time parameters of the same names; zero: none.
	StatementTimeout         time.Duration
	IdleTimeout              time.Duration // idle_session_timeout
	IdleInTransactionTimeout time.Duration // idle_in_transaction_session_timeout

	Clock    func() time.Time      // nil: time.Now
	Logger   *slog.Logger          // nil: none
	Registry prometheus.Registerer // nil: none
}

func (o Options) withDefaults() (Options, error) {
	if o.Statements == nil {
		return o, warehouse.Errorf(warehouse.Invalid, "open pgwire: no Statements")
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"StartupTimeout", o.StartupTimeout},
		{"DrainTimeout", o.DrainTimeout},
		{"WriteTimeout", o.WriteTimeout},
		{"WriteGrace", o.WriteGrace},
		{"StatementTimeout", o.StatementTimeout},
		{"IdleTimeout", o.IdleTimeout},
		{"IdleInTransactionTimeout", o.IdleInTransactionTimeout},
	} {
		if d.value < 0 {
			return o, warehouse.Errorf(warehouse.Invalid, "open pgwire: %s is negative", d.name)
		}
	}
	if o.MaxConnections < 0 || o.MaxMessageBytes < 0 || o.SpoolBytes < 0 {
		return o, warehouse.Errorf(warehouse.Invalid, "open pgwire: a limit is negative")
	}
	orDefault(&o.Version, "dev")
	orDefault(&o.MaxConnections, 100)
	orDefault(&o.MaxMessageBytes, 16<<20)
	orDefault(&o.SpoolBytes, 64<<20)
	orDefault(&o.StartupTimeout, time.Minute)
	orDefault(&o.DrainTimeout, 10*time.Second)
	orDefault(&o.WriteTimeout, 10*time.Minute)
	orDefault(&o.WriteGrace, 5*time.Second)
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
