package engine

import (
	"context"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/duckdb/duckdb-go/v2"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Engine is one in-memory DuckDB with a bounded pool of connections.
//
// Concurrency: safe for concurrent use.
type Engine struct {
	opts    Options
	metrics *metrics
	slots   chan struct{} // one element a running query

	mu     sync.Mutex
	db     *instance
	closed bool
}

// instance is one DuckDB database. It is closed by whoever gives back its last
// connection after it was replaced.
type instance struct {
	connector *duckdb.Connector
	idle      []*duckdb.Conn
	inUse     int
	broken    bool
}

// Open starts an engine. It starts no goroutine of ours; DuckDB's threads end
// with Close.
func Open(opts Options) (*Engine, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	db, err := openInstance(opts)
	if err != nil {
		return nil, err
	}
	return &Engine{
		opts:    opts,
		metrics: newMetrics(opts.Registry),
		slots:   make(chan struct{}, opts.Connections),
		db:      db,
	}, nil
}

func openInstance(opts Options) (*instance, error) {
	connector, err := duckdb.NewConnector(":memory:", nil)
	if err != nil {
		return nil, warehouse.Errorf(warehouse.Internal, "open engine: %w", err)
	}
	db := &instance{connector: connector}
	conn, err := db.connect(context.Background())
	if err != nil {
		db.close()
		return nil, err
	}
	db.idle = append(db.idle, conn)
	for _, s := range opts.settings() {
		if _, err := conn.ExecContext(context.Background(), "SET GLOBAL "+s.Name+" = "+s.Value, nil); err != nil {
			db.close()
			return nil, warehouse.Errorf(warehouse.Invalid, "open engine: set %s to %s: %w", s.Name, s.Value, err)
		}
	}
	return db, nil
}

func (db *instance) connect(ctx context.Context) (*duckdb.Conn, error) {
	c, err := db.connector.Connect(ctx)
	if err != nil {
		return nil, warehouse.Errorf(warehouse.Internal, "connect to engine: %w", err)
	}
	return c.(*duckdb.Conn), nil
}

// close frees the instance, whose connections are all idle. Errors of a database
// in memory that is thrown away mean nothing to anyone.
func (db *instance) close() {
	for _, c := range db.idle {
		_ = c.Close()
	}
	db.idle = nil
	_ = db.connector.Close()
}

// Query runs one SELECT with its arguments bound to ?, and calls fn with each
// batch of rows, in no particular order unless the statement has one.
//
// Ownership: a batch, and every string and slice taken from it, is valid until fn
// returns: its memory is DuckDB's. fn copies what it keeps.
//
// Errors: that of fn as it is; Canceled and Deadline wrap the context's; Limit
// when memory or spill space ran out; OutOfRange when a value does not fit its
// type; Invalid for a statement DuckDB refuses; Unavailable for input and output.
func (e *Engine) Query(ctx context.Context, query string, args []any, fn func(arrow.RecordBatch) error) error {
	start := time.Now()
	err := e.query(ctx, query, args, fn)
	e.metrics.observe(time.Since(start), err)
	return err
}

func (e *Engine) query(ctx context.Context, query string, args []any, fn func(arrow.RecordBatch) error) (err error) {
	select {
	case e.slots <- struct{}{}:
		defer func() { <-e.slots }()
	case <-ctx.Done():
		return ctxError(ctx, "wait for engine")
	}
	e.metrics.running.Inc()
	defer e.metrics.running.Dec()

	db, conn, err := e.take(ctx)
	if err != nil {
		return err
	}
	broken := false
	defer func() { e.giveBack(db, conn, broken) }()

	engineErr, fnErr := run(ctx, conn, query, args, fn)
	if fnErr != nil {
		return fnErr
	}
	broken = isFatal(engineErr)
	return mapError(ctx, engineErr)
}

// run separates the errors of the engine from those of fn.
func run(ctx context.Context, conn *duckdb.Conn, query string, args []any, fn func(arrow.RecordBatch) error) (engineErr, fnErr error) {
	ar, err := duckdb.NewArrowFromConn(conn)
	if err != nil {
		return err, nil
	}
	rows, err := ar.QueryContext(ctx, query, args...)
	if err != nil {
		return err, nil
	}
	defer rows.Release()
	for rows.Next() {
		if err := fn(rows.RecordBatch()); err != nil {
			return nil, err
		}
	}
	return rows.Err(), nil
}

// take returns a connection of the current instance, and opens a new instance
// if that one is broken.
func (e *Engine) take(ctx context.Context) (*instance, *duckdb.Conn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, nil, warehouse.Errorf(warehouse.Unavailable, "query engine: it is closed")
	}
	if e.db.broken {
		db, err := openInstance(e.opts)
		if err != nil {
			return nil, nil, err
		}
		e.db = db
	}
	db := e.db
	if n := len(db.idle); n > 0 {
		conn := db.idle[n-1]
		db.idle = db.idle[:n-1]
		db.inUse++
		return db, conn, nil
	}
	conn, err := db.connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	db.inUse++
	return db, conn, nil
}

func (e *Engine) giveBack(db *instance, conn *duckdb.Conn, broken bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	db.idle = append(db.idle, conn)
	db.inUse--
	if broken && !db.broken {
		db.broken = true
		e.metrics.restarts.Inc()
		e.opts.Logger.Error("engine is broken and will be replaced")
	}
	if db.broken && db.inUse == 0 {
		db.close()
	}
}

// Close waits for running queries, whose contexts the caller should have ended,
// and frees the engine. Later queries are Unavailable.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	e.mu.Unlock()
	for range cap(e.slots) {
		e.slots <- struct{}{}
	}
	defer func() {
		for range cap(e.slots) {
			<-e.slots
		}
	}()
	if !e.db.broken {
		e.db.close()
	}
	return nil
}
