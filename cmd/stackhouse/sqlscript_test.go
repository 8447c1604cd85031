package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	pushv1 "github.com/grafana/pyroscope/api/gen/proto/go/push/v1"
	"github.com/grafana/pyroscope/api/gen/proto/go/push/v1/pushv1connect"
	querierv1 "github.com/grafana/pyroscope/api/gen/proto/go/querier/v1"
	"github.com/grafana/pyroscope/api/gen/proto/go/querier/v1/querierv1connect"
	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/metastore"
	"github.com/stackhouse-db/stackhouse/sql/sqltest"
	"github.com/stackhouse-db/stackhouse/sql/statement"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata/query")

// TestScripts asks the questions of testdata/query directly, over the SQL endpoint
// in each of its protocols, and through the profiling API, with the profiles
// stored in each way. Rewrite the answers with
//
//	go test -tags duckdb_arrow ./cmd/stackhouse -run TestScripts -update
func TestScripts(t *testing.T) {
	all := func(ps []sqltest.Profile) [][]sqltest.Profile { return [][]sqltest.Profile{ps} }
	each := func(ps []sqltest.Profile) (groups [][]sqltest.Profile) {
		for _, p := range ps {
			groups = append(groups, []sqltest.Profile{p})
		}
		return groups
	}
	sections := func(ps []sqltest.Profile) [][]sqltest.Profile {
		groups := make([][]sqltest.Profile, 0)
		for _, p := range ps {
			if p.Section == len(groups) {
				groups = append(groups, nil)
			}
			groups[p.Section] = append(groups[p.Section], p)
		}
		return groups
	}
	never := metastore.DefaultPolicy()
	never.MinSegments, never.MaxSegments, never.Quiet = 1<<20, 1<<20, time.Hour
	merged := never
	merged.MaxSegments = 2
	twice := merged
	twice.MaxBlocks = 1
	final := never
	final.Quiet = 0
	layouts := []sqltest.Layout{
		{Name: "one segment", Open: scripted{policy: never, allWays: true, group: all}.open},
		{Name: "a segment a section", Open: scripted{policy: never, allWays: true, group: sections}.open},
		{Name: "a segment each", Open: scripted{policy: never, group: each}.open},
		{Name: "after a restart", Open: scripted{policy: never, group: each, restart: true}.open},
		{Name: "level 1", Open: scripted{policy: merged, group: each, levels: []uint8{0, 1}}.open},
		{Name: "level 2", Open: scripted{policy: twice, group: each, levels: []uint8{0, 1, 2}}.open},
		{Name: "final", Open: scripted{policy: final, group: each, levels: []uint8{3}}.open},
		{Name: "final, after a restart", Open: scripted{policy: final, group: each, levels: []uint8{3}, restart: true}.open},
	}
	sqltest.Run(t, filepath.Join("..", "..", "testdata", "query"), layouts, *update)
}

// opened is a node that runs in this process.
type opened struct {
	*node
	url, dsn string
	stop     func()
}

// runNode runs a node over dir until stop.
func runNode(t testing.TB, dir string, policy metastore.Policy) *opened {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background()) // ended by stop
	var g grammar
	parser, err := program{stdout: io.Discard, stderr: io.Discard}.parser(&g)
	require.NoError(t, err)
	_, err = parser.Parse([]string{
		"serve", "--data-dir=" + dir, "--http.listen=127.0.0.1:0", "--peer.listen=127.0.0.1:0", "--pg.listen=127.0.0.1:0", "--retention=0",
	})
	require.NoError(t, err)
	cfg := &g.Serve.Settings
	log := slog.New(slog.DiscardHandler)
	ln, err := listen(ctx, "http.listen", cfg.HTTPListen)
	require.NoError(t, err)
	pgLn, err := listen(ctx, "pg.listen", cfg.PGListen)
	require.NoError(t, err)
	data, err := openDataDir(dir)
	require.NoError(t, err)
	n, err := newNode(cfg, policy, newBudgets(1<<30), nil, data, ln.Addr().String(), pgLn.Addr().String(), log)
	require.NoError(t, err)
	o := &opened{node: n, url: "http://" + ln.Addr().String()}
	o.dsn = fmt.Sprintf("host=127.0.0.1 port=%d user=alice sslmode=disable", pgLn.Addr().(*net.TCPAddr).Port)
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- runStages(ctx, log, func() { close(ready) }, n.stages(ln, pgLn, answerStarting(ln))...)
	}()
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	stopped := false
	o.stop = func() {
		if stopped {
			return
		}
		stopped = true
		http.DefaultClient.CloseIdleConnections()
		cancel()
		// A busy machine may take longer to free engines than a stop has.
		if err := <-done; err != nil {
			require.ErrorContains(t, err, "did not stop within")
		}
		data.close()
	}
	t.Cleanup(o.stop)
	return o
}

// scripted is a way to store the profiles of scripts, each as a tenant of its own.
type scripted struct {
	policy  metastore.Policy
	group   func([]sqltest.Profile) [][]sqltest.Profile // into requests
	levels  []uint8                                     // of the parts once all is merged; nil does not wait
	restart bool
	allWays bool // also those that differ in their encoding only
}

func (s scripted) open(t *testing.T, scripts map[string][]sqltest.Profile) map[string]map[string]sqltest.Target {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	o := runNode(t, dir, s.policy)
	for tenant, profiles := range scripts {
		for _, group := range s.group(profiles) {
			pushProfiles(t, o.url, tenant, group)
		}
	}
	if s.levels != nil {
		o.settle(t, s)
	}
	if s.restart {
		o.stop()
		o = runNode(t, dir, s.policy)
	}
	all := map[string]map[string]sqltest.Target{}
	for tenant := range scripts {
		conn, err := pgx.Connect(t.Context(), o.dsn+" dbname="+tenant)
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		all[tenant] = map[string]sqltest.Target{
			"extended, binary":  extended{conn.PgConn(), conn.TypeMap(), pgx.BinaryFormatCode},
			"the profiling API": profilingAPI{querierv1connect.NewQuerierServiceClient(http.DefaultClient, o.url, asTenant(tenant))},
		}
		if s.allWays {
			all[tenant]["directly"] = direct{o.statements, warehouse.Tenant(tenant)}
			all[tenant]["simple protocol"] = simple{conn.PgConn()}
			all[tenant]["extended, text"] = extended{conn.PgConn(), conn.TypeMap(), pgx.TextFormatCode}
		}
	}
	return all
}

// asTenant sets the header that names the tenant.
func asTenant(tenant string) connect.ClientOption {
	return connect.WithInterceptors(connect.UnaryInterceptorFunc(func(next connect.UnaryFunc) connect.UnaryFunc {
		return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
			req.Header().Set("X-Scope-OrgID", tenant)
			return next(ctx, req)
		}
	}))
}

// settle waits until nothing is left to merge.
func (o *opened) settle(t *testing.T, s scripted) {
	t.Helper()
	require.Eventually(t, func() bool {
		snap, err := o.meta.Snapshot(t.Context())
		require.NoError(t, err)
		defer snap.Release()
		for _, j := range snap.Jobs() {
			require.Empty(t, j.Reason)
		}
		return len(snap.Jobs()) == 0 && !o.meta.HasJobs()
	}, 90*time.Second, 10*time.Millisecond)
	snap, err := o.meta.Snapshot(t.Context())
	require.NoError(t, err)
	defer snap.Release()
	for _, tenant := range snap.Tenants() {
		for _, p := range snap.Parts(tenant, warehouse.TimeRange{From: warehouse.MinTime, To: warehouse.MaxTime}) {
			require.Contains(t, s.levels, p.Level)
		}
	}
}

func pushProfiles(t *testing.T, url, tenant string, ps []sqltest.Profile) {
	t.Helper()
	req := &pushv1.PushRequest{}
	for i := range ps {
		body, err := ps[i].Pprof()
		require.NoError(t, err)
		labels := []*typesv1.LabelPair{{Name: "__name__", Value: ps[i].Type.Name}}
		for _, name := range slices.Sorted(maps.Keys(ps[i].Labels)) {
			labels = append(labels, &typesv1.LabelPair{Name: name, Value: ps[i].Labels[name]})
		}
		req.Series = append(req.Series, &pushv1.RawProfileSeries{Labels: labels, Samples: []*pushv1.RawSample{{RawProfile: body}}})
	}
	if len(req.Series) == 0 {
		return
	}
	_, err := pushv1connect.NewPusherServiceClient(http.DefaultClient, url, asTenant(tenant)).Push(t.Context(), connect.NewRequest(req))
	require.NoError(t, err)
}

// direct asks the statement service.
type direct struct {
	statements *statement.Service
	tenant     warehouse.Tenant
}

func (d direct) Ask(ctx context.Context, q *sqltest.Question) (*sqltest.Answer, bool, error) {
	if q.Kind == sqltest.API {
		return nil, false, nil
	}
	a, err := d.ask(ctx, q)
	var failed *statement.Error
	if errors.As(err, &failed) {
		return &sqltest.Answer{State: failed.SQLState, Message: failed.Message}, true, nil
	}
	return explained(q, a), true, err
}

func (d direct) ask(ctx context.Context, q *sqltest.Question) (*sqltest.Answer, error) {
	zone, err := time.LoadLocation(q.Zone)
	if err != nil {
		return nil, err
	}
	sess := &statement.Session{Tenant: d.tenant, User: "alice", TimeZone: q.Zone, Now: time.Now()}
	p, err := d.statements.Prepare(ctx, sess, statementOf(q), nil)
	if err != nil {
		return nil, err
	}
	args := make([]any, len(q.Args))
	for i, a := range q.Args {
		args[i] = a
	}
	rows, err := d.statements.Execute(ctx, sess, p, args)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	a := &sqltest.Answer{}
	for _, c := range p.Columns {
		a.Columns = append(a.Columns, c.Name)
	}
	for {
		rec, err := rows.Next(ctx)
		if errors.Is(err, io.EOF) {
			return a, nil
		}
		if err != nil {
			return nil, err
		}
		a.Rows = append(a.Rows, sqltest.Cells(rec, zone)...)
	}
}

// statementOf is the statement that asks a question.
func statementOf(q *sqltest.Question) string {
	if q.Kind == sqltest.Explain {
		return "EXPLAIN " + q.Text
	}
	return q.Text
}

// explained is the answer to a question from the rows of its statement.
func explained(q *sqltest.Question, a *sqltest.Answer) *sqltest.Answer {
	if a != nil && q.Kind == sqltest.Explain {
		return sqltest.Explained(a.Rows)
	}
	return a
}

// pgError makes an error of the server an answer.
func pgError(err error) (*sqltest.Answer, bool, error) {
	var failed *pgconn.PgError
	if errors.As(err, &failed) {
		return &sqltest.Answer{State: failed.Code, Message: failed.Message}, true, nil
	}
	return nil, true, err
}

// read reads a result, of which cell writes the values as text.
func read(r *pgconn.ResultReader, cell func(oid uint32, raw []byte) (string, error)) (*sqltest.Answer, error) {
	a := &sqltest.Answer{}
	for r.NextRow() {
		var row []string
		for i, raw := range r.Values() {
			text := sqltest.Null
			if raw != nil {
				var err error
				if text, err = cell(r.FieldDescriptions()[i].DataTypeOID, raw); err != nil {
					return nil, fmt.Errorf("column %d: %w", i+1, err)
				}
			}
			row = append(row, text)
		}
		a.Rows = append(a.Rows, row)
	}
	for _, f := range r.FieldDescriptions() {
		a.Columns = append(a.Columns, f.Name)
	}
	_, err := r.Close()
	return a, err
}

func asText(_ uint32, raw []byte) (string, error) { return string(raw), nil }

// setZone sets the session's time zone to that of a question.
func setZone(ctx context.Context, conn *pgconn.PgConn, q *sqltest.Question) error {
	if conn.ParameterStatus("TimeZone") == q.Zone {
		return nil
	}
	_, err := conn.Exec(ctx, "SET TimeZone = '"+q.Zone+"'").ReadAll()
	return err
}

// simple asks by the simple protocol, which has no arguments.
type simple struct{ conn *pgconn.PgConn }

func (s simple) Ask(ctx context.Context, q *sqltest.Question) (*sqltest.Answer, bool, error) {
	if q.Kind == sqltest.API || len(q.Args) > 0 {
		return nil, false, nil
	}
	if err := setZone(ctx, s.conn, q); err != nil {
		return nil, true, err
	}
	results := s.conn.Exec(ctx, statementOf(q))
	a := &sqltest.Answer{}
	var err error
	if results.NextResult() {
		a, err = read(results.ResultReader(), asText)
	}
	if err = errors.Join(err, results.Close()); err != nil {
		return pgError(err)
	}
	return explained(q, a), true, nil
}

// extended asks by the extended protocol, with results in one format.
type extended struct {
	conn   *pgconn.PgConn
	types  *pgtype.Map
	format int16
}

func (e extended) Ask(ctx context.Context, q *sqltest.Question) (*sqltest.Answer, bool, error) {
	if q.Kind == sqltest.API {
		return nil, false, nil
	}
	zone, err := time.LoadLocation(q.Zone)
	if err != nil {
		return nil, true, err
	}
	if err := setZone(ctx, e.conn, q); err != nil {
		return nil, true, err
	}
	args := make([][]byte, len(q.Args))
	for i, a := range q.Args {
		args[i] = []byte(a)
	}
	cell := asText
	if e.format == pgx.BinaryFormatCode {
		cell = func(oid uint32, raw []byte) (string, error) { return e.text(oid, raw, zone) }
	}
	a, err := read(e.conn.ExecParams(ctx, statementOf(q), args, nil, nil, []int16{e.format}), cell)
	if err != nil {
		return pgError(err)
	}
	return explained(q, a), true, nil
}

// text decodes a binary value by pgx, and writes it as text.
func (e extended) text(oid uint32, raw []byte, zone *time.Location) (string, error) {
	typ, ok := e.types.TypeForOID(oid)
	if !ok {
		return "", fmt.Errorf("pgx does not know type %d", oid)
	}
	value, err := typ.Codec.DecodeValue(e.types, oid, e.format, raw)
	if err != nil {
		return "", err
	}
	switch v := value.(type) {
	case time.Time:
		return pgTime(v, oid, zone), nil
	case float64:
		return sqltest.Float(v), nil
	}
	text, err := e.types.Encode(oid, pgx.TextFormatCode, value, nil)
	return string(text), err
}

// pgTime writes what pgx made of a date or time.
func pgTime(v time.Time, oid uint32, zone *time.Location) string {
	switch oid {
	case pgtype.TimestamptzOID:
		return sqltest.Instant(v, zone)
	case pgtype.DateOID:
		return v.Format(time.DateOnly)
	}
	return sqltest.Timestamp(v)
}

// profilingAPI asks the querier; see sqltest.Target for the verbs.
type profilingAPI struct {
	client querierv1connect.QuerierServiceClient
}

func (p profilingAPI) Ask(ctx context.Context, q *sqltest.Question) (*sqltest.Answer, bool, error) {
	if q.Kind != sqltest.API {
		return nil, false, nil
	}
	rows, err := p.ask(ctx, strings.Fields(q.Text))
	return &sqltest.Answer{Rows: rows}, true, err
}

func (p profilingAPI) ask(ctx context.Context, words []string) ([][]string, error) {
	switch words[0] {
	case "total", "top":
		return p.flamegraph(ctx, words)
	case "series":
		return p.series(ctx, words)
	case "profile-types":
		res, err := p.client.ProfileTypes(ctx, connect.NewRequest(&querierv1.ProfileTypesRequest{Start: sqltest.At(-1e6).UnixMilli(), End: sqltest.At(1e6).UnixMilli()}))
		if err != nil {
			return nil, err
		}
		var rows [][]string
		for _, typ := range res.Msg.ProfileTypes {
			rows = append(rows, []string{typ.ID})
		}
		return rows, nil
	case "label-values":
		res, err := p.client.LabelValues(ctx, connect.NewRequest(&typesv1.LabelValuesRequest{
			Name: words[1], Start: sqltest.At(-1e6).UnixMilli(), End: sqltest.At(1e6).UnixMilli(),
		}))
		if err != nil {
			return nil, err
		}
		var rows [][]string
		for _, name := range res.Msg.Names {
			rows = append(rows, []string{name})
		}
		return rows, nil
	}
	return nil, fmt.Errorf("unknown verb %q", words[0])
}

// selection splits TYPE{SELECTOR}, and reads seconds.
func selection(word string, seconds ...string) (typ, selector string, ms []int64, err error) {
	typ, rest, _ := strings.Cut(word, "{")
	for _, s := range seconds {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return "", "", nil, err
		}
		ms = append(ms, sqltest.At(n).UnixMilli())
	}
	return typ, "{" + rest, ms, nil
}

func (p profilingAPI) flamegraph(ctx context.Context, words []string) ([][]string, error) {
	typ, selector, ms, err := selection(words[1], words[2], words[3])
	if err != nil {
		return nil, err
	}
	all := int64(1 << 20)
	res, err := p.client.SelectMergeStacktraces(ctx, connect.NewRequest(&querierv1.SelectMergeStacktracesRequest{
		ProfileTypeID: typ, LabelSelector: selector, Start: ms[0], End: ms[1], MaxNodes: &all,
	}))
	if err != nil {
		return nil, err
	}
	f := res.Msg.Flamegraph
	if words[0] == "total" {
		return [][]string{{strconv.FormatInt(f.GetTotal(), 10)}}, nil
	}
	self := map[string]int64{}
	for _, level := range f.Levels[1:] { // the first is the total
		for i := 0; i < len(level.Values); i += 4 {
			self[f.Names[level.Values[i+3]]] += level.Values[i+2]
		}
	}
	var rows [][]string
	for _, name := range slices.SortedFunc(maps.Keys(self), func(a, b string) int { return cmp.Or(cmp.Compare(self[b], self[a]), cmp.Compare(a, b)) }) {
		rows = append(rows, []string{name, strconv.FormatInt(self[name], 10)})
	}
	return rows, nil
}

func (p profilingAPI) series(ctx context.Context, words []string) ([][]string, error) {
	typ, selector, ms, err := selection(words[1], words[2], words[3])
	if err != nil {
		return nil, err
	}
	step, err := strconv.ParseFloat(words[4], 64)
	if err != nil {
		return nil, err
	}
	res, err := p.client.SelectSeries(ctx, connect.NewRequest(&querierv1.SelectSeriesRequest{
		ProfileTypeID: typ, LabelSelector: selector, Start: ms[0], End: ms[1], Step: step, GroupBy: words[5:],
	}))
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for _, s := range res.Msg.Series {
		var labels []string
		for _, l := range s.Labels {
			labels = append(labels, l.Name+"="+l.Value)
		}
		for _, point := range s.Points {
			if point.Value != 0 {
				rows = append(rows, []string{strings.Join(labels, ","), strconv.FormatInt((point.Timestamp-sqltest.Start.UnixMilli())/1000, 10), strconv.FormatFloat(point.Value, 'f', -1, 64)})
			}
		}
	}
	slices.SortFunc(rows, func(a, b []string) int {
		x, _ := strconv.Atoi(a[1])
		y, _ := strconv.Atoi(b[1])
		return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(x, y))
	})
	return rows, nil
}
