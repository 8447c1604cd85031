package flame

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

func unsafeString(b []byte) string { return unsafe.String(&b[0], len(b)) }

// workload makes stacktraces like those of real services: walks through a fixed
// call graph, mostly to the hot callee, with long names and shared beginnings.
type workload struct {
	rng      *rand.Rand
	services [][]callee
	seen     map[warehouse.StacktraceID]bool
}

type callee struct {
	frame   warehouse.Frame
	callees []int
	inlined bool
}

func newWorkload(services int, seed uint64) *workload {
	w := &workload{rng: rand.New(rand.NewPCG(seed, 9)), seen: map[warehouse.StacktraceID]bool{}}
	for s := range services {
		fns := make([]callee, 2500)
		for i := range fns {
			name := fmt.Sprintf("github.com/example/service%d/internal/package%d.(*Type%d).Method%d", s, i%40, i%300, i)
			fns[i].frame = warehouse.Frame{
				Function: name, SystemName: name, StartLine: int64(10 + i),
				Filename: fmt.Sprintf("/src/github.com/example/service%d/internal/package%d/file%d.go", s, i%40, i%6),
				Mapping:  fmt.Sprintf("service%d", s), BuildID: "0123456789abcdef",
			}
			for range 1 + w.rng.IntN(1+w.rng.IntN(12)) {
				fns[i].callees = append(fns[i].callees, w.rng.IntN(len(fns)))
			}
			fns[i].inlined = i > 0 && w.rng.IntN(9) == 0
		}
		w.services = append(w.services, fns)
	}
	return w
}

// stack returns a stacktrace that was not returned before. Its id is a hash of
// what it is made of.
func (w *workload) stack() warehouse.Stacktrace {
	for {
		service := w.rng.IntN(len(w.services))
		fns := w.services[service]
		depth := 10 + w.rng.IntN(40)
		frames := make([]warehouse.Frame, depth)
		id := uint64(service + 1)
		for i, at := depth-1, 0; i >= 0; i-- {
			pick := 0
			if w.rng.IntN(9) == 0 {
				pick = w.rng.IntN(1 + w.rng.IntN(len(fns[at].callees)))
			}
			frames[i] = fns[at].frame
			frames[i].Line = frames[i].StartLine + 1 + int64(pick)*3
			frames[i].Inlined = fns[at].inlined && i < depth-1
			if i == 0 {
				frames[i].Line = frames[i].StartLine + int64(w.rng.IntN(30))
			}
			id = (id ^ uint64(at)<<32 ^ uint64(frames[i].Line)) * 0x9e3779b97f4a7c15
			id ^= id >> 29
			at = fns[at].callees[pick]
		}
		if st := (warehouse.Stacktrace{ID: warehouse.StacktraceID(id), Frames: frames}); !w.seen[st.ID] {
			w.seen[st.ID] = true
			return st
		}
	}
}

// load adds stacktraces to s until its tree has about so many nodes.
func (w *workload) load(s *Symbols, nodes int) (ids []warehouse.StacktraceID, values []int64) {
	for s.calls.size() < nodes {
		st := w.stack()
		s.Add(st)
		ids = append(ids, st.ID)
		values = append(values, 1+w.rng.Int64N(1+w.rng.Int64N(1e9)))
	}
	return ids, values
}

// fixture is a loaded Symbols with values for all its stacktraces.
type fixture struct {
	symbols *Symbols
	ids     []warehouse.StacktraceID
	values  []int64
}

var fixtures = map[int]*fixture{} // by number of nodes; benchmarks run one by one

// eachSize runs fn on stacktraces whose tree has so many nodes.
func eachSize(b *testing.B, fn func(b *testing.B, s *Symbols, ids []warehouse.StacktraceID, values []int64)) {
	for _, nodes := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) {
			f := fixtures[nodes]
			if f == nil {
				f = &fixture{symbols: NewSymbols()}
				f.ids, f.values = newWorkload(4, 1).load(f.symbols, nodes)
				fixtures[nodes] = f
			}
			b.ReportAllocs()
			fn(b, f.symbols, f.ids, f.values)
			b.ReportMetric(float64(len(f.ids)), "stacks")
		})
	}
}
