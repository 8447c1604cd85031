package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/metastore"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/segment"
)

// execute runs a command line and returns its status and what it printed.
func execute(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	p := program{env: func(string) (string, bool) { return "", false }, root: "/", stdout: &out, stderr: &err}
	status = p.run(t.Context(), args)
	return status, out.String(), err.String()
}

// pushMany pushes profiles of several tenants, three hours up to at, each with a
// request of its own.
func pushMany(t *testing.T, n *faultNode, count int, from int, at time.Time) {
	t.Helper()
	const clients = 8
	var wg sync.WaitGroup
	errs := make([]error, clients)
	for k := range clients {
		c := newFaultClient(t, n, fmt.Sprintf("rot-%d", k%2))
		c.http.Timeout = time.Minute
		wg.Go(func() {
			for i := k; i < count && errs[k] == nil; i += clients {
				req, err := faultRequest(fmt.Sprintf("id-%d", from+i), from+i, int64(1000+i), at)
				if err == nil {
					err = c.push(t.Context(), req)
				}
				errs[k] = err
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
}

// rotting is a node whose objects lose bits.
type rotting struct {
	settings faultSettings
	node     *faultNode
	rng      *rand.Rand
	flips    map[string]func() // what takes each flip back, by place
	damaged  map[string]bool   // names of objects
}

// newRotting stores profiles as final blocks, blocks of levels 1 and 2, and segments.
func newRotting(t *testing.T, seed uint64) *rotting {
	t.Helper()
	never, final := policies()
	first, second := never, never
	first.MaxSegments = 4
	second.MaxSegments, second.MaxBlocks, second.TwicePercent = 4, 2, 100
	r := &rotting{rng: rand.New(rand.NewPCG(seed, 0)), flips: map[string]func(){}, damaged: map[string]bool{}}
	r.settings = faultSettings{dir: filepath.Join(t.TempDir(), "data"), forget: true}
	for i, p := range []metastore.Policy{final, second, first, never} {
		if r.node != nil {
			r.node.stop()
		}
		r.settings.policy = p
		r.node = runFaultNode(t, r.settings)
		at := time.Now()
		if i == 0 {
			at = at.Add(-8 * time.Hour)
		}
		pushMany(t, r.node, 120, 1000*i, at)
		r.node.finishJobs(t)
	}
	levels := r.node.levels(t)
	t.Logf("parts by level %v", levels)
	for _, level := range []uint8{0, 1, 3} {
		require.Contains(t, levels, level)
	}
	return r
}

// flip changes a random bit that means something, in one of the objects.
func (r *rotting) flip(t *testing.T, live []string, segments map[string][]*warehouse.Part) {
	t.Helper()
	for {
		name := live[r.rng.IntN(len(live))]
		path, ok := r.node.files.LocalPath(name)
		require.True(t, ok)
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		at, mask := r.rng.IntN(len(data)), byte(1)<<r.rng.IntN(8)
		place := fmt.Sprintf("%s %d", name, at)
		if r.flips[place] != nil || !r.means(t, name, data, at, mask, segments[name]) {
			continue
		}
		change := func() {
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			data[at] ^= mask
			require.NoError(t, os.WriteFile(path, data, 0o600))
		}
		change()
		r.flips[place], r.damaged[name] = change, true
		return
	}
}

// means reports whether a flip changes anything that is stored: not the filling
// between sections, nor how a description is written.
func (r *rotting) means(t *testing.T, name string, data []byte, at int, mask byte, parts []*warehouse.Part) bool {
	t.Helper()
	switch {
	case len(parts) > 0:
		if n, err := segment.FooterSize(data, int64(len(data))); err == nil && at >= len(data)-int(n) {
			return true
		}
		for _, p := range parts {
			for _, s := range p.Sections {
				if int64(at) >= s.Offset && int64(at) < s.Offset+s.Size {
					return true
				}
			}
		}
		return false
	case strings.HasSuffix(name, block.MetaName):
		before, _, err := block.DecodeMeta(data)
		if err != nil {
			return false // it was flipped before
		}
		data[at] ^= mask
		after, _, err := block.DecodeMeta(data)
		return err != nil || fmt.Sprint(*before) != fmt.Sprint(*after)
	}
	return true
}

// damagedNames returns the objects that a command named.
func damagedNames(stdout string) map[string]bool {
	names := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^damaged (\S+): `).FindAllStringSubmatch(stdout, -1) {
		names[m[1]] = true
	}
	return names
}

// TestScrubFindsFlips flips bits all over the bucket: one pass names every damaged
// object and no other, in the server and without one; with the right bytes again, all
// is well. More of them, or others:
//
//	STACKHOUSE_FLIPS=3000 STACKHOUSE_SEED=17 go test -tags duckdb_arrow ./cmd/stackhouse -run TestScrubFindsFlips -v
func TestScrubFindsFlips(t *testing.T) {
	if testing.Short() {
		t.Skip("runs nodes for several seconds")
	}
	seed, count := envNumber(t, "STACKHOUSE_SEED", 1), int(envNumber(t, "STACKHOUSE_FLIPS", 300))
	r := newRotting(t, seed)
	live, _ := r.node.objects(t)
	status, out, text := execute(t, "scrub", "--now", "--addr", r.node.url)
	require.Equal(t, exitOK, status, text)
	require.Empty(t, out)

	snap, err := r.node.meta.Snapshot(t.Context())
	require.NoError(t, err)
	segments := map[string][]*warehouse.Part{}
	for _, p := range everyPart(snap) {
		if p.Level == warehouse.LevelSegment {
			name := block.SegmentName(p.Shard, p.Object)
			segments[name] = append(segments[name], p)
		}
	}
	snap.Release()
	for range count {
		r.flip(t, live, segments)
	}
	status, out, text = execute(t, "scrub", "--now", "--addr", r.node.url)
	require.Equal(t, exitError, status)
	require.Equal(t, slices.Sorted(maps.Keys(r.damaged)), slices.Sorted(maps.Keys(damagedNames(out))))
	t.Logf("seed %d: %d flips in %d of %d files, all named; %s", seed, count, len(r.damaged), len(live), strings.TrimSpace(text))
	ids := map[warehouse.ObjectID]bool{}
	for name := range r.damaged {
		id, ok := block.ParseName(name)
		require.True(t, ok)
		ids[id] = true
	}
	require.InDelta(t, len(ids), r.node.metric(t, "stackhouse_scrub_damaged_objects"), 0)
	require.Positive(t, r.node.metric(t, "stackhouse_scrub_damaged_bytes"))
	inSQL := map[string]bool{}
	for _, tenant := range []string{"rot-0", "rot-1"} {
		for _, row := range r.node.ask(t, tenant, "SELECT object FROM (SELECT * FROM system.blocks UNION ALL SELECT * FROM system.segments) WHERE state = 'damaged' AND damage LIKE '%expected%'") {
			inSQL[row] = true
		}
	}
	require.Len(t, inSQL, len(ids))
	require.Contains(t, r.node.statusPage(t), "Stored bytes are damaged.")

	r.node.stop()
	status, offline, _ := execute(t, "scrub", "--data-dir", r.settings.dir)
	require.Equal(t, exitError, status)
	require.Equal(t, damagedNames(out), damagedNames(offline))
	r.node = runFaultNode(t, r.settings)
	require.InDelta(t, len(ids), r.node.metric(t, "stackhouse_scrub_damaged_objects"), 0, "it is known after a restart")
	for _, repair := range r.flips {
		repair()
	}
	status, out, text = execute(t, "scrub", "--now", "--addr", r.node.url)
	require.Equal(t, exitOK, status, text)
	require.Empty(t, out)
	// A read of a merge or a warm-up that began before the repair may report after it:
	// the next look sets it right.
	require.Eventually(t, func() bool {
		if r.node.metric(t, "stackhouse_scrub_damaged_objects") == 0 {
			return true
		}
		execute(t, "scrub", "--now", "--addr", r.node.url)
		return false
	}, 30*time.Second, time.Millisecond)
	require.Equal(t, []string{"0"}, r.node.ask(t, "rot-0", "SELECT count(*) FROM system.blocks WHERE state <> 'ok' OR verified_at IS NULL"))
	r.node.stop()
	status, _, text = execute(t, "scrub", "--data-dir", r.settings.dir)
	require.Equal(t, exitOK, status, text)
}

// TestScrubRefuses: what the command cannot do.
func TestScrubRefuses(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	for want, args := range map[string][]string{
		"say --now":             {"scrub"},
		"or --data-dir DIR":     {"scrub", "--now", "--data-dir", dir},
		"there is none":         {"scrub", "--data-dir", dir},
		"ask the server: ":      {"scrub", "--now", "--addr", "127.0.0.1:1"},
		"name jobs by":          {"jobs", "release"},
		"by their ids, or say":  {"jobs", "release", "--all", "01JZZZZZZZ0123456789ABCDEF"},
		"dial tcp 127.0.0.1:1:": {"jobs", "ls", "--addr", "http://127.0.0.1:1"},
	} {
		status, _, text := execute(t, args...)
		require.NotEqual(t, exitOK, status)
		require.Contains(t, text, want)
	}
	require.NoDirExists(t, dir)
	data, err := openDataDir(dir)
	require.NoError(t, err)
	defer data.close()
	_, _, text := execute(t, "scrub", "--data-dir", dir)
	require.Contains(t, text, "is in use by another stackhouse")
	require.Contains(t, text, "--now")
}

// TestDamagedInput: a merge of a damaged object fails by name and is set aside, others
// go on; the damage is known without any scrub. When the right bytes are back, the
// next reader notices, and the job is done.
func TestDamagedInput(t *testing.T) {
	if testing.Short() {
		t.Skip("runs nodes for several seconds")
	}
	never, final := policies()
	s := faultSettings{dir: filepath.Join(t.TempDir(), "data"), policy: never, forget: true}
	n := runFaultNode(t, s)
	at := time.Now().Add(-6 * time.Hour)
	for i, tenant := range []string{"sound", "sound", "hurt", "hurt"} {
		req, err := faultRequest(fmt.Sprintf("id-%d", i), 3*i, int64(1000+i), at)
		require.NoError(t, err)
		require.NoError(t, newFaultClient(t, n, tenant).push(t.Context(), req))
	}
	sum := "SELECT sum(value) FROM samples"
	want := n.ask(t, "hurt", sum)
	object := n.ask(t, "hurt", "SELECT min(object) FROM system.segments")[0]
	n.stop()
	removeFiles(t, filepath.Join(s.dir, cacheDir))
	matches, err := filepath.Glob(filepath.Join(s.dir, bucketDir, "segments", "*", object+".seg"))
	require.NoError(t, err)
	require.Len(t, matches, 1)
	path := matches[0]
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	bad := bytes.Clone(good)
	bad[100] ^= 0x10
	require.NoError(t, os.WriteFile(path, bad, 0o600))

	s.policy, s.clock = final, hasty(time.Minute)
	n = runFaultNode(t, s)
	setAside := func() bool { _, reasons := n.setAside(t); return len(reasons) == 1 }
	require.Eventually(t, setAside, 30*time.Second, 20*time.Millisecond)
	_, reasons := n.setAside(t)
	require.Contains(t, reasons[0], object)
	require.Contains(t, reasons[0], "CRC-32C")
	require.Equal(t, []string{"0|1"}, n.ask(t, "sound", "SELECT (SELECT count(*) FROM system.segments), (SELECT count(*) FROM system.blocks)"), "others go on")
	require.Equal(t, []string{object + "|t"}, n.ask(t, "hurt", "SELECT object, damage LIKE '%samples of hurt%' FROM system.segments WHERE state = 'damaged'"))
	require.InDelta(t, 1, n.metric(t, "stackhouse_scrub_damaged_objects"), 0)
	_, err = newFaultClient(t, n, "hurt").askSQL(t.Context())
	require.ErrorContains(t, err, object, "a question is answered rightly or not at all")

	status, out, text := execute(t, "jobs", "ls", "--addr", n.url)
	require.Equal(t, exitOK, status, text)
	require.Regexp(t, `(?m)^\S+ +set aside +hurt +\S+ +3 +2 +\S+ +\S+ +3 +.*`+object, out)
	_, out, _ = execute(t, "jobs", "ls", "--json", "--addr", n.url)
	require.Contains(t, out, `"state": "set aside"`)
	ids, _ := n.setAside(t)
	status, _, text = execute(t, "jobs", "release", "--addr", n.url, warehouse.ObjectID{9}.String())
	require.Equal(t, exitError, status)
	require.Contains(t, text, "1 of 1 id were not set aside")
	status, out, _ = execute(t, "jobs", "release", "--addr", n.url, ids[0].String())
	require.Equal(t, exitOK, status)
	require.Equal(t, "released 1 job\n", out)
	require.Eventually(t, setAside, 30*time.Second, 20*time.Millisecond, "it is still damaged")

	require.NoError(t, os.WriteFile(path, good, 0o600))
	require.Equal(t, want, n.ask(t, "hurt", sum))
	require.Eventually(t, func() bool {
		return slices.Equal([]string{"0|1|0"}, n.ask(t, "hurt", countParts))
	}, 30*time.Second, 20*time.Millisecond, "the job is not done")
	require.Equal(t, want, n.ask(t, "hurt", sum))
	require.Zero(t, n.metric(t, "stackhouse_scrub_damaged_objects"))
	status, _, text = execute(t, "jobs", "ls", "--addr", n.url)
	require.Equal(t, exitOK, status)
	require.Contains(t, text, "no jobs")
	status, out, _ = execute(t, "jobs", "release", "--all", "--addr", n.url)
	require.Equal(t, exitOK, status)
	require.Equal(t, "released 0 jobs\n", out)
}

// TestScrubStops: a client that goes away ends the pass, and another one can begin.
func TestScrubStops(t *testing.T) {
	n := runFaultNode(t, faultSettings{dir: filepath.Join(t.TempDir(), "data")})
	pushMany(t, n, 8, 0, time.Now())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url+"/api/v1/admin/scrub", nil)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.ErrorIs(t, err, context.Canceled)
	if res != nil {
		require.NoError(t, res.Body.Close())
	}
	require.Eventually(t, func() bool {
		status, _, _ := execute(t, "scrub", "--now", "--addr", n.url)
		return status == exitOK
	}, 10*time.Second, 10*time.Millisecond)
}
