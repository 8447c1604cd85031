package engine

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	duckdb "github.com/duckdb/duckdb-go-bindings"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Setting is one of DuckDB's options and its value as an SQL literal.
type Setting struct{ Name, Value string }

// Instance is one in-memory DuckDB with one connection, for statements that are
// described before they run and whose rows are read as they are made.
//
// Its errors are *[Fault], or wrap the error of the context that ended the call.
//
// Concurrency: one call at a time. A statement of which rows are left to read
// ends when the next one starts.
type Instance struct {
	db     duckdb.Database
	conn   duckdb.Connection
	broken bool
}

// OpenInstance opens an instance with the budgets of opts, of which Connections
// is ignored, and with more settings. Nothing is locked yet: see [Instance.Lock].
func OpenInstance(opts Options, more ...Setting) (*Instance, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	i := &Instance{}
	if err := i.open(opts.Threads); err != nil {
		return nil, err
	}
	for _, s := range append(opts.settings(), more...) {
		if s.Name == lockSetting {
			continue
		}
		if err := i.exec("SET GLOBAL " + s.Name + " = " + s.Value); err != nil {
			i.Close()
			return nil, warehouse.Errorf(warehouse.Invalid, "open instance: set %s to %s: %w", s.Name, s.Value, err)
		}
	}
	return i, nil
}

const lockSetting = "lock_configuration"

// open starts DuckDB. The number of threads is given here, since each one that
// starts and ends again costs time.
func (i *Instance) open(threads int) error {
	var config duckdb.Config
	if duckdb.CreateConfig(&config) == duckdb.StateError {
		return warehouse.Errorf(warehouse.Internal, "open instance: no memory for its configuration")
	}
	defer duckdb.DestroyConfig(&config)
	for _, s := range []Setting{{"threads", strconv.Itoa(threads)}, {"errors_as_json", "true"}} {
		if duckdb.SetConfig(config, s.Name, s.Value) == duckdb.StateError {
			return warehouse.Errorf(warehouse.Internal, "open instance: option %s is refused", s.Name)
		}
	}
	var text string
	if duckdb.OpenExt(":memory:", &i.db, config, &text) == duckdb.StateError {
		return warehouse.Errorf(warehouse.Internal, "open instance: %s", text)
	}
	if duckdb.Connect(i.db, &i.conn) == duckdb.StateError {
		duckdb.Close(&i.db)
		return warehouse.Errorf(warehouse.Internal, "open instance: it refuses a connection")
	}
	return nil
}

// Close frees the instance. The rows of its statements must be closed before.
// Closing twice is fine.
func (i *Instance) Close() {
	if i.conn.Ptr != nil {
		duckdb.Disconnect(&i.conn)
	}
	if i.db.Ptr != nil {
		duckdb.Close(&i.db)
	}
}

// Broken reports whether DuckDB refuses to go on after an internal error. The
// owner closes such an instance and opens another one.
func (i *Instance) Broken() bool { return i.broken }

// Lock makes the settings final, but for the time zone.
func (i *Instance) Lock(ctx context.Context) error {
	return i.Exec(ctx, "SET GLOBAL allowed_configs = ['TimeZone']; SET GLOBAL lock_configuration = true")
}

// Exec runs statements, separated by semicolons, and drops their rows.
func (i *Instance) Exec(ctx context.Context, text string) error {
	return i.interruptible(ctx, func() error { return i.exec(text) })
}

func (i *Instance) exec(text string) error {
	if err := checkText(text); err != nil {
		return err
	}
	var res duckdb.Result
	defer duckdb.DestroyResult(&res)
	if duckdb.Query(i.conn, text, &res) == duckdb.StateError {
		return i.fault(duckdb.ResultError(&res))
	}
	return nil
}

// Text runs one statement and returns the only value of its only row, as text.
func (i *Instance) Text(ctx context.Context, text string) (value string, err error) {
	rows, err := i.Query(ctx, text)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	rec, err := rows.Next(ctx)
	if err != nil {
		return "", err
	}
	if rec.NumCols() != 1 || rec.NumRows() != 1 {
		return "", warehouse.Errorf(warehouse.Internal, "query instance: %d columns and %d rows, not one value", rec.NumCols(), rec.NumRows())
	}
	return strings.Clone(rec.Column(0).ValueStr(0)), nil
}

// checkText refuses what C strings cannot hold.
func checkText(text string) error {
	if strings.IndexByte(text, 0) >= 0 {
		return &Fault{Class: "Parser", Message: "the text has a NUL character", Offset: strings.IndexByte(text, 0)}
	}
	return nil
}

// interruptEvery is how often a call is interrupted whose context has ended:
// DuckDB forgets an interrupt that comes while a statement begins.
const interruptEvery = 5 * time.Millisecond

// interruptible runs fn, a call of DuckDB, and interrupts it when ctx ends.
func (i *Instance) interruptible(ctx context.Context, fn func() error) error {
	if ctx.Err() != nil {
		return ctxError(ctx, "query instance")
	}
	done, ended := make(chan struct{}), make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		tick := time.NewTicker(interruptEvery)
		defer tick.Stop()
		for {
			duckdb.Interrupt(i.conn)
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	})
	err := fn()
	close(done)
	if !stop() {
		<-ended // or its interrupt could hit the next statement
	}
	if err != nil && ctx.Err() != nil {
		return ctxError(ctx, "query instance")
	}
	return err
}

// fault makes an error of DuckDB's text, and notes whether it is the last one.
func (i *Instance) fault(text string) error {
	f := parseFault(text)
	if f.Class == "FATAL" || f.Class == "INTERNAL" {
		i.broken = true
	}
	return f
}

// Param is a parameter of a statement.
type Param struct {
	Name string // without the dollar sign
	Type Type   // its Name is empty where DuckDB cannot tell
}

// Column is a column of a statement's result.
type Column struct {
	Name string
	Type Type
}

// Description is what DuckDB says about a statement that it has not run.
type Description struct {
	Params []Param

	// Columns is nil when the type of a parameter leaves those of the columns open.
	Columns []Column
}

// Describe parses and binds one statement, and does not run it.
func (i *Instance) Describe(ctx context.Context, text string) (d Description, err error) {
	err = i.interruptible(ctx, func() error {
		st, err := i.prepare(text)
		if err != nil {
			return err
		}
		defer duckdb.DestroyPrepare(&st)
		d = describe(st)
		return nil
	})
	return d, err
}

func (i *Instance) prepare(text string) (st duckdb.PreparedStatement, err error) {
	if err := checkText(text); err != nil {
		return st, err
	}
	if duckdb.Prepare(i.conn, text, &st) == duckdb.StateError {
		err := i.fault(duckdb.PrepareError(st))
		duckdb.DestroyPrepare(&st)
		return st, err
	}
	return st, nil
}

func describe(st duckdb.PreparedStatement) (d Description) {
	for n := range duckdb.NParams(st) {
		lt := duckdb.ParamLogicalType(st, n+1)
		d.Params = append(d.Params, Param{Name: duckdb.ParameterName(st, n+1), Type: typeOf(lt)})
		duckdb.DestroyLogicalType(&lt)
	}
	for n := range duckdb.PreparedStatementColumnCount(st) {
		lt := duckdb.PreparedStatementColumnLogicalType(st, n)
		c := Column{Name: duckdb.PreparedStatementColumnName(st, n), Type: typeOf(lt)}
		duckdb.DestroyLogicalType(&lt)
		if c.Type.Name == "" {
			d.Columns = nil
			return d
		}
		d.Columns = append(d.Columns, c)
	}
	return d
}

// Query starts one statement, and returns when its first rows are there.
//
// Ownership: the caller closes the rows.
func (i *Instance) Query(ctx context.Context, text string) (*Rows, error) {
	r := &Rows{instance: i}
	err := i.interruptible(ctx, func() error { return r.start(text) })
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Rows are the rows of a running statement, made as they are read.
//
// Concurrency: one goroutine at a time.
type Rows struct {
	instance *Instance
	st       duckdb.PreparedStatement
	res      duckdb.Result
	arrow    arrowOptions
	schema   *arrow.Schema
	current  arrow.RecordBatch
	ended    error
}

func (r *Rows) start(text string) (err error) {
	if r.st, err = r.instance.prepare(text); err != nil {
		return err
	}
	var pending duckdb.PendingResult
	defer duckdb.DestroyPending(&pending)
	if duckdb.PendingPreparedStreaming(r.st, &pending) == duckdb.StateError {
		return r.instance.fault(duckdb.PendingError(pending))
	}
	if duckdb.ExecutePending(pending, &r.res) == duckdb.StateError {
		return r.instance.fault(duckdb.ResultError(&r.res))
	}
	r.schema, err = r.arrow.schema(&r.res)
	return err
}

// Schema describes the batches.
func (r *Rows) Schema() *arrow.Schema { return r.schema }

// Next returns the next rows, or [ErrDone] after the last.
//
// Ownership: the batch is valid until the next call of Next or Close, unless the
// caller retains it.
func (r *Rows) Next(ctx context.Context) (arrow.RecordBatch, error) {
	if r.ended != nil {
		return nil, r.ended
	}
	r.drop()
	err := r.instance.interruptible(ctx, func() (err error) {
		r.current, err = r.fetch()
		return err
	})
	if err != nil {
		r.ended = err
		return nil, err
	}
	return r.current, nil
}

// ErrDone is what Next returns after the last rows.
var ErrDone = errors.New("no more rows")

func (r *Rows) fetch() (arrow.RecordBatch, error) {
	chunk := duckdb.FetchChunk(r.res)
	if chunk.Ptr == nil {
		if text := duckdb.ResultError(&r.res); text != "" {
			return nil, r.instance.fault(text)
		}
		return nil, ErrDone
	}
	defer duckdb.DestroyDataChunk(&chunk)
	if duckdb.DataChunkGetSize(chunk) == 0 {
		return nil, ErrDone
	}
	return r.arrow.batch(r.schema, chunk)
}

func (r *Rows) drop() {
	if r.current != nil {
		r.current.Release()
		r.current = nil
	}
}

// Close ends the statement, interrupting what still runs of it. Closing twice is
// fine.
func (r *Rows) Close() {
	r.drop()
	if r.ended == nil {
		r.ended = warehouse.Errorf(warehouse.Invalid, "read rows: they are closed")
	}
	if r.st.Ptr == nil {
		return
	}
	duckdb.Interrupt(r.instance.conn)
	r.arrow.destroy()
	duckdb.DestroyResult(&r.res)
	duckdb.DestroyPrepare(&r.st)
	runtime.KeepAlive(r.instance)
}
