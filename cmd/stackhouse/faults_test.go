package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/pprof/profile"
	pushv1 "github.com/grafana/pyroscope/api/gen/proto/go/push/v1"
	"github.com/grafana/pyroscope/api/gen/proto/go/push/v1/pushv1connect"
	querierv1 "github.com/grafana/pyroscope/api/gen/proto/go/querier/v1"
	"github.com/grafana/pyroscope/api/gen/proto/go/querier/v1/querierv1connect"
	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/stackhouse-db/stackhouse/metastore"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/object/objecttest"
)

// faultTenants are those that writers push for, in turn.
var faultTenants = []string{"fault-a", "fault-b"}

const (
	faultWriters = 6
	faultEvery   = 50 * time.Millisecond // between two pushes of a writer
	faultType    = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
	faultChance  = 0.05
)

// faultPeriod reads a time from the environment.
func faultPeriod(t *testing.T, name string, otherwise time.Duration) time.Duration {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	require.NoError(t, err, name)
	return d
}

// stored is what a way to read has of an id.
type stored struct {
	profiles int // rows; 0 where a way does not tell
	value    int64
}

// storedByID is what a way to read has of a tenant.
type storedByID map[string]stored

// ledger is what writers sent, and what was acknowledged, of one tenant.
//
// Concurrency: all methods may be called at the same time.
type ledger struct {
	mu    sync.Mutex
	sent  map[string]int64 // values by id
	acked map[string]bool
}

func newLedger() *ledger { return &ledger{sent: map[string]int64{}, acked: map[string]bool{}} }

func (l *ledger) send(id string, value int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent[id] = value
}

func (l *ledger) ack(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked[id] = true
}

// ackedNow returns the ids that any later answer must have.
func (l *ledger) ackedNow() map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.acked)
}

// check compares an answer with the ledger: every id of due is there, each that is
// there was sent, once and with its value. It returns the first faults in words.
func (l *ledger) check(got storedByID, due map[string]bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var faults []string
	for id := range due {
		if _, ok := got[id]; !ok {
			faults = append(faults, "lost "+id)
		}
	}
	for id, s := range got {
		want, sent := l.sent[id]
		switch {
		case !sent:
			faults = append(faults, "phantom "+id)
		case s.value > want || s.profiles > 1:
			faults = append(faults, fmt.Sprintf("double %s: %d profiles, %d of %d", id, s.profiles, s.value, want))
		case s.value < want:
			faults = append(faults, fmt.Sprintf("lost a part of %s: %d of %d", id, s.value, want))
		}
	}
	if len(faults) == 0 {
		return nil
	}
	slices.Sort(faults)
	return fmt.Errorf("%d of %d ids: %s", len(faults), len(l.sent), strings.Join(faults[:min(len(faults), 10)], "; "))
}

// TestLedger: what is wrong with an answer is seen.
func TestLedger(t *testing.T) {
	l := newLedger()
	for id, value := range map[string]int64{"a": 10, "b": 20, "c": 30} {
		l.send(id, value)
	}
	l.ack("a")
	l.ack("b")
	for want, got := range map[string]storedByID{
		"":                           {"a": {1, 10}, "b": {0, 20}},
		"lost a":                     {"b": {1, 20}},
		"phantom x":                  {"a": {1, 10}, "b": {1, 20}, "x": {1, 1}},
		"double b: 2 profiles":       {"a": {1, 10}, "b": {2, 20}},
		"double b: 0 profiles, 40":   {"a": {1, 10}, "b": {0, 40}},
		"lost a part of c: 29 of 30": {"a": {1, 10}, "b": {1, 20}, "c": {1, 29}},
	} {
		err := l.check(got, l.ackedNow())
		if want == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, want)
		}
	}
}

// faultClient pushes profiles with ids of their own, and asks for them.
type faultClient struct {
	http   *http.Client
	url    string
	dsn    string
	tenant string
}

func newFaultClient(t *testing.T, n *faultNode, tenant string) *faultClient {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &faultClient{http: &http.Client{Transport: transport, Timeout: 5 * time.Second}, url: n.url, dsn: n.dsn, tenant: tenant}
}

func (c *faultClient) push(ctx context.Context, req *pushv1.PushRequest) error {
	_, err := pushv1connect.NewPusherServiceClient(c.http, c.url, asTenant(c.tenant)).Push(ctx, connect.NewRequest(req))
	return err
}

// faultRequest is the push of one profile of two samples with an id and a value. A
// third of the profiles are of each of three hours up to at.
func faultRequest(id string, seq int, value int64, at time.Time) (*pushv1.PushRequest, error) {
	fn := func(id uint64, name string) *profile.Location {
		return &profile.Location{ID: id, Line: []profile.Line{{Function: &profile.Function{ID: id, Name: name, SystemName: name, Filename: name + ".go"}, Line: 1}}}
	}
	root, leaf := fn(1, "main"), fn(2, fmt.Sprintf("work%d", seq%50))
	cpu := &profile.ValueType{Type: "cpu", Unit: "nanoseconds"}
	p := &profile.Profile{
		SampleType: []*profile.ValueType{cpu}, PeriodType: cpu, Period: 1, DurationNanos: 1e9,
		TimeNanos: at.Add(-time.Duration(seq%3) * time.Hour).UnixNano(),
		Sample: []*profile.Sample{
			{Location: []*profile.Location{leaf, root}, Value: []int64{value - 1}},
			{Location: []*profile.Location{root}, Value: []int64{1}},
		},
		Location: []*profile.Location{root, leaf}, Function: []*profile.Function{root.Line[0].Function, leaf.Line[0].Function},
	}
	var body bytes.Buffer
	if err := p.Write(&body); err != nil {
		return nil, err
	}
	return &pushv1.PushRequest{Series: []*pushv1.RawProfileSeries{{
		Labels: []*typesv1.LabelPair{
			{Name: "__name__", Value: "process_cpu"}, {Name: "service_name", Value: fmt.Sprintf("faulty-%d", seq%2)}, {Name: "id", Value: id},
		},
		Samples: []*pushv1.RawSample{{RawProfile: body.Bytes()}},
	}}}, nil
}

// askAPI asks for the series of each id.
func (c *faultClient) askAPI(ctx context.Context) (storedByID, error) {
	now := time.Now()
	res, err := querierv1connect.NewQuerierServiceClient(c.http, c.url, asTenant(c.tenant)).SelectSeries(ctx, connect.NewRequest(&querierv1.SelectSeriesRequest{
		ProfileTypeID: faultType, LabelSelector: `{}`, GroupBy: []string{"id"},
		Start: now.Add(-24 * time.Hour).UnixMilli(), End: now.Add(time.Hour).UnixMilli(), Step: 25 * 3600,
	}))
	if err != nil {
		return nil, err
	}
	got := storedByID{}
	for _, s := range res.Msg.Series {
		for _, p := range s.Points {
			f := got[s.Labels[0].Value]
			f.value += int64(p.Value)
			got[s.Labels[0].Value] = f
		}
	}
	return got, nil
}

// askSQL asks for the profiles and samples of each id.
func (c *faultClient) askSQL(ctx context.Context) (storedByID, error) {
	conn, err := pgx.Connect(ctx, c.dsn+" dbname="+c.tenant)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, `
		SELECT coalesce(p.id, s.id), coalesce(p.n, 0), coalesce(s.v, 0)
		FROM (SELECT labels['id'] AS id, count(*) AS n FROM labeled_profiles GROUP BY 1) p
		FULL JOIN (SELECT labels['id'] AS id, sum(value)::BIGINT AS v FROM labeled_samples GROUP BY 1) s ON p.id = s.id`)
	if err != nil {
		return nil, err
	}
	got := storedByID{}
	var id string
	var s stored
	_, err = pgx.ForEachRow(rows, []any{&id, &s.profiles, &s.value}, func() error { got[id] = s; return nil })
	return got, err
}

// faultRun is writers and askers at work on a node.
type faultRun struct {
	node    *faultNode
	ledgers map[string]*ledger
	cancel  context.CancelFunc
	wg      sync.WaitGroup

	refused, answered, failed atomic.Int64

	mu    sync.Mutex
	wrong []error // answers that are wrong
	kinds map[string]int
}

func startFaultRun(t *testing.T, n *faultNode) *faultRun {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &faultRun{node: n, ledgers: map[string]*ledger{}, cancel: cancel, kinds: map[string]int{}}
	for _, tenant := range faultTenants {
		r.ledgers[tenant] = newLedger()
		c := newFaultClient(t, n, tenant)
		c.http.Timeout = time.Minute
		r.wg.Go(func() { r.ask(ctx, c.askAPI, r.ledgers[tenant]) })
		r.wg.Go(func() { r.ask(ctx, c.askSQL, r.ledgers[tenant]) })
	}
	for i := range faultWriters {
		tenant := faultTenants[i%len(faultTenants)]
		c := newFaultClient(t, n, tenant)
		r.wg.Go(func() { r.write(ctx, c, i, r.ledgers[tenant]) })
	}
	t.Cleanup(r.stop)
	return r
}

// stop ends the work. What is not acknowledged by then may be stored or not.
func (r *faultRun) stop() {
	r.cancel()
	r.wg.Wait()
}

func (r *faultRun) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wrong = append(r.wrong, err)
}

// write pushes one profile after another, each until it is acknowledged.
func (r *faultRun) write(ctx context.Context, c *faultClient, number int, l *ledger) {
	tick := time.NewTicker(faultEvery)
	defer tick.Stop()
	for seq := 0; ; seq++ {
		id, value := fmt.Sprintf("%d-%d", number, seq), int64(1000*seq+number+2)
		req, err := faultRequest(id, seq, value, time.Now())
		if err != nil {
			r.note(err)
			return
		}
		l.send(id, value)
		for err = errors.New("not pushed"); err != nil; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err = c.push(ctx, req); err != nil && ctx.Err() == nil {
				r.refused.Add(1)
				r.count("push: " + connect.CodeOf(err).String())
			}
		}
		l.ack(id)
	}
}

func (r *faultRun) count(kind string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kinds[kind]++
}

// ask asks again and again: an answer may fail, it is never wrong.
func (r *faultRun) ask(ctx context.Context, how func(context.Context) (storedByID, error), l *ledger) {
	tick := time.NewTicker(5 * faultEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		due := l.ackedNow()
		got, err := how(ctx)
		if err != nil {
			r.failed.Add(1)
			continue
		}
		r.answered.Add(1)
		if err := l.check(got, due); err != nil {
			r.note(fmt.Errorf("while the bucket is faulty: %w", err))
		}
	}
}

// verify compares all that is stored with what was sent, in SQL and over the API.
func (r *faultRun) verify(t *testing.T, n *faultNode, when string) {
	t.Helper()
	for tenant, l := range r.ledgers {
		c := newFaultClient(t, n, tenant)
		c.http.Timeout = time.Minute
		inAPI, err := c.askAPI(t.Context())
		require.NoError(t, err, when)
		inSQL, err := c.askSQL(t.Context())
		require.NoError(t, err, when)
		due := l.ackedNow()
		assert.NoError(t, l.check(inAPI, due), "%s, %s, API", when, tenant)
		assert.NoError(t, l.check(inSQL, due), "%s, %s, SQL", when, tenant)
		assert.Len(t, inAPI, len(inSQL), "%s, %s: the API and SQL differ", when, tenant)
		for id, s := range inSQL {
			assert.Equal(t, stored{profiles: 1, value: inAPI[id].value}, s, "%s, %s/%s", when, tenant, id)
		}
	}
}

func (r *faultRun) totals() (sent, acked int) {
	for _, l := range r.ledgers {
		l.mu.Lock()
		sent, acked = sent+len(l.sent), acked+len(l.acked)
		l.mu.Unlock()
	}
	return sent, acked
}

// faultPlans are the plans of a round: each fault alone on every operation, and all
// of them together in between.
func faultPlans(seed uint64) (plans []objecttest.FaultPlan) {
	var all []objecttest.Rule
	for _, f := range objecttest.Faults() {
		all = append(all, objecttest.Rule{Fault: f, Chance: faultChance})
	}
	for i := range all {
		n := uint64(2 * i)
		plans = append(plans, objecttest.FaultPlan{Seed: seed + n, Rules: all[i : i+1]}, objecttest.FaultPlan{Seed: seed + n + 1, Rules: all})
	}
	return plans
}

// eagerPolicy merges as soon as there is something to merge.
func eagerPolicy() metastore.Policy {
	p := metastore.DefaultPolicy()
	p.MaxSegments, p.Quiet = 4, 0
	return p
}

// hasty returns a clock for a metastore whose jobs that failed are not to wait for
// long: ten times as fast as others, or less, so that it is not ahead by more than
// half an hour at the end of the period. At an hour, what is being stored would be
// swept as an orphan.
func hasty(period time.Duration) func() time.Time {
	began := time.Now()
	haste := min(10, 1+float64(30*time.Minute)/float64(period))
	return func() time.Time { return began.Add(time.Duration(haste * float64(time.Since(began)))) }
}

// TestFaultyBucket pushes, merges and asks over a bucket that goes wrong in every
// way, and then accounts for every profile. The long run, and one seed again:
//
//	STACKHOUSE_FAULTS=10m go test -tags duckdb_arrow ./cmd/stackhouse -run TestFaultyBucket -v -timeout 30m
//	STACKHOUSE_SEED=17 go test -tags duckdb_arrow ./cmd/stackhouse -run TestFaultyBucket -v
//
// The faults of a seed are the same for the same calls; which calls there are
// depends on time.
func TestFaultyBucket(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a node for several seconds")
	}
	period, seed := faultPeriod(t, "STACKHOUSE_FAULTS", 8*time.Second), envNumber(t, "STACKHOUSE_SEED", 1)
	s := faultSettings{dir: filepath.Join(t.TempDir(), "data"), policy: eagerPolicy(), clock: hasty(period), faulty: true}
	n := runFaultNode(t, s)
	r := startFaultRun(t, n)
	released := injectFaults(t, n, seed, period)
	n.faulty.Heal()
	r.stop()
	require.NoError(t, n.faulty.Settle(t.Context()))
	sent, acked := r.totals()
	for _, f := range objecttest.Faults() {
		r.kinds[f.String()] = n.faulty.Injected(f)
	}
	t.Logf("seed %d, %s: %d profiles sent, %d acknowledged, %d pushes refused; %d answers, %d questions failed; parts by level %v; %v",
		seed, period, sent, acked, r.refused.Load(), r.answered.Load(), r.failed.Load(), n.levels(t), r.kinds)
	require.NoError(t, errors.Join(r.wrong[:min(len(r.wrong), 3)]...), "%d wrong answers", len(r.wrong))
	require.Positive(t, r.answered.Load(), "no question was answered")

	released += n.finishJobs(t)
	r.verify(t, n, "without faults")
	live, orphans := n.objects(t)
	t.Logf("%d jobs released; %d live objects, %d orphans; parts by level %v", released, len(live), len(orphans), n.levels(t))
	n.stop()
	sweepOrphans(t, s.dir, s.clock())

	s.faulty = false
	n = runFaultNode(t, s)
	n.finishJobs(t)
	r.verify(t, n, "after a sweep and a restart")
	_, orphans = n.objects(t)
	require.Empty(t, orphans, "orphans survive a sweep")
}

// injectFaults lets one plan after another go wrong. Jobs that were set aside
// meanwhile are released after each round; it returns their number.
func injectFaults(t *testing.T, n *faultNode, seed uint64, period time.Duration) (released int) {
	t.Helper()
	const shortest, longest = 250 * time.Millisecond, 2 * time.Second
	plans := faultPlans(seed)
	tick := time.NewTicker(max(shortest, min(longest, period/time.Duration(len(plans)))))
	defer tick.Stop()
	end := time.After(period)
	for i := 0; ; i++ {
		plan := plans[i%len(plans)]
		plan.Seed += uint64(i)
		n.faulty.Break(plan)
		if i%len(plans) == len(plans)-1 {
			k, err := n.meta.ReleaseJobs(t.Context(), nil)
			require.NoError(t, err)
			released += k
		}
		select {
		case <-end:
			return released
		case <-tick.C:
		}
	}
}

// TestStoreOutage: while the bucket is down, pushes are refused at once with the
// advice to try again, and nothing piles up. Soon after, all is as before. A long
// outage:
//
//	STACKHOUSE_OUTAGE=5m go test -tags duckdb_arrow ./cmd/stackhouse -run TestStoreOutage -v -timeout 30m
func TestStoreOutage(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a node for several seconds")
	}
	const mostHeap, backWithin = 64 << 20, 5 * time.Second
	period := faultPeriod(t, "STACKHOUSE_OUTAGE", 4*time.Second)
	s := faultSettings{dir: filepath.Join(t.TempDir(), "data"), policy: eagerPolicy(), clock: hasty(period), faulty: true}
	n := runFaultNode(t, s)
	r := startFaultRun(t, n)
	ackedIs := func(least int) func() bool {
		return func() bool { _, acked := r.totals(); return acked >= least }
	}
	require.Eventually(t, ackedIs(100), 30*time.Second, 20*time.Millisecond)

	before := heapInUse()
	n.faulty.Break(objecttest.FaultPlan{Rules: []objecttest.Rule{{Fault: objecttest.FailBefore, Chance: 1}}})
	o := startOutage(t, n)
	end, tick := time.After(period), time.NewTicker(period/8)
	defer tick.Stop()
	most := before
	for over := false; !over; {
		select {
		case <-tick.C:
			most = max(most, heapInUse())
		case <-end:
			over = true
		}
	}
	o.stop()
	require.NoError(t, errors.Join(o.wrong[:min(len(o.wrong), 3)]...), "%d wrong replies", len(o.wrong))
	require.Positive(t, o.replies)
	require.Less(t, most, before+mostHeap, "the heap grows while the store is down")

	_, acked := r.totals()
	n.faulty.Heal()
	healed := time.Now()
	require.Eventually(t, ackedIs(acked+faultWriters), backWithin, time.Millisecond, "pushes are not accepted again")
	back := time.Since(healed)
	answered := r.answered.Load()
	require.Eventually(t, func() bool { return r.answered.Load() > answered+2*int64(len(faultTenants)) }, backWithin, time.Millisecond, "questions are not answered again")
	asked := time.Since(healed)
	r.stop()
	require.NoError(t, errors.Join(r.wrong...))
	released := n.finishJobs(t)
	r.verify(t, n, "after the outage")
	t.Logf("%s down: %d pushes refused, the slowest within %s; heap %d MiB, at most %d MiB; pushes back after %s, answers after %s; %d jobs were set aside",
		period, o.replies, o.slowest.Round(time.Millisecond), before>>20, most>>20, back.Round(time.Millisecond), asked.Round(time.Millisecond), released)
}

// heapInUse returns the bytes of Go's heap that are reachable.
func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// outage is clients that push new profiles without a pause to a node whose bucket
// is down.
type outage struct {
	stop func()

	mu      sync.Mutex
	replies int
	slowest time.Duration
	wrong   []error
}

func startOutage(t *testing.T, n *faultNode) *outage {
	t.Helper()
	const clients = 16
	ctx, cancel := context.WithCancel(t.Context())
	o := &outage{}
	var wg sync.WaitGroup
	o.stop = func() { cancel(); wg.Wait() }
	for i := range clients {
		c := newFaultClient(t, n, "fault-c")
		c.http.Timeout = time.Minute
		wg.Go(func() {
			for seq := 0; ctx.Err() == nil; seq++ {
				began := time.Now()
				err := refused(ctx, c, fmt.Sprintf("down-%d-%d", i, seq), seq)
				if ctx.Err() == nil {
					o.add(time.Since(began), err)
				}
			}
		})
	}
	t.Cleanup(o.stop)
	return o
}

func (o *outage) add(took time.Duration, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.replies++
	o.slowest = max(o.slowest, took)
	if err != nil {
		o.wrong = append(o.wrong, err)
	}
}

// refused pushes a profile; it is an error if the reply is not 503 with the advice
// to try again.
func refused(ctx context.Context, c *faultClient, id string, seq int) error {
	code, header, err := c.pushStatus(ctx, id, seq)
	if err == nil && (code != http.StatusServiceUnavailable || header.Get("Retry-After") == "") {
		err = fmt.Errorf("push %s: status %d, Retry-After %q", id, code, header.Get("Retry-After"))
	}
	return err
}

// pushStatus pushes a profile and returns the status of the reply.
func (c *faultClient) pushStatus(ctx context.Context, id string, seq int) (code int, header http.Header, err error) {
	msg, err := faultRequest(id, seq, 2, time.Now())
	if err != nil {
		return 0, nil, err
	}
	body, err := proto.Marshal(msg)
	if err != nil {
		return 0, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+pushv1connect.PusherServicePushProcedure, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/proto")
	req.Header.Set("X-Scope-OrgID", c.tenant)
	res, err := c.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, res.Header, err
}

// flipQuestions are asked after each flip, beside those of the profiling API. They
// read every table of every object.
var flipQuestions = []string{
	"SELECT service_name, profile_type, count(*), sum(value) FROM samples GROUP BY ALL ORDER BY 1, 2",
	"SELECT labels['id'], count(*), sum(value) FROM labeled_profiles GROUP BY 1 ORDER BY 1",
	"SELECT labels['id'], min(time)::VARCHAR, sum(value) FROM labeled_samples GROUP BY 1 ORDER BY 1",
	"SELECT s.service_name, st.functions::VARCHAR, st.filenames::VARCHAR, st.lines::VARCHAR, sum(s.value) FROM samples s JOIN stacktraces st USING (stacktrace_id) GROUP BY ALL ORDER BY 1, 2",
	"SELECT profile_id::VARCHAR, time::VARCHAR, value FROM profiles ORDER BY 1",
	"SELECT function, self, total FROM top_functions('" + faultType + "{}', now() - INTERVAL 1 DAY, now()) ORDER BY total DESC, function",
}

// flips is a node whose objects are damaged, one bit at a time.
type flips struct {
	settings faultSettings
	node     *faultNode
	rng      *rand.Rand
	client   *faultClient
	want     []string // answers before any damage

	equal, failed int // answers under damage
	seen          int // flips that made at least one answer fail
}

// TestFlippedBits flips single bits of stored objects of every level, one at a time,
// while the node runs and before it starts: an answer is as before or an error that
// names the object. The long run:
//
//	STACKHOUSE_FLIPS=300 go test -tags duckdb_arrow ./cmd/stackhouse -run TestFlippedBits -v -timeout 30m
func TestFlippedBits(t *testing.T) {
	if testing.Short() {
		t.Skip("runs nodes for several seconds")
	}
	const share = 5 // one flip of so many is found by a node that starts
	seed, count := envNumber(t, "STACKHOUSE_SEED", 1), int(envNumber(t, "STACKHOUSE_FLIPS", 20))
	f := newFlips(t, seed)
	live, _ := f.node.objects(t)
	levels := f.node.levels(t)
	for i := range count {
		name := live[f.rng.IntN(len(live))]
		repair := f.damage(t, name)
		f.uncache(t, name, i%share == 0)
		f.ask(t, name)
		repair()
		f.uncache(t, name, false)
		require.Equal(t, f.want, f.answers(t), "after the repair of %s", name)
		if i%50 == 49 {
			t.Logf("%d flips", i+1)
		}
	}
	t.Logf("seed %d: %d flips in %d objects of parts by level %v; %d answers equal, %d errors, after %d flips at least one", seed, count, len(live), levels, f.equal, f.failed, f.seen)
	f.merge(t)
}

// newFlips stores profiles as a final block, blocks of level 1 and segments.
func newFlips(t *testing.T, seed uint64) *flips {
	t.Helper()
	never, final := policies()
	first := never
	first.MaxSegments = 2
	f := &flips{rng: rand.New(rand.NewPCG(seed, 0)), settings: faultSettings{dir: filepath.Join(t.TempDir(), "data"), forget: true}}
	seq := 0
	for _, p := range []metastore.Policy{final, first, never} {
		if f.node != nil {
			f.node.stop()
		}
		f.settings.policy = p
		f.open(t)
		at := time.Now().Add(-time.Hour)
		if p == final {
			at = at.Add(-6 * time.Hour)
		}
		for range 6 {
			req, err := faultRequest(fmt.Sprintf("id-%d", seq), seq, int64(1000+seq), at)
			require.NoError(t, err)
			require.NoError(t, f.client.push(t.Context(), req))
			seq++
		}
		f.node.finishJobs(t)
	}
	for _, level := range []uint8{0, 1, 3} {
		require.Contains(t, f.node.levels(t), level)
	}
	f.want = f.answers(t)
	for _, a := range f.want {
		require.False(t, isFailure(a), a)
	}
	return f
}

func (f *flips) open(t *testing.T) {
	t.Helper()
	f.node = runFaultNode(t, f.settings)
	f.client = newFaultClient(t, f.node, "flipped")
	f.client.http.Timeout = time.Minute
}

// damage flips a bit of an object, and leaves the time of its last change. The
// result makes it as before.
func (f *flips) damage(t *testing.T, name string) (repair func()) {
	t.Helper()
	path, ok := f.node.files.LocalPath(name)
	require.True(t, ok)
	info, err := os.Stat(path)
	require.NoError(t, err)
	at, mask := f.rng.Int64N(info.Size()), byte(1)<<f.rng.IntN(8)
	flip := func() {
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		require.NoError(t, err)
		b := make([]byte, 1)
		_, err = file.ReadAt(b, at)
		require.NoError(t, err)
		b[0] ^= mask
		_, err = file.WriteAt(b, at)
		require.NoError(t, errors.Join(err, file.Close(), os.Chtimes(path, info.ModTime(), info.ModTime())))
	}
	flip()
	return flip
}

// uncache drops the copies of an object, so that questions meet what is stored; or
// it restarts the node without any.
func (f *flips) uncache(t *testing.T, name string, restart bool) {
	t.Helper()
	if !restart {
		id, ok := block.ParseName(name)
		require.True(t, ok)
		f.node.sections.Forget(id)
		return
	}
	f.node.stop()
	removeFiles(t, filepath.Join(f.settings.dir, cacheDir))
	f.open(t)
}

// ask asks everything under damage of an object.
func (f *flips) ask(t *testing.T, name string) {
	t.Helper()
	id, ok := block.ParseName(name)
	require.True(t, ok)
	before := f.failed
	for i, got := range f.answers(t) {
		if !isFailure(got) {
			require.Equal(t, f.want[i], got, "question %d, damaged object %s", i, name)
			f.equal++
			continue
		}
		require.Contains(t, got, id.String(), "question %d: the error does not name object %s", i, name)
		f.failed++
	}
	if f.failed > before {
		f.seen++
	}
}

// merge has a node merge everything over damage: jobs fail and say why, and what is
// stored is as before once the damage is repaired.
func (f *flips) merge(t *testing.T) {
	t.Helper()
	live, _ := f.node.objects(t)
	var repairs []func()
	for _, name := range live {
		if strings.HasPrefix(name, block.SegmentPrefix) || strings.HasSuffix(name, block.TableName(warehouse.TableSamples)) {
			repairs = append(repairs, f.damage(t, name))
		}
	}
	f.node.stop()
	removeFiles(t, filepath.Join(f.settings.dir, cacheDir))
	_, f.settings.policy = policies()
	f.settings.policy.LateShare = 1 << 20
	f.settings.clock = hasty(time.Minute)
	f.open(t)
	var reasons []string
	require.Eventually(t, func() bool {
		snap, err := f.node.meta.Snapshot(t.Context())
		require.NoError(t, err)
		defer snap.Release()
		waiting := false
		for _, j := range snap.Jobs() {
			waiting = waiting || !j.SetAside
		}
		_, reasons = f.node.setAside(t)
		return !waiting && !f.node.meta.HasJobs()
	}, 30*time.Second, 20*time.Millisecond)
	for _, answer := range f.answers(t) {
		if !isFailure(answer) {
			require.Contains(t, f.want, answer, "after merges of damaged objects")
		}
	}
	for _, repair := range repairs {
		repair()
	}
	f.node.stop()
	removeFiles(t, filepath.Join(f.settings.dir, cacheDir))
	f.open(t)
	require.Equal(t, f.want, f.answers(t), "after the repair")
	released := f.node.finishJobs(t)
	require.Equal(t, f.want, f.answers(t), "after merges of repaired objects")
	t.Logf("%d damaged objects merged: %d jobs were set aside and released; parts by level %v; reasons %q", len(repairs), released, f.node.levels(t), reasons)
}

// failure marks an answer that is an error.
const failure = "error: "

func isFailure(answer string) bool { return strings.HasPrefix(answer, failure) }

// answers asks every question.
func (f *flips) answers(t *testing.T) (out []string) {
	t.Helper()
	add := func(answer string, err error) {
		if err != nil {
			answer = failure + err.Error()
		}
		out = append(out, answer)
	}
	conn, err := pgx.Connect(t.Context(), f.client.dsn+" dbname="+f.client.tenant)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	for _, q := range flipQuestions {
		add(rowsOf(t.Context(), conn, q))
	}
	api := querierv1connect.NewQuerierServiceClient(f.client.http, f.client.url, asTenant(f.client.tenant))
	from, to := time.Now().Add(-24*time.Hour).UnixMilli(), time.Now().UnixMilli()
	got, err := f.client.askAPI(t.Context())
	add(fmt.Sprint(got), err)
	all := int64(1 << 20)
	flame, err := api.SelectMergeStacktraces(t.Context(), connect.NewRequest(&querierv1.SelectMergeStacktracesRequest{
		ProfileTypeID: faultType, LabelSelector: "{}", Start: from, End: to, MaxNodes: &all,
	}))
	add(textOf(flame, err))
	values, err := api.LabelValues(t.Context(), connect.NewRequest(&typesv1.LabelValuesRequest{Name: "id", Start: from, End: to}))
	add(textOf(values, err))
	series, err := api.Series(t.Context(), connect.NewRequest(&querierv1.SeriesRequest{Start: from, End: to}))
	add(textOf(series, err))
	types, err := api.ProfileTypes(t.Context(), connect.NewRequest(&querierv1.ProfileTypesRequest{Start: from, End: to}))
	add(textOf(types, err))
	return out
}

// textOf returns what a reply says.
func textOf[M any](res *connect.Response[M], err error) (string, error) {
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(res.Msg)
	return string(text), err
}

// rowsOf returns the rows of an answer in words.
func rowsOf(ctx context.Context, conn *pgx.Conn, sql string) (string, error) {
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var lines []string
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return "", err
		}
		lines = append(lines, fmt.Sprint(values...))
	}
	return strings.Join(lines, "\n"), rows.Err()
}

// TestFullDisk fills the disk under the objects, and the one under everything: pushes
// are refused, questions are answered, and pushes are accepted again as soon as there
// is space, without a restart.
func TestFullDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("runs nodes for several seconds")
	}
	t.Run("of objects", func(t *testing.T) { fillDisk(t, bucketDir, 8<<20) })
	t.Run("of everything", func(t *testing.T) { fillDisk(t, "", 96<<20) })
}

func fillDisk(t *testing.T, folder string, size int64) {
	t.Helper()
	s := faultSettings{dir: filepath.Join(t.TempDir(), "data"), policy: eagerPolicy(), clock: hasty(time.Minute)}
	require.NoError(t, os.MkdirAll(s.dir, 0o750))
	if folder != "" { // the folders are there before the mount
		data, err := openDataDir(s.dir)
		require.NoError(t, err)
		data.close()
	}
	disk := filepath.Join(s.dir, folder)
	mountSmall(t, disk, size)
	n := runFaultNode(t, s)
	c, l := newFaultClient(t, n, "full"), newLedger()
	c.http.Timeout = time.Minute
	seq := 0
	push := func() int {
		id := fmt.Sprintf("full-%d", seq)
		l.send(id, 2)
		code, header, err := c.pushStatus(t.Context(), id, seq)
		require.NoError(t, err)
		seq++
		if code == http.StatusOK {
			l.ack(id)
		} else {
			require.Contains(t, []int{http.StatusServiceUnavailable, http.StatusInsufficientStorage}, code)
			require.NotEmpty(t, header.Get("Retry-After"))
		}
		return code
	}
	check := func(when string) {
		for _, ask := range []func(context.Context) (storedByID, error){c.askAPI, c.askSQL} {
			got, err := ask(t.Context())
			require.NoError(t, err, when)
			require.NoError(t, l.check(got, l.ackedNow()), when)
		}
	}
	for range 20 {
		require.Equal(t, http.StatusOK, push())
	}
	check("before")

	filler := filepath.Join(disk, "filler")
	if folder == bucketDir {
		filler = filepath.Join(disk, ".tmp", "filler")
	}
	refusals := 0
	for range 20 {
		fill(t, filler) // also what the node gave back meanwhile
		if push() != http.StatusOK {
			refusals++
		}
		check("while the disk is full")
	}
	require.Positive(t, refusals, "pushes are accepted on a full disk")
	require.NoError(t, os.Remove(filler))
	freed := time.Now()
	require.Eventually(t, func() bool { return push() == http.StatusOK }, 5*time.Second, time.Millisecond)
	back := time.Since(freed)
	for range 5 {
		require.Equal(t, http.StatusOK, push())
	}
	released := n.finishJobs(t)
	check("with space again")
	n.stop()
	n = runFaultNode(t, s)
	c.url, c.dsn = n.url, n.dsn
	check("after a restart")
	t.Logf("%d of 20 pushes refused on a full disk; accepted again after %s; %d jobs were set aside", refusals, back.Round(time.Millisecond), released)
	n.stop()
}

// mountSmall makes dir a disk of its own until the end of the test: an ext4 file system
// of the given bytes in a file, or one in memory where there are no loop devices.
func mountSmall(t *testing.T, dir string, size int64) {
	t.Helper()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("a small disk needs Linux and root: mount")
	}
	err := mountLoop(t, dir, size)
	if err == nil {
		return
	}
	t.Logf("an ext4 file system cannot be mounted, one in memory is used: %v", err)
	require.NoError(t, runTool(t.Context(), "mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d", size), "tmpfs", dir))
	unmountLater(t, dir)
}

// mountLoop mounts a new ext4 file system at dir. It has no journal and nothing kept
// back for root, so that full means full, at the size that was asked for.
func mountLoop(t *testing.T, dir string, size int64) error {
	t.Helper()
	image := filepath.Join(t.TempDir(), "disk.ext4")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(image, size); err != nil {
		return err
	}
	if err := runTool(t.Context(), "mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", image); err != nil {
		return err
	}
	if err := runTool(t.Context(), "mount", "-o", "loop", image, dir); err != nil {
		return err
	}
	unmountLater(t, dir)
	return os.Remove(filepath.Join(dir, "lost+found"))
}

func unmountLater(t *testing.T, dir string) {
	t.Helper()
	t.Cleanup(func() { assert.NoError(t, runTool(context.Background(), "umount", dir)) })
}

// runTool runs a command; its error holds what the command printed.
func runTool(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

// fill writes to a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	require.NoError(t, err)
	for chunk := make([]byte, 64<<10); len(chunk) > 0; {
		if _, err := f.Write(chunk); err != nil {
			require.ErrorIs(t, err, syscall.ENOSPC)
			chunk = chunk[:len(chunk)/2]
		}
	}
	require.NoError(t, f.Close())
}
