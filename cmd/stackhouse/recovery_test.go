package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/metastore"
	"github.com/stackhouse-db/stackhouse/metastore/backup"
	"github.com/stackhouse-db/stackhouse/metastore/manifest"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/failpoint"
	"github.com/stackhouse-db/stackhouse/warehouse/object/objecttest"
)

// mishaps is pushes to a node whose registrations fail, in every way.
type mishaps struct {
	*faultRun
	t      *testing.T
	points *failpoint.Points
	client map[string]*faultClient
	seq    int
	failed int
}

func newMishaps(t *testing.T, n *faultNode, points *failpoint.Points) *mishaps {
	m := &mishaps{t: t, points: points, client: map[string]*faultClient{}, faultRun: &faultRun{node: n, ledgers: map[string]*ledger{}, kinds: map[string]int{}}}
	for _, tenant := range faultTenants {
		m.ledgers[tenant] = newLedger()
		m.client[tenant] = newFaultClient(t, n, tenant)
		m.client[tenant].http.Timeout = time.Minute
	}
	return m
}

// fails makes the next hit of a point fail, so that nobody tries again.
func (m *mishaps) fails(point string) {
	m.points.Set(failpoint.Name(point), 1, func() error { return warehouse.Errorf(warehouse.Denied, "failpoint %s", point) })
}

// push pushes a profile. Before or behind its registration, everything fails; the
// object stays, and is registered or not. Some clients try again.
func (m *mishaps) push(point string, tryAgain bool) {
	tenant := faultTenants[m.seq%len(faultTenants)]
	id, value := fmt.Sprintf("id-%d", m.seq), int64(1000+m.seq)
	req, err := faultRequest(id, m.seq, value, time.Now())
	require.NoError(m.t, err)
	m.seq++
	l := m.ledgers[tenant]
	l.send(id, value)
	if point != "" {
		m.failed++
		m.fails(point)
		m.fails("ingest.abort.before")
	}
	err = m.client[tenant].push(m.t.Context(), req)
	require.Equal(m.t, point != "", err != nil, "%v", err)
	if err != nil && tryAgain {
		err = m.client[tenant].push(m.t.Context(), req)
		require.NoError(m.t, err)
	}
	if err == nil {
		l.ack(id)
	}
}

// TestLostMetastore: the directory of the metastore is gone, after registrations
// that failed, with an hour that was retired and a merge on its way, and with a
// manifest that knows the half of it. What is made from the bucket has every
// profile that was acknowledged, once, and nothing that was not sent.
func TestLostMetastore(t *testing.T) {
	if testing.Short() {
		t.Skip("runs nodes for several seconds")
	}
	points := &failpoint.Points{}
	s := faultSettings{dir: filepath.Join(t.TempDir(), "data"), policy: eagerPolicy(), faulty: true, points: points}
	n := runFaultNode(t, s)
	m := newMishaps(t, n, points)
	retire := storeOldHour(t, n)
	noDeletes := objecttest.Rule{Op: objecttest.OpDelete, Prefix: "segments/", Fault: objecttest.FailBefore, Chance: 1}
	n.faulty.Break(objecttest.FaultPlan{Rules: []objecttest.Rule{noDeletes}})
	round := func() {
		for i := range 25 {
			m.push("ingest.register.before", i%2 == 0)
			m.push("ingest.register.after", i%2 == 0)
			m.push("", false)
		}
	}
	round()
	deleted := deleteSome(t, n)
	n.awaitManifest(t)
	n.faulty.Break(objecttest.FaultPlan{Rules: []objecttest.Rule{noDeletes, {Op: objecttest.OpPut, Prefix: manifest.Prefix, Fault: objecttest.FailBefore, Chance: 1}}})
	round()
	require.Equal(t, 100, m.failed)
	left := make(chan struct{}) // a job whose blocks are stored, and not registered
	points.Set("compactor.finish.before", 1, func() error {
		m.fails("compactor.undo.before")
		close(left)
		return warehouse.Errorf(warehouse.Denied, "failpoint")
	})
	for done := false; !done; {
		m.push("", false)
		select {
		case <-left:
			done = true
		default:
		}
	}
	retire()
	m.verify(t, n, "before the loss")
	deleted(n, "before the loss")
	n.stop()

	require.NoError(t, os.RemoveAll(filepath.Join(s.dir, metastoreDir)))
	dry := command(t, nil, "metastore", "rebuild", "--data-dir", s.dir, "--dry-run")
	require.Zero(t, dry.status, dry.stderr)
	r := command(t, nil, "metastore", "rebuild", "--data-dir", s.dir, "--list")
	require.Zero(t, r.status, r.stdout+r.stderr)
	t.Log(counted(r.stdout))
	require.Contains(t, r.stdout, "it is whole and newer than the manifest")
	require.Contains(t, r.stdout, "its inputs are all there and stand for it")
	require.Contains(t, r.stdout, "each of its profiles is in an object that was taken")
	require.NotContains(t, r.stdout, "retired   0 parts")

	s.faulty, s.points = false, nil
	n = runFaultNode(t, s)
	m.node = n
	m.verify(t, n, "after the rebuild")
	deleted(n, "after the rebuild")
	n.finishJobs(t)
	m.verify(t, n, "after the rebuild, merged")
	deleted(n, "after the rebuild, merged")
	n.objects(t) // which looks for each
	n.stop()
	again := command(t, nil, "metastore", "rebuild", "--data-dir", s.dir)
	require.Equal(t, exitError, again.status)
	require.Contains(t, again.stderr, "--force")
}

// counted returns a report without the names of objects.
func counted(report string) string {
	var out []string
	for line := range strings.Lines(report) {
		if !strings.Contains(line, "   segments/") && !strings.Contains(line, "   blocks/") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

// storeOldHour stores profiles of an hour that their tenant, which keeps a day, does
// not keep. The result drops it, as the leader does when it looks.
func storeOldHour(t *testing.T, n *faultNode) (retire func()) {
	t.Helper()
	tenant := faultTenants[0]
	c := newFaultClient(t, n, tenant)
	old := time.Now().Add(-30 * time.Hour)
	for i := range 6 {
		req, err := faultRequest(fmt.Sprintf("retired-%d", i), i, 7, old)
		require.NoError(t, err)
		require.NoError(t, c.push(t.Context(), req))
	}
	require.NoError(t, n.meta.SetRetention(t.Context(), warehouse.Tenant(tenant), 24*time.Hour))
	n.finishJobs(t)
	return func() {
		snap, err := n.meta.Snapshot(t.Context())
		require.NoError(t, err)
		defer snap.Release()
		gone := metastore.Replacement{ID: ulid.Make()}
		for _, p := range everyPart(snap) {
			if p.Hour < warehouse.MicrosOf(old.Add(4*time.Hour)).Hour() {
				gone.Remove = append(gone.Remove, metastore.PartRef{Object: p.Object, Tenant: p.Tenant, Hour: p.Hour})
			}
		}
		require.NotEmpty(t, gone.Remove)
		_, err = n.meta.ReplaceParts(t.Context(), gone)
		require.NoError(t, err)
	}
}

// deleteSome stores profiles of a tenant of its own, deletes one of its two services,
// whose objects stay for now, and stores another one of that. The result looks whether
// the deleted ones are gone, and nothing else.
func deleteSome(t *testing.T, n *faultNode) (check func(n *faultNode, when string)) {
	t.Helper()
	const tenant = "deleting"
	c := newFaultClient(t, n, tenant)
	push := func(id string, seq int) {
		req, err := faultRequest(id, seq, 7, time.Now())
		require.NoError(t, err)
		require.NoError(t, c.push(t.Context(), req))
	}
	for i := range 10 {
		push(fmt.Sprintf("before-%d", i), i)
	}
	_, err := postDelete(t.Context(), n.url, tenant, map[string]any{"service": "faulty-0"})
	require.NoError(t, err)
	push("behind", 0)
	return func(n *faultNode, when string) {
		t.Helper()
		got := n.ask(t, tenant, "SELECT service_name || ' ' || count(*) || ' ' || sum(value) FROM profiles GROUP BY service_name ORDER BY 1")
		require.Equal(t, []string{"faulty-0 1 7", "faulty-1 5 35"}, got, when)
	}
}

// awaitManifest waits until a manifest has everything.
func (n *faultNode) awaitManifest(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		return n.metric(t, "stackhouse_metastore_manifest_index") == n.metric(t, "stackhouse_metastore_applied_index")
	},
		30*time.Second, 10*time.Millisecond, "a manifest")
}

// TestBackupUnderLoad copies a node while it is pushed to and asked, and restores the
// copy elsewhere: it has what was acknowledged before the backup began, and of what
// was sent since each profile whole or not at all.
func TestBackupUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("runs nodes for several seconds")
	}
	dir := t.TempDir()
	place := filepath.Join(dir, "backup")
	n := runFaultNode(t, faultSettings{dir: filepath.Join(dir, "data"), policy: eagerPolicy()})
	r := startFaultRun(t, n)
	acked := func(least int) {
		require.Eventually(t, func() bool { _, acked := r.totals(); return acked >= least }, 30*time.Second, 10*time.Millisecond)
	}
	acked(100)
	first := command(t, nil, "backup", "--to", place, "--addr", n.url)
	require.Zero(t, first.status, first.stderr)
	deleted := deleteSome(t, n)
	acked(200)
	due := map[string]map[string]bool{}
	for tenant, l := range r.ledgers {
		due[tenant] = l.ackedNow()
	}
	second := command(t, nil, "backup", "--to", place, "--addr", n.url)
	require.Zero(t, second.status, second.stderr)
	acked(300)
	r.stop()
	n.stop()
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "data"))) // what is restored needs nothing of it

	target := filepath.Join(dir, "restored")
	flipped := flipIn(t, place)
	bad := command(t, nil, "restore", "--from", place, "--data-dir", target)
	require.Equal(t, exitError, bad.status)
	require.Contains(t, bad.stdout+bad.stderr, flipped.name)
	require.NoDirExists(t, target, "nothing is restored of a damaged backup")
	flipped.repair()

	good := command(t, nil, "restore", "--from", place, "--data-dir", target)
	require.Zero(t, good.status, good.stdout+good.stderr)
	t.Log(second.stdout, good.stdout)
	again := command(t, nil, "restore", "--from", place, "--data-dir", target)
	require.Equal(t, exitError, again.status)
	require.Contains(t, again.stderr, "an empty one only")

	restored := runFaultNode(t, faultSettings{dir: target, policy: eagerPolicy()})
	deleted(restored, "restored")
	for tenant, l := range r.ledgers {
		c := newFaultClient(t, restored, tenant)
		c.http.Timeout = time.Minute
		inAPI, err := c.askAPI(t.Context())
		require.NoError(t, err)
		inSQL, err := c.askSQL(t.Context())
		require.NoError(t, err)
		require.NoError(t, l.check(inAPI, due[tenant]), tenant)
		require.NoError(t, l.check(inSQL, due[tenant]), tenant)
		require.Len(t, inAPI, len(inSQL))
		sent, _ := r.totals()
		require.Less(t, len(inSQL), sent, "it is of its point")
	}
}

// flip is a damaged file of a backup.
type flip struct {
	name   string
	repair func()
}

// flipIn flips a bit of an object of a backup.
func flipIn(t *testing.T, place string) flip {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(place, backup.ListName))
	require.NoError(t, err)
	l, err := backup.DecodeList(data)
	require.NoError(t, err)
	f := l.Files[len(l.Files)/2]
	path := filepath.Join(place, f.Name)
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, damaged(good, len(good)/3), 0o600))
	return flip{f.Name, func() { require.NoError(t, os.WriteFile(path, good, 0o600)) }}
}
