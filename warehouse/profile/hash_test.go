package profile

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zeebo/xxh3"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

var update = flag.Bool("update", false, "rewrite testdata/identity.txt: only ever to add to it")

// identity is the text of testdata/identity.txt while it is made.
type identity struct{ strings.Builder }

// record notes a record and returns its hash.
func (g *identity) record(what string, b []byte) uint64 {
	h := hashRecord(b)
	fmt.Fprintf(g, "%s\n", what)
	for rest := b; len(rest) > 0; rest = rest[min(16, len(rest)):] {
		fmt.Fprintf(g, "\t% x\n", rest[:min(16, len(rest))])
	}
	fmt.Fprintf(g, "\t= %016x %d\n\n", h, int64(h))
	return h
}

func (g *identity) function(name, system, file string, start int64) uint64 {
	return g.record(fmt.Sprintf("function name=%q system=%q file=%q start=%d", name, system, file, start), appendFunction(nil, name, system, file, start))
}

func (g *identity) location(base string, lines ...uint64) uint64 {
	b := appendLocation(nil, base, len(lines)/2)
	what := fmt.Sprintf("location mapping=%q lines=%d", base, len(lines)/2)
	for i := 0; i < len(lines); i += 2 {
		b = appendLine(b, lines[i], int64(lines[i+1]))
		what += fmt.Sprintf(" %016x:%d", lines[i], int64(lines[i+1]))
	}
	return g.record(what, b)
}

func (g *identity) address(binaryName string, address uint64) uint64 {
	return g.record(fmt.Sprintf("address binary=%q address=%#x", binaryName, address), appendAddress(nil, binaryName, address))
}

func (g *identity) stack(locations ...uint64) uint64 {
	s := symbolizer{}
	refs := make([]uint32, len(locations))
	for i, l := range locations {
		s.locations, refs[i] = append(s.locations, locationFact{hash: l, frames: 1}), uint32(i)
	}
	id, _, _ := s.stack(refs, 4096)
	b := appendStack(nil, len(locations))
	what := fmt.Sprintf("stack locations=%d", len(locations))
	for _, l := range locations {
		b = appendLE(b, l)
		what += fmt.Sprintf(" %016x", l)
	}
	h := g.record(what, b)
	if uint64(id) != h {
		fmt.Fprintf(g, "BUG: the stack id is %d\n", id)
	}
	return h
}

func (g *identity) series(t warehouse.ProfileType, ls warehouse.Labels) {
	h := g.record("series type="+t.String()+" labels="+ls.String(), appendSeries(nil, t.String(), ls))
	if uint64(SeriesIDOf(t, ls)) != h {
		fmt.Fprintf(g, "BUG: the series id is %d\n", SeriesIDOf(t, ls))
	}
}

func (g *identity) profile(ls warehouse.Labels, body string, ordinal uint64) {
	b := appendLE(append(appendLabels(nil, ls), body...), ordinal)
	fmt.Fprintf(g, "profile labels=%s body=%q ordinal=%d\n", ls, body, ordinal)
	for rest := b; len(rest) > 0; rest = rest[min(16, len(rest)):] {
		fmt.Fprintf(g, "\t% x\n", rest[:min(16, len(rest))])
	}
	fmt.Fprintf(g, "\t= %s\n\n", contentID(b))
}

func appendLE(b []byte, v uint64) []byte {
	for i := range 8 {
		b = append(b, byte(v>>(8*i)))
	}
	return b
}

var cpuType = warehouse.ProfileType{
	Name: "process_cpu", SampleType: "cpu", SampleUnit: "nanoseconds", PeriodType: "cpu", PeriodUnit: "nanoseconds",
}

// TestIdentity holds the canonical encoding: ids in stored data depend on it, so
// what stands in testdata/identity.txt must stay right for ever. The hashes in it
// were checked with the reference implementation of xxHash.
func TestIdentity(t *testing.T) {
	t.Parallel()
	const path = "testdata/identity.txt"
	g := &identity{}
	g.WriteString("# The canonical encoding of ids by example: what, the bytes of the record, and its\n# hash, also as the signed id. See hash.go. Never change an entry.\n\n")

	main := g.function("main.main", "main.main", "/src/main.go", 10)
	work := g.function("main.work", "", "/src/work.go", 0)
	g.function("", "", "", 0)
	g.function("größe", "_Z4größe", "C:\\src\\größe.cc", -1)
	g.function(strings.Repeat("long", 50), "", "", 1<<40)

	callee := g.location("app", main, 12)
	inlined := g.location("app", work, 7, main, 1<<20)
	g.location("", main, 12)
	g.location("app", main, 1<<64-3) // line −3

	unknown := g.address("9f86d081", 0x2a1f0)
	g.address("/lib/libc.so.6", 0)
	g.address("", 0x7f31c02a1f0)
	g.address("wraps", 1<<64-16)

	g.stack(callee)
	g.stack(inlined, callee, unknown)
	g.stack(unknown, callee, inlined)
	g.stack()

	g.series(cpuType, warehouse.LabelsOf("service_name", "checkout"))
	g.series(cpuType, warehouse.LabelsOf("pod", "a-1", "service_name", "checkout", "zone", "größe"))
	g.series(warehouse.ProfileType{Name: "off_cpu", SampleType: "off_cpu", SampleUnit: "nanoseconds"}, warehouse.LabelsOf("service_name", "x"))

	g.profile(warehouse.LabelsOf("__name__", "process_cpu", "service_name", "checkout"), "body", 0)
	g.profile(warehouse.LabelsOf("__name__", "process_cpu", "service_name", "checkout"), "body", 1)
	g.profile(nil, "", 0)

	if *update {
		require.NoError(t, os.WriteFile(path, []byte(g.String()), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	if diff := cmp.Diff(string(want), g.String()); diff != "" {
		t.Errorf("the canonical encoding changed (-want +got):\n%s", diff)
	}
}

// The hash is xxHash's own, by its published values.
func TestHash(t *testing.T) {
	t.Parallel()
	assert.Equal(t, uint64(0x2d06800538d394c2), hashRecord(nil))
	assert.Equal(t, "99aa06d3014798d86001c324468d497f", fmt.Sprintf("%x", xxh3.Hash128(nil).Bytes()))
}

// Prepare uses the records as they are drawn: the ids of the small profile, made
// up by hand here.
func TestIdentityOfPrepared(t *testing.T) {
	t.Parallel()
	leaf := hashRecord(appendFunction(nil, "leaf", "leaf", "main.go", 10))
	main := hashRecord(appendFunction(nil, "main", "", "main.go", 20))
	first := hashRecord(appendLine(appendLine(appendLocation(nil, "app", 2), leaf, 11), main, 22))
	second := hashRecord(appendAddress(nil, "", 0x77))
	stack := hashRecord(appendLE(appendLE(appendStack(nil, 2), first), second))

	p, err := new(Preparer).Prepare("t", Raw{Labels: cpuLabels(), Body: pbJoin(base()...)}, 0, time.Now(), Limits{})
	require.NoError(t, err)
	require.Len(t, p.Series, 1)
	assert.Equal(t, []warehouse.StacktraceID{warehouse.StacktraceID(stack)}, p.Series[0].Stacks)
	labels := warehouse.LabelsOf("service_name", "checkout", "endpoint", "/cart")
	assert.Equal(t, SeriesIDOf(cpuType, labels), p.Series[0].ID)
	assert.Equal(t, labels, p.Series[0].Labels)
	body := appendLE(append(appendLabels(nil, warehouse.LabelsOf("__name__", "process_cpu", "service_name", "checkout")), pbJoin(base()...)...), 0)
	assert.Equal(t, contentID(body), p.ID)
	assert.Equal(t, byte(8), p.ID[6]>>4, "UUID version")
	assert.Equal(t, byte(2), p.ID[8]>>6, "UUID variant")
	assert.Len(t, hex.EncodeToString(p.ID[:]), 32)
}

// Where the file of an unsymbolised address is known, its place in the file is
// what counts, not where it was loaded.
func TestIdentityOfAddress(t *testing.T) {
	t.Parallel()
	stackOf := func(start, offset, address uint64, file, build string) warehouse.StacktraceID {
		parts := [][]byte{
			pbString(""), pbString("cpu"), pbString(file), pbString(build),
			pbBytes(profileSampleType, pbVarint(1, 1)),
			pbBytes(profileMapping, pbVarint(1, 1), pbVarint(2, start), pbVarint(4, offset), pbVarint(5, 2), pbVarint(6, 3)),
			pbBytes(profileLocation, pbVarint(1, 1), pbVarint(2, 1), pbVarint(3, address)),
			pbBytes(profileSample, pbPacked(1, 1), pbPacked(2, 1)),
		}
		p, err := new(Preparer).Prepare("t", Raw{Labels: cpuLabels(), Body: pbJoin(parts...)}, 0, time.Now(), Limits{})
		require.NoError(t, err)
		frames, ok := p.AppendFrames(nil, p.Series[0].Stacks[0])
		require.True(t, ok)
		require.Len(t, frames, 1)
		assert.Equal(t, address-start+offset, frames[0].Address)
		assert.Equal(t, "libc.so+0x1034", frames[0].Function)
		assert.Equal(t, "libc.so", frames[0].Mapping)
		assert.Equal(t, build, frames[0].BuildID)
		return p.Series[0].Stacks[0]
	}
	want := stackOf(0x1000, 0x1000, 0x1034, "/lib/libc.so", "abc")
	assert.Equal(t, want, stackOf(0x7f00_0000, 0x1000, 0x7f00_0034, "/other/libc.so", "abc"), "another place in memory, another path, the same build")
	assert.NotEqual(t, want, stackOf(0x1000, 0x1000, 0x1034, "/lib/libc.so", "def"), "another build")
	noBuild := stackOf(0x1000, 0x1000, 0x1034, "/lib/libc.so", "")
	assert.NotEqual(t, noBuild, stackOf(0x1000, 0x1000, 0x1034, "/other/libc.so", ""), "another file, builds unknown")
}

// cpuLabels are the labels of a request that pushes a CPU profile.
func cpuLabels() []warehouse.Label {
	return []warehouse.Label{{Name: "service_name", Value: "checkout"}, {Name: "__name__", Value: "process_cpu"}}
}
