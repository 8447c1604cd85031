package cache

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
	"github.com/stackhouse-db/stackhouse/warehouse/object/objecttest"
)

const hour = warehouse.Hour(489_000)

// stored is a part with the bytes of its sections. The cache does not read
// Parquet, so any bytes do.
type stored struct {
	*warehouse.Part
	data map[warehouse.Table][]byte
}

// world is a cache over a bucket with parts in it.
type world struct {
	t      testing.TB
	random *rand.Rand
	bucket object.Bucket      // without faults
	faulty *objecttest.Faulty // what the cache sees, unless it is in place
	dir    string
	cache  *Sections
	ids    uint64

	registry *prometheus.Registry // of the cache
}

type worldOptions struct {
	maxBytes int64
	inPlace  bool
}

func newWorld(t testing.TB, o worldOptions) *world {
	w := &world{t: t, random: rand.New(rand.NewPCG(1, 2)), dir: filepath.Join(t.TempDir(), "cache"), bucket: object.NewMemory()}
	w.faulty = objecttest.NewFaulty(w.bucket, objecttest.FaultPlan{})
	if o.inPlace {
		b, err := object.NewFilesystem(t.TempDir())
		require.NoError(t, err)
		w.bucket = b
	}
	w.open(o)
	return w
}

// open opens the cache, again if it was open.
func (w *world) open(o worldOptions) {
	var bucket object.Bucket = w.faulty
	if o.inPlace {
		bucket = w.bucket
	}
	w.registry = prometheus.NewRegistry()
	c, err := OpenSections(SectionsOptions{Dir: w.dir, MaxBytes: o.maxBytes, Bucket: bucket, Registry: w.registry})
	require.NoError(w.t, err)
	w.cache = c
}

func (w *world) bytes(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(w.random.Uint32())
	}
	return data
}

// store puts an object with one part of the tenant whose sections have the sizes.
func (w *world) store(level uint8, tenant warehouse.Tenant, sizes map[warehouse.Table]int) stored {
	s := w.describe(level, tenant, sizes)
	w.put(s)
	return s
}

// describe makes a part without storing it.
func (w *world) describe(level uint8, tenant warehouse.Tenant, sizes map[warehouse.Table]int) stored {
	w.ids++
	p := &warehouse.Part{Object: ulid.ULID{1: 0xfe, 2: 0xdc, 14: byte(w.ids >> 8), 15: byte(w.ids)}, Level: level, Tenant: tenant, Hour: hour}
	s := stored{Part: p, data: make(map[warehouse.Table][]byte)}
	offset := int64(4)
	for t := warehouse.TableSamples; t <= warehouse.TableStackTotals; t++ {
		n, ok := sizes[t]
		if !ok {
			continue
		}
		s.data[t] = w.bytes(n)
		section := warehouse.Section{Table: t, Size: int64(n), CRC: crc32.Checksum(s.data[t], castagnoli)}
		if level == 0 {
			section.Offset = offset
			offset += int64(n)
		}
		p.Sections = append(p.Sections, section)
	}
	return s
}

func (w *world) put(s stored) {
	file := []byte("SSEG")
	for _, section := range s.Sections {
		if s.Level > 0 {
			require.NoError(w.t, w.bucket.Put(w.t.Context(), block.SectionName(s.Part, section.Table), s.data[section.Table]))
		}
		file = append(file, s.data[section.Table]...)
	}
	if s.Level == 0 {
		require.NoError(w.t, w.bucket.Put(w.t.Context(), block.SectionName(s.Part, 0), append(file, "footer"...)))
	}
}

func (w *world) acquire(s stored, t warehouse.Table) *Local {
	w.t.Helper()
	l, err := w.cache.Acquire(w.t.Context(), s.Part, t)
	require.NoError(w.t, err)
	got, err := os.ReadFile(l.Path)
	require.NoError(w.t, err)
	require.True(w.t, bytes.Equal(s.data[t], got), "bytes of %s", l.Path)
	return l
}

// touch acquires and releases, and returns the path.
func (w *world) touch(s stored, t warehouse.Table) string {
	w.t.Helper()
	l := w.acquire(s, t)
	l.Release()
	return l.Path
}

func (w *world) reads() int { return w.faulty.Calls(objecttest.OpRead) }

// count returns the value of a metric, stackhouse_cache_section_<name>, with the
// outcome if it has that label.
func (w *world) count(name string, outcome ...string) float64 {
	w.t.Helper()
	families, err := w.registry.Gather()
	require.NoError(w.t, err)
	for _, f := range families {
		if f.GetName() != "stackhouse_cache_section_"+name {
			continue
		}
		for _, m := range f.GetMetric() {
			if len(outcome) == 0 || m.GetLabel()[0].GetValue() == outcome[0] {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
		return 0
	}
	require.NotEmpty(w.t, outcome, "no metric %s", name)
	return 0
}

// overwrite changes a file's bytes and gives it a time of its own, since two
// writes may fall into one tick of the file system's clock.
func (w *world) overwrite(path string, data []byte) {
	w.t.Helper()
	require.NoError(w.t, os.WriteFile(path, data, 0o600))
	w.ids++
	at := time.Unix(1_000_000_000+int64(w.ids), 0)
	require.NoError(w.t, os.Chtimes(path, at, at))
}

// files returns the cache's files, relative to its folder.
func (w *world) files() []string {
	var found []string
	require.NoError(w.t, filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(w.dir, path)
			found = append(found, rel)
		}
		return err
	}))
	return found
}

func wantKind(t *testing.T, kind warehouse.Kind, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, kind, warehouse.KindOf(err), "kind of %v", err)
}

const (
	samples     = warehouse.TableSamples
	profiles    = warehouse.TableProfiles
	series      = warehouse.TableSeries
	stacktraces = warehouse.TableStacktraces
)

var sizes = map[warehouse.Table]int{samples: 5000, profiles: 100, series: 1, stacktraces: 0}

func TestAcquireCopies(t *testing.T) {
	t.Parallel()
	for _, level := range []uint8{0, 1} {
		t.Run(fmt.Sprintf("level %d", level), func(t *testing.T) {
			w := newWorld(t, worldOptions{})
			s := w.store(level, "acme", sizes)
			for _, table := range []warehouse.Table{samples, profiles, series, stacktraces} {
				path := w.touch(s, table)
				require.Equal(t, filepath.Join(w.dir, "acme", s.Object.String(), fmt.Sprintf("489000-%s.parquet", table)), path)
			}
			reads := w.reads()
			for range 3 {
				w.touch(s, samples)
			}
			require.Equal(t, reads, w.reads(), "a warm section needs no bucket")
			require.EqualValues(t, 3, w.count("acquires_total", outcomeHit))
			require.EqualValues(t, 4, w.count("acquires_total", outcomeFetched))
			require.EqualValues(t, (2+1+1+1)*4096, w.count("disk_bytes"))
			require.Zero(t, w.count("pins"))
			require.Len(t, w.files(), 4)
		})
	}
}

func TestAcquireInPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{inPlace: true})
	s := w.store(1, "acme", sizes)
	path := w.touch(s, samples)
	want, ok := w.bucket.LocalPath(block.SectionName(s.Part, samples))
	require.True(t, ok)
	require.Equal(t, want, path)
	w.touch(s, samples)
	require.EqualValues(t, 1, w.count("acquires_total", outcomeVerified))
	require.EqualValues(t, 1, w.count("acquires_total", outcomeHit))
	require.Empty(t, w.files())
	require.Zero(t, w.count("disk_bytes"))

	segment := w.store(0, "acme", sizes)
	require.True(t, strings.HasPrefix(w.touch(segment, samples), w.dir), "a segment's section is a range: it is copied")
}

func TestAcquireLargeSection(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	for _, n := range []int{fetchBytes - 1, fetchBytes, fetchBytes + 1} {
		w.touch(w.store(0, "acme", map[warehouse.Table]int{series: 7, samples: n}), samples)
	}
	require.Equal(t, 1+1+2, w.reads())
}

func TestAcquireOfNoSection(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	s := w.store(0, "acme", map[warehouse.Table]int{samples: 1})
	_, err := w.cache.Acquire(t.Context(), s.Part, series)
	wantKind(t, warehouse.NotFound, err)
	_, err = w.cache.Read(t.Context(), s.Part, series)
	wantKind(t, warehouse.NotFound, err)
	w.cache.Put(s.Part, series, nil)
	require.Empty(t, w.files())
}

func TestHostileParts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	good := w.store(0, "acme", map[warehouse.Table]int{samples: 100})
	w.touch(good, samples)
	tests := []struct {
		name   string
		change func(*warehouse.Part)
		kind   warehouse.Kind
	}{
		{"tenant leaves the folder", func(p *warehouse.Part) { p.Tenant = "../../etc" }, warehouse.Invalid},
		{"tenant is a parent", func(p *warehouse.Part) { p.Tenant = ".." }, warehouse.Invalid},
		{"no tenant", func(p *warehouse.Part) { p.Tenant = "" }, warehouse.Invalid},
		{"negative size", func(p *warehouse.Part) { p.Sections[0].Size = -1 }, warehouse.Corrupt},
		{"negative offset", func(p *warehouse.Part) { p.Sections[0].Offset = -1 }, warehouse.Corrupt},
		{"end overflows", func(p *warehouse.Part) { p.Sections[0].Offset = 1<<63 - 1 }, warehouse.Corrupt},
		{"size beyond the object", func(p *warehouse.Part) { p.Sections[0].Size = 1 << 60 }, warehouse.Corrupt},
		{"other checksum", func(p *warehouse.Part) { p.Sections[0].CRC++ }, warehouse.Corrupt},
		{"other offset", func(p *warehouse.Part) { p.Sections[0].Offset++ }, warehouse.Corrupt},
		{"other object", func(p *warehouse.Part) { p.Shard++ }, warehouse.Corrupt},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := w.store(0, "acme", map[warehouse.Table]int{samples: 100})
			tt.change(s.Part)
			_, err := w.cache.Acquire(t.Context(), s.Part, samples)
			wantKind(t, tt.kind, err)
			_, err = w.cache.Read(t.Context(), s.Part, samples)
			wantKind(t, tt.kind, err)
			w.cache.Put(s.Part, samples, []byte("other bytes"))
			require.Equal(t, []string{filepath.Join("acme", good.Object.String(), "489000-samples.parquet")}, w.files(), "nothing is evicted for it")
			require.EqualValues(t, 4096, w.count("disk_bytes"))
		})
	}
	_, err := os.Stat(filepath.Join(w.dir, "..", "..", "etc"))
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestContradictingDescriptions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	s := w.store(0, "acme", map[warehouse.Table]int{samples: 100})
	w.touch(s, samples)
	other := *s.Part
	other.Sections = []warehouse.Section{s.Sections[0]}
	other.Sections[0].CRC++
	_, err := w.cache.Acquire(t.Context(), &other, samples)
	wantKind(t, warehouse.Internal, err)
	_, err = w.cache.Read(t.Context(), &other, samples)
	wantKind(t, warehouse.Corrupt, err)
	w.touch(s, samples)
}

// TestBucketFaults: what the bucket does wrong once is bridged or an error, what
// it does wrong always is an error of the right kind, and never other bytes.
func TestBucketFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		fault        objecttest.Fault
		once, always warehouse.Kind
	}{
		{objecttest.FailBefore, warehouse.Unavailable, warehouse.Unavailable},
		{objecttest.FailAfter, warehouse.Unavailable, warehouse.Unavailable},
		{objecttest.TimeoutBefore, warehouse.Deadline, warehouse.Deadline},
		{objecttest.Cancel, warehouse.Canceled, warehouse.Canceled},
		{objecttest.Short, none, warehouse.Corrupt},
		{objecttest.Flipped, none, warehouse.Corrupt},
		{objecttest.Missing, none, warehouse.Corrupt},
	}
	for _, tt := range tests {
		t.Run(tt.fault.String(), func(t *testing.T) {
			w := newWorld(t, worldOptions{})
			s := w.store(0, "acme", map[warehouse.Table]int{samples: 100})
			get := map[string]func() error{
				"acquire": func() error {
					l, err := w.cache.Acquire(t.Context(), s.Part, samples)
					if err == nil {
						w.touch(s, samples)
					}
					l.Release()
					return err
				},
				"read": func() error {
					data, err := w.cache.Read(t.Context(), s.Part, samples)
					if err == nil {
						require.Equal(t, s.data[samples], data)
					}
					return err
				},
			}
			for _, name := range []string{"read", "acquire"} {
				w.faulty.Break(objecttest.FaultPlan{Rules: []objecttest.Rule{{Fault: tt.fault, Chance: 1}}})
				wantKind(t, tt.always, get[name]())
				require.Empty(t, w.files())
				require.Zero(t, w.count("disk_bytes"))
				w.faulty.Break(objecttest.FaultPlan{Rules: []objecttest.Rule{{Fault: tt.fault, Nth: 1}}})
				if err := get[name](); tt.once == none {
					require.NoError(t, err)
				} else {
					wantKind(t, tt.once, err)
				}
				w.faulty.Heal()
				require.NoError(t, get[name]())
			}
			require.Zero(t, w.count("pins"))
		})
	}
}

const none = warehouse.NumKinds

func TestCorruptErrorNamesEverything(t *testing.T) {
	t.Parallel()
	for _, inPlace := range []bool{false, true} {
		w := newWorld(t, worldOptions{inPlace: inPlace})
		s := w.store(1, "acme", map[warehouse.Table]int{samples: 100})
		name := block.SectionName(s.Part, samples)
		damaged := bytes.Clone(s.data[samples])
		damaged[50] ^= 4
		require.NoError(t, w.bucket.Put(t.Context(), name, damaged))
		_, acquireErr := w.cache.Acquire(t.Context(), s.Part, samples)
		_, readErr := w.cache.Read(t.Context(), s.Part, samples)
		for _, err := range []error{acquireErr, readErr} {
			wantKind(t, warehouse.Corrupt, err)
			for _, part := range []string{
				name, "samples", "acme",
				fmt.Sprintf("%08x", s.Sections[0].CRC), fmt.Sprintf("%08x", crc32.Checksum(damaged, castagnoli)),
			} {
				assert.Contains(t, err.Error(), part)
			}
		}
		require.EqualValues(t, 2, w.count("corrupt_total"))

		require.NoError(t, w.bucket.Put(t.Context(), name, s.data[samples][:99]))
		_, err := w.cache.Acquire(t.Context(), s.Part, samples)
		wantKind(t, warehouse.Corrupt, err)
		assert.Contains(t, err.Error(), "99")
		assert.Contains(t, err.Error(), "100")

		require.NoError(t, w.bucket.Put(t.Context(), name, s.data[samples]))
		w.touch(s, samples)
	}
}

func TestDamagedCopyIsFetchedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	s := w.store(0, "acme", map[warehouse.Table]int{samples: 5000})
	path := w.touch(s, samples)
	damages := map[string]func(){
		"flipped": func() {
			data := bytes.Clone(s.data[samples])
			data[17] ^= 1
			w.overwrite(path, data)
		},
		"cut":     func() { w.overwrite(path, s.data[samples][:4000]) },
		"empty":   func() { w.overwrite(path, nil) },
		"longer":  func() { w.overwrite(path, append(bytes.Clone(s.data[samples]), 0)) },
		"deleted": func() { require.NoError(t, os.Remove(path)) },
		"all deleted": func() {
			require.NoError(t, os.RemoveAll(w.dir))
		},
	}
	for name, damage := range damages {
		damage()
		reads := w.reads()
		require.Equal(t, path, w.touch(s, samples), name)
		require.Equal(t, reads+1, w.reads(), name)
		damage()
		data, err := w.cache.Read(t.Context(), s.Part, samples)
		require.NoError(t, err)
		require.Equal(t, s.data[samples], data)
		w.touch(s, samples)
	}
	require.EqualValues(t, 4*3, w.count("damaged_copies_total"), "4 damages, found by acquire, by read and by the acquire after it")

	w.overwrite(path, s.data[samples]) // another time, the same bytes
	reads := w.reads()
	w.touch(s, samples)
	require.Equal(t, reads, w.reads())
	require.EqualValues(t, 1, w.count("acquires_total", outcomeVerified))
}

// TestDamageWhilePinned: who comes later gets right bytes at once.
func TestDamageWhilePinned(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	s := w.store(0, "acme", map[warehouse.Table]int{samples: 100})
	first := w.acquire(s, samples)
	w.overwrite(first.Path, []byte("garbage"))
	second := w.acquire(s, samples)

	w.overwrite(first.Path, []byte("garbage"))
	w.faulty.Break(objecttest.FaultPlan{Rules: []objecttest.Rule{{Fault: objecttest.FailBefore, Chance: 1}}})
	_, err := w.cache.Acquire(t.Context(), s.Part, samples)
	wantKind(t, warehouse.Unavailable, err)
	require.NoFileExists(t, first.Path, "better no file than a wrong one")
	w.faulty.Heal()
	third := w.acquire(s, samples)
	first.Release()
	second.Release()
	require.FileExists(t, third.Path)
	third.Release()
	require.Zero(t, w.count("pins"))
	require.EqualValues(t, 4096, w.count("disk_bytes"))
}

func TestInPlaceChangeIsNoticed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{inPlace: true})
	s := w.store(1, "acme", map[warehouse.Table]int{samples: 1000})
	path := w.touch(s, samples)
	damaged := bytes.Clone(s.data[samples])
	damaged[999] ^= 0x80
	w.overwrite(path, damaged)
	for range 2 {
		_, err := w.cache.Acquire(t.Context(), s.Part, samples)
		wantKind(t, warehouse.Corrupt, err)
	}
	require.FileExists(t, path, "the bucket's files are not ours to remove")
	w.overwrite(path, s.data[samples])
	w.touch(s, samples)
	require.NoError(t, os.Remove(path))
	_, err := w.cache.Acquire(t.Context(), s.Part, samples)
	wantKind(t, warehouse.Corrupt, err)
	root, _ := w.bucket.LocalPath("x")
	require.NoError(t, os.RemoveAll(filepath.Dir(root)))
	_, err = w.cache.Acquire(t.Context(), s.Part, samples)
	wantKind(t, warehouse.Unavailable, err) // an unmounted disk is no damage
	require.Zero(t, w.count("pins"))
}

func TestPut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	s := w.store(0, "acme", sizes)
	for _, section := range s.Sections {
		w.cache.Put(s.Part, section.Table, s.data[section.Table])
		w.cache.Put(s.Part, section.Table, s.data[section.Table])
		w.touch(s, section.Table)
	}
	require.Zero(t, w.reads())
	require.EqualValues(t, 4, w.count("puts_total", outcomeStored))
	require.EqualValues(t, 4, w.count("puts_total", outcomePresent))
	require.Zero(t, w.count("pins"))

	s = w.store(0, "acme", sizes)
	w.cache.Put(s.Part, samples, s.data[profiles])
	wrong := bytes.Clone(s.data[samples])
	wrong[0]++
	w.cache.Put(s.Part, samples, wrong)
	require.EqualValues(t, 2, w.count("puts_total", outcomeFailed))
	w.touch(s, samples)
	require.Equal(t, 1, w.reads())

	inPlace := newWorld(t, worldOptions{inPlace: true})
	s = inPlace.store(1, "acme", sizes)
	inPlace.cache.Put(s.Part, samples, s.data[samples])
	require.Empty(t, inPlace.files())
}

func TestEviction(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{maxBytes: 3 * 8192})
	var parts []stored
	for range 5 {
		parts = append(parts, w.store(0, "acme", map[warehouse.Table]int{samples: 8000}))
	}
	isCached := func(i int) bool {
		_, err := os.Stat(w.cache.path(sectionKey{"acme", parts[i].Object, hour, samples}))
		return err == nil
	}
	wantCached := func(want ...bool) {
		t.Helper()
		var got []bool
		for i := range want {
			got = append(got, isCached(i))
		}
		require.Equal(t, want, got)
	}
	for i := range 3 {
		w.touch(parts[i], samples)
	}
	w.touch(parts[0], samples) // 1 is now the oldest
	w.touch(parts[3], samples)
	wantCached(true, false, true, true, false)

	pinned := []*Local{w.acquire(parts[2], samples), w.acquire(parts[0], samples), w.acquire(parts[2], samples)}
	w.cache.Put(parts[4].Part, samples, parts[4].data[samples])
	wantCached(true, false, true, false, true)
	w.touch(parts[1], samples)
	wantCached(true, true, true, false, false)
	over := []*Local{w.acquire(parts[1], samples), w.acquire(parts[3], samples), w.acquire(parts[4], samples)}
	wantCached(true, true, true, true, true) // all in use: over the budget
	require.EqualValues(t, 5*8192, w.count("disk_bytes"))
	for _, l := range append(pinned, over...) {
		require.FileExists(t, l.Path)
		l.Release()
		l.Release()
	}
	wantCached(false, true, false, true, true)
	require.EqualValues(t, 3*8192, w.count("disk_bytes"))
	require.Zero(t, w.count("pins"))
	entries, err := os.ReadDir(filepath.Join(w.dir, "acme"))
	require.NoError(t, err)
	require.Len(t, entries, 3, "folders of evicted objects are removed")

	big := w.store(0, "acme", map[warehouse.Table]int{samples: 100_000})
	l := w.acquire(big, samples) // larger than the budget
	require.Len(t, w.files(), 1)
	l.Release()
	require.Empty(t, w.files())
	require.Zero(t, w.count("disk_bytes"))
}

func TestForget(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	s, other := w.store(0, "acme", sizes), w.store(0, "acme", sizes)
	w.touch(s, series)
	w.touch(other, series)
	l := w.acquire(s, samples)
	w.cache.Forget(s.Object)
	w.cache.Forget(ulid.Make())
	require.ElementsMatch(t, []string{
		filepath.Join("acme", s.Object.String(), "489000-samples.parquet"),
		filepath.Join("acme", other.Object.String(), "489000-series.parquet"),
	}, w.files())
	again := w.acquire(s, samples)
	l.Release()
	require.FileExists(t, again.Path)
	again.Release()
	require.Len(t, w.files(), 1)
	require.EqualValues(t, 4096, w.count("disk_bytes"))
	w.touch(s, samples) // is fetched again if somebody insists
	require.Len(t, w.files(), 2)

	inPlace := newWorld(t, worldOptions{inPlace: true})
	s = inPlace.store(1, "acme", sizes)
	l = inPlace.acquire(s, samples)
	path := inPlace.touch(s, series)
	inPlace.cache.Forget(s.Object)
	l.Release()
	require.FileExists(t, path)
	require.FileExists(t, l.Path)
	require.Empty(t, inPlace.cache.mu.files)
	require.Empty(t, inPlace.cache.mu.objects)
}

func TestReopen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	s := w.store(0, "acme", map[warehouse.Table]int{samples: 5000, series: 100, profiles: 100})
	lone := w.store(0, "beta", map[warehouse.Table]int{samples: 10})
	for _, table := range []warehouse.Table{samples, series, profiles} {
		w.touch(s, table)
	}
	require.NoError(t, w.cache.Close())

	folder := filepath.Join(w.dir, "acme", s.Object.String())
	w.overwrite(filepath.Join(folder, "489000-series.parquet"), make([]byte, 100)) // a power loss
	unfinished := filepath.Join(w.dir, "beta", lone.Object.String(), "489000-samples.parquet.tmp")
	require.NoError(t, os.MkdirAll(filepath.Dir(unfinished), 0o700))
	require.NoError(t, os.WriteFile(unfinished, []byte("half"), 0o600))
	foreign := []string{
		filepath.Join(folder, "notes.txt"), filepath.Join(folder, "0489000-samples.parquet"),
		filepath.Join(w.dir, "acme", "README"), filepath.Join(w.dir, "__x", "y.tmp"),
		filepath.Join(w.dir, "acme", strings.ToLower(s.Object.String()), "1-samples.parquet"),
	}
	for _, path := range foreign {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte("not ours"), 0o600))
	}

	w.open(worldOptions{})
	require.EqualValues(t, 4*4096, w.count("disk_bytes"))
	require.NoFileExists(t, unfinished)
	require.NoDirExists(t, filepath.Dir(unfinished))
	for _, path := range foreign {
		require.FileExists(t, path)
	}
	reads := w.reads()
	w.touch(s, samples)
	data, err := w.cache.Read(t.Context(), s.Part, profiles)
	require.NoError(t, err)
	require.Equal(t, s.data[profiles], data)
	require.Equal(t, reads, w.reads(), "copies that are right need no bucket")
	w.touch(s, series)
	require.Equal(t, reads+1, w.reads())
	require.EqualValues(t, 1, w.count("damaged_copies_total"))

	for i, table := range []warehouse.Table{series, samples, profiles} { // ages, oldest first
		at := time.Now().Add(time.Duration(i-10) * time.Hour)
		require.NoError(t, os.Chtimes(w.cache.path(sectionKey{"acme", s.Object, hour, table}), at, at))
	}
	w.open(worldOptions{maxBytes: 4096})
	require.FileExists(t, filepath.Join(folder, "489000-profiles.parquet"))
	require.NoFileExists(t, filepath.Join(folder, "489000-samples.parquet"))
	require.NoFileExists(t, filepath.Join(folder, "489000-series.parquet"))
}

func TestRead(t *testing.T) {
	t.Parallel()
	for _, inPlace := range []bool{false, true} {
		for _, level := range []uint8{0, 1} {
			w := newWorld(t, worldOptions{inPlace: inPlace})
			s := w.store(level, "acme", sizes)
			for range 2 {
				for _, section := range s.Sections {
					data, err := w.cache.Read(t.Context(), s.Part, section.Table)
					require.NoError(t, err)
					require.True(t, bytes.Equal(s.data[section.Table], data))
				}
			}
			require.Empty(t, w.files(), "reading leaves nothing on disk")
			require.EqualValues(t, 8, w.count("reads_total", outcomeFetched))
			w.touch(s, samples)
			_, err := w.cache.Read(t.Context(), s.Part, samples)
			require.NoError(t, err)
			require.EqualValues(t, 1, w.count("reads_total", outcomeHit))
			require.Zero(t, w.count("pins"))
		}
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	s := w.store(0, "acme", sizes)
	l := w.acquire(s, samples)
	require.NoError(t, w.cache.Close())
	require.Error(t, w.cache.Close())
	_, err := w.cache.Acquire(t.Context(), s.Part, samples)
	wantKind(t, warehouse.Unavailable, err)
	_, err = w.cache.Read(t.Context(), s.Part, series)
	wantKind(t, warehouse.Unavailable, err)
	w.cache.Put(s.Part, series, s.data[series])
	require.Len(t, w.files(), 1)
	require.FileExists(t, l.Path)
	l.Release()
	(*Local)(nil).Release()
}

func TestUnusableFolder(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := OpenSections(SectionsOptions{Dir: file, Bucket: object.NewMemory()})
	wantKind(t, warehouse.Unavailable, err)
	_, err = OpenSections(SectionsOptions{Bucket: object.NewMemory()})
	wantKind(t, warehouse.Invalid, err)
	_, err = OpenSections(SectionsOptions{Dir: t.TempDir()})
	wantKind(t, warehouse.Invalid, err)
	_, err = OpenSections(SectionsOptions{Dir: t.TempDir(), Bucket: object.NewMemory(), MaxBytes: -1})
	wantKind(t, warehouse.Invalid, err)

	w := newWorld(t, worldOptions{})
	s := w.store(0, "acme", sizes)
	tenant := filepath.Join(w.dir, "acme")
	require.NoError(t, os.WriteFile(tenant, nil, 0o600)) // where a folder should be
	_, err = w.cache.Acquire(t.Context(), s.Part, samples)
	wantKind(t, warehouse.Unavailable, err)
	w.cache.Put(s.Part, series, s.data[series])
	require.EqualValues(t, 1, w.count("puts_total", outcomeFailed))
	data, err := w.cache.Read(t.Context(), s.Part, samples)
	require.NoError(t, err, "reading needs no disk")
	require.Equal(t, s.data[samples], data)
	require.NoError(t, os.Remove(tenant))
	w.touch(s, samples)
}

// gate is a bucket whose reads wait until they are let through.
type gate struct {
	object.Bucket
	arrived chan string   // names of objects whose reads wait
	open    chan struct{} // each receive lets one read through
}

func (g gate) Read(ctx context.Context, name string, off, n int64) ([]byte, error) {
	g.arrived <- name
	select {
	case <-g.open:
		return g.Bucket.Read(ctx, name, off, n)
	case <-ctx.Done():
		return nil, warehouse.Errorf(warehouse.KindOf(ctx.Err()), "read object %s: %w", name, ctx.Err())
	}
}

func newGate(t *testing.T, w *world) gate {
	g := gate{w.bucket, make(chan string, 100), make(chan struct{})}
	w.cache.bucket = g
	return g
}

func TestSingleFlight(t *testing.T) {
	t.Parallel()
	type get func(context.Context, *world, stored) error
	gets := map[string]get{
		"acquire": func(ctx context.Context, w *world, s stored) error {
			l, err := w.cache.Acquire(ctx, s.Part, samples)
			l.Release()
			return err
		},
		"read": func(ctx context.Context, w *world, s stored) error {
			data, err := w.cache.Read(ctx, s.Part, samples)
			if err == nil && !bytes.Equal(data, s.data[samples]) {
				err = fmt.Errorf("wrong bytes")
			}
			return err
		},
	}
	for name, get := range gets {
		t.Run(name+": many wait for one", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, worldOptions{})
				s := w.store(0, "acme", map[warehouse.Table]int{samples: 100})
				g := newGate(t, w)
				var wg sync.WaitGroup
				for range 20 {
					wg.Go(func() { assert.NoError(t, get(t.Context(), w, s)) })
				}
				synctest.Wait() // all are blocked
				require.Len(t, g.arrived, 1)
				g.open <- struct{}{}
				wg.Wait()
				require.Len(t, g.arrived, 1, "one read served all")
				require.Zero(t, w.count("pins"))
				require.Empty(t, w.cache.mu.reads)
			})
		})
		t.Run(name+": an error is everyone's", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, worldOptions{})
				s := w.describe(0, "acme", map[warehouse.Table]int{samples: 100}) // not in the bucket
				g := newGate(t, w)
				var wg sync.WaitGroup
				for range 5 {
					wg.Go(func() { assert.Equal(t, warehouse.Corrupt, warehouse.KindOf(get(t.Context(), w, s))) })
				}
				synctest.Wait()
				for range fetchTries {
					g.open <- struct{}{}
				}
				wg.Wait()
				require.Len(t, g.arrived, fetchTries)
				require.Zero(t, w.count("pins"))
			})
		})
		t.Run(name+": tenants do not wait for each other", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, worldOptions{})
				s := w.store(0, "acme", map[warehouse.Table]int{samples: 100})
				other := stored{Part: &warehouse.Part{}, data: s.data}
				*other.Part = *s.Part
				other.Tenant = "beta"
				g := newGate(t, w)
				var wg sync.WaitGroup
				wg.Go(func() { assert.NoError(t, get(t.Context(), w, s)) })
				wg.Go(func() { assert.NoError(t, get(t.Context(), w, other)) })
				synctest.Wait()
				require.Len(t, g.arrived, 2)
				g.open <- struct{}{}
				g.open <- struct{}{}
				wg.Wait()
			})
		})
		t.Run(name+": a canceled leader fails alone", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, worldOptions{})
				s := w.store(0, "acme", map[warehouse.Table]int{samples: 100})
				g := newGate(t, w)
				ctx, cancel := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				wg.Go(func() { assert.Equal(t, warehouse.Canceled, warehouse.KindOf(get(ctx, w, s))) })
				synctest.Wait()
				for range 3 {
					wg.Go(func() { assert.NoError(t, get(t.Context(), w, s)) })
				}
				synctest.Wait()
				require.Len(t, g.arrived, 1)
				cancel()
				synctest.Wait()
				require.Len(t, g.arrived, 2, "one of the others takes over")
				g.open <- struct{}{}
				wg.Wait()
				require.Len(t, g.arrived, 2)
				require.Zero(t, w.count("pins"))
			})
		})
		t.Run(name+": who waits can leave", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, worldOptions{})
				s := w.store(0, "acme", map[warehouse.Table]int{samples: 100})
				g := newGate(t, w)
				var wg sync.WaitGroup
				wg.Go(func() { assert.NoError(t, get(t.Context(), w, s)) })
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // of the bubble's clock
				defer cancel()
				wantKind(t, warehouse.Deadline, get(ctx, w, s))
				g.open <- struct{}{}
				wg.Wait()
			})
		})
	}
}

// TestCanceledVerification: a canceled check of an adopted copy loses nothing.
func TestCanceledVerification(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{})
	s := w.store(0, "acme", map[warehouse.Table]int{samples: 100})
	w.touch(s, samples)
	w.open(worldOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := w.cache.Acquire(ctx, s.Part, samples)
	wantKind(t, warehouse.Canceled, err)
	require.EqualValues(t, 4096, w.count("disk_bytes"))
	require.Zero(t, w.count("pins"))
	reads := w.reads()
	w.touch(s, samples)
	require.Equal(t, reads, w.reads())
	require.Zero(t, w.count("damaged_copies_total"))
}

func TestReadWaitsForAFetch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		s := w.store(0, "acme", map[warehouse.Table]int{samples: 100})
		g := newGate(t, w)
		var wg sync.WaitGroup
		wg.Go(func() {
			l, err := w.cache.Acquire(t.Context(), s.Part, samples)
			assert.NoError(t, err)
			l.Release()
		})
		synctest.Wait()
		wg.Go(func() {
			data, err := w.cache.Read(t.Context(), s.Part, samples)
			assert.NoError(t, err)
			assert.Equal(t, s.data[samples], data)
		})
		synctest.Wait()
		g.open <- struct{}{}
		wg.Wait()
		require.Len(t, g.arrived, 1)
	})
}
