package object_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
	"github.com/stackhouse-db/stackhouse/warehouse/object/objecttest"
)

const crashRoot = "/data/bucket"

// absent is the version of an object that is not there.
const absent = "\x00absent"

// model knows which versions of each object a bucket may show: now, and after a
// power loss.
type model struct{ now, crashed map[string][]string }

func newModel() *model { return &model{map[string][]string{}, map[string][]string{}} }

func versions(m map[string][]string, name string) []string {
	if v, ok := m[name]; ok {
		return v
	}
	return []string{absent}
}

func (m *model) put(name, data string, err error) {
	if err == nil {
		m.now[name], m.crashed[name] = []string{data}, []string{data}
		return
	}
	m.now[name] = append(versions(m.now, name), data)
	m.crashed[name] = append(versions(m.crashed, name), data)
}

func (m *model) delete(name string, err error) {
	m.crashed[name] = append(versions(m.crashed, name), absent)
	if err == nil {
		m.now[name] = []string{absent}
		return
	}
	m.now[name] = append(versions(m.now, name), absent)
}

// operation is one line of a script: a put, or a delete if data is absent.
type operation struct{ name, data string }

// script returns random operations on a few names, in folders that come and go.
func script(random *rand.Rand, n int) []operation {
	names := []string{"a/x", "a/y", "a/b/x", "a/b/c/x", "d/x", "e"}
	ops := make([]operation, n)
	for i := range ops {
		ops[i].name = names[random.IntN(len(names))]
		ops[i].data = absent
		if random.IntN(5) < 3 {
			ops[i].data = strings.Repeat(fmt.Sprintf("%d of %s; ", i, ops[i].name), 1+random.IntN(120))
		}
	}
	return ops
}

// run does the operation and tells the model.
func (op operation) run(t *testing.T, b object.Bucket, m *model) error {
	var err error
	if op.data == absent {
		err = b.Delete(t.Context(), op.name)
		m.delete(op.name, err)
	} else {
		err = b.Put(t.Context(), op.name, []byte(op.data))
		m.put(op.name, op.data, err)
	}
	return err
}

// check reads all objects and compares them with the versions they may have.
func check(t *testing.T, b object.Bucket, allowed map[string][]string, what string) {
	t.Helper()
	var there []string
	for name, versions := range allowed {
		got := absent
		data, err := b.Read(t.Context(), name, 0, -1)
		if warehouse.KindOf(err) != warehouse.NotFound {
			require.NoError(t, err, what)
			got = string(data)
			there = append(there, name)
		}
		if !slices.Contains(versions, got) {
			t.Fatalf("%s: %s is %.40q, may be %.40q", what, name, got, versions)
		}
	}
	slices.Sort(there)
	var listed []string
	require.NoError(t, b.List(t.Context(), "", func(a object.Attrs) error {
		listed = append(listed, a.Name)
		return nil
	}))
	require.Equal(t, there, listed, what)
}

// reopen opens the bucket of a disk and checks that it is clean and usable.
func reopen(t *testing.T, disk *objecttest.Disk, allowed map[string][]string, what string) {
	t.Helper()
	b, err := object.NewFilesystemOn(disk, crashRoot)
	require.NoError(t, err, what)
	check(t, b, allowed, what)
	entries, err := disk.ReadDir("", crashRoot+"/.tmp")
	require.NoError(t, err, what)
	require.Empty(t, entries, what)
	require.NoError(t, b.Put(t.Context(), "a/after", []byte("x")), what)
}

func seeds() uint64 {
	if testing.Short() {
		return 3
	}
	return 20
}

// TestPowerLossAtEveryStep crashes before each step of random scripts, with all
// and with some of what was not synced lost. What was acknowledged is there, and
// nothing is there in part.
func TestPowerLossAtEveryStep(t *testing.T) {
	t.Parallel()
	for seed := range seeds() {
		random := rand.New(rand.NewPCG(seed, 1))
		disk, m := objecttest.NewDisk(), newModel()
		var current *operation
		step := 0
		sys := objecttest.HookedOS{OS: disk, Before: func(c objecttest.Call) error {
			step++
			if current == nil {
				return nil
			}
			allowed := map[string][]string{current.name: append(slices.Clone(versions(m.crashed, current.name)), current.data)}
			for name, v := range m.crashed {
				if name != current.name {
					allowed[name] = v
				}
			}
			what := fmt.Sprintf("seed %d, step %d (%s %s)", seed, step, c.Op, c.Path)
			reopen(t, disk.Crash(nil), allowed, what)
			for range 2 {
				reopen(t, disk.Crash(random), allowed, what)
			}
			return nil
		}}
		b, err := object.NewFilesystemOn(sys, crashRoot)
		require.NoError(t, err)
		for _, op := range script(random, 25) {
			current = &op
			require.NoError(t, op.run(t, b, m))
		}
		current = nil
		check(t, b, m.now, fmt.Sprintf("seed %d, at the end", seed))
		require.Greater(t, step, 50)
	}
}

// TestErrorAtEveryStep fails each single step of random scripts in turn. The
// operation fails or did its work; the next ones work; what was acknowledged
// survives a power loss; a file whose sync failed is never touched again.
func TestErrorAtEveryStep(t *testing.T) {
	t.Parallel()
	for seed := range seeds() {
		random := rand.New(rand.NewPCG(seed, 2))
		ops := script(random, 12)
		for n := 1; runWithError(t, ops, n, random); n++ {
			require.Less(t, n, 1000)
		}
	}
}

// runWithError fails the n-th step of the script and reports whether it has one.
func runWithError(t *testing.T, ops []operation, n int, random *rand.Rand) bool {
	disk, m := objecttest.NewDisk(), newModel()
	step, started := 0, false
	unsynced := map[string]bool{}
	var failed objecttest.Call
	errno := []syscall.Errno{syscall.EIO, syscall.ENOSPC, syscall.EMFILE}[n%3]
	sys := objecttest.HookedOS{OS: disk, Before: func(c objecttest.Call) error {
		if (c.Op == "write" || c.Op == "sync") && unsynced[c.Path] {
			t.Errorf("%s %s after its sync has failed", c.Op, c.Path)
		}
		if !started {
			return nil
		}
		if step++; step != n {
			return nil
		}
		failed = c
		unsynced[c.Path] = c.Op == "sync"
		return errno
	}}
	b, err := object.NewFilesystemOn(sys, crashRoot)
	require.NoError(t, err)
	started = true
	failures := 0
	for _, op := range ops {
		if err := op.run(t, b, m); err != nil {
			failures++
			require.Equal(t, warehouse.Unavailable, warehouse.KindOf(err), "%v", err)
			require.ErrorIs(t, err, errno)
		}
	}
	hit := step >= n
	started = false
	what := fmt.Sprintf("step %d failed (%s %s)", n, failed.Op, failed.Path)
	require.LessOrEqual(t, failures, 1, what)
	harmless := failed.Op == "isempty" || failed.Step == "delete: remove folder" || failed.Step == "put: remove temporary file"
	require.Equal(t, hit && !harmless, failures == 1, what)
	check(t, b, m.now, what)
	reopen(t, disk.Crash(nil), m.crashed, what)
	reopen(t, disk.Crash(random), m.crashed, what)
	return hit
}

// TestPowerLossAfterConcurrentUse: folders that one Put makes and one Delete
// removes are durable for every other Put, too.
func TestPowerLossAfterConcurrentUse(t *testing.T) {
	t.Parallel()
	for range 10 * seeds() {
		disk := objecttest.NewDisk()
		b, err := object.NewFilesystemOn(disk, crashRoot)
		require.NoError(t, err)
		var wg sync.WaitGroup
		for id := range 4 {
			wg.Go(func() {
				name := fmt.Sprintf("a/b/%d", id)
				for range 5 {
					assert.NoError(t, b.Put(t.Context(), name, []byte(name)))
					assert.NoError(t, b.Delete(t.Context(), name))
				}
				assert.NoError(t, b.Put(t.Context(), name, []byte(name)))
			})
		}
		wg.Wait()
		want := map[string][]string{}
		for id := range 4 {
			name := fmt.Sprintf("a/b/%d", id)
			want[name] = []string{name}
		}
		reopen(t, disk.Crash(nil), want, "after concurrent use")
	}
}
