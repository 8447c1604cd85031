package pgwire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stackhouse-db/stackhouse/sql/statement"
	"github.com/stretchr/testify/require"
)

// config is pgx's for a running server.
func (r *running) config(t testing.TB, params string) *pgx.ConnConfig {
	cfg, err := pgx.ParseConfig("host=127.0.0.1 user=alice database=team sslmode=disable " + params)
	require.NoError(t, err)
	cfg.DialFunc = func(context.Context, string, string) (net.Conn, error) { return r.ln.dial() }
	return cfg
}

func (r *running) connect(t testing.TB, params string) *pgx.Conn {
	conn, err := pgx.ConnectConfig(t.Context(), r.config(t, params))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func state(t *testing.T, err error) string {
	var pg *pgconn.PgError
	require.ErrorAs(t, err, &pg)
	return pg.Code
}

func TestPgxReadsAndBinds(t *testing.T) {
	t.Parallel()
	for _, mode := range []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			srv := start(t, Options{})
			conn := srv.connect(t, "")
			for range 2 { // the second time from pgx's cache
				rows, err := conn.Query(t.Context(), "select n from numbers(10)", mode)
				require.NoError(t, err)
				got, err := pgx.CollectRows(rows, pgx.RowTo[int64])
				require.NoError(t, err)
				require.Equal(t, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, got)
			}
			if mode == pgx.QueryExecModeSimpleProtocol {
				return // pgx puts the argument into the text
			}
			var n int64
			require.NoError(t, conn.QueryRow(t.Context(), "select $1 + 1", mode, int64(41)).Scan(&n))
			require.Equal(t, int64(42), n)
			var null *int64
			require.NoError(t, conn.QueryRow(t.Context(), "select $1 + 1", mode, nil).Scan(&null))
			require.Nil(t, null)
		})
	}
}

// pgx sees in binary what it sees in text, for every type at once.
func TestPgxReadsEveryType(t *testing.T) {
	t.Parallel()
	srv := start(t, Options{})
	conn := srv.connect(t, "")
	read := func(mode pgx.QueryExecMode) [][]any {
		rows, err := conn.Query(t.Context(), "select types", mode)
		require.NoError(t, err)
		var out [][]any
		for rows.Next() {
			values, err := rows.Values()
			require.NoError(t, err)
			for i := range values {
				values[i] = normal(values[i])
			}
			out = append(out, values)
		}
		require.NoError(t, rows.Err())
		return out
	}
	binary, text := read(pgx.QueryExecModeCacheStatement), read(pgx.QueryExecModeSimpleProtocol)
	require.Len(t, binary, 2)
	require.Len(t, binary[0], len(typedSamples()))
	require.Equal(t, text, binary)
}

func TestPgxErrorsTransactionsAndBatches(t *testing.T) {
	t.Parallel()
	srv := start(t, Options{})
	conn := srv.connect(t, "")
	ctx := t.Context()
	_, err := conn.Exec(ctx, "select fail")
	require.Equal(t, "42703", state(t, err))

	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	require.NoError(t, err)
	nested, err := tx.Begin(ctx)
	require.NoError(t, err)
	_, err = nested.Exec(ctx, "select fail")
	require.Equal(t, "42703", state(t, err))
	_, err = nested.Exec(ctx, "select 1")
	require.Equal(t, "25P02", state(t, err))
	require.NoError(t, nested.Rollback(ctx))
	_, err = tx.Exec(ctx, "select 1")
	require.NoError(t, err)
	require.NoError(t, tx.Commit(ctx))

	batch := &pgx.Batch{}
	batch.Queue("select $1 + 1", int64(1))
	batch.Queue("select fail late")
	batch.Queue("select 1")
	res := conn.SendBatch(ctx, batch)
	var n int64
	require.NoError(t, res.QueryRow().Scan(&n))
	require.Equal(t, int64(2), n)
	_, err = res.Exec()
	require.Equal(t, "22012", state(t, err))
	require.Error(t, res.Close())

	var out bytes.Buffer
	tag, err := conn.PgConn().CopyTo(ctx, &out, "copy (select n from numbers(3)) to stdout with csv header")
	require.NoError(t, err)
	require.Equal(t, "COPY 3", tag.String())
	require.Equal(t, "n\n1\n2\n3\n", out.String())
}

// A context that ends sends a CancelRequest; the session stays usable.
func TestPgxCancels(t *testing.T) {
	t.Parallel()
	f := newFake()
	srv := start(t, Options{Statements: f})
	cfg := srv.config(t, "")
	cfg.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: c, DeadlineDelay: time.Minute}
	}
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-f.waiting
		cancel()
	}()
	_, err = conn.Exec(ctx, "select wait")
	require.Equal(t, "57014", state(t, err))
	var n int
	require.NoError(t, conn.QueryRow(t.Context(), "select 1").Scan(&n))
	require.NoError(t, conn.Close(t.Context()))
	srv.stop()
	require.Zero(t, f.open.Load())
}

// Sessions do not see each other's parameters, transactions or arguments.
func TestTwentySessionsAtOnce(t *testing.T) {
	t.Parallel()
	f := newFake()
	srv := start(t, Options{Statements: f})
	var wg sync.WaitGroup
	errs := make(chan error, 20)
	for i := range 20 {
		wg.Go(func() {
			errs <- oneOfTwenty(t.Context(), srv.config(t, fmt.Sprintf("application_name=app%d", i)), int64(i))
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	srv.stop()
	require.Zero(t, f.open.Load())
	require.Zero(t, f.pins.Load())
	f.mem.AssertSize(t, 0)
}

func oneOfTwenty(ctx context.Context, cfg *pgx.ConnConfig, id int64) error {
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for round := range int64(10) {
		var n int64
		var tenant, user, app, zone, now, pid, path string
		if err := conn.QueryRow(ctx, "select $1 + 1", id*100+round).Scan(&n); err != nil || n != id*100+round+1 {
			return fmt.Errorf("session %d: got %d: %w", id, n, err)
		}
		if _, err := conn.Exec(ctx, fmt.Sprintf("begin; declare c cursor for select n from numbers(%d); set local search_path = s%d", id, id)); err != nil {
			return err
		}
		err := conn.QueryRow(ctx, "select session").Scan(&tenant, &user, &app, &zone, &now, &pid, &path)
		if err != nil || app != fmt.Sprintf("app%d", id) || path != fmt.Sprintf("s%d", id) {
			return fmt.Errorf("session %d: %q %q: %w", id, app, path, err)
		}
		tag, err := conn.Exec(ctx, "fetch all c")
		if err != nil || tag.RowsAffected() != id {
			return fmt.Errorf("session %d: %s: %w", id, tag, err)
		}
		if _, err := conn.Exec(ctx, "select fail"); err == nil {
			return errors.New("it did not fail")
		}
		if _, err := conn.Exec(ctx, "rollback"); err != nil {
			return err
		}
	}
	return nil
}

// A client that does not read what it asked for is left: after WriteTimeout, or
// WriteGrace once its statement is canceled. Its rows are closed.
func TestClientsThatDoNotRead(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		opts    Options
		prelude string
		within  time.Duration
	}{
		{"write timeout", Options{WriteTimeout: time.Hour}, "", time.Hour},
		{"statement timeout", Options{WriteGrace: time.Second, StatementTimeout: time.Minute}, "", time.Minute + time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				tt.opts.Statements = f
				srv := start(t, tt.opts)
				conn, err := srv.ln.dial()
				require.NoError(t, err)
				defer conn.Close()
				_, err = conn.Write(startupPacket("user=alice"))
				require.NoError(t, err)
				_, err = io.ReadFull(conn, make([]byte, 300)) // the greeting is longer, and less than a buffer
				require.NoError(t, err)
				rest := make([]byte, 4096)
				_, err = conn.Read(rest)
				require.NoError(t, err)
				began := time.Now()
				msg, err := message(t, "query", "select n from numbers(20000)").Encode(nil)
				require.NoError(t, err)
				_, err = conn.Write(msg)
				require.NoError(t, err)
				for srv.openConnections() > 0 {
					time.Sleep(time.Second) //nolint:forbidigo // of synctest
				}
				require.InDelta(t, tt.within.Seconds(), time.Since(began).Seconds(), 2)
				require.Zero(t, f.open.Load())
				srv.stop()
			})
		})
	}
}

func (s *Server) openConnections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.wires)
}

// A drain ends though a client neither reads nor leaves.
func TestDrainLeavesClientsThatDoNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := start(t, Options{DrainTimeout: time.Second, WriteGrace: time.Second, WriteTimeout: time.Hour})
		conn, err := srv.ln.dial()
		require.NoError(t, err)
		defer conn.Close()
		_, err = conn.Write(startupPacket("user=alice"))
		require.NoError(t, err)
		synctest.Wait() // it is stuck in its greeting, where no statement can be canceled
		began := time.Now()
		srv.stop()
		require.Equal(t, 2*time.Second, time.Since(began))
	})
}

// What accept says when there are no more file descriptors passes.
func TestAcceptTriesAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv, err := New(Options{Statements: newFake()})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ln := &busyListener{pipeListener: newPipeListener(), refusals: 5}
		done := make(chan error, 1)
		go func() { done <- srv.Run(ctx, ln) }()
		conn, err := ln.dial()
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		cancel()
		require.NoError(t, <-done)
		require.Zero(t, ln.refusals)
	})
}

type busyListener struct {
	*pipeListener
	refusals int
}

func (l *busyListener) Accept() (net.Conn, error) {
	if l.refusals > 0 {
		l.refusals--
		return nil, errors.New("too many open files")
	}
	return l.pipeListener.Accept()
}

func TestShowAll(t *testing.T) {
	t.Parallel()
	conn := start(t, Options{}).connect(t, "application_name=x")
	rows, err := conn.Query(t.Context(), "show all")
	require.NoError(t, err)
	type setting struct{ Name, Setting, Description string }
	all, err := pgx.CollectRows(rows, pgx.RowToStructByName[setting])
	require.NoError(t, err)
	require.Len(t, all, len(paramDefs))
	for _, s := range all {
		require.NotEmpty(t, s.Description, s.Name)
		var one string
		require.NoError(t, conn.QueryRow(t.Context(), "show "+s.Name).Scan(&one))
		require.Equal(t, s.Setting, one, s.Name)
	}
	require.Contains(t, all, setting{"application_name", "x", "Name of the program that uses the session."})
}

// Every default is what its own check makes of it.
func TestDefaultsAreCanonical(t *testing.T) {
	t.Parallel()
	for name, def := range paramDefs {
		if def.fixed {
			continue
		}
		got, err := def.check(def.initial)
		require.NoError(t, err, name)
		require.Equal(t, def.initial, got, name)
	}
}

func TestListenerThatFails(t *testing.T) {
	t.Parallel()
	srv, err := New(Options{Statements: newFake()})
	require.NoError(t, err)
	ln := newPipeListener()
	require.NoError(t, ln.Close())
	require.ErrorIs(t, srv.Run(t.Context(), ln), net.ErrClosed)
}

// The server works over TCP, whose reads and deadlines are the kernel's.
func TestOverTCP(t *testing.T) {
	t.Parallel()
	f := newFake()
	srv, err := New(Options{Statements: f})
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx, ln) }()

	cfg, err := pgx.ParseConfig(fmt.Sprintf("postgres://alice@%s/team?sslmode=prefer", ln.Addr()))
	require.NoError(t, err)
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	require.NoError(t, err)
	defer conn.Close(context.WithoutCancel(t.Context()))
	rows, err := conn.Query(t.Context(), "select n from numbers(50000)")
	require.NoError(t, err)
	got, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	require.NoError(t, err)
	require.Len(t, got, 50000)

	// A second client vanishes while its statement runs.
	other, err := pgx.ConnectConfig(t.Context(), cfg)
	require.NoError(t, err)
	other.PgConn().Frontend().Send(&pgproto3.Query{String: "select wait"})
	require.NoError(t, other.PgConn().Frontend().Flush())
	<-f.waiting
	require.NoError(t, other.PgConn().Conn().Close())
	require.Eventually(t, func() bool { return f.open.Load() == 0 }, 10*time.Second, 5*time.Millisecond)

	cancel()
	require.NoError(t, <-done)
	_, err = conn.Exec(t.Context(), "select 1")
	require.Equal(t, "57P01", state(t, err))
}

// quiet is a fake that never waits and panics on purpose nowhere.
type quiet struct{ *fake }

func (q quiet) Prepare(ctx context.Context, sess *statement.Session, text string, types []string) (*statement.Prepared, error) {
	if bytes.Contains(bytes.ToLower([]byte(text)), []byte("wait")) || bytes.Contains(bytes.ToLower([]byte(text)), []byte("bug")) {
		text = "select fail"
	}
	if m := numbersRE.FindStringSubmatch(text); m != nil && len(m[1]) > 3 {
		text = "select n from numbers(999)"
	}
	return q.fake.Prepare(ctx, sess, text, types)
}

// scriptedConn gives bytes, then EOF, and keeps what is written.
type scriptedConn struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func newScriptedConn(in []byte) *scriptedConn { return &scriptedConn{in: bytes.NewReader(in)} }

func (c *scriptedConn) Read(p []byte) (int, error) {
	if c.in.Len() == 0 {
		return 0, io.EOF
	}
	return c.in.Read(p)
}
func (c *scriptedConn) Write(p []byte) (int, error)      { return c.out.Write(p) }
func (c *scriptedConn) Close() error                     { return nil }
func (c *scriptedConn) LocalAddr() net.Addr              { return nil }
func (c *scriptedConn) RemoteAddr() net.Addr             { return nil }
func (c *scriptedConn) SetDeadline(time.Time) error      { return nil }
func (c *scriptedConn) SetReadDeadline(time.Time) error  { return nil }
func (c *scriptedConn) SetWriteDeadline(time.Time) error { return nil }
