package block

import (
	"testing"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// benchSamples are the sizes of samples sections: one of a small segment, a
// large segment, a final block.
var benchSamples = []struct {
	name string
	shapeOf
}{
	{"rows=1e3", shapeOf{services: 1, pods: 2, profiles: 1, stacks: 250}},
	{"rows=1e5", shapeOf{services: 5, pods: 20, profiles: 1, stacks: 500}},
	{"rows=2.6e6", shapeOf{services: 1, pods: 10, profiles: 240, stacks: 550}},
}

// BenchmarkAppendSamples measures Arrow → Parquet of samples.
//
//	go test ./warehouse/block -run '^$' -bench AppendSamples -cpu 1
//
// Compare rows/s and B/row, not ns/op.
func BenchmarkAppendSamples(b *testing.B) {
	for _, size := range benchSamples {
		b.Run(size.name, func(b *testing.B) {
			set := generate(1, size.shapeOf)
			rec := set.record()
			defer rec.Release()
			var buf []byte
			var err error
			b.ReportAllocs()
			for b.Loop() {
				if buf, err = AppendParquet(buf[:0], warehouse.TableSamples, rec); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(set.stacks)*b.N)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(len(buf))/float64(len(set.stacks)), "B/row")
		})
	}
}

// BenchmarkSamplesRecord measures runs → Arrow.
//
//	go test ./warehouse/block -run '^$' -bench SamplesRecord -cpu 1
func BenchmarkSamplesRecord(b *testing.B) {
	for _, size := range benchSamples {
		b.Run(size.name, func(b *testing.B) {
			set := generate(1, size.shapeOf)
			b.ReportAllocs()
			for b.Loop() {
				set.record().Release()
			}
			b.ReportMetric(float64(len(set.stacks)*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkDefinitions measures writing and reading the small tables.
//
//	go test ./warehouse/block -run '^$' -bench Definitions -cpu 1
func BenchmarkDefinitions(b *testing.B) {
	stacks := generateStacks(1, 20_000, 15)
	series := generateSeries(1, 1000)
	profiles := generateProfiles(1, 1000)
	write := map[string]func([]byte) ([]byte, error){
		"stacktraces=2e4": func(dst []byte) ([]byte, error) {
			rec := StacktracesRecord(stacks)
			defer rec.Release()
			return AppendParquet(dst, warehouse.TableStacktraces, rec)
		},
		"stacktraces=10": func(dst []byte) ([]byte, error) {
			rec := StacktracesRecord(stacks[:10])
			defer rec.Release()
			return AppendParquet(dst, warehouse.TableStacktraces, rec)
		},
		"series=1e3": func(dst []byte) ([]byte, error) {
			rec := SeriesRecord(series)
			defer rec.Release()
			return AppendParquet(dst, warehouse.TableSeries, rec)
		},
		"profiles=1e3": func(dst []byte) ([]byte, error) {
			rec := ProfilesRecord(profiles)
			defer rec.Release()
			return AppendParquet(dst, warehouse.TableProfiles, rec)
		},
		"profiles=10": func(dst []byte) ([]byte, error) {
			rec := ProfilesRecord(profiles[:10])
			defer rec.Release()
			return AppendParquet(dst, warehouse.TableProfiles, rec)
		},
	}
	read := map[string]func([]byte) error{
		"stacktraces=2e4": readAllStacks, "stacktraces=10": readAllStacks,
		"series=1e3":   func(data []byte) error { return ReadSeries(data, func(warehouse.Series) error { return nil }) },
		"profiles=1e3": readAllProfiles, "profiles=10": readAllProfiles,
	}
	for _, name := range []string{"stacktraces=2e4", "stacktraces=10", "series=1e3", "profiles=1e3", "profiles=10"} {
		data, err := write[name](nil)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("write/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if data, err = write[name](data[:0]); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(data)), "B")
		})
		b.Run("read/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := read[name](data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func readAllStacks(data []byte) error {
	return ReadStacktraces(data, func(warehouse.Stacktrace) error { return nil })
}

func readAllProfiles(data []byte) error {
	return ReadProfiles(data, func(ProfileRow) error { return nil })
}

// BenchmarkCheck measures reading samples with both readers and comparing.
//
//	go test ./warehouse/block -run '^$' -bench Check -cpu 1
func BenchmarkCheck(b *testing.B) {
	for _, size := range benchSamples {
		b.Run(size.name, func(b *testing.B) {
			set := generate(1, size.shapeOf)
			data := write(b, warehouse.TableSamples, set.record(), MaxRowGroupRows, maxRowGroupValues)
			b.ReportAllocs()
			for b.Loop() {
				if err := Check(data, warehouse.TableSamples, int64(len(set.stacks))); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(set.stacks)*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkReadStacks measures reading 80 files of 330 stacktraces by row, by
// column, and by column if one stacktrace in eight is wanted.
//
//	go test ./warehouse/block -run '^$' -bench ReadStacks -cpu 1
func BenchmarkReadStacks(b *testing.B) {
	var files [][]byte
	for i := range uint64(80) {
		files = append(files, write(b, warehouse.TableStacktraces, StacktracesRecord(generateStacks(i, 330, 15)), MaxRowGroupRows, maxRowGroupValues))
	}
	for name, read := range map[string]func([]byte) error{
		"rows":    readAllStacks,
		"columns": func(data []byte) error { return ReadStackColumns(data, nil, ignoreColumns) },
		"eighth":  func(data []byte) error { return ReadStackColumns(data, isEighth, ignoreColumns) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, data := range files {
					if err := read(data); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func ignoreColumns(*warehouse.StackColumns) error { return nil }

func isEighth(id warehouse.StacktraceID) bool { return id%8 == 0 }
