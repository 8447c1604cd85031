package backup

import (
	"context"
	"errors"
	"os"
	"path"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/metastore/manifest"
	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
	"github.com/stackhouse-db/stackhouse/warehouse/segment"
)

// shop is a bucket with a state that names what is in it.
type shop struct {
	t      *testing.T
	bucket object.Bucket
	state  *state.State
	n      byte
	fails  string // a file that cannot be read
	reads  atomic.Int64
}

func newShop(t *testing.T) *shop {
	s := &shop{t: t, bucket: object.NewMemory(), state: state.New()}
	s.addSegment()
	s.addBlock()
	return s
}

func (s *shop) do(c state.Command) {
	_, err := s.state.Apply(s.state.Index()+1, state.Append(nil, 1, c))
	require.NoError(s.t, err)
}

func (s *shop) put(name string, data []byte) {
	require.NoError(s.t, s.bucket.Put(s.t.Context(), name, data))
}

// addSegment stores and registers the golden segment.
func (s *shop) addSegment() {
	data, err := os.ReadFile("../../warehouse/segment/testdata/v1.seg")
	require.NoError(s.t, err)
	seg, err := segment.Decode(data)
	require.NoError(s.t, err)
	s.put(block.SegmentName(seg.Shard, seg.ID), data)
	seg.Epochs = nil
	s.do(state.AddSegment{Segment: seg})
}

// addBlock stores and registers a block.
func (s *shop) addBlock() warehouse.Part {
	s.n++
	const hour = warehouse.Hour(488_888)
	span := warehouse.TimeRange{From: hour.Start(), To: hour.Start()}
	p := warehouse.Part{
		Object: ulid.ULID{1, 2, 3, s.n}, Level: 1, Format: 1, Tenant: "acme", Hour: hour, Range: span,
		Datasets: []warehouse.Dataset{{Service: "checkout", Profiles: 1}},
	}
	for _, t := range []warehouse.Table{warehouse.TableSamples, warehouse.TableProfiles} {
		data := []byte{byte(t), s.n, 7}
		p.Sections = append(p.Sections, warehouse.Section{Table: t, Size: int64(len(data)), Rows: 1, CRC: segment.Checksum(data)})
		s.put(block.SectionName(&p, t), data)
	}
	meta, err := block.EncodeMeta(&p, nil)
	require.NoError(s.t, err)
	s.put(path.Join(block.BlockDir(&p), block.MetaName), meta)
	s.do(state.ReplaceParts{ID: ulid.ULID{9, s.n}, Add: []warehouse.Part{p}})
	return p
}

func (s *shop) Manifest(context.Context) ([]byte, error) { return manifest.Encode(s.state.View(), 42) }

func (s *shop) Read(ctx context.Context, name string) ([]byte, error) {
	s.reads.Add(1)
	if name == s.fails {
		return nil, errors.New("no")
	}
	return s.bucket.Read(ctx, name, 0, -1)
}

func TestCopyAndVerify(t *testing.T) {
	t.Parallel()
	ctx, s, place := t.Context(), newShop(t), object.NewMemory()
	r, err := Copy(ctx, s, place, Options{Parallel: 1})
	require.NoError(t, err)
	require.Equal(t, 4, r.Progress.Files)
	require.Zero(t, r.Kept)
	v, damaged, err := Verify(ctx, place, Options{})
	require.NoError(t, err)
	require.Empty(t, damaged)
	require.Equal(t, s.state.View().Digest(), v.Manifest.State.View().Digest())

	// What is there is not copied again, what is gone is removed.
	old := s.addBlock()
	s.reads.Store(0)
	_, err = Copy(ctx, s, place, Options{Parallel: 1})
	require.NoError(t, err)
	require.EqualValues(t, 3, s.reads.Load())
	s.do(state.ReplaceParts{ID: ulid.ULID{8}, Remove: []state.PartRef{{Object: old.Object, Tenant: old.Tenant, Hour: old.Hour}}})
	s.reads.Store(0)
	r, err = Copy(ctx, s, place, Options{Parallel: 1})
	require.NoError(t, err)
	require.Zero(t, s.reads.Load())
	require.Equal(t, 4, r.Kept)
	require.Equal(t, 3+1, r.Pruned, "the block, and the older manifest")

	target := object.NewMemory()
	v, _, err = Verify(ctx, place, Options{})
	require.NoError(t, err)
	require.NoError(t, v.CopyTo(ctx, place, target, Options{}))
	for _, f := range v.Files {
		_, err := target.Stat(ctx, f.Name)
		require.Equal(t, f.Name == v.List.Manifest, err != nil, f.Name)
	}
}

// A copy that ends early leaves the backup before it, and is gone on with.
func TestCopyGoesOn(t *testing.T) {
	t.Parallel()
	ctx, s, place := t.Context(), newShop(t), object.NewMemory()
	_, err := Copy(ctx, s, place, Options{Parallel: 1})
	require.NoError(t, err)
	p := s.addBlock()
	s.fails = block.SectionName(&p, warehouse.TableSamples)
	_, err = Copy(ctx, s, place, Options{Parallel: 1})
	require.Error(t, err)
	v, damaged, err := Verify(ctx, place, Options{})
	require.NoError(t, err)
	require.Empty(t, damaged)
	require.EqualValues(t, 2, v.Index, "it is the backup before")
	s.fails = ""
	s.reads.Store(0)
	_, err = Copy(ctx, s, place, Options{Parallel: 1})
	require.NoError(t, err)
	require.LessOrEqual(t, s.reads.Load(), int64(2))
}

// A source that is damaged is not taken over.
func TestCopyVerifies(t *testing.T) {
	t.Parallel()
	for i := range 4 {
		s := newShop(t)
		m, err := manifest.Decode(must(s.Manifest(t.Context())))
		require.NoError(t, err)
		c := contentsOf(m)[i]
		data, err := s.bucket.Read(t.Context(), c.name, 0, -1)
		require.NoError(t, err)
		data[len(data)/2] ^= 1
		s.put(c.name, data)
		place := object.NewMemory()
		_, err = Copy(t.Context(), s, place, Options{})
		require.Equal(t, warehouse.Corrupt, warehouse.KindOf(err))
		require.ErrorContains(t, err, c.name)
		_, err = place.Stat(t.Context(), ListName)
		require.Equal(t, warehouse.NotFound, warehouse.KindOf(err))
	}
}

func must(data []byte, _ error) []byte { return data }

// Each file of a backup that is damaged, cut, missing or too many is named.
func TestVerifyNamesWhatIsDamaged(t *testing.T) {
	t.Parallel()
	ctx, s, place := t.Context(), newShop(t), object.NewMemory()
	r, err := Copy(ctx, s, place, Options{})
	require.NoError(t, err)
	for _, f := range r.List.Files {
		good, err := place.Read(ctx, f.Name, 0, -1)
		require.NoError(t, err)
		bad := append([]byte{}, good...)
		bad[len(bad)-1] ^= 0x80
		for _, data := range [][]byte{bad, good[:len(good)-1], nil} {
			if data == nil {
				require.NoError(t, place.Delete(ctx, f.Name))
			} else {
				require.NoError(t, place.Put(ctx, f.Name, data))
			}
			v, damaged, err := Verify(ctx, place, Options{})
			require.Nil(t, v)
			if f.Name == r.List.Manifest {
				require.ErrorContains(t, err, f.Name)
				continue
			}
			require.NoError(t, err)
			require.Len(t, damaged, 1)
			require.Contains(t, damaged[0], f.Name)
		}
		require.NoError(t, place.Put(ctx, f.Name, good))
	}
	l := r.List
	l.Files = l.Files[1:]
	require.NoError(t, place.Put(ctx, ListName, l.Encode()))
	_, damaged, err := Verify(ctx, place, Options{})
	require.NoError(t, err)
	require.Len(t, damaged, 1)
	require.Contains(t, damaged[0], "the index names it")
	_, _, err = Verify(ctx, object.NewMemory(), Options{})
	require.Equal(t, warehouse.NotFound, warehouse.KindOf(err))
}

// pinned is a snapshot of a shop.
type pinned struct {
	*shop
	dropped, released bool
}

func (p *pinned) Manifest() ([]byte, error)         { return p.shop.Manifest(context.Background()) }
func (p *pinned) EachPart(fn func(*warehouse.Part)) { p.state.View().EachPart(fn) }
func (p *pinned) Index() uint64                     { return p.state.Index() }
func (p *pinned) Release()                          { p.released = true }
func (p *pinned) Renew() error                      { return p.Err() }
func (p *pinned) Err() error {
	if p.dropped {
		return warehouse.Errorf(warehouse.Deadline, "dropped")
	}
	return nil
}

func TestLeases(t *testing.T) {
	t.Parallel()
	ctx, s := t.Context(), newShop(t)
	var pins []*pinned
	l := NewLeases(func(_ context.Context, lease time.Duration) (Pin, error) {
		require.Equal(t, Lease, lease)
		pins = append(pins, &pinned{shop: s})
		return pins[len(pins)-1], nil
	}, s.bucket)
	id, index, err := l.Begin(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 2, index)
	data, err := l.Manifest(id)
	require.NoError(t, err)
	m, err := manifest.Decode(data)
	require.NoError(t, err)
	name := contentsOf(m)[0].name
	data, err = l.Read(ctx, id, name, 1, 3)
	require.NoError(t, err)
	require.Len(t, data, 3)
	for _, other := range []string{"", "../secret", "segments/0/other.seg", string(m.State.View().Tenants()[0])} {
		_, err = l.Read(ctx, id, other, 0, 1)
		require.Equal(t, warehouse.NotFound, warehouse.KindOf(err), other)
	}
	require.NoError(t, l.Renew(id))
	require.NoError(t, l.End(id))
	require.True(t, pins[0].released)
	require.Equal(t, warehouse.NotFound, warehouse.KindOf(l.Renew(id)))

	for range MaxLeases {
		id, _, err = l.Begin(ctx)
		require.NoError(t, err)
	}
	_, _, err = l.Begin(ctx)
	require.Equal(t, warehouse.Limit, warehouse.KindOf(err))
	pins[1].dropped = true
	_, _, err = l.Begin(ctx)
	require.NoError(t, err, "one was silent for too long")
	pins[MaxLeases].dropped = true
	require.Equal(t, warehouse.Deadline, warehouse.KindOf(l.Renew(id)))
}
