package query

import (
	"context"
	"sync"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/flame"
)

// eagerStacks is the most definitions that a query remembers without having been
// asked for them. Up to it, whole sections are kept, and the next query about
// the same parts finds everything; beyond it only what the query needs is, so
// that a question about one service does not load those of all others.
const eagerStacks = 256 << 10

// loadedSymbols knows which parts' definitions are in a tenant's current symbols
// as a whole.
type loadedSymbols struct {
	mu      sync.Mutex
	tenants map[warehouse.Tenant]*loadedParts
}

type loadedParts struct {
	symbols *flame.Symbols
	parts   map[partKey]struct{}
}

func newLoadedSymbols() *loadedSymbols {
	return &loadedSymbols{tenants: map[warehouse.Tenant]*loadedParts{}}
}

// of returns the loaded parts of symbols; those of another generation are
// forgotten. The caller holds mu.
func (l *loadedSymbols) of(t warehouse.Tenant, symbols *flame.Symbols) map[partKey]struct{} {
	lp := l.tenants[t]
	if lp == nil || lp.symbols != symbols {
		lp = &loadedParts{symbols: symbols, parts: map[partKey]struct{}{}}
		l.tenants[t] = lp
	}
	return lp.parts
}

func (l *loadedSymbols) without(symbols *flame.Symbols, parts []*warehouse.Part) []*warehouse.Part {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []*warehouse.Part
	for _, p := range parts {
		if _, ok := l.of(p.Tenant, symbols)[keyOf(p)]; !ok {
			out = append(out, p)
		}
	}
	return out
}

func (l *loadedSymbols) add(symbols *flame.Symbols, p *warehouse.Part) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(p.Tenant, symbols)[keyOf(p)] = struct{}{}
}

// symbols returns the tenant's symbols, with the definitions of all ids, which
// are from the targets' samples. An id without one breaks an invariant of
// storage: Corrupt.
func (s *Service) symbols(ctx context.Context, v *view, ts []target, ids []warehouse.StacktraceID) (*flame.Symbols, error) {
	symbols := s.opts.Symbols.For(v.tenant)
	missing := symbols.Missing(nil, ids)
	if len(missing) == 0 {
		return symbols, nil
	}
	parts := v.partsWith(partitionsOf(ts), warehouse.TableStacktraces)
	if err := s.readStacks(ctx, symbols, missing, s.loaded.without(symbols, parts)); err != nil {
		return nil, err
	}
	if missing = symbols.Missing(missing[:0], ids); len(missing) == 0 {
		return symbols, nil
	}
	return nil, warehouse.Errorf(warehouse.Corrupt, "find stacktrace %d and %d more: object %s, hour %s, or another has samples of it, but no object of its partition defines it (searched %d: %s)",
		missing[0], len(missing)-1, ts[0].part.Object, ts[0].part.Hour, len(parts), describe(parts))
}

// readStacks adds what the parts define to symbols: all of it, or if that is a
// lot only what is wanted.
func (s *Service) readStacks(ctx context.Context, symbols *flame.Symbols, wanted []warehouse.StacktraceID, parts []*warehouse.Part) error {
	var rows int64
	for _, p := range parts {
		section, _ := p.Section(warehouse.TableStacktraces)
		rows += section.Rows
	}
	var only map[warehouse.StacktraceID]struct{}
	if rows > eagerStacks {
		only = make(map[warehouse.StacktraceID]struct{}, len(wanted))
		for _, id := range wanted {
			only[id] = struct{}{}
		}
	}
	return s.parallel(ctx, len(parts), func(ctx context.Context, i int) error {
		data, err := s.opts.Sections.Read(ctx, parts[i], warehouse.TableStacktraces)
		if err != nil {
			return err
		}
		n := 0
		err = block.ReadStacktraces(data, func(st warehouse.Stacktrace) error {
			if n++; n%4096 == 0 {
				if err := ctxError(ctx); err != nil {
					return err
				}
			}
			if only != nil {
				if _, ok := only[st.ID]; !ok {
					return nil
				}
			}
			symbols.Add(st)
			return nil
		})
		if err != nil {
			return partError(parts[i], warehouse.TableStacktraces, err)
		}
		if only == nil {
			s.loaded.add(symbols, parts[i])
		}
		return nil
	})
}
