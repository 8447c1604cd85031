package rebuild

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/metastore/manifest"
	"github.com/stackhouse-db/stackhouse/metastore/state"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
	"github.com/stackhouse-db/stackhouse/warehouse/segment"
)

// BenchmarkRebuild rebuilds from segments on a file system, of 8 profiles each, of
// which the manifest knows so many:
//
//	go test -tags duckdb_arrow ./metastore/rebuild -run - -bench Rebuild -benchtime 3x
func BenchmarkRebuild(b *testing.B) {
	for _, c := range []struct{ objects, known int }{{10_000, 0}, {100_000, 0}, {100_000, 99_000}} {
		b.Run(fmt.Sprintf("objects=%d/known=%d", c.objects, c.known), func(b *testing.B) {
			bucket := benchBucket(b, c.objects, c.known)
			b.ReportAllocs()
			for b.Loop() {
				r, err := Run(b.Context(), Options{Bucket: bucket, Now: hour0.End().Time()})
				require.NoError(b, err)
				require.Equal(b, c.objects, r.Report.Totals.Parts)
			}
		})
	}
}

// benchBucket returns a bucket with segments, and a manifest that knows some.
func benchBucket(b *testing.B, objects, known int) object.Bucket {
	b.Helper()
	dir := b.TempDir()
	bucket, err := object.NewFilesystem(dir)
	require.NoError(b, err)
	require.NoError(b, os.MkdirAll(filepath.Join(dir, "segments/0"), 0o750))
	s := state.New()
	at := hour0.Start().Time()
	for i := range objects {
		at = at.Add(time.Hour / time.Duration(objects))
		seg, data := benchSegment(b, i, at)
		// Without the syncs of Put.
		require.NoError(b, os.WriteFile(filepath.Join(dir, block.SegmentName(0, seg.ID)), data, 0o600))
		if i < known {
			_, err := s.Apply(uint64(i+1), state.Append(nil, warehouse.MicrosOf(at), state.AddSegment{Segment: seg}))
			require.NoError(b, err)
		}
	}
	if known == 0 {
		_, err := s.Apply(1, state.Append(nil, hour0.Start(), state.Expire{}))
		require.NoError(b, err)
	}
	_, err = manifest.Write(b.Context(), bucket, s.View(), s.View().Time())
	require.NoError(b, err)
	return bucket
}

// benchSegment returns a segment whose one section nobody reads.
func benchSegment(b *testing.B, n int, at time.Time) (*warehouse.Segment, []byte) {
	var id warehouse.ObjectID
	_ = id.SetTime(uint64(at.UnixMilli()))
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	span := warehouse.TimeRange{From: hour0.Start(), To: hour0.Start() + 1}
	seg := &warehouse.Segment{ID: id, Parts: []warehouse.Part{{
		Object: id, Format: block.FormatVersion, Tenant: "acme", Hour: hour0, Range: span,
		Datasets: []warehouse.Dataset{{Service: service, Profiles: 8, Types: []warehouse.TypeStats{{Type: cpu, Range: span, Rows: 8}}}},
	}}}
	for i := range 8 {
		k := warehouse.ProfileKey{Tenant: "acme"}
		binary.BigEndian.PutUint64(k.ID[8:], uint64(8*n+i))
		seg.Profiles = append(seg.Profiles, k)
	}
	sb := segment.NewBuilder(seg)
	sb.Section(0, warehouse.TableProfiles, 8, make([]byte, 4096))
	data, err := sb.Finish()
	require.NoError(b, err)
	return seg, data
}
