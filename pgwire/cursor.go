package pgwire

import (
	"context"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/stackhouse-db/stackhouse/sql/lex"
)

// parseDeclare reads
//
//	name [BINARY] [ASENSITIVE|INSENSITIVE] [[NO] SCROLL] CURSOR [WITH|WITHOUT HOLD] FOR query
func parseDeclare(p *parser) (command, error) {
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	c := &declare{name: name}
	for !p.accept("cursor") {
		switch {
		case p.accept("binary"):
			c.binary = true
		case p.accept("scroll"):
			c.scroll = true
		case p.acceptAll("no", "scroll"):
			c.scroll = false
		case p.acceptAny("asensitive", "insensitive") != "":
		default:
			return nil, p.syntaxError()
		}
	}
	c.hold = p.acceptAll("with", "hold")
	p.acceptAll("without", "hold")
	if err := p.expect("for"); err != nil {
		return nil, err
	}
	c.query, err = parseInner(p)
	return c, err
}

// parseInner reads the query that ends another command.
func parseInner(p *parser) (*query, error) {
	if p.atEnd() {
		return nil, p.syntaxError()
	}
	return innerQuery(p.text, piece{p.tok.Start, len(p.text)})
}

// innerQuery is the query that a piece of a command's text holds.
func innerQuery(text string, in piece) (*query, error) {
	shift := utf8.RuneCountInString(text[:in.start])
	cmd, err := parseCommand(text[in.start:in.end])
	if err != nil {
		return nil, shifted(err, shift)
	}
	q, ok := cmd.(*query)
	if !ok {
		return nil, errorf(stateSyntaxError, "syntax error at or near %q", clip(text[in.start:in.end])).at(text, in.start)
	}
	q.shift += shift
	return q, nil
}

// declare is DECLARE.
type declare struct {
	name                 string
	binary, scroll, hold bool
	query                *query
}

func (c *declare) plan(ctx context.Context, s *session, oids []uint32) (*plan, error) {
	inner, err := c.query.plan(ctx, s, oids)
	if err != nil {
		return nil, err
	}
	run := func(ctx context.Context, args []any) (*result, error) {
		return &result{tag: "DECLARE CURSOR"}, s.declare(ctx, c, inner, args)
	}
	return &plan{params: inner.params, run: run, stable: true}, nil
}

func (s *session) declare(ctx context.Context, c *declare, inner *plan, args []any) error {
	block := s.inBlock() || s.several
	switch _, taken := s.portals[c.name]; {
	case !block && !c.hold:
		return errorf(stateNoActiveTransaction, "DECLARE CURSOR can only be used in transaction blocks")
	case taken:
		return errorf(stateDuplicateCursor, "cursor %q already exists", clip(c.name))
	case len(s.portals) >= maxNames:
		return errorf(stateConfigurationLimit, "too many cursors: the limit is %d", maxNames)
	}
	pl := *inner
	pl.binary = c.binary
	p := s.newPortal(c.name, &pl)
	p.args, p.cursor, p.scroll, p.hold = args, true, c.scroll, c.hold
	if c.hold && !block {
		if err := p.holdRows(ctx); err != nil {
			p.close()
			return err
		}
	}
	s.portals[c.name] = p
	return nil
}

// holdRows reads the rows of a cursor that outlives its transaction.
func (p *portal) holdRows(ctx context.Context) error {
	if !p.started() {
		if err := p.start(ctx); err != nil {
			return err
		}
	}
	return p.rows.readAll(ctx)
}

// holdPortals does so for each such cursor.
func (s *session) holdPortals(ctx context.Context) error {
	for _, p := range s.portals {
		if p.hold {
			if err := p.holdRows(ctx); err != nil {
				s.finish(false)
				return err
			}
		}
	}
	return nil
}

// closeCursors closes those that SQL declared.
func (s *session) closeCursors() {
	for name, p := range s.portals {
		if p.cursor {
			s.dropPortal(name)
		}
	}
}

func parseClose(p *parser) (command, error) {
	if p.accept("all") {
		return &action{tag: "CLOSE CURSOR ALL", do: func(_ context.Context, s *session) error {
			s.closeCursors()
			return nil
		}}, p.end()
	}
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	return &action{tag: "CLOSE CURSOR", do: func(_ context.Context, s *session) error {
		if _, err := s.findCursor(name); err != nil {
			return err
		}
		s.dropPortal(name)
		return nil
	}}, p.end()
}

func (s *session) findCursor(name string) (*portal, error) {
	if p, ok := s.portals[name]; ok && p.plan.columns != nil {
		return p, nil
	}
	return nil, errorf(stateUndefinedCursor, "cursor %q does not exist", clip(name))
}

// direction says which rows a FETCH wants.
type direction struct {
	kind  directionKind
	count int64 // forward and relative: negative is backward
}

type directionKind uint8

const (
	relativeMany directionKind = iota // the next count rows
	relativeOne                       // the row count after the current one
	absoluteOne                       // row count, from the end if negative
)

// all is more rows than there are.
const all = math.MaxInt64

func parseFetch(p *parser) (command, error) { return parseDirection(p, false) }
func parseMove(p *parser) (command, error)  { return parseDirection(p, true) }

// parseDirection reads [direction] [FROM|IN] cursor.
func parseDirection(p *parser, move bool) (command, error) {
	dir, err := readDirection(p)
	if err != nil {
		return nil, err
	}
	p.acceptAny("from", "in")
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	return &fetch{name: name, dir: dir, move: move}, p.end()
}

func readDirection(p *parser) (direction, error) {
	start := *p
	switch word := p.acceptAny("next", "prior", "first", "last", "all", "forward", "backward", "absolute", "relative"); word {
	case "":
		if p.tok.Kind == lex.Number || p.isOp("-") || p.isOp("+") {
			n, err := p.integer()
			return direction{relativeMany, n}, err
		}
		return direction{relativeMany, 1}, nil
	case "absolute", "relative":
		n, err := p.integer()
		if word == "absolute" {
			return direction{absoluteOne, n}, err
		}
		return direction{relativeOne, n}, err
	case "forward", "backward":
		return optionalCount(p, word == "backward")
	default:
		if p.atEnd() { // FETCH next: a cursor of that name
			*p = start
			return direction{relativeMany, 1}, nil
		}
		return map[string]direction{
			"next": {relativeMany, 1}, "prior": {relativeMany, -1},
			"first": {absoluteOne, 1}, "last": {absoluteOne, -1}, "all": {relativeMany, all},
		}[word], nil
	}
}

// optionalCount reads [n|ALL].
func optionalCount(p *parser, backward bool) (direction, error) {
	n := int64(1)
	switch {
	case p.accept("all"):
		n = all
	case p.tok.Kind == lex.Number || p.isOp("-") || p.isOp("+"):
		var err error
		if n, err = p.integer(); err != nil {
			return direction{}, err
		}
	}
	if backward {
		n = -n
	}
	return direction{relativeMany, n}, nil
}

// fetch is FETCH, or MOVE, which only counts.
type fetch struct {
	name string
	dir  direction
	move bool
}

func (c *fetch) plan(_ context.Context, s *session, _ []uint32) (*plan, error) {
	pl := &plan{run: func(ctx context.Context, _ []any) (*result, error) {
		p, err := s.findCursor(c.name)
		if err != nil {
			return nil, err
		}
		rows, err := p.fetch(ctx, c.dir)
		if err != nil || !c.move {
			return &result{tag: "FETCH", counts: true, rows: rows}, err
		}
		n, err := countRows(ctx, rows)
		return &result{tag: "MOVE " + strconv.FormatInt(n, 10)}, err
	}}
	if p, err := s.findCursor(c.name); err == nil && !c.move {
		pl.columns, pl.binary = p.plan.columns, p.plan.binary
	}
	return pl, nil
}

// countRows runs through rows.
func countRows(ctx context.Context, rows rowSource) (n int64, err error) {
	defer rows.Close()
	for {
		rec, err := rows.Next(ctx)
		if isEOF(err) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		n += rec.NumRows()
	}
}
