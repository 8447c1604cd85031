package statement

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/sql/engine"
	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

// storeSegments adds segments of one hour, each with rows samples of four services.
func (w *world) storeSegments(n, rows int) {
	const stacksOfProfile = 500
	stacks, values := make([]warehouse.StacktraceID, 0, rows), make([]int64, 0, rows)
	for i := range n {
		stacks, values = stacks[:0], values[:0]
		dict := block.Dicts{Types: []string{cpuType.String()}}
		var runs []block.Run
		p := &warehouse.Part{Format: block.FormatVersion, Tenant: warehouse.DefaultTenant, Hour: firstHour, Range: warehouse.EmptyRange}
		w.objects++
		binary.BigEndian.PutUint64(p.Object[8:], w.objects)
		for k := range rows / stacksOfProfile {
			service := fmt.Sprintf("service-%d", k*4/(rows/stacksOfProfile))
			at := firstHour.Start() + warehouse.Micros(int64(i)*30_000_000+int64(k)*1_000)
			s := sample{time: at, series: warehouse.Series{ID: warehouse.SeriesID(k), Type: cpuType, Labels: warehouse.LabelsOf("pod", fmt.Sprint(k)).With(warehouse.LabelService, service)}}
			describe(p, &s)
			runs = append(runs, block.Run{Service: indexIn(&dict.Services, service), Series: s.series.ID, Time: at, N: stacksOfProfile})
			for j := range stacksOfProfile {
				stacks, values = append(stacks, warehouse.StacktraceID(j*7919)), append(values, int64(j%1000+1))
			}
			last := &p.Datasets[len(p.Datasets)-1].Types[0]
			last.Rows += stacksOfProfile
		}
		rec := block.SamplesRecord(dict, runs, stacks, values, nil, nil)
		data, err := block.AppendParquet(nil, warehouse.TableSamples, rec)
		rec.Release()
		require.NoError(w.t, err)
		p.Sections = []warehouse.Section{{Table: warehouse.TableSamples, Size: int64(len(data)), Rows: int64(rows), CRC: crc32.Checksum(data, castagnoli)}}
		require.NoError(w.t, w.bucket.Put(w.t.Context(), block.SectionName(p, warehouse.TableSamples), data))
		w.parts = append(w.parts, p)
	}
}

const minutes = "SELECT date_trunc('minute', time), service_name, sum(value) FROM %s GROUP BY ALL"

// 120 segments of 20,000 samples: go test -run - -bench Minutes ./sql/statement. The
// first is the whole way of a statement, the second DuckDB over the same files.
func BenchmarkMinutes(b *testing.B) {
	w := newWorld(b)
	w.storeSegments(120, 20_000)
	b.Run("statement", func(b *testing.B) {
		s := w.service(func(o *Options) { o.Threads = 2 })
		sess := session()
		sess.Tenant = warehouse.DefaultTenant
		for b.Loop() {
			_, err := ask(b.Context(), s, sess, fmt.Sprintf(minutes, "samples"))
			require.NoError(b, err)
		}
	})
	b.Run("bare", func(b *testing.B) {
		var paths []string
		for _, p := range w.parts {
			l, err := w.sections.Acquire(b.Context(), p, warehouse.TableSamples)
			require.NoError(b, err)
			defer l.Release()
			paths = append(paths, l.Path)
		}
		i, err := engine.OpenInstance(engine.Options{Threads: 2, AllowedDirs: []string{w.dir}})
		require.NoError(b, err)
		defer i.Close()
		list := "["
		for n, p := range paths {
			if n > 0 {
				list += ", "
			}
			list += quoteText(p)
		}
		text := fmt.Sprintf(minutes, "read_parquet("+list+"])")
		for b.Loop() {
			require.NoError(b, i.Exec(b.Context(), text))
		}
	})
	b.Run("describe", func(b *testing.B) {
		s := w.service(nil)
		for b.Loop() {
			_, err := s.Prepare(b.Context(), session(), fmt.Sprintf(minutes, "samples"), nil)
			require.NoError(b, err)
		}
	})
}
