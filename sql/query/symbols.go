package query

import (
	"context"
	"sync"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/flame"
)

// Definitions lie in sections of a whole part, all services and types together;
// a query wants some of them. What it adds to the symbols beyond that is a bet
// that the next query wants it: good for a dashboard, bad for the first answer.
const (
	// fewStacks is the most definitions that a query adds without having been
	// asked for them, when it meets their parts for the first time.
	fewStacks = 4 << 10

	// manyStacks is the same when it is the second query that reads the parts. If
	// there are more, every query adds only what it wants, so that a question
	// about one service never loads those of all others.
	manyStacks = 256 << 10
)

// loadedSymbols knows what tenants' current symbols have of which parts.
type loadedSymbols struct {
	mu      sync.Mutex
	tenants map[warehouse.Tenant]*loadedParts
}

type loadedParts struct {
	symbols *flame.Symbols
	parts   map[partKey]loading
}

// loading is how much of a part's definitions symbols have.
type loading uint8

const (
	nothingLoaded loading = iota
	someLoaded
	allLoaded
)

func newLoadedSymbols() *loadedSymbols {
	return &loadedSymbols{tenants: map[warehouse.Tenant]*loadedParts{}}
}

// of returns what symbols have; what another generation had is forgotten. The
// caller holds mu.
func (l *loadedSymbols) of(t warehouse.Tenant, symbols *flame.Symbols) map[partKey]loading {
	lp := l.tenants[t]
	if lp == nil || lp.symbols != symbols {
		lp = &loadedParts{symbols: symbols, parts: map[partKey]loading{}}
		l.tenants[t] = lp
	}
	return lp.parts
}

// missing returns the parts of which symbols do not have all definitions: those
// to add as a whole, and those to add only what is wanted of.
func (l *loadedSymbols) missing(symbols *flame.Symbols, parts []*warehouse.Part) (whole, some []*warehouse.Part) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var first, second []*warehouse.Part
	for _, p := range parts {
		switch l.of(p.Tenant, symbols)[keyOf(p)] {
		case nothingLoaded:
			first = append(first, p)
		case someLoaded:
			second = append(second, p)
		}
	}
	for _, of := range []struct {
		parts []*warehouse.Part
		most  int64
	}{{first, fewStacks}, {second, manyStacks}} {
		if stackRows(of.parts) <= of.most {
			whole = append(whole, of.parts...)
		} else {
			some = append(some, of.parts...)
		}
	}
	return whole, some
}

func stackRows(parts []*warehouse.Part) (rows int64) {
	for _, p := range parts {
		section, _ := p.Section(warehouse.TableStacktraces)
		rows += section.Rows
	}
	return rows
}

func (l *loadedSymbols) set(symbols *flame.Symbols, p *warehouse.Part, n loading) {
	l.mu.Lock()
	defer l.mu.Unlock()
	parts := l.of(p.Tenant, symbols)
	parts[keyOf(p)] = max(n, parts[keyOf(p)])
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
	if err := s.readStacks(ctx, symbols, missing, parts); err != nil {
		return nil, err
	}
	if missing = symbols.Missing(missing[:0], ids); len(missing) == 0 {
		return symbols, nil
	}
	return nil, warehouse.Errorf(warehouse.Corrupt, "find stacktrace %d and %d more: object %s, hour %s, or another has samples of it, but no object of its partition defines it (searched %d: %s)",
		missing[0], len(missing)-1, ts[0].part.Object, ts[0].part.Hour, len(parts), describe(parts))
}

// readStacks adds to symbols what the parts define of the wanted stacktraces, and
// more if that is cheap.
func (s *Service) readStacks(ctx context.Context, symbols *flame.Symbols, wanted []warehouse.StacktraceID, parts []*warehouse.Part) error {
	whole, some := s.loaded.missing(symbols, parts)
	ids := make(map[warehouse.StacktraceID]struct{}, len(wanted))
	for _, id := range wanted {
		ids[id] = struct{}{}
	}
	isWanted := func(id warehouse.StacktraceID) bool { _, ok := ids[id]; return ok }
	return s.parallel(ctx, len(whole)+len(some), func(ctx context.Context, i int) error {
		if i < len(whole) {
			return s.readStacksOf(ctx, symbols, whole[i], allLoaded, func(warehouse.StacktraceID) bool { return true })
		}
		return s.readStacksOf(ctx, symbols, some[i-len(whole)], someLoaded, isWanted)
	})
}

// readStacksOf adds the definitions of a part that add accepts.
func (s *Service) readStacksOf(ctx context.Context, symbols *flame.Symbols, p *warehouse.Part, loads loading, add func(warehouse.StacktraceID) bool) error {
	data, err := s.opts.Sections.Read(ctx, p, warehouse.TableStacktraces)
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
		if add(st.ID) {
			symbols.Add(st)
		}
		return nil
	})
	if err != nil {
		return partError(p, warehouse.TableStacktraces, err)
	}
	s.loaded.set(symbols, p, loads)
	return nil
}
