package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	pushv1 "github.com/grafana/pyroscope/api/gen/proto/go/push/v1"
	"github.com/grafana/pyroscope/api/gen/proto/go/push/v1/pushv1connect"
	"github.com/grafana/pyroscope/api/gen/proto/go/querier/v1/querierv1connect"
	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/metastore"
	"github.com/stackhouse-db/stackhouse/sql/sqltest"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Sequences that share a node, and how many run by default.
const (
	sequencesOfNode  = 10
	defaultSequences = 20
)

// TestMetamorphic pushes random profiles in random steps, with deletions, restarts and
// merges in between, under random settings, and asks random questions after each step:
// every answer is what plain addition over the pushed profiles that are not deleted
// gives, however they are stored just then. At the end no object holds a definition that
// only deleted profiles had.
//
// Ten sequences run on one node, as tenants of their own; a failure names the seed
// of the node, from which all its choices follow. The long run, and one node again:
//
//	STACKHOUSE_SEQUENCES=500 go test -tags duckdb_arrow,invariants ./cmd/stackhouse -run TestMetamorphic -v -timeout 60m
//	STACKHOUSE_SEQUENCES=10 STACKHOUSE_SEED=17 go test -tags duckdb_arrow,invariants ./cmd/stackhouse -run TestMetamorphic -v
//
// The choices of a seed are always the same; when merges happen is not.
func TestMetamorphic(t *testing.T) {
	if testing.Short() {
		t.Skip("runs nodes for several seconds")
	}
	first := envNumber(t, "STACKHOUSE_SEED", 1)
	sequences := int(envNumber(t, "STACKHOUSE_SEQUENCES", defaultSequences))
	var total tally
	for i := 0; i*sequencesOfNode < sequences; i++ {
		seed := first + uint64(i)
		ok := t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			m := newMorph(t, seed, min(sequencesOfNode, sequences-i*sequencesOfNode))
			m.run(t)
			t.Log(m.tally.String())
			total.add(&m.tally)
		})
		if !ok {
			break // the same fault again says little
		}
	}
	t.Log(total.String())
}

// envNumber reads a number from the environment.
func envNumber(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 63)
	require.NoError(t, err, name)
	return n
}

// tally counts what was done.
type tally struct {
	sequences, restarts, waits, profiles, retries, questions int
	deletions, deleted                                       int
	levels                                                   map[uint8]int // parts seen before questions
}

func (c *tally) add(other *tally) {
	c.sequences += other.sequences
	c.restarts += other.restarts
	c.waits += other.waits
	c.profiles += other.profiles
	c.retries += other.retries
	c.questions += other.questions
	c.deletions += other.deletions
	c.deleted += other.deleted
	if c.levels == nil {
		c.levels = map[uint8]int{}
	}
	for level, n := range other.levels {
		c.levels[level] += n
	}
}

func (c *tally) String() string {
	return fmt.Sprintf("%d sequences, %d restarts, %d waits for merges, %d profiles and %d again, %d deletions of %d profiles, %d questions; parts asked by level: %v",
		c.sequences, c.restarts, c.waits, c.profiles, c.retries, c.deletions, c.deleted, c.questions, c.levels)
}

// morph is one node with its sequences.
type morph struct {
	tally

	seed      uint64
	rng       *rand.Rand
	policy    metastore.Policy
	dir       string
	node      *opened
	sequences []*sequence
	history   []string // of what was done to the node
}

func newMorph(t *testing.T, seed uint64, sequences int) *morph {
	t.Helper()
	m := &morph{seed: seed, rng: rand.New(rand.NewPCG(seed, 0)), dir: filepath.Join(t.TempDir(), "data")}
	m.levels = map[uint8]int{}
	m.tally.sequences = sequences
	m.policy = randomPolicy(m.rng)
	now := int64(time.Since(sqltest.Start) / time.Second)
	for i := range sequences {
		m.sequences = append(m.sequences, newSequence(fmt.Sprintf("s%d", i), rand.New(rand.NewPCG(seed, uint64(i+1))), now))
	}
	return m
}

// randomPolicy draws settings, of which about half leave hours open.
func randomPolicy(rng *rand.Rand) metastore.Policy {
	p := metastore.DefaultPolicy()
	p.MinSegments = pick(rng, 2, 3, 1<<20)
	p.MaxSegments = pick(rng, 2, 3, 5, 1<<20)
	p.Age = pick(rng, 0, 20*time.Millisecond, time.Hour)
	p.TwicePercent = pick(rng, 0, 45, 100)
	p.SegmentBytes = pick(rng, 1, 4<<10, p.SegmentBytes)
	p.MaxBlocks = pick(rng, 1, 2, 4)
	p.Quiet = pick(rng, 0, 0, 50*time.Millisecond, 500*time.Millisecond, time.Hour, time.Hour)
	p.MaskAge = pick(rng, 0, 300*time.Millisecond, 3*time.Second, 10*time.Second)
	p.LateShare = pick(rng, 1, 2, 4, 1<<20)
	p.MaxParts = pick(rng, 2, 3, 8, p.MaxParts)
	return p
}

// pick draws one of the choices; one that is named twice is twice as likely.
func pick[T any](rng *rand.Rand, choices ...T) T { return choices[rng.IntN(len(choices))] }

func (m *morph) run(t *testing.T) {
	t.Helper()
	m.node = runNode(t, m.dir, m.policy)
	for range 3 + m.rng.IntN(3) {
		m.do(t, "push", (*sequence).push)
		if m.rng.IntN(3) == 0 {
			m.ask(t) // so that there is something in caches
		}
		if m.rng.IntN(2) == 0 {
			m.do(t, "delete", (*sequence).delete)
			if m.rng.IntN(2) == 0 {
				m.do(t, "push", (*sequence).push) // which stays
			}
		}
		if m.rng.IntN(2) == 0 {
			m.ask(t)
		}
		m.change(t)
		m.ask(t)
	}
	m.settle(t)
	m.ask(t)
	m.restart(t)
	m.ask(t)
	m.awaitGone(t)
	m.ask(t)
	for _, s := range m.sequences {
		m.profiles, m.retries, m.questions = m.profiles+len(s.stored)+len(s.gone), m.retries+s.retries, m.questions+s.questions
		m.deletions, m.deleted = m.deletions+s.deletions, m.deleted+len(s.gone)
	}
	m.stop(t)
}

// change restarts the node, waits for merges, does both or nothing.
func (m *morph) change(t *testing.T) {
	t.Helper()
	switch m.rng.IntN(6) {
	case 0, 1:
		m.settle(t)
	case 2:
		m.restart(t)
	case 3:
		m.settle(t)
		m.restart(t)
	case 4:
		m.restart(t)
		m.settle(t)
	}
}

func (m *morph) restart(t *testing.T) {
	t.Helper()
	m.stop(t)
	m.node = runNode(t, m.dir, m.policy)
	m.restarts++
	m.history = append(m.history, "restart")
}

// stop stops the node. The SQL engines of all sequences are freed before, because
// that can take longer on a busy machine than the stage has for its stop.
func (m *morph) stop(t *testing.T) {
	t.Helper()
	for _, s := range m.sequences {
		s.disconnect()
	}
	require.NoError(t, m.node.statements.Close())
	m.node.stop()
}

// settle waits until there is nothing to merge just now.
func (m *morph) settle(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		snap, err := m.node.meta.Snapshot(t.Context())
		if err != nil {
			return false
		}
		defer snap.Release()
		return len(snap.Jobs()) == 0 && !m.node.meta.HasJobs()
	}, 120*time.Second, 5*time.Millisecond, "%s: merges do not end", m)
	m.waits++
	m.history = append(m.history, "wait")
}

// ask asks questions of every sequence.
func (m *morph) ask(t *testing.T) {
	t.Helper()
	m.look(t)
	m.do(t, "ask", (*sequence).ask)
}

// look counts the parts at each level; no job may have failed.
func (m *morph) look(t *testing.T) {
	t.Helper()
	snap, err := m.node.meta.Snapshot(t.Context())
	require.NoError(t, err)
	defer snap.Release()
	for _, j := range snap.Jobs() {
		require.Empty(t, j.Reason, "%s: a merge failed", m)
	}
	for _, tenant := range snap.Tenants() {
		for _, p := range snap.Parts(tenant, warehouse.TimeRange{From: warehouse.MinTime, To: warehouse.MaxTime}) {
			m.levels[p.Level]++
		}
	}
}

// do does something with all sequences at once.
func (m *morph) do(t *testing.T, what string, f func(*sequence, context.Context, *opened) error) {
	t.Helper()
	m.history = append(m.history, what)
	errs := make([]error, len(m.sequences))
	var wg sync.WaitGroup
	for i, s := range m.sequences {
		wg.Go(func() { errs[i] = f(s, t.Context(), m.node) })
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			errs[i] = fmt.Errorf("sequence %s: %w", m.sequences[i].tenant, err)
		}
	}
	require.NoError(t, errors.Join(errs...), "%s", m)
}

func (m *morph) String() string {
	return fmt.Sprintf("STACKHOUSE_SEED=%d STACKHOUSE_SEQUENCES=%d, policy %+v, after %s",
		m.seed, len(m.sequences), m.policy, strings.Join(m.history, ", "))
}

// sequence is one tenant with all that was pushed for it.
type sequence struct {
	tenant   string
	rng      *rand.Rand
	services []string
	pods     []string
	types    []warehouse.ProfileType
	hours    []int64 // first seconds, from sqltest.Start
	now      int64   // the newest time, likewise

	requests [][]pushed
	stored   map[string]*sqltest.Profile // by identity
	gone     map[string]bool             // identities of what is deleted
	conn     *pgx.Conn                   // nil when the node was restarted

	retries, questions, deletions int
}

// pushed is a profile of a request.
type pushed struct {
	profile sqltest.Profile
	id      string // the client's; may be empty
}

// morphTypes are the profile types that sequences choose from.
var morphTypes = []warehouse.ProfileType{
	{Name: "process_cpu", SampleType: "cpu", SampleUnit: "nanoseconds", PeriodType: "cpu", PeriodUnit: "nanoseconds"},
	{Name: "process_cpu", SampleType: "samples", SampleUnit: "count", PeriodType: "cpu", PeriodUnit: "nanoseconds"},
	{Name: "memory", SampleType: "inuse_space", SampleUnit: "bytes", PeriodType: "space", PeriodUnit: "bytes"},
}

// newSequence draws what a sequence is made of. Hours are far back, close
// together, and the last two up to now.
func newSequence(tenant string, rng *rand.Rand, now int64) *sequence {
	s := &sequence{tenant: tenant, rng: rng, now: now, stored: map[string]*sqltest.Profile{}, gone: map[string]bool{}}
	s.services = some(rng, "cart", "checkout", "checkout-eu", "payments")
	s.pods = some(rng, "a", "b", "c")
	s.types = some(rng, morphTypes...)
	thisHour := now - now%3600
	s.hours = some(rng, 0, 3600, 7200, -300*24*3600, thisHour-3600, thisHour)
	return s
}

// some draws at least one of the choices.
func some[T any](rng *rand.Rand, choices ...T) (out []T) {
	for _, i := range rng.Perm(len(choices))[:1+rng.IntN(len(choices))] {
		out = append(out, choices[i])
	}
	return out
}

// push sends a few requests, new ones and old ones again.
func (s *sequence) push(ctx context.Context, o *opened) error {
	for range 1 + s.rng.IntN(5) {
		request := s.draw()
		if err := s.send(ctx, o.url, request); err != nil {
			return err
		}
		s.requests = append(s.requests, request)
		s.store(request)
	}
	return nil
}

// draw returns a new request, an old one again, or one with profiles of an old one.
func (s *sequence) draw() (request []pushed) {
	if len(s.requests) > 0 && s.rng.IntN(4) == 0 {
		old := pick(s.rng, s.requests...)
		s.retries += len(old)
		if s.rng.IntN(2) == 0 {
			return old
		}
		request = append(request, old...)
	}
	for range 1 + s.rng.IntN(4) {
		p := pushed{profile: s.profile()}
		if s.rng.IntN(4) == 0 {
			p.id = s.uuid()
		}
		request = append(request, p)
		if p.id == "" && s.rng.IntN(10) == 0 {
			request = append(request, p) // two of one request are two profiles
		}
	}
	return request
}

// uuid returns an id for a profile.
func (s *sequence) uuid() string {
	var id uuid.UUID
	for i := range id {
		id[i] = byte(s.rng.Uint32())
	}
	return id.String()
}

func (s *sequence) profile() sqltest.Profile {
	hour := pick(s.rng, s.hours...)
	p := sqltest.Profile{Type: pick(s.rng, s.types...), Labels: map[string]string{warehouse.LabelService: pick(s.rng, s.services...)}}
	if s.rng.IntN(8) > 0 {
		p.Labels["pod"] = pick(s.rng, s.pods...)
	}
	p.Second = min(hour+pick(s.rng, 0, 1, 59, 60, s.rng.Int64N(3600), 3599), s.now)
	if s.rng.IntN(10) == 0 {
		return p // without samples
	}
	for range 1 + s.rng.IntN(6) {
		p.Samples = append(p.Samples, s.sample())
	}
	return p
}

func (s *sequence) sample() sqltest.Sample {
	out := sqltest.Sample{Stack: []string{"main"}, Value: pick(s.rng, 0, 1, s.rng.Int64N(100), s.rng.Int64N(1e12))}
	for range s.rng.IntN(5) {
		out.Stack = append(out.Stack, pick(s.rng, "serve", "parse", "render", "gc", "main", "encode"))
	}
	if s.rng.IntN(6) == 0 {
		out.Span = fmt.Sprintf("%016x", 1+s.rng.IntN(3))
	}
	return out
}

// send pushes a request, each profile as a series of its own.
func (s *sequence) send(ctx context.Context, url string, request []pushed) error {
	req := &pushv1.PushRequest{}
	for _, p := range request {
		body, err := p.profile.Pprof()
		if err != nil {
			return err
		}
		labels := []*typesv1.LabelPair{{Name: "__name__", Value: p.profile.Type.Name}}
		for _, name := range slices.Sorted(maps.Keys(p.profile.Labels)) {
			labels = append(labels, &typesv1.LabelPair{Name: name, Value: p.profile.Labels[name]})
		}
		req.Series = append(req.Series, &pushv1.RawProfileSeries{Labels: labels, Samples: []*pushv1.RawSample{{RawProfile: body, ID: p.id}}})
	}
	_, err := pushv1connect.NewPusherServiceClient(http.DefaultClient, url, asTenant(s.tenant)).Push(ctx, connect.NewRequest(req))
	return err
}

// store keeps what the request adds. A profile is known by its id, or by its
// content and its number among the equal ones of its request.
func (s *sequence) store(request []pushed) {
	seen := map[string]int{}
	for _, p := range request {
		key := p.id
		if key == "" {
			content := fmt.Sprintf("%+v", p.profile)
			key = fmt.Sprint(content, seen[content])
			seen[content]++
		}
		if s.stored[key] == nil && !s.gone[key] { // what was deleted stays so when it is pushed again
			s.stored[key] = &p.profile
		}
	}
}

func (s *sequence) disconnect() {
	if s.conn != nil {
		_ = s.conn.Close(context.Background()) // the node may have closed it
		s.conn = nil
	}
}

// ask asks some questions, each in one of the ways there are.
func (s *sequence) ask(ctx context.Context, o *opened) (err error) {
	if s.conn == nil {
		if s.conn, err = pgx.Connect(ctx, o.dsn+" dbname="+s.tenant); err != nil {
			return err
		}
	}
	sql := []sqltest.Target{
		direct{o.statements, warehouse.Tenant(s.tenant)}, simple{s.conn.PgConn()},
		extended{s.conn.PgConn(), s.conn.TypeMap(), pgx.TextFormatCode}, extended{s.conn.PgConn(), s.conn.TypeMap(), pgx.BinaryFormatCode},
	}
	api := profilingAPI{querierv1connect.NewQuerierServiceClient(http.DefaultClient, o.url, asTenant(s.tenant))}
	for _, question := range s.questionsOfStep() {
		kind, text, want := question(s, s.selection())
		target := sqltest.Target(api)
		if kind == sqltest.SQL {
			target = pick(s.rng, sql...)
		}
		if err := check(ctx, target, kind, text, want); err != nil {
			return err
		}
		s.questions++
	}
	return nil
}

// questionsOfStep draws three questions for the profiling API and two for SQL,
// which take longer.
func (s *sequence) questionsOfStep() (out []question) {
	for _, i := range s.rng.Perm(len(apiQuestions))[:3] {
		out = append(out, apiQuestions[i])
	}
	for _, i := range s.rng.Perm(len(sqlQuestions))[:2] {
		out = append(out, sqlQuestions[i])
	}
	return out
}

// check asks a question and compares the rows.
func check(ctx context.Context, target sqltest.Target, kind sqltest.Kind, text string, want [][]string) error {
	got, _, err := target.Ask(ctx, &sqltest.Question{Kind: kind, Text: text, Zone: "UTC"})
	if err != nil {
		return fmt.Errorf("%T: %s: %w", target, text, err)
	}
	for _, row := range got.Rows {
		for i := range row {
			row[i] = plain(row[i])
		}
	}
	wanted := (&sqltest.Answer{Columns: got.Columns, Rows: want}).String()
	if wanted != got.String() {
		return fmt.Errorf("%T: %s\nwant:\n%sgot:\n%s", target, text, wanted, got)
	}
	return nil
}

// plain writes a number that has an exponent without it.
func plain(text string) string {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !strings.Contains(text, "e") {
		return text
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// chosen is a choice of profiles: a type, perhaps a service and a pod, and a time
// in whole seconds, both ends included.
type chosen struct {
	typ, service, pod string
	from, to          int64
}

// selection draws a choice: all times, whole hours, or a part of an hour.
func (s *sequence) selection() chosen {
	c := chosen{typ: pick(s.rng, s.types...).String(), from: -400 * 24 * 3600, to: s.now + 7200}
	if s.rng.IntN(2) == 0 {
		c.service = pick(s.rng, s.services...)
	}
	if s.rng.IntN(3) == 0 {
		c.pod = pick(s.rng, s.pods...)
	}
	hour := pick(s.rng, s.hours...)
	switch s.rng.IntN(5) {
	case 0:
		c.from, c.to = hour, hour+3599
	case 1:
		c.from, c.to = hour, hour+2*3600-1
	case 2:
		c.from = hour + s.rng.Int64N(3600)
		c.to = c.from + s.rng.Int64N(7200)
	}
	return c
}

// selector is the choice, without its time, as the profiling API has it.
func (c chosen) selector() string {
	var matchers []string
	if c.service != "" {
		matchers = append(matchers, fmt.Sprintf("service_name=%q", c.service))
	}
	if c.pod != "" {
		matchers = append(matchers, fmt.Sprintf("pod=%q", c.pod))
	}
	return c.typ + "{" + strings.Join(matchers, ",") + "}"
}

// where is the choice's time and service, without its type and pod, as SQL has it.
func (c chosen) where(alias string) string {
	cond := fmt.Sprintf("%[1]stime >= '%[2]s' and %[1]stime < '%[3]s'", alias, instant(c.from), instant(c.to+1))
	if c.service != "" {
		cond += fmt.Sprintf(" and %sservice_name = '%s'", alias, c.service)
	}
	return cond
}

// instant writes a second as SQL has it.
func instant(second int64) string { return sqltest.At(second).UTC().Format("2006-01-02 15:04:05+00") }

// takes reports whether a profile is of the time and service.
func (c chosen) takes(p *sqltest.Profile) bool {
	return p.Second >= c.from && p.Second <= c.to && (c.service == "" || p.Labels[warehouse.LabelService] == c.service)
}

// selects reports whether a profile is of the time, service, type and pod.
func (c chosen) selects(p *sqltest.Profile) bool {
	return c.takes(p) && p.Type.String() == c.typ && (c.pod == "" || p.Labels["pod"] == c.pod)
}

// each calls f with every stored profile that accept picks.
func (s *sequence) each(accept func(*sqltest.Profile) bool, f func(*sqltest.Profile)) {
	for _, p := range s.stored {
		if accept(p) {
			f(p)
		}
	}
}

// table adds values up by key; a key's parts are the first columns of its row.
type table map[string][]int64

// add adds the values to the columns of a row.
func (t table) add(key []string, values ...int64) {
	k := strings.Join(key, "\t")
	if t[k] == nil {
		t[k] = make([]int64, len(values))
	}
	for i, v := range values {
		t[k][i] += v
	}
}

// rows returns the rows by key.
func (t table) rows() (out [][]string) {
	for key, values := range t {
		row := strings.Split(key, "\t")
		for _, v := range values {
			row = append(row, strconv.FormatInt(v, 10))
		}
		out = append(out, row)
	}
	slices.SortFunc(out, slices.Compare)
	return out
}

// question returns a question about a choice, and the rows of its answer.
type question func(s *sequence, c chosen) (kind sqltest.Kind, text string, want [][]string)

var (
	apiQuestions = []question{askTotal, askTop, askSeries, askTypes, askLabelValues}
	sqlQuestions = []question{askMinutes, askRows, askStacks, askFlamegraph, askTopFunctions, askProfiles, askSeriesTable}
)

func askTotal(s *sequence, c chosen) (sqltest.Kind, string, [][]string) {
	var total int64
	s.each(c.selects, func(p *sqltest.Profile) { total += valueOf(p) })
	return sqltest.API, fmt.Sprintf("total %s %d %d", c.selector(), c.from, c.to), [][]string{{strconv.FormatInt(total, 10)}}
}

// valueOf is the sum of a profile.
func valueOf(p *sqltest.Profile) (total int64) {
	for _, sample := range p.Samples {
		total += sample.Value
	}
	return total
}

// eachSample calls f with the samples of a choice that count.
func (s *sequence) eachSample(accept func(*sqltest.Profile) bool, f func(p *sqltest.Profile, sample *sqltest.Sample)) {
	s.each(accept, func(p *sqltest.Profile) {
		for i := range p.Samples {
			if p.Samples[i].Value != 0 {
				f(p, &p.Samples[i])
			}
		}
	})
}

func askTop(s *sequence, c chosen) (sqltest.Kind, string, [][]string) {
	self := map[string]int64{}
	s.eachSample(c.selects, func(_ *sqltest.Profile, sample *sqltest.Sample) {
		for _, name := range sample.Stack {
			self[name] += 0
		}
		self[sample.Stack[len(sample.Stack)-1]] += sample.Value
	})
	var want [][]string
	for _, name := range slices.SortedFunc(maps.Keys(self), func(a, b string) int { return cmp.Or(cmp.Compare(self[b], self[a]), cmp.Compare(a, b)) }) {
		want = append(want, []string{name, strconv.FormatInt(self[name], 10)})
	}
	return sqltest.API, fmt.Sprintf("top %s %d %d", c.selector(), c.from, c.to), want
}

// askSeries asks for points of a day or less: one at T covers what is after T-step
// and up to T.
func askSeries(s *sequence, c chosen) (sqltest.Kind, string, [][]string) {
	step := pick(s.rng, int64(60), 900, 3600)
	c.from = pick(s.rng, s.hours...)
	c.to = c.from + step*s.rng.Int64N(24)
	points := map[string]map[int64]int64{}
	covers := c
	covers.from -= step - 1
	s.each(covers.selects, func(p *sqltest.Profile) {
		labels := ""
		if pod, ok := p.Labels["pod"]; ok {
			labels = "pod=" + pod
		}
		if points[labels] == nil {
			points[labels] = map[int64]int64{}
		}
		at := c.from + (p.Second-covers.from)/step*step
		points[labels][at] += valueOf(p)
	})
	var want [][]string
	for _, labels := range slices.Sorted(maps.Keys(points)) {
		for _, at := range slices.Sorted(maps.Keys(points[labels])) {
			if v := points[labels][at]; v != 0 {
				want = append(want, []string{labels, strconv.FormatInt(at, 10), strconv.FormatInt(v, 10)})
			}
		}
	}
	return sqltest.API, fmt.Sprintf("series %s %d %d %d pod", c.selector(), c.from, c.to, step), want
}

// namedTimes is when types and label values are asked for; see sqltest.Target.
func namedTimes(p *sqltest.Profile) bool { return p.Second >= -1e6 && p.Second <= 1e6 }

func askTypes(s *sequence, _ chosen) (sqltest.Kind, string, [][]string) {
	types := table{}
	s.each(namedTimes, func(p *sqltest.Profile) { types.add([]string{p.Type.String()}) })
	return sqltest.API, "profile-types", types.rows()
}

func askLabelValues(s *sequence, _ chosen) (sqltest.Kind, string, [][]string) {
	name := pick(s.rng, "pod", warehouse.LabelService)
	values := table{}
	s.each(namedTimes, func(p *sqltest.Profile) {
		if v, ok := p.Labels[name]; ok {
			values.add([]string{v})
		}
	})
	return sqltest.API, "label-values " + name, values.rows()
}

func askMinutes(s *sequence, c chosen) (sqltest.Kind, string, [][]string) {
	sums := table{}
	s.eachSample(c.takes, func(p *sqltest.Profile, sample *sqltest.Sample) {
		sums.add([]string{p.Labels[warehouse.LabelService], p.Type.String(), instant(p.Second - ((p.Second%60)+60)%60)}, sample.Value)
	})
	return sqltest.SQL, "select service_name, profile_type, date_trunc('minute', time) as minute, sum(value) from samples where " +
		c.where("") + " group by 1, 2, 3 order by 1, 2, 3", sums.rows()
}

// askRows counts the rows of samples: one for each profile, stacktrace and span.
func askRows(s *sequence, c chosen) (sqltest.Kind, string, [][]string) {
	rows := table{}
	s.each(c.takes, func(p *sqltest.Profile) {
		stacks := map[string]string{}
		for _, sample := range p.Samples {
			if sample.Value != 0 {
				stacks[sample.Span+" "+strings.Join(sample.Stack, ";")] = cmp.Or(sample.Span, "none")
			}
		}
		for _, span := range stacks {
			rows.add([]string{p.Type.String(), span}, 1)
		}
	})
	return sqltest.SQL, "select profile_type, coalesce(span_id, 'none') as span, count(*) from samples where " + c.where("") + " group by 1, 2 order by 1, 2", rows.rows()
}

func askStacks(s *sequence, c chosen) (sqltest.Kind, string, [][]string) {
	sums := table{}
	s.eachSample(c.takes, func(_ *sqltest.Profile, sample *sqltest.Sample) {
		stack := slices.Clone(sample.Stack)
		slices.Reverse(stack)
		sums.add([]string{strings.Join(stack, ";")}, sample.Value)
	})
	return sqltest.SQL, "select array_to_string(st.functions, ';') as stack, sum(s.value) from samples s join stacktraces st using (stacktrace_id) where " +
		c.where("s.") + " group by 1 order by 1", sums.rows()
}

// between are the arguments of functions in SQL.
func (c chosen) between() string {
	return fmt.Sprintf("'%s', '%s', '%s'", c.selector(), instant(c.from), instant(c.to+1))
}

// askFlamegraph asks for all nodes, those of one depth and name added up.
func askFlamegraph(s *sequence, c chosen) (sqltest.Kind, string, [][]string) {
	nodes := table{}
	s.eachSample(c.selects, func(_ *sqltest.Profile, sample *sqltest.Sample) {
		for i, name := range sample.Stack {
			var self int64
			if i == len(sample.Stack)-1 {
				self = sample.Value
			}
			nodes.add([]string{strconv.Itoa(i + 1), name}, self, sample.Value)
		}
	})
	return sqltest.SQL, "select depth, function, sum(self), sum(total) from flamegraph(" + c.between() + ") where depth > 0 group by 1, 2 order by 1, 2", nodes.rows()
}

func askTopFunctions(s *sequence, c chosen) (sqltest.Kind, string, [][]string) {
	functions := table{}
	s.eachSample(c.selects, func(_ *sqltest.Profile, sample *sqltest.Sample) {
		for i, name := range sample.Stack {
			var self, total int64
			if i == len(sample.Stack)-1 {
				self = sample.Value
			}
			if slices.Index(sample.Stack, name) == i { // once for each stacktrace
				total = sample.Value
			}
			functions.add([]string{name}, self, total)
		}
	})
	return sqltest.SQL, "select function, self, total from top_functions(" + c.between() + ") order by 1", functions.rows()
}

func askProfiles(s *sequence, c chosen) (sqltest.Kind, string, [][]string) {
	profiles := table{}
	s.each(c.takes, func(p *sqltest.Profile) {
		profiles.add([]string{p.Labels[warehouse.LabelService], p.Type.String()}, 1, 1, valueOf(p))
	})
	return sqltest.SQL, "select service_name, profile_type, count(*), count(distinct profile_id), sum(value) from profiles where " +
		c.where("") + " group by 1, 2 order by 1, 2", profiles.rows()
}

// askSeriesTable joins profiles with their series, those without samples too.
func askSeriesTable(s *sequence, c chosen) (sqltest.Kind, string, [][]string) {
	pods := table{}
	s.each(c.takes, func(p *sqltest.Profile) {
		pods.add([]string{cmp.Or(p.Labels["pod"], "none"), p.Type.String()}, 1, valueOf(p))
	})
	return sqltest.SQL, "select coalesce(x.labels['pod'], 'none') as pod, p.profile_type, count(*), sum(p.value) from profiles p join series x using (series_id) where " +
		c.where("p.") + " group by 1, 2 order by 1, 2", pods.rows()
}
