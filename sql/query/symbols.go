package query

import (
	"context"
	"sync"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/flame"
)

// manyStacks is the most definitions that a query adds to the symbols without
// having been asked for them.
//
// Why: definitions lie in sections of a whole part, all services and types
// together. Once all of a part are loaded, no later query reads it. The first
// question after a start should not wait for what it did not ask for, so it adds
// only what it wants unless that is most of it; the second loads all. If the
// parts have more definitions than this, a query adds only those it wants, so that
// a question about one service never loads those of very many others.
const manyStacks = 256 << 10

// loadedSymbols knows of which parts the tenants' current symbols have
// definitions.
type loadedSymbols struct {
	mu      sync.Mutex
	tenants map[warehouse.Tenant]*loadedParts
}

type loadedParts struct {
	symbols *flame.Symbols
	parts   map[partKey]bool // read: true if whole
}

func newLoadedSymbols() *loadedSymbols {
	return &loadedSymbols{tenants: map[warehouse.Tenant]*loadedParts{}}
}

// of returns the parts that symbols have; what another generation had is
// forgotten. The caller holds mu.
func (l *loadedSymbols) of(t warehouse.Tenant, symbols *flame.Symbols) map[partKey]bool {
	lp := l.tenants[t]
	if lp == nil || lp.symbols != symbols {
		lp = &loadedParts{symbols: symbols, parts: map[partKey]bool{}}
		l.tenants[t] = lp
	}
	return lp.parts
}

// missing returns the parts of which symbols do not have all definitions, and
// whether some of one of these were read before.
func (l *loadedSymbols) missing(symbols *flame.Symbols, parts []*warehouse.Part) (missing []*warehouse.Part, again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range parts {
		whole, read := l.of(p.Tenant, symbols)[keyOf(p)]
		if !whole {
			missing = append(missing, p)
			again = again || read
		}
	}
	return missing, again
}

// add says that symbols have definitions of the part, or all of them.
func (l *loadedSymbols) add(symbols *flame.Symbols, p *warehouse.Part, whole bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	parts := l.of(p.Tenant, symbols)
	parts[keyOf(p)] = whole || parts[keyOf(p)]
}

func stackRows(parts []*warehouse.Part) (rows int64) {
	for _, p := range parts {
		section, _ := p.Section(warehouse.TableStacktraces)
		rows += section.Rows
	}
	return rows
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
// all else that they define when the time has come: see manyStacks.
func (s *Service) readStacks(ctx context.Context, symbols *flame.Symbols, wanted []warehouse.StacktraceID, parts []*warehouse.Part) error {
	parts, again := s.loaded.missing(symbols, parts)
	rows := stackRows(parts)
	isWhole := rows <= s.manyStacks && (again || 2*int64(len(wanted)) >= rows)
	if isWhole {
		return s.addStacks(ctx, symbols, nil, parts)
	}
	var ids idTable
	for _, id := range wanted {
		ids.number(id)
	}
	return s.addStacks(ctx, symbols, ids.has, parts)
}

// readWholeStacks adds to symbols all that the parts define.
func (s *Service) readWholeStacks(ctx context.Context, symbols *flame.Symbols, parts []*warehouse.Part) error {
	parts, _ = s.loaded.missing(symbols, parts)
	return s.addStacks(ctx, symbols, nil, parts)
}

// addStacks adds to symbols what the parts define of the wanted stacktraces; nil
// wants all.
func (s *Service) addStacks(ctx context.Context, symbols *flame.Symbols, isWanted func(warehouse.StacktraceID) bool, parts []*warehouse.Part) error {
	return s.parallel(ctx, len(parts), func(ctx context.Context, i int) error {
		data, err := s.opts.Sections.Read(ctx, parts[i], warehouse.TableStacktraces)
		if err != nil {
			return err
		}
		err = block.ReadStackColumns(data, isWanted, func(c *warehouse.StackColumns) error {
			symbols.AddColumns(c)
			return ctxError(ctx)
		})
		if err != nil {
			return partError(parts[i], warehouse.TableStacktraces, err)
		}
		s.loaded.add(symbols, parts[i], isWanted == nil)
		return nil
	})
}
