package flame

import (
	"testing"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// The benchmarks of this file run on trees of 10 thousand, 100 thousand and 1
// million nodes (1, 18 and 270 thousand stacktraces of 10 to 50 frames):
//
//	go test -run='^$' -bench=. -benchmem ./warehouse/flame

func mustBuild(b *testing.B, s *Symbols, ids []warehouse.StacktraceID, values []int64) *Tree {
	tree, err := Build(s, ids, values)
	if err != nil {
		b.Fatal(err)
	}
	return tree
}

// BenchmarkSymbolsAdd measures the first load of definitions.
func BenchmarkSymbolsAdd(b *testing.B) {
	w := newWorkload(4, 1)
	var defs []warehouse.Stacktrace
	frames := 0
	for range 26_000 {
		defs = append(defs, w.stack())
		frames += len(defs[len(defs)-1].Frames)
	}
	b.ReportAllocs()
	for b.Loop() {
		s := NewSymbols()
		for _, d := range defs {
			s.Add(d)
		}
	}
	b.ReportMetric(float64(frames*b.N)/b.Elapsed().Seconds(), "frames/s")
}

// BenchmarkSymbolsAddColumns measures the first load of the same definitions by
// column, in 80 batches.
//
//	go test -run='^$' -bench=SymbolsAdd -benchmem ./warehouse/flame
func BenchmarkSymbolsAddColumns(b *testing.B) {
	w := newWorkload(4, 1)
	var batches []*warehouse.StackColumns
	frames := 0
	for range 80 {
		var defs []warehouse.Stacktrace
		for range 26_000 / 80 {
			defs = append(defs, w.stack())
		}
		c := columnsOf(defs)
		batches = append(batches, c)
		frames += len(c.Lines)
	}
	b.ReportAllocs()
	for b.Loop() {
		s := NewSymbols()
		for _, c := range batches {
			s.AddColumns(c)
		}
	}
	b.ReportMetric(float64(frames*b.N)/b.Elapsed().Seconds(), "frames/s")
}

// BenchmarkSymbolsTakeOver measures how a new generation copies all of the old.
func BenchmarkSymbolsTakeOver(b *testing.B) {
	old := NewSymbols()
	ids, _ := newWorkload(4, 1).load(old, 130_000)
	b.ReportAllocs()
	for b.Loop() {
		if missing := NewSymbolsFrom(old).Missing(nil, ids); len(missing) > 0 {
			b.Fatal(missing)
		}
	}
}

// BenchmarkBuild measures summed stacktraces → tree.
func BenchmarkBuild(b *testing.B) {
	eachSize(b, func(b *testing.B, s *Symbols, ids []warehouse.StacktraceID, values []int64) {
		for b.Loop() {
			mustBuild(b, s, ids, values)
		}
	})
}

// BenchmarkBuildFew measures a tree of 100 stacktraces out of very many.
func BenchmarkBuildFew(b *testing.B) {
	eachSize(b, func(b *testing.B, s *Symbols, ids []warehouse.StacktraceID, values []int64) {
		for b.Loop() {
			mustBuild(b, s, ids[:100], values[:100])
		}
	})
}

// BenchmarkTrim measures the cut to the API's default.
func BenchmarkTrim(b *testing.B) {
	eachSize(b, func(b *testing.B, s *Symbols, ids []warehouse.StacktraceID, values []int64) {
		tree := mustBuild(b, s, ids, values)
		for b.Loop() {
			tree.Trim(8192)
		}
	})
}

// BenchmarkFlamebearer measures tree → boxes.
func BenchmarkFlamebearer(b *testing.B) {
	eachSize(b, func(b *testing.B, s *Symbols, ids []warehouse.StacktraceID, values []int64) {
		tree := mustBuild(b, s, ids, values)
		for b.Loop() {
			tree.Flamebearer()
		}
	})
}

// BenchmarkDiff measures two trees, of half of the stacktraces each, → boxes.
func BenchmarkDiff(b *testing.B) {
	eachSize(b, func(b *testing.B, s *Symbols, ids []warehouse.StacktraceID, values []int64) {
		n := len(ids)
		left := mustBuild(b, s, ids[:n*2/3], values[:n*2/3])
		right := mustBuild(b, s, ids[n/3:], values[n/3:])
		for b.Loop() {
			if _, err := Diff(left, right, 0); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkMerge measures the sum of two trees.
func BenchmarkMerge(b *testing.B) {
	eachSize(b, func(b *testing.B, s *Symbols, ids []warehouse.StacktraceID, values []int64) {
		n := len(ids)
		left := mustBuild(b, s, ids[:n*2/3], values[:n*2/3])
		right := mustBuild(b, s, ids[n/3:], values[n/3:])
		for b.Loop() {
			if _, err := Merge(left, right); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkBinary measures tree → bytes → tree.
func BenchmarkBinary(b *testing.B) {
	eachSize(b, func(b *testing.B, s *Symbols, ids []warehouse.StacktraceID, values []int64) {
		tree := mustBuild(b, s, ids, values)
		var buf []byte
		for b.Loop() {
			buf = tree.AppendBinary(buf[:0])
			if _, err := DecodeTree(buf); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkPprof measures summed stacktraces → pprof profile.
func BenchmarkPprof(b *testing.B) {
	eachSize(b, func(b *testing.B, s *Symbols, ids []warehouse.StacktraceID, values []int64) {
		for b.Loop() {
			if _, err := Pprof(s, ids, values, warehouse.ProfileType{}, PprofMeta{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
