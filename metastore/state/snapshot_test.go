package state

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// fullMachine has something in every kind of frame.
func fullMachine(t testing.TB) *machine {
	m := newMachine(t)
	m.do(SetRetention{Retention: 31 * 24 * time.Hour})
	m.do(SetTenant{Tenant: "acme", Settings: []Setting{{"a", "1"}}})
	m.mustAdd(segment(1, []warehouse.ProfileKey{key("acme", 1), key("globex", 2)}, place{"acme", hour0}, place{"globex", hour0}))
	m.mustAdd(segment(2, []warehouse.ProfileKey{key("acme", 3)}, place{"acme", hour0}, place{"acme", hour0 + 1}))
	m.do(AbortSegment{ID: objectID(3)})
	m.do(ReplaceParts{
		ID: objectID(99), Remove: []PartRef{ref(1, "acme", hour0), ref(1, "globex", hour0)},
		Add: []warehouse.Part{part(50, 1, "acme", hour0)}, Undefs: []warehouse.PartitionKey{partition("acme", hour0)},
	})
	return m
}

func snapshotBytes(t testing.TB, v *View) []byte {
	var buf bytes.Buffer
	_, err := v.WriteTo(&buf)
	require.NoError(t, err)
	return buf.Bytes()
}

func TestSnapshotRestoresEverything(t *testing.T) {
	t.Parallel()
	m := fullMachine(t)
	v := m.state.View()
	kinds := map[frameKind]bool{}
	for _, v := range []*View{v, machineWithJobs(t).state.View(), machineWithDeletions(t).state.View()} {
		for _, f := range splitFrames(t, snapshotBytes(t, v)) {
			kinds[frameKind(f[4])] = true
		}
	}
	require.Len(t, kinds, int(frameDeletion), "the examples have all kinds of frames")

	restored := restoreView(t, v)
	require.Equal(t, v.Digest(), restored.View().Digest())
	m.state = restored
	assert.Equal(t, warehouse.WasAborted, m.add(segment(3, nil, place{"acme", hour0})).Outcome)
	assert.Equal(t, warehouse.Added, m.add(segment(1, nil, place{"acme", hour0})).Outcome)
	assert.Equal(t, warehouse.HasDuplicates, m.add(segment(5, []warehouse.ProfileKey{key("globex", 2)}, place{"acme", hour0})).Outcome)
	assert.Equal(t, Replaced, m.do(ReplaceParts{ID: objectID(99)}).(ReplaceResult).Outcome)
	assert.Equal(t, ids(2, 50, 2), m.objects("acme"))
	assert.Equal(t, ids(1), buried(m.state.View()))
	assert.EqualValues(t, 6, m.state.View().Epoch(partition("acme", hour0)))
	assert.EqualValues(t, 6, m.state.View().Epoch(partition("globex", hour0)), "its hour was dropped")
	m.pass(ProfileWindow + time.Second)
	m.mustAdd(segment(5, []warehouse.ProfileKey{key("globex", 2)}, place{"acme", hour0}))
}

// splitFrames cuts a snapshot into its frames.
func splitFrames(t testing.TB, data []byte) [][]byte {
	var frames [][]byte
	for len(data) > 0 {
		n := frameHeaderBytes + int(uint32(data[0])|uint32(data[1])<<8|uint32(data[2])<<16|uint32(data[3])<<24)
		require.LessOrEqual(t, n, len(data))
		frames = append(frames, data[:n])
		data = data[n:]
	}
	return frames
}

func TestReadRefusesDamage(t *testing.T) {
	t.Parallel()
	data := snapshotBytes(t, fullMachine(t).state.View())
	frames := splitFrames(t, data)
	join := func(fs ...[]byte) []byte { return bytes.Join(fs, nil) }
	without := func(i int) []byte { return join(join(frames[:i]...), join(frames[i+1:]...)) }

	refuses := func(name string, data []byte) {
		t.Helper()
		s, err := Read(bytes.NewReader(data))
		require.Error(t, err, name)
		require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err), name)
		require.Nil(t, s, name)
	}
	for n := range data {
		refuses(fmt.Sprintf("cut at %d", n), data[:n])
		flipped := bytes.Clone(data)
		flipped[n] ^= 1 << (n % 8)
		refuses(fmt.Sprintf("flipped at %d", n), flipped)
	}
	refuses("a byte too many", append(bytes.Clone(data), 0))
	for i := range frames {
		refuses(fmt.Sprintf("without frame %d", i), without(i))
		refuses(fmt.Sprintf("frame %d twice", i), join(join(frames[:i+1]...), join(frames[i:]...)))
	}
	for i := range frames[1:] {
		swapped := join(join(frames[:i]...), frames[i+1], frames[i], join(frames[i+2:]...))
		refuses(fmt.Sprintf("frame %d behind the next", i), swapped)
	}
	refuses("two snapshots", join(data, data))
}

func TestReadRefusesOtherContent(t *testing.T) {
	t.Parallel()
	header := func(f *frameWriter) {
		New().View().writeHeader(f)
	}
	value := func(kind frameKind, fn func(e *warehouse.Encoder)) func(f *frameWriter) {
		return func(f *frameWriter) {
			fn(f.begin(kind))
			f.end()
		}
	}
	end := func(parts uint64) func(f *frameWriter) {
		return value(frameEnd, func(e *warehouse.Encoder) { e.Uvarint(parts) })
	}
	tenant := func(name string) func(f *frameWriter) {
		return value(frameTenant, func(e *warehouse.Encoder) {
			e.String(name)
			e.Varint(-1)
			e.Uvarint(0)
			e.Varint(0)
			e.Uvarint(0)
			e.Uvarint(0)
		})
	}
	p := part(1, 0, "acme", hour0)
	cases := []struct {
		name   string
		frames []func(f *frameWriter)
		want   string
	}{
		{"no header", []func(*frameWriter){end(0)}, "frame of kind 8 behind one of kind 0"},
		{"two headers", []func(*frameWriter){header, header, end(0)}, "frame of kind 1 behind one of kind 1"},
		{"newer version", []func(*frameWriter){value(frameHeader, func(e *warehouse.Encoder) { e.Byte(4) })}, "format version is 4"},
		{"unknown kind", []func(*frameWriter){header, value(12, func(e *warehouse.Encoder) { e.Byte(1) })}, "frame of kind 12: this build does not know it"},
		{"wrong number of parts", []func(*frameWriter){header, end(1)}, "0 parts, the end says 1"},
		{"tenants out of order", []func(*frameWriter){header, tenant("b"), tenant("a"), end(0)}, `tenant "a" is not behind "b"`},
		{"kinds out of order", []func(*frameWriter){header, value(frameFate, func(e *warehouse.Encoder) {
			e.Raw(make([]byte, 16))
			e.Size(0)
			e.Byte(1)
		}), tenant("a"), end(0)}, "frame of kind 2 behind one of kind 6"},
		{"part of no tenant", []func(*frameWriter){header, value(framePart, func(e *warehouse.Encoder) {
			e.Part(&p)
			e.Uvarint(0)
		}), end(1)}, `part of tenant "acme", which is not there`},
		{"epoch of no tenant", []func(*frameWriter){header, value(frameEpoch, func(e *warehouse.Encoder) {
			e.Epoch(warehouse.Epoch{Key: partition("acme", hour0)})
		}), end(0)}, `epoch of tenant "acme"`},
		{"epoch of no hour", []func(*frameWriter){header, tenant("acme"), value(frameEpoch, func(e *warehouse.Encoder) {
			e.Epoch(warehouse.Epoch{Key: partition("acme", hour0)})
		}), end(0)}, "epoch of hour 480000"},
		{"unknown verdict", []func(*frameWriter){header, value(frameFate, func(e *warehouse.Encoder) {
			e.Raw(make([]byte, 16))
			e.Size(0)
			e.Byte(9)
		}), end(0)}, "verdict 9"},
		{"rules out of order", []func(*frameWriter){header, value(frameTenant, func(e *warehouse.Encoder) {
			e.String("acme")
			e.Varint(-1)
			e.Uvarint(0)
			e.Varint(0)
			e.Uvarint(0)
			encodeRules(e, []RetentionRule{{Service: "b"}, {Service: "a"}})
		}), end(0)}, `retention of service "a"`},
		{"deletions out of order", []func(*frameWriter){header, value(frameDeletion, func(e *warehouse.Encoder) {
			for range 2 {
				e.Deletion(deletion(1, "acme", hour0, hour0+1))
				for range 6 {
					e.Byte(2)
				}
				e.Raw(make([]byte, 16))
				e.Raw(make([]byte, 16))
			}
		}), end(0)}, "is not behind"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var buf bytes.Buffer
			w := &frameWriter{w: &buf}
			for _, f := range tc.frames {
				f(w)
			}
			require.NoError(t, w.err)
			_, err := Read(&buf)
			require.ErrorContains(t, err, tc.want)
			assert.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
		})
	}
}

// A header that promises a gigabyte takes no gigabyte.
func TestReadTakesMemoryAsBytesArrive(t *testing.T) {
	data := []byte{0, 0, 0, 0x40, 1, 0, 0, 0, 0, 1, 2, 3}
	allocated := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = Read(bytes.NewReader(data))
		}
	}).AllocedBytesPerOp()
	assert.Less(t, allocated, int64(1<<20))
}

func TestSnapshotOfManyFrames(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for n := range 3000 {
		m.mustAdd(segment(1+n, []warehouse.ProfileKey{key("acme", n)}, place{"acme", hour0 + warehouse.Hour(n%7)}, place{"globex", hour0}))
	}
	v := m.state.View()
	data := snapshotBytes(t, v)
	require.Greater(t, len(splitFrames(t, data)), 5)
	s, err := Read(iotest.OneByteReader(bytes.NewReader(data)))
	require.NoError(t, err)
	assert.Equal(t, v.Digest(), s.View().Digest())
}

func TestSnapshotReportsErrorsOfTheDisk(t *testing.T) {
	t.Parallel()
	v := fullMachine(t).state.View()
	size := len(snapshotBytes(t, v))
	for n := range size {
		_, err := v.WriteTo(&failingWriter{left: n})
		require.ErrorIs(t, err, errDisk, "after %d bytes", n)
	}
	_, err := Read(iotest.ErrReader(errDisk))
	require.ErrorIs(t, err, errDisk)
}

var errDisk = errors.New("disk is full")

type failingWriter struct{ left int }

func (w *failingWriter) Write(b []byte) (int, error) {
	if len(b) > w.left {
		return w.left, errDisk
	}
	w.left -= len(b)
	return len(b), nil
}
