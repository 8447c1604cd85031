package statement

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stackhouse-db/stackhouse/sql/catalog"
	"github.com/stackhouse-db/stackhouse/sql/engine"
	"github.com/stackhouse-db/stackhouse/sql/lex"
	"github.com/stackhouse-db/stackhouse/sql/worker"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// prepared is a statement in the forms that its steps need.
type prepared struct {
	tenant  warehouse.Tenant
	explain explain
	source  source
	named   *checked
	params  []Type
	binds   []site // of parameters, ascending
	calls   []callSite
}

// explain says what is asked about a statement instead of its rows.
type explain uint8

const (
	rowsOf explain = iota
	planOf
	analysisOf // the plan, with what each step cost
)

// source is a statement's text as DuckDB gets it, with the way back to the client's.
type source struct {
	client string // as it came
	text   string
	back   func(int) int // from a byte of text to one of client
}

// fail makes any error one of the client's text.
func (s *source) fail(err error, original func(int) int) *Error {
	return asError(err, s.client, func(at int) int { return s.back(original(at)) })
}

func same(at int) int { return at }

// site is a place in a text.
type site struct {
	start, end int
	param      int // its number
}

// Prepare checks and describes one statement of the SELECT family, or an EXPLAIN of
// one. A parameter whose type the client does not know, or says to be text, is
// inferred.
//
// Errors: always an *Error.
func (s *Service) Prepare(ctx context.Context, sess *Session, text string, paramTypes []string) (*Prepared, error) {
	defer s.metrics.step("describe", time.Now())
	p, columns, err := s.prepare(ctx, sess, text, paramTypes)
	if err != nil {
		return nil, err
	}
	return &Prepared{Text: text, Params: p.params, Columns: columns, inner: p}, nil
}

func (s *Service) prepare(ctx context.Context, sess *Session, text string, paramTypes []string) (*prepared, []Column, error) {
	p := &prepared{tenant: sess.Tenant, source: source{client: text, text: text, back: same}}
	fail := func(err error) (*prepared, []Column, error) { return nil, nil, p.source.fail(err, same) }
	if err := checkText(text); err != nil {
		return fail(err)
	}
	p.read()
	planner, release, err := s.workers.Planner(ctx, sess.Tenant)
	if err != nil {
		return fail(err)
	}
	defer release()
	columns, err := s.checkAndDescribe(ctx, sess, planner, p, paramTypes)
	if err == nil && p.lengthenTimes(ctx, planner) {
		columns, err = s.checkAndDescribe(ctx, sess, planner, p, paramTypes)
	}
	if err != nil {
		return fail(err)
	}
	if p.explain != rowsOf {
		return p, []Column{{Name: "QUERY PLAN", Type: Type{Name: Varchar}}}, nil
	}
	out, err := s.columns(columns, p.named)
	if err != nil {
		return fail(err)
	}
	label(out, text)
	return p, out, nil
}

// checkAndDescribe checks what the text names, and describes it.
func (s *Service) checkAndDescribe(ctx context.Context, sess *Session, planner *worker.Planner, p *prepared, paramTypes []string) (columns []engine.Column, err error) {
	if p.named, err = s.checkSyntax(ctx, planner, p.source.text); err != nil {
		return nil, err
	}
	if err := p.place(); err != nil {
		return nil, err
	}
	if err := planner.SetSession(ctx, s.workerSession(sess, p.named)); err != nil {
		return nil, err
	}
	return p.describe(ctx, planner, paramTypes)
}

func checkText(text string) error {
	switch {
	case len(text) > maxTextBytes:
		return errorf(stateProgramLimit, "the statement has %d bytes, the limit is %d", len(text), maxTextBytes)
	case !utf8.ValidString(text):
		return errorf(stateInvalidEncoding, "the statement is not valid UTF-8")
	case strings.IndexByte(text, 0) >= 0:
		return errorf(stateInvalidEncoding, "the statement has a NUL character")
	}
	return nil
}

// read finds EXPLAIN in front of the statement, and turns the rest into what DuckDB
// understands.
func (p *prepared) read() {
	text := p.source.client
	var skip int
	p.explain, skip = explained(text)
	spaced := apply(text[skip:], spaces(text[skip:]))
	rewritten, positions := catalog.Rewrite(spaced.text)
	p.source.text = rewritten
	p.source.back = func(at int) int { return skip + spaced.back(positions.Original(at)) }
}

// explained returns what EXPLAIN asks for, and where the statement after it begins.
func explained(text string) (explain, int) {
	ts := lex.Tokens(text)
	if len(ts) < 2 || ts[0].Word(text) != "explain" {
		return rowsOf, 0
	}
	switch ts[1].Word(text) {
	case "analyze", "analyse":
		return analysisOf, ts[1].End
	}
	return planOf, ts[0].End
}

// spaces replaces the spaces that DuckDB's parser takes for ASCII's, and thereby
// moves what follows: positions would no longer be ours.
func spaces(text string) []edit {
	var out []edit
	l := lex.New(text)
	for t := l.Next(); t.Kind != lex.End; t = l.Next() {
		if t.Kind != lex.Space && t.Kind != lex.Comment {
			continue
		}
		for i := t.Start; i < t.End; {
			n := max(lex.SpaceAt(text[i:]), 1)
			if n > 1 {
				out = append(out, edit{start: i, end: i + n, with: " "})
			}
			i += n
		}
	}
	return out
}

// checkSyntax parses a text and checks what it names.
func (s *Service) checkSyntax(ctx context.Context, planner *worker.Planner, text string) (*checked, error) {
	answer, err := planner.Parse(ctx, text)
	if err != nil {
		return nil, err
	}
	tree, err := parseSyntax([]byte(answer))
	if err != nil {
		return nil, warehouse.Errorf(warehouse.Internal, "read syntax tree: %w", err)
	}
	if tree.Error {
		return nil, syntaxError(text, []byte(answer))
	}
	c := checker{ctx: ctx, database: planner.Database(), dict: s.catalog}
	return c.check(tree)
}

// syntaxError explains why a text is no SELECT.
func syntaxError(text string, answer []byte) error {
	f := engine.ParseFault(answer)
	if f == nil {
		return warehouse.Errorf(warehouse.Internal, "read syntax tree: no statement and no error")
	}
	if f.Class == "Parser" {
		return f
	}
	if several(text) {
		return errSeveral()
	}
	return refusal(verb(text))
}

// errSeveral is the error for a text with more than one statement.
func errSeveral() error { return errorf(stateSyntaxError, "cannot run several statements at once") }

// several reports whether something stands behind a semicolon.
func several(text string) bool {
	ended := false
	for _, t := range lex.Tokens(text) {
		switch {
		case t.Is(text, ";"):
			ended = true
		case ended:
			return true
		}
	}
	return false
}

// verb returns the word that says what a statement does: the first one, or behind
// the common table expressions of WITH a writing one.
func verb(text string) string {
	depth, first := 0, ""
	for _, t := range lex.Tokens(text) {
		switch w := strings.ToUpper(t.Word(text)); {
		case t.Is(text, "("):
			depth++
		case t.Is(text, ")"):
			depth--
		case w == "" || depth > 0:
		case first == "":
			first = w
		case first == "WITH" && writes[w]:
			return w
		}
		if first != "" && first != "WITH" {
			return first
		}
	}
	return first
}

// writes are statements that PostgreSQL refuses in a read-only transaction.
var writes = map[string]bool{
	"INSERT": true, "UPDATE": true, "DELETE": true, "MERGE": true, "TRUNCATE": true, "CREATE": true, "DROP": true,
	"ALTER": true, "COMMENT": true, "GRANT": true, "REVOKE": true, "VACUUM": true, "ANALYZE": true, "REINDEX": true, "COPY": true,
}

// reaching are statements that would leave the tenant's relations.
var reaching = map[string]bool{
	"ATTACH": true, "DETACH": true, "INSTALL": true, "LOAD": true, "EXPORT": true, "IMPORT": true, "CALL": true,
	"PRAGMA": true, "SET": true, "RESET": true, "USE": true, "CHECKPOINT": true, "FORCE": true, "UPDATE EXTENSIONS": true,
}

// refusal is the error for a statement that is no SELECT.
func refusal(first string) error {
	switch {
	case writes[first]:
		return errorf(stateReadOnly, "cannot execute %s in a read-only transaction", first)
	case reaching[first]:
		return errorf(stateNotAllowed, "%s is not allowed", first)
	}
	return errorf(stateNotSupported, "only SELECT, VALUES, TABLE and WITH are supported, not %s", first)
}

// place finds parameters and product functions in the text.
func (p *prepared) place() error {
	text := p.source.text
	p.binds, p.calls = nil, nil
	ts := lex.Tokens(text)
	for _, t := range ts {
		if t.Kind != lex.Param {
			continue
		}
		n, err := strconv.Atoi(text[t.Start+1 : t.End])
		if err != nil || n < 1 || n > p.named.params {
			return errorf(stateUndefinedParameter, "there is no parameter %s", text[t.Start:t.End]).at(t.Start)
		}
		p.binds = append(p.binds, site{t.Start, t.End, n})
	}
	for i := range p.named.calls {
		c, err := locate(text, ts, &p.named.calls[i])
		if err != nil {
			return err
		}
		p.calls = append(p.calls, c)
	}
	return nil
}

// describe finds the types of parameters and columns.
func (p *prepared) describe(ctx context.Context, planner *worker.Planner, given []string) ([]engine.Column, error) {
	p.params = make([]Type, max(p.named.params, 0))
	for i := range p.params {
		if i < len(given) && given[i] != Varchar {
			p.params[i] = typeNamed(given[i])
		}
	}
	// What DuckDB infers; then text, as PostgreSQL has it, or else a number.
	d, at, err := p.describeOnce(ctx, planner)
	if err != nil {
		return nil, p.locateIn(at, err)
	}
	p.learn(d)
	open := p.untypedParams()
	if len(p.params) == 0 {
		return d.Columns, nil
	}
	for _, fallback := range []string{Varchar, BigInt} {
		for _, n := range open {
			p.params[n] = Type{Name: fallback}
		}
		if d, at, err = p.describeOnce(ctx, planner); err == nil {
			p.learn(d)
			return d.Columns, nil
		}
		if len(open) == 0 {
			break
		}
	}
	return nil, p.locateIn(at, err)
}

// learn takes over the types of parameters that DuckDB knows: those that it compares
// or combines with a known type, and all parts of those that were named.
func (p *prepared) learn(d engine.Description) {
	for _, param := range d.Params {
		n, err := strconv.Atoi(param.Name)
		if err == nil && 1 <= n && n <= len(p.params) && param.Type.Name != "" && param.Type.Name != Null {
			p.params[n-1] = param.Type
		}
	}
}

// typeNamed returns the type that a client declares by its name: one without
// parameters, or lists of one.
func typeNamed(name string) Type {
	if elem, ok := strings.CutSuffix(name, "[]"); ok {
		t := typeNamed(elem)
		return Type{Name: List, Elem: &t}
	}
	return Type{Name: name}
}

func (p *prepared) untypedParams() (open []int) {
	for i, t := range p.params {
		if t.Name == "" {
			open = append(open, i)
		}
	}
	return open
}

// describeOnce describes the text with the types that are known.
func (p *prepared) describeOnce(ctx context.Context, planner *worker.Planner) (engine.Description, edited, error) {
	edits := p.typedParams()
	for _, c := range p.calls {
		if !c.alias {
			edits = append(edits, edit{c.end, c.end, " AS " + quoteName(c.function.Name)})
		}
	}
	e := apply(p.source.text, edits)
	d, err := planner.Describe(ctx, e.text)
	return d, e, err
}

// typedParams gives parameters the types that are known.
func (p *prepared) typedParams() (edits []edit) {
	for _, b := range p.binds {
		if t := p.params[b.param-1]; t.Name != "" {
			edits = append(edits, edit{b.start, b.end, fmt.Sprintf("CAST($%d AS %s)", b.param, typeText(t))})
		}
	}
	return edits
}

// locateIn makes an error about an edited text one about the client's.
func (p *prepared) locateIn(e edited, err error) *Error {
	return p.source.fail(err, e.back)
}

// columns are the statement's columns as clients see them.
func (s *Service) columns(described []engine.Column, named *checked) ([]Column, error) {
	out := make([]Column, len(described))
	for i, c := range described {
		switch c.Type.Name {
		case "BIGNUM", "GEOMETRY", "VARIANT":
			return nil, errorf(stateNotSupported, "column %q has type %s, which cannot be sent", c.Name, c.Type.Name).withHint("Cast it to another type.")
		}
		out[i] = Column{Name: c.Name, Type: c.Type}
		if named.catalog && s.opts.Catalog != nil {
			out[i].PGType = s.opts.Catalog.ColumnType(c.Name)
		}
	}
	return out, nil
}
