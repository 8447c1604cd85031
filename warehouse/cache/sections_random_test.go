package cache

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/object/objecttest"
)

// allowed are the kinds with which a request may fail while the bucket goes
// wrong. Anything else, and wrong bytes above all, fails the test.
var allowed = []warehouse.Kind{warehouse.Unavailable, warehouse.Deadline, warehouse.Canceled, warehouse.Corrupt}

// player does random things with a cache.
type player struct {
	*world
	options worldOptions
	parts   []stored
	held    []held
	damaged map[int]bool // parts whose objects are damaged in the bucket
	trace   []string
}

// held is an acquired section.
type held struct {
	local *Local
	want  []byte
}

func (p *player) say(format string, args ...any) {
	p.trace = append(p.trace, fmt.Sprintf(format, args...))
}

func (p *player) any() (int, stored, warehouse.Table) {
	i := p.random.IntN(len(p.parts))
	s := p.parts[i]
	return i, s, s.Sections[p.random.IntN(len(s.Sections))].Table
}

func (p *player) failed(i int, err error) {
	p.t.Helper()
	kind := warehouse.KindOf(err)
	if !assert.Contains(p.t, allowed, kind, "%v", err) {
		p.t.Fatalf("trace: %q", p.trace)
	}
	if kind == warehouse.Corrupt && !p.damaged[i] && p.faulty.Calls(objecttest.OpRead) == 0 {
		p.t.Fatalf("corrupt without a cause: %v", err)
	}
}

func (p *player) equal(want, got []byte, what string) {
	p.t.Helper()
	if !bytes.Equal(want, got) {
		p.t.Fatalf("%s: wrong bytes; trace: %q", what, p.trace)
	}
}

func (p *player) acquireOne() {
	i, s, table := p.any()
	p.say("acquire %d %s", i, table)
	l, err := p.cache.Acquire(p.t.Context(), s.Part, table)
	if err != nil {
		p.failed(i, err)
		return
	}
	got, err := os.ReadFile(l.Path)
	require.NoError(p.t, err, "trace: %q", p.trace)
	p.equal(s.data[table], got, l.Path)
	p.held = append(p.held, held{l, s.data[table]})
}

func (p *player) releaseOne() {
	if len(p.held) == 0 {
		return
	}
	i := p.random.IntN(len(p.held))
	p.say("release %s", p.held[i].local.Path)
	p.held[i].local.Release()
	p.held = append(p.held[:i], p.held[i+1:]...)
}

func (p *player) readOne() {
	i, s, table := p.any()
	p.say("read %d %s", i, table)
	got, err := p.cache.Read(p.t.Context(), s.Part, table)
	if err != nil {
		p.failed(i, err)
		return
	}
	p.equal(s.data[table], got, "read")
}

func (p *player) putOne() {
	i, s, table := p.any()
	data := s.data[table]
	if p.random.IntN(3) == 0 && len(data) > 0 {
		data = bytes.Clone(data)
		data[p.random.IntN(len(data))] ^= 1
	}
	p.say("put %d %s", i, table)
	p.cache.Put(s.Part, table, data)
}

func (p *player) forgetOne() {
	i, s, _ := p.any()
	p.say("forget %d", i)
	p.cache.Forget(s.Object)
}

// damageCopy changes, cuts or removes a copy that nobody holds.
func (p *player) damageCopy() {
	files, err := filepath.Glob(filepath.Join(p.dir, "*", "*", "*"))
	require.NoError(p.t, err)
	if len(files) == 0 {
		return
	}
	path := files[p.random.IntN(len(files))]
	for _, h := range p.held {
		if h.local.Path == path {
			return
		}
	}
	data, err := os.ReadFile(path)
	require.NoError(p.t, err)
	switch how := p.random.IntN(3); {
	case how == 0 && len(data) > 0:
		data[p.random.IntN(len(data))] ^= 0x40
		p.overwrite(path, data)
		p.say("flip %s", path)
	case how == 1:
		p.overwrite(path, data[:len(data)/2])
		p.say("cut %s", path)
	default:
		require.NoError(p.t, os.Remove(path))
		p.say("remove %s", path)
	}
}

// damageObject changes or repairs an object in the bucket.
func (p *player) damageObject() {
	i, s, table := p.any()
	if p.options.inPlace && s.Level > 0 && len(p.held) > 0 {
		return // somebody may have it open
	}
	if p.damaged[i] {
		p.say("repair %d", i)
		p.world.put(s)
		delete(p.damaged, i)
		return
	}
	name := block.SectionName(s.Part, table)
	data, err := p.bucket.Read(p.t.Context(), name, 0, -1)
	require.NoError(p.t, err)
	if len(data) == 0 {
		return
	}
	for range 3 {
		data[p.random.IntN(len(data))] ^= 2
	}
	p.say("damage %d", i)
	require.NoError(p.t, p.bucket.Put(p.t.Context(), name, data))
	p.damaged[i] = true
}

func (p *player) reopen() {
	p.say("reopen")
	for len(p.held) > 0 {
		p.releaseOne()
	}
	require.NoError(p.t, p.cache.Close())
	p.open(p.options)
}

// TestRandomUse plays random sequences of everything that can happen to a cache
// on several layouts. No answer is ever a wrong byte, what is held stays, the
// budget holds, and at the end everything adds up.
func TestRandomUse(t *testing.T) {
	t.Parallel()
	steps := 400
	if testing.Short() {
		steps = 100
	}
	for _, o := range []worldOptions{{}, {maxBytes: 20_000}, {maxBytes: 1}, {inPlace: true, maxBytes: 30_000}} {
		for seed := range uint64(6) {
			t.Run(fmt.Sprintf("%+v seed %d", o, seed), func(t *testing.T) { playRandomly(t, o, seed, steps) })
		}
	}
}

func playRandomly(t *testing.T, o worldOptions, seed uint64, steps int) {
	p := &player{world: newWorld(t, o), options: o, damaged: make(map[int]bool)}
	p.random = rand.New(rand.NewPCG(seed, 7))
	for i := range 6 {
		tenant := warehouse.Tenant([]string{"acme", "beta"}[i%2])
		p.parts = append(p.parts, p.store(uint8(i%3), tenant, map[warehouse.Table]int{samples: 1 + p.random.IntN(9000), series: p.random.IntN(100)}))
	}
	p.faulty.Break(objecttest.FaultPlan{Seed: seed, Rules: []objecttest.Rule{
		{Fault: objecttest.FailBefore, Chance: 0.03}, {Fault: objecttest.TimeoutAfter, Chance: 0.03}, {Fault: objecttest.Short, Chance: 0.05},
		{Fault: objecttest.Flipped, Chance: 0.05}, {Fault: objecttest.Missing, Chance: 0.03}, {Fault: objecttest.Cancel, Chance: 0.02},
	}})
	actions := []struct {
		weight int
		do     func()
	}{
		{30, p.acquireOne}, {25, p.releaseOne}, {15, p.readOne}, {8, p.putOne},
		{4, p.forgetOne}, {10, p.damageCopy}, {4, p.damageObject}, {1, p.reopen},
	}
	for range steps {
		n := p.random.IntN(97)
		for _, a := range actions {
			if n -= a.weight; n < 0 {
				a.do()
				break
			}
		}
		for _, h := range p.held {
			got, err := os.ReadFile(h.local.Path)
			require.NoError(t, err, "a held file is gone; trace: %q", p.trace)
			p.equal(h.want, got, h.local.Path)
		}
	}
	for len(p.held) > 0 {
		p.releaseOne()
	}
	p.checkSums()
}

// checkSums compares what the cache counts with what is there. Nothing is held.
func (p *player) checkSums() {
	c := p.cache
	require.Zero(p.t, p.count("pins"))
	var disk int64
	idle := 0
	for f := c.mu.idle.oldest; f != nil; f = f.newer {
		idle++
		disk += f.disk
	}
	require.Equal(p.t, disk, c.mu.disk)
	require.EqualValues(p.t, disk, p.count("disk_bytes"))
	require.LessOrEqual(p.t, disk, max(c.maxBytes, 0))
	copies := 0
	for key, f := range c.mu.files {
		require.Equal(p.t, key, f.key)
		require.Contains(p.t, c.mu.objects[key.object], f)
		require.Nil(p.t, f.busy)
		if !f.inPlace {
			copies++
		}
	}
	require.Equal(p.t, idle, copies)
	for _, path := range p.files() {
		require.NotEqual(p.t, tempSuffix, filepath.Ext(path))
	}
	require.LessOrEqual(p.t, len(p.files()), copies, "files without an entry are lost space")
	require.Empty(p.t, c.mu.reads)
}

// TestConcurrentUse has many goroutines acquire, read, offer and forget the same
// few sections of a small cache over a bucket that goes wrong.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	for _, o := range []worldOptions{{maxBytes: 30_000}, {inPlace: true, maxBytes: 30_000}} {
		w := newWorld(t, o)
		var parts []stored
		for i := range 5 {
			parts = append(parts, w.store(uint8(i%2), warehouse.Tenant([]string{"acme", "beta"}[i%2]), map[warehouse.Table]int{samples: 9000, series: 10}))
		}
		w.faulty.Break(objecttest.FaultPlan{Seed: 5, Rules: []objecttest.Rule{
			{Fault: objecttest.FailBefore, Chance: 0.05}, {Fault: objecttest.Flipped, Chance: 0.05}, {Fault: objecttest.Missing, Chance: 0.02},
		}})
		var wg sync.WaitGroup
		for id := range 6 {
			wg.Go(func() {
				random := rand.New(rand.NewPCG(uint64(id), 3))
				for range 150 {
					useOnce(t, w.cache, parts[random.IntN(len(parts))], random)
				}
			})
		}
		wg.Wait()
		(&player{world: w}).checkSums()
	}
}

func useOnce(t *testing.T, c *Sections, s stored, random *rand.Rand) {
	table := s.Sections[random.IntN(len(s.Sections))].Table
	switch n := random.IntN(20); {
	case n == 0:
		c.Forget(s.Object)
	case n < 3:
		c.Put(s.Part, table, s.data[table])
	case n < 7:
		got, err := c.Read(t.Context(), s.Part, table)
		if err != nil {
			assert.Contains(t, allowed, warehouse.KindOf(err), "%v", err)
			return
		}
		assert.True(t, bytes.Equal(s.data[table], got), "wrong bytes")
	default:
		l, err := c.Acquire(t.Context(), s.Part, table)
		if err != nil {
			assert.Contains(t, allowed, warehouse.KindOf(err), "%v", err)
			return
		}
		for range 1 + random.IntN(3) {
			got, err := os.ReadFile(l.Path)
			assert.NoError(t, err, "a held file is gone")
			assert.True(t, bytes.Equal(s.data[table], got), "wrong bytes")
		}
		l.Release()
	}
}

// TestTenantsAreApart: parts that differ in nothing but the tenant have their
// own bytes, whoever asks first.
func TestTenantsAreApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	id := ulid.Make()
	var parts []stored
	for _, tenant := range []warehouse.Tenant{"acme", "beta", "Acme"} {
		s := w.describe(1, tenant, map[warehouse.Table]int{samples: 500})
		s.Object = id
		w.put(s)
		parts = append(parts, s)
	}
	for range 2 {
		for _, s := range parts {
			data, err := w.cache.Read(t.Context(), s.Part, samples)
			require.NoError(t, err)
			require.Equal(t, s.data[samples], data)
			w.touch(s, samples)
		}
	}
}

// BenchmarkAcquireWarm measures what a query pays for sections that are there:
// 100 of them an operation.
//
//	go test -run - -bench AcquireWarm ./warehouse/cache
func BenchmarkAcquireWarm(b *testing.B) {
	for _, inPlace := range []bool{false, true} {
		b.Run(fmt.Sprintf("inPlace=%t", inPlace), func(b *testing.B) {
			w := newWorld(b, worldOptions{inPlace: inPlace})
			var parts []stored
			for range 100 {
				parts = append(parts, w.store(1, "acme", map[warehouse.Table]int{samples: 1000}))
				w.touch(parts[len(parts)-1], samples)
			}
			b.ReportAllocs()
			for b.Loop() {
				for _, s := range parts {
					l, err := w.cache.Acquire(b.Context(), s.Part, samples)
					if err != nil {
						b.Fatal(err)
					}
					l.Release()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/section")
		})
	}
}

// BenchmarkPut measures the write-through of one new 64 KiB section, with the
// eviction of an old one once the budget is used up.
//
//	go test -run - -bench 'Put$' ./warehouse/cache
func BenchmarkPut(b *testing.B) {
	w := newWorld(b, worldOptions{maxBytes: 64 << 20})
	s := w.describe(0, "acme", map[warehouse.Table]int{samples: 64 << 10})
	b.ReportAllocs()
	b.SetBytes(64 << 10)
	for i := 0; b.Loop(); i++ {
		s.Object[9], s.Object[10], s.Object[11], s.Object[12] = byte(i>>24), byte(i>>16), byte(i>>8), byte(i)
		w.cache.Put(s.Part, samples, s.data[samples])
	}
}

// BenchmarkOpen measures the adoption of 10,000 copies in 2,500 folders.
//
//	go test -run - -bench Open ./warehouse/cache
func BenchmarkOpen(b *testing.B) {
	w := newWorld(b, worldOptions{})
	for range 2500 {
		s := w.describe(0, "acme", map[warehouse.Table]int{samples: 10, profiles: 10, series: 10, stacktraces: 10})
		for _, section := range s.Sections {
			w.cache.Put(s.Part, section.Table, s.data[section.Table])
		}
	}
	for b.Loop() {
		w.open(worldOptions{})
	}
	require.Len(b, w.cache.mu.files, 10_000)
}
