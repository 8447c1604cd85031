package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/stretchr/testify/require"
)

func (w *sqlWorld) connect(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), w.dsn())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// endless is a statement that runs until somebody stops it.
const endless = "select count(*) from range(100000000000) a, range(1000) b where a.range * b.range % 7 = 3"

// TestPgx: pgx against the whole server, in every mode it has.
func TestPgx(t *testing.T) {
	w := newSQLWorld(t)
	defer func() { require.Zero(t, w.stop(), w.stderr.String()); http.DefaultClient.CloseIdleConnections() }()
	t.Run("totals", func(t *testing.T) { testPgxTotals(t, w) })
	t.Run("selectors", func(t *testing.T) { testPgxSelectors(t, w) })
	t.Run("types", func(t *testing.T) { testPgxTypes(t, w) })
	t.Run("describe", func(t *testing.T) { testPgxDescribe(t, w) })
	t.Run("errors", func(t *testing.T) { testPgxErrors(t, w) })
	t.Run("cancel", func(t *testing.T) { testPgxCancel(t, w) })
	t.Run("cursors and COPY", func(t *testing.T) { testPgxCursors(t, w) })
	t.Run("row limits", func(t *testing.T) { testPgxRowLimits(t, w) })
	t.Run("batch", func(t *testing.T) { testPgxBatch(t, w) })
	t.Run("snapshot", func(t *testing.T) { testPgxSnapshot(t, w) })
	t.Run("twenty sessions", func(t *testing.T) { testPgxSessions(t, w) })
}

type totalRow struct {
	Service, Type string
	Count         int64
	Sum           int64
}

// totals is the answer to the first question people ask, by plain addition.
func (w *sqlWorld) totals() []totalRow {
	var out []totalRow
	for _, service := range []string{"cart", "checkout", "payments"} {
		for _, typ := range []string{cpuType, samplesType} {
			row := totalRow{Service: service, Type: typ}
			for _, f := range w.facts {
				if f.service == service && f.typ == typ {
					row.Count++
					row.Sum += f.value
				}
			}
			out = append(out, row)
		}
	}
	return out
}

func testPgxTotals(t *testing.T, w *sqlWorld) {
	conn := w.connect(t)
	for _, mode := range []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	} {
		for range 2 { // the second time from pgx's cache
			rows, err := conn.Query(t.Context(), "select service_name, profile_type, count(*), sum(value)::bigint from samples group by all order by 1, 2", mode)
			require.NoError(t, err)
			got, err := pgx.CollectRows(rows, pgx.RowToStructByPos[totalRow])
			require.NoError(t, err, mode.String())
			require.Equal(t, w.totals(), got, mode.String())
		}
		for _, service := range []string{"checkout", "cart", "nobody"} {
			want := w.sum(func(f sqlFact) bool {
				return f.service == service && f.typ == cpuType && f.time.Before(w.start.Add(100*time.Second))
			})
			var got int64
			err := conn.QueryRow(t.Context(), "select coalesce(sum(value), 0)::bigint from samples where service_name = $1 and profile_type = $2 and time < $3",
				mode, service, cpuType, w.start.Add(100*time.Second)).Scan(&got)
			require.NoError(t, err, mode.String())
			require.Equal(t, want, got, "%s in mode %s", service, mode)
		}
	}
}

// testPgxSelectors: the API's total, the sum of the samples and the root of
// flamegraph() are one number.
func testPgxSelectors(t *testing.T, w *sqlWorld) {
	conn := w.connect(t)
	for _, tt := range []struct {
		selector, where string
		accept          func(sqlFact) bool
	}{
		{`{}`, "true", func(sqlFact) bool { return true }},
		{`{service_name="checkout"}`, "service_name = 'checkout'", func(f sqlFact) bool { return f.service == "checkout" }},
		{`{service_name=~"c.*"}`, "service_name ~ '^c.*$'", func(f sqlFact) bool { return f.service[0] == 'c' }},
		{`{pod="cart-1"}`, "labels['pod'] = 'cart-1'", func(f sqlFact) bool { return f.pod == "cart-1" }},
		{`{service_name!="cart",pod!="payments-0"}`, "service_name <> 'cart' and labels['pod'] <> 'payments-0'", func(f sqlFact) bool { return f.service != "cart" && f.pod != "payments-0" }},
		{`{service_name="nobody"}`, "service_name = 'nobody'", func(sqlFact) bool { return false }},
	} {
		for _, typ := range []string{cpuType, samplesType} {
			want := w.sum(func(f sqlFact) bool { return f.typ == typ && tt.accept(f) })
			require.Equal(t, want, w.apiTotal(t, typ, tt.selector), "API, %s%s", typ, tt.selector)

			var sum, root, self int64
			require.NoError(t, conn.QueryRow(t.Context(), "select coalesce(sum(value), 0)::bigint from labeled_samples where profile_type = $1 and "+tt.where, typ).Scan(&sum))
			require.Equal(t, want, sum, "samples, %s", tt.where)
			require.NoError(t, conn.QueryRow(t.Context(), "select coalesce(max(total), 0), coalesce(sum(self), 0)::bigint from flamegraph($1, $2, $3)",
				typ+tt.selector, w.start, w.end()).Scan(&root, &self))
			require.Equal(t, want, root, "flamegraph, %s", tt.selector)
			require.Equal(t, want, self, "the boxes' own values, %s", tt.selector)
			require.NoError(t, conn.QueryRow(t.Context(), "select coalesce(sum(self), 0)::bigint from top_functions($1, $2, $3)", typ+tt.selector, w.start, w.end()).Scan(&self))
			require.Equal(t, want, self, "top_functions, %s", tt.selector)
		}
	}
}

// testPgxTypes: every column arrives in binary as in text.
func testPgxTypes(t *testing.T, w *sqlWorld) {
	conn := w.connect(t)
	for _, table := range []string{"samples", "profiles", "series", "stacktraces", "labeled_samples", "labeled_profiles"} {
		var texts [2][]string
		for i, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeSimpleProtocol} {
			rows, err := conn.Query(t.Context(), "select * from "+table+" order by all", mode)
			require.NoError(t, err)
			for rows.Next() {
				values, err := rows.Values()
				require.NoError(t, err)
				texts[i] = append(texts[i], fmt.Sprint(values))
			}
			require.NoError(t, rows.Err(), table)
		}
		require.NotEmpty(t, texts[0], table)
		require.Equal(t, texts[1], texts[0], table)
	}
	var at time.Time
	var functions []string
	var labels map[string]string
	require.NoError(t, conn.QueryRow(t.Context(), "select min(time) from samples").Scan(&at))
	require.True(t, at.Equal(w.start), at)
	require.NoError(t, conn.QueryRow(t.Context(), "select functions from stacktraces where functions[1] = 'escape'").Scan(&functions))
	require.Equal(t, []string{"escape", "render", "serve", "main"}, functions)
	require.NoError(t, conn.QueryRow(t.Context(), "select labels from series where labels['pod'] = 'cart-0' limit 1").Scan(&labels))
	require.Equal(t, map[string]string{"pod": "cart-0", "service_name": "cart"}, labels)
}

// testPgxDescribe: a prepared statement says what it takes and gives without
// running.
func testPgxDescribe(t *testing.T, w *sqlWorld) {
	conn := w.connect(t)
	d, err := conn.Prepare(t.Context(), "p", "select time, service_name, series_id, value, sum(value) over () as s from samples where service_name = $1 and time >= $2 and value > $3")
	require.NoError(t, err)
	names, oids := []string{}, []uint32{}
	for _, f := range d.Fields {
		names, oids = append(names, f.Name), append(oids, f.DataTypeOID)
	}
	require.Equal(t, []string{"time", "service_name", "series_id", "value", "s"}, names)
	require.Equal(t, []uint32{1184, 25, 20, 20, 1700}, oids, "timestamptz, text, int8, int8, numeric")
	require.Equal(t, []uint32{25, 1184, 20}, d.ParamOIDs)

	_, err = conn.Prepare(t.Context(), "slow", endless)
	require.NoError(t, err, "described at once")
	require.NoError(t, conn.Deallocate(t.Context(), "slow"))
	_, err = conn.Prepare(t.Context(), "bad", "select nothing from samples")
	requireState(t, err, "42703", 8)
}

func requireState(t *testing.T, err error, state string, position int32) {
	t.Helper()
	var pg *pgconn.PgError
	require.ErrorAs(t, err, &pg)
	require.Equal(t, state, pg.Code, pg.Message)
	require.Equal(t, position, pg.Position, pg.Message)
	require.NotEmpty(t, pg.Message)
}

// testPgxErrors: each error has its SQLSTATE and place, and leaves the session
// usable.
func testPgxErrors(t *testing.T, w *sqlWorld) {
	conn := w.connect(t)
	for _, tt := range []struct {
		sql, state string
		position   int32
	}{
		{"selct 1", "42601", 1},
		{"select nothing from samples", "42703", 8},
		{"select * from nowhere", "42P01", 15},
		{"select nofunction(value) from samples", "42883", 8},
		{"select 1/0::int, 'x'::int", "22P02", 0},
		{"insert into samples select * from samples", "25006", 0},
		{"drop view samples", "25006", 0},
		{"select * from read_csv('/etc/passwd')", "42501", 15},
		{"select * from '/etc/passwd'", "42P01", 15},
		{"attach 'x.db'", "42501", 0},
		{"copy samples to '/tmp/x'", "42501", 0},
		{"select * from flamegraph(service_name, now(), now()) , samples", "0A000", 0},
		{"select * from flamegraph('nonsense', now(), now())", "22023", 0},
	} {
		for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
			_, err := conn.Exec(t.Context(), tt.sql, mode)
			var pg *pgconn.PgError
			require.ErrorAs(t, err, &pg, tt.sql)
			require.Equal(t, tt.state, pg.Code, "%s: %s", tt.sql, pg.Message)
			if tt.position > 0 {
				require.Equal(t, tt.position, pg.Position, "%s: %s", tt.sql, pg.Message)
			}
		}
		var one int
		require.NoError(t, conn.QueryRow(t.Context(), "select 1").Scan(&one), "after %s", tt.sql)
	}
	_, err := conn.Exec(t.Context(), "select 1; select 2; select nothing")
	requireState(t, err, "42703", 28)
}

// testPgxCancel: by key, by statement_timeout, and by leaving.
func testPgxCancel(t *testing.T, w *sqlWorld) {
	cfg, err := pgx.ParseConfig(w.dsn())
	require.NoError(t, err)
	cfg.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: c, DeadlineDelay: time.Minute}
	}
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.Background())) }()
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := conn.Exec(ctx, endless)
			ended <- err
		}()
		w.awaitRunning(t, 1)
		cancel()
		requireState(t, <-ended, "57014", 0)
		var n int64
		require.NoError(t, conn.QueryRow(t.Context(), "select count(*) from samples").Scan(&n), "the session stays")
		require.EqualValues(t, len(w.facts), n)
	}
	_, err = conn.Exec(t.Context(), "set statement_timeout = '50ms'")
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), endless)
	requireState(t, err, "57014", 0)

	leaving, err := pgx.Connect(t.Context(), w.dsn())
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() {
		_, err := leaving.Exec(t.Context(), endless)
		ended <- err
	}()
	w.awaitRunning(t, 1)
	require.NoError(t, leaving.PgConn().Conn().Close())
	require.Error(t, <-ended)
	w.awaitRunning(t, 0) // nobody waits for the rows any more
}

// awaitRunning waits until that many statements run.
func (w *sqlWorld) awaitRunning(t *testing.T, n int) {
	t.Helper()
	want := fmt.Sprintf("stackhouse_worker_executors_running %d\n", n)
	require.Eventually(t, func() bool {
		_, metrics := get(t, w.url+"/metrics")
		return strings.Contains(metrics, want)
	}, time.Minute, 5*time.Millisecond, want)
}

// testPgxCursors: rows in pieces by SQL's cursors, and COPY.
func testPgxCursors(t *testing.T, w *sqlWorld) {
	conn := w.connect(t)
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "declare c no scroll cursor for select value from samples order by value")
	require.NoError(t, err)
	var got []int64
	for {
		rows, err := tx.Query(t.Context(), "fetch 100 from c")
		require.NoError(t, err)
		piece, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		require.NoError(t, err)
		if len(piece) == 0 {
			break
		}
		got = append(got, piece...)
	}
	require.NoError(t, tx.Commit(t.Context()))
	require.Len(t, got, len(w.facts))
	require.IsIncreasing(t, dedup(got))

	var out bytes.Buffer
	tag, err := conn.PgConn().CopyTo(t.Context(), &out, "copy (select service_name, count(*) from profiles group by 1 order by 1) to stdout with (format csv, header)")
	require.NoError(t, err)
	require.Equal(t, "COPY 3", tag.String())
	require.Equal(t, []string{"cart,20", "checkout,20", "payments,20"}, strings.Split(strings.TrimSpace(out.String()), "\n")[1:])
}

func dedup(sorted []int64) (out []int64) {
	for _, v := range sorted {
		if len(out) == 0 || out[len(out)-1] != v {
			out = append(out, v)
		}
	}
	return out
}

// testPgxSnapshot: a transaction sees what its first statement saw.
func testPgxSnapshot(t *testing.T, w *sqlWorld) {
	conn, other := w.connect(t), w.connect(t)
	count := func(c interface {
		QueryRow(context.Context, string, ...any) pgx.Row
	},
	) (n int) {
		require.NoError(t, c.QueryRow(t.Context(), "select count(*) from profiles where service_name = 'later'").Scan(&n))
		return n
	}
	tx, err := conn.BeginTx(t.Context(), pgx.TxOptions{AccessMode: pgx.ReadOnly})
	require.NoError(t, err)
	require.Zero(t, count(tx))
	facts := len(w.facts)
	w.pushCPU(t, "later", "later-0", w.start, 1)
	w.facts = w.facts[:facts]
	require.Equal(t, 2, count(other), "acknowledged is visible")
	require.Zero(t, count(tx))
	require.NoError(t, tx.Commit(t.Context()))
	require.Equal(t, 2, count(conn))
}

// testPgxSessions: twenty sessions at once, each with its own settings and
// prepared statements.
func testPgxSessions(t *testing.T, w *sqlWorld) {
	services := []string{"cart", "checkout", "payments"}
	var wg sync.WaitGroup
	errs := make(chan error, 20)
	for i := range 20 {
		wg.Go(func() { errs <- w.oneSession(t.Context(), i, services[i%3]) })
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
}

func (w *sqlWorld) oneSession(ctx context.Context, i int, service string) error {
	conn, err := pgx.Connect(ctx, w.dsn())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	name := fmt.Sprintf("app-%d", i)
	if _, err := conn.Exec(ctx, "set application_name = '"+name+"'"); err != nil {
		return err
	}
	want := w.sum(func(f sqlFact) bool { return f.service == service && f.typ == cpuType })
	for range 5 {
		var sum int64
		var app string
		err := conn.QueryRow(ctx, "select sum(value)::bigint, current_setting('application_name') from samples where service_name = $1 and profile_type = $2", service, cpuType).Scan(&sum, &app)
		if err != nil {
			return fmt.Errorf("session %d: %w", i, err)
		}
		if sum != want || app != name {
			return fmt.Errorf("session %d: sum %d, want %d; name %q", i, sum, want, app)
		}
		if _, err := conn.Exec(ctx, "select nothing"); err == nil {
			return fmt.Errorf("session %d: no error", i)
		}
	}
	return nil
}
