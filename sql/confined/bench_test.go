package confined

import (
	"context"
	"errors"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/require"

	"github.com/stackhouse-db/stackhouse/sql/engine"
)

// BenchmarkQuery measures what the process costs a short statement, and one of ten
// million rows of two columns:
//
//	go test -tags duckdb_arrow -run '^$' -bench . ./sql/confined
func BenchmarkQuery(b *testing.B) {
	type rows interface {
		Next(ctx context.Context) (arrow.RecordBatch, error)
		Close()
	}
	local, err := engine.OpenInstance(engine.Options{Threads: 2, MemoryBytes: 256 << 20})
	require.NoError(b, err)
	defer local.Close()
	p := openProcess(b, nil)
	ways := []struct {
		name  string
		query func(text string) (rows, error)
	}{
		{"in process", func(text string) (rows, error) { return local.Query(b.Context(), text) }},
		{"own process", func(text string) (rows, error) { return p.Query(b.Context(), text) }},
	}
	for name, text := range map[string]string{
		"short":           "SELECT count(*) FROM range(300000) WHERE range % 7 = 3",
		"rows=10_000_000": "SELECT range AS a, range * 2 AS b FROM range(10000000)",
	} {
		for _, way := range ways {
			b.Run(name+"/"+way.name, func(b *testing.B) {
				for b.Loop() {
					r, err := way.query(text)
					require.NoError(b, err)
					for {
						if _, err := r.Next(b.Context()); errors.Is(err, engine.ErrDone) {
							break
						}
						require.NoError(b, err)
					}
					r.Close()
				}
			})
		}
	}
}

// BenchmarkOpen measures how long it takes to have an instance: in this process, in a
// new process, and in one that waits for it.
func BenchmarkOpen(b *testing.B) {
	in := Instance{Threads: 2, MemoryBytes: 256 << 20, ReadDirs: []string{b.TempDir()}}
	b.Run("in process", func(b *testing.B) {
		for b.Loop() {
			i, err := engine.OpenInstance(engine.Options{Threads: 2, MemoryBytes: 256 << 20})
			require.NoError(b, err)
			i.Close()
		}
	})
	for _, spare := range []bool{false, true} {
		name := "new process"
		if spare {
			name = "spare process"
		}
		b.Run(name, func(b *testing.B) {
			s := newStarter(b)
			for b.Loop() {
				b.StopTimer()
				s.settle(b, spare)
				b.StartTimer()
				p, err := s.Open(b.Context(), in)
				require.NoError(b, err)
				b.StopTimer()
				p.Close()
				b.StartTimer()
			}
		})
	}
}

// settle waits for the spare process, and ends it unless it is wanted.
func (s *Starter) settle(b *testing.B, wanted bool) {
	for {
		s.mu.Lock()
		p, filling, started := s.mu.spare, s.mu.filling, s.mu.started
		if p != nil && !wanted {
			s.mu.spare = nil
		}
		s.mu.Unlock()
		switch {
		case filling:
			continue
		case p != nil && !wanted:
			p.Close()
			return
		case p != nil || !started || !wanted:
			return
		}
		b.Fatal("there is no spare process")
	}
}
