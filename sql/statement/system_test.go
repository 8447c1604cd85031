package statement

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/sql/query"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// jobIndex is a world whose snapshots know jobs, each as it was when they were taken.
type jobIndex struct {
	*world
	jobs map[warehouse.Tenant][]Job
}

type jobSnapshot struct {
	*worldSnapshot
	jobs map[warehouse.Tenant][]Job
}

func (ix *jobIndex) Snapshot(ctx context.Context) (query.Snapshot, error) {
	s, err := ix.world.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	jobs := map[warehouse.Tenant][]Job{}
	for t, js := range ix.jobs {
		jobs[t] = append([]Job(nil), js...)
	}
	return jobSnapshot{s.(*worldSnapshot), jobs}, nil
}

func (s jobSnapshot) CompactionJobs(t warehouse.Tenant) []Job { return s.jobs[t] }

// numbered is an object id made at a second of the tests' hours.
func numbered(n int) (id warehouse.ObjectID) {
	_ = id.SetTime(uint64(worldNow.UnixMilli()) + uint64(n)*1000)
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

// microsText is an instant as the tests' answers show it.
func microsText(m warehouse.Micros) string { return m.Time().Format("2006-01-02 15:04:05.999999") }

// TestSystemPartsEqualTheIndex: blocks and segments are the tenant's parts, no more.
func TestSystemPartsEqualTheIndex(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.generate(5, 200)
	s := w.service(nil)
	for _, tenant := range []warehouse.Tenant{tenantA, tenantB, "nobody"} {
		want := map[bool][]string{}
		for _, p := range w.parts {
			if p.Tenant != tenant {
				continue
			}
			var rows int64
			var services []string
			for _, d := range p.Datasets {
				services = append(services, d.Service)
				for _, typ := range d.Types {
					rows += typ.Rows
				}
			}
			want[p.Level == 0] = append(want[p.Level == 0], strings.Join([]string{
				p.Object.String(), fmt.Sprint(p.Level), microsText(p.Hour.Start()), microsText(p.Range.From), microsText(p.Range.To),
				fmt.Sprint(rows), fmt.Sprint(p.SizeBytes()), strings.Join(services, ","), "1970-01-01 00:00:00",
			}, " | "))
		}
		sess := session()
		sess.Tenant = tenant
		for relation, isSegment := range map[string]bool{"blocks": false, "segments": true} {
			require.Equal(t, tenant == "nobody", len(want[isSegment]) == 0)
			a, err := ask(t.Context(), s, sess, `SELECT object, level, hour::TIMESTAMP::VARCHAR, "from"::TIMESTAMP::VARCHAR, "to"::TIMESTAMP::VARCHAR,
				rows, bytes, array_to_string(services, ','), created::TIMESTAMP::VARCHAR FROM system.`+relation)
			require.NoError(t, err)
			assert.ElementsMatch(t, want[isSegment], a.rows, "%s of %s", relation, tenant)
			assert.Zero(t, a.stats.Sections)
		}
		a, err := ask(t.Context(), s, sess, `SELECT (SELECT sum(rows) FROM (SELECT rows FROM system.blocks UNION ALL SELECT rows FROM system.segments))
			IS NOT DISTINCT FROM (SELECT nullif(count(*), 0) FROM samples)`)
		require.NoError(t, err)
		assert.Equal(t, []string{"true"}, a.rows, tenant)
	}
}

// healthIndex is a world whose snapshots know how parts are.
type healthIndex struct {
	*world
	health map[warehouse.ObjectID]Health
}

type healthSnapshot struct {
	*worldSnapshot
	health map[warehouse.ObjectID]Health
}

func (ix *healthIndex) Snapshot(ctx context.Context) (query.Snapshot, error) {
	s, err := ix.world.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return healthSnapshot{s.(*worldSnapshot), ix.health}, nil
}

func (s healthSnapshot) PartHealth(p *warehouse.Part) Health { return s.health[p.Object] }

// TestSystemHealth: what is known of stored bytes is shown with the parts.
func TestSystemHealth(t *testing.T) {
	t.Parallel()
	ix := &healthIndex{world: newWorld(t), health: map[warehouse.ObjectID]Health{}}
	ix.generate(5, 200)
	n := 0
	for _, p := range ix.parts {
		if p.Tenant == tenantA {
			n++
			ix.health[p.Object] = Health{VerifiedAt: warehouse.MicrosOf(worldNow)}
		}
	}
	const text = `SELECT state, damage, verified_at::TIMESTAMP::VARCHAR, count(*) FROM (SELECT * FROM system.blocks UNION ALL SELECT * FROM system.segments) GROUP BY ALL ORDER BY 1, 2`
	s := ix.service(func(o *Options) { o.Index = ix })
	require.Equal(t, []string{fmt.Sprintf("ok | (null) | 2026-03-01 15:00:00 | %d", n)}, must(t, s, text))
	require.Equal(t, []string{fmt.Sprintf("ok | (null) | (null) | %d", n)}, must(t, ix.service(nil), text), "a snapshot that knows nothing")
	damaged := 0
	for _, p := range ix.parts {
		if p.Tenant == tenantA && p.Object == ix.parts[0].Object {
			ix.health[p.Object] = Health{Damage: "x.seg: it's broken"}
			damaged++
		}
	}
	require.Equal(t, []string{fmt.Sprintf("damaged | x.seg: it's broken | (null) | %d", damaged), fmt.Sprintf("ok | (null) | 2026-03-01 15:00:00 | %d", n-damaged)}, must(t, s, text))
}

func TestSystemJobs(t *testing.T) {
	t.Parallel()
	since := warehouse.MicrosOf(worldNow)
	ix := &jobIndex{world: newWorld(t), jobs: map[warehouse.Tenant][]Job{
		tenantA: {
			{ID: numbered(1), Level: 1, Hour: firstHour, Inputs: []warehouse.ObjectID{numbered(7), numbered(8)}, Bytes: 1 << 40,
				State: JobRunning, Worker: "compactor", Attempts: 1, Since: since},
			{ID: numbered(2), Level: 3, Hour: firstHour + 1, Bytes: 5, State: JobSetAside, Attempts: 4, Failures: 3, Reason: "it's broken", Since: since, FailedAt: since + 1},
			{ID: numbered(3), Level: 3, Hour: firstHour + 2, State: JobWaiting, Since: since},
		},
		tenantB: {{ID: numbered(4), State: JobWaiting, Reason: "secret"}},
	}}
	s := ix.service(func(o *Options) { o.Index = ix })
	const text = `SELECT id, level, hour::TIMESTAMP::VARCHAR, array_to_string(inputs, ','), bytes, state, worker, attempts, failures, reason,
		since::TIMESTAMP::VARCHAR, failed_at::TIMESTAMP::VARCHAR FROM system.jobs ORDER BY id`
	require.Equal(t, []string{
		numbered(1).String() + " | 1 | 2026-03-01 10:00:00 | " + numbered(7).String() + "," + numbered(8).String() +
			" | 1099511627776 | running | compactor | 1 | 0 | (null) | 2026-03-01 15:00:00 | (null)",
		numbered(2).String() + " | 3 | 2026-03-01 11:00:00 |  | 5 | set aside | (null) | 4 | 3 | it's broken | 2026-03-01 15:00:00 | 2026-03-01 15:00:00.000001",
		numbered(3).String() + " | 3 | 2026-03-01 12:00:00 |  | 0 | waiting | (null) | 0 | 0 | (null) | 2026-03-01 15:00:00 | (null)",
	}, must(t, s, text))
	require.Equal(t, []string{"running | 1", "set aside | 1", "waiting | 1"}, must(t, s, "SELECT state, count(*) FROM system.jobs WHERE level >= $1 GROUP BY ALL ORDER BY 1", int64(1)))
	require.Equal(t, []string{"2"}, must(t, s, "SELECT max(len(system.jobs.inputs)) FROM system.jobs"))
	require.Equal(t, []string{numbered(2).String()}, must(t, s, "SELECT a.id FROM system.jobs a JOIN system.jobs b ON a.failed_at > b.since AND a.id <> b.id GROUP BY ALL"))
	require.Empty(t, must(t, ix.service(nil), text), "a snapshot that knows no jobs")
}

// TestSystemWithTheRest: the schema's relations beside stored ones, product functions
// and PostgreSQL's catalogue, by all of their names.
func TestSystemWithTheRest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.generate(6, 100)
	s := w.service(nil)
	segments := must(t, s, "SELECT count(*) FROM system.segments")
	for _, text := range []string{
		`SELECT count(*) FROM "system".segments`,
		`SELECT count(*) FROM SYSTEM.Segments AS samples`,
		`SELECT count(*) FROM (TABLE system.segments)`,
		`WITH segments AS (SELECT 1) SELECT count(*) FROM system.segments`,
		`SELECT count(*) FROM (SELECT DISTINCT s.* FROM system.segments s)`,
		`SELECT count(*) FROM system.segments WHERE EXISTS (SELECT 1 FROM samples WHERE time BETWEEN "from" AND "to")`,
		`SELECT count(*) FROM system.segments, pg_class WHERE relname = 'segments'`,
		`SELECT count(*) FROM system.segments, (SELECT 1 FROM top_functions('process_cpu:cpu:nanoseconds:cpu:nanoseconds', now(), now()) UNION ALL SELECT 1)`,
	} {
		assert.Equal(t, segments, must(t, s, text), text)
	}
	assert.Equal(t, []string{"timestamp with time zone | when the object was made, to the millisecond"}, must(t, s, `SELECT data_type, col_description('system.blocks'::regclass, ordinal_position)
		FROM information_schema.columns WHERE table_schema = 'system' AND table_name = 'blocks' AND column_name = 'created'`))
	sess := session()
	sess.Tenant = "system"
	for _, text := range []string{"SELECT count(*) FROM system.blocks", "SELECT count(*) FROM system_.system.blocks"} {
		a, err := ask(t.Context(), s, sess, text)
		require.NoError(t, err, text)
		assert.Equal(t, []string{"0"}, a.rows)
	}
	for text, state := range map[string]string{
		"SELECT * FROM system.nothing":             stateUndefinedTable,
		"SELECT * FROM system.samples":             stateUndefinedTable,
		"SELECT * FROM blocks":                     stateUndefinedTable,
		"SELECT * FROM public.jobs":                stateUndefinedTable,
		"SELECT * FROM system.main.duckdb_tables":  stateNotSupported,
		"SELECT * FROM Temp.system.blocks":         stateNotSupported,
		"SELECT nothing FROM system.blocks":        "42703",
		"DELETE FROM system.jobs":                  stateReadOnly,
		"SELECT * FROM system.blocks(1)":           stateUndefinedFunction,
		"SELECT system.blocks.nothing FROM series": "42P01",
	} {
		assert.Equal(t, state, failure(t, s, text).SQLState, text)
	}
	lines := strings.Join(must(t, s, "EXPLAIN SELECT * FROM system.blocks, samples"), "\n")
	assert.Contains(t, lines, "Files of samples")
	assert.NotContains(t, lines, "Files of blocks")
	assert.NotEmpty(t, must(t, s, "EXPLAIN SELECT * FROM system.blocks"))
	assert.NotEmpty(t, must(t, s, "EXPLAIN ANALYZE SELECT * FROM system.blocks"))
}

// TestSystemIsOfTheSnapshot: a transaction sees the parts and jobs of its first
// statement, and who does not ask takes no snapshot.
func TestSystemIsOfTheSnapshot(t *testing.T) {
	t.Parallel()
	ix := &jobIndex{world: newWorld(t), jobs: map[warehouse.Tenant][]Job{}}
	ix.generate(7, 50)
	s := ix.service(func(o *Options) { o.Index = ix })
	must(t, s, "SELECT 1")
	must(t, s, "SELECT relname FROM pg_class")
	require.Zero(t, ix.snapshots())
	sess := session()
	sess.Pin = &Pin{}
	const text = "SELECT (SELECT count(*) FROM system.jobs), (SELECT count(*) FROM system.blocks)"
	first, err := ask(t.Context(), s, sess, text)
	require.NoError(t, err)
	ix.jobs[tenantA] = []Job{{ID: numbered(1), State: JobWaiting}}
	ix.mu.Lock()
	ix.parts = nil
	ix.mu.Unlock()
	again, err := ask(t.Context(), s, sess, text)
	require.NoError(t, err)
	require.Equal(t, first.rows, again.rows)
	require.Equal(t, 1, ix.snapshots())
	sess.Pin.Close()
	require.Equal(t, []string{"1 | 0"}, must(t, s, text))
	require.Zero(t, ix.pinned())
}

// BenchmarkSystem is a statement over the parts of a busy month.
//
//	go test -run xxx -bench System ./sql/statement
func BenchmarkSystem(b *testing.B) {
	w := newWorld(b)
	for n := range 10_000 {
		at := (firstHour + warehouse.Hour(n%744)).Start()
		w.parts = append(w.parts, &warehouse.Part{
			Object: numbered(n), Level: 3, Tenant: tenantA, Hour: at.Hour(), Range: warehouse.TimeRange{From: at, To: at + 1},
			Datasets: []warehouse.Dataset{{Service: "api"}, {Service: "db"}, {Service: "web"}},
		})
	}
	s := w.service(nil)
	for b.Loop() {
		require.Len(b, must(b, s, "SELECT hour, count(*), sum(bytes) FROM system.blocks GROUP BY ALL"), 744)
	}
}

// deletionSnapshot knows deletions.
type deletionSnapshot struct{ *worldSnapshot }

func (s deletionSnapshot) DeletionList(t warehouse.Tenant) []Deletion {
	if t != tenantA {
		return nil
	}
	at := warehouse.MicrosOf(worldNow)
	return []Deletion{
		{Deletion: &warehouse.Deletion{ID: numbered(1), Tenant: t, Services: []string{"api"}, From: at, To: at + 1, Selector: `{service_name="api"}`, Reason: warehouse.DeletedByOperator, SubmittedAt: at}, Parts: 3, Bytes: 1 << 40},
		{Deletion: &warehouse.Deletion{ID: numbered(2), Tenant: t, Types: []string{"x"}, Series: []warehouse.SeriesID{1, 2}, From: at, To: at + 1, Reason: warehouse.DeletedByRetention, SubmittedAt: at}, AppliedAt: at + 1, Bytes: 7},
		{Deletion: &warehouse.Deletion{ID: numbered(3), Tenant: t, From: at, To: at + 1, Reason: warehouse.DeletedByOperator, SubmittedAt: at}, AppliedAt: at + 1, GoneAt: at + 2},
	}
}

type deletionIndex struct{ *world }

func (ix deletionIndex) Snapshot(ctx context.Context) (query.Snapshot, error) {
	s, err := ix.world.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return deletionSnapshot{s.(*worldSnapshot)}, nil
}

func TestSystemDeletions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.service(func(o *Options) { o.Index = deletionIndex{w} })
	const text = `SELECT id, selector, array_to_string(services, ','), array_to_string(types, ','), series, "from"::TIMESTAMP::VARCHAR, "to" > "from", reason,
		state, parts_left, bytes_left, applied_at > submitted, bytes_gone_at > applied_at FROM system.deletions ORDER BY id`
	require.Equal(t, []string{
		numbered(1).String() + ` | {service_name="api"} | api |  | (null) | 2026-03-01 15:00:00 | true | operator | hidden | 3 | 1099511627776 | (null) | (null)`,
		numbered(2).String() + ` |  |  | x | 2 | 2026-03-01 15:00:00 | true | retention | removed | 0 | 7 | true | (null)`,
		numbered(3).String() + ` |  |  |  | (null) | 2026-03-01 15:00:00 | true | operator | done | 0 | 0 | true | true`,
	}, must(t, s, text))
	sess := session()
	sess.Tenant = tenantB
	a, err := ask(t.Context(), s, sess, text)
	require.NoError(t, err)
	require.Empty(t, a.rows)
	require.Empty(t, must(t, w.service(nil), text), "a snapshot that knows no deletions")
}
