package catalog

import "github.com/stackhouse-db/stackhouse/sql/lex"

// clause is the part of a query that a token is in.
type clause byte

const (
	noClause     clause = iota // no query, or before its SELECT
	selectClause               // between SELECT and FROM
	fromClause                 // from FROM to the next clause
	otherClause                // behind it
)

// structure is what the rewriter knows about tokens without a grammar: which
// expressions end where, and in which clause of which query they are.
type structure struct {
	tokens []token

	// operand is, for a token that ends an operand (a value with its subscripts and
	// casts), the token that starts it; else -1.
	operand []int

	// clause and depth of each token: depth counts the brackets around it. opener is
	// the bracket right around it, or -1.
	clause []clause
	depth  []int
	opener []int

	ctes map[string]bool // names that the statement gives to queries of its own
}

// frame is an open bracket, or the text around all of them.
type frame struct {
	opener int
	clause clause
	cases  []int // tokens of CASE that wait for END
}

func analyse(tokens []token) *structure {
	n := len(tokens)
	s := &structure{
		tokens: tokens, operand: make([]int, n), clause: make([]clause, n), depth: make([]int, n), opener: make([]int, n),
		ctes: map[string]bool{},
	}
	frames := []frame{{opener: -1}}
	for i, t := range tokens {
		if t.isPunct(")") || t.isPunct("]") {
			if len(frames) > 1 && t.partner >= 0 {
				frames = frames[:len(frames)-1]
			}
		}
		f := &frames[len(frames)-1]
		s.enter(f, i)
		s.clause[i], s.depth[i], s.opener[i] = f.clause, len(frames)-1, f.opener
		s.operand[i] = s.operandAt(f, i)
		if (t.isPunct("(") || t.isPunct("[")) && t.partner >= 0 {
			inner := frame{opener: i}
			if t.name == "(" && s.clause[i] == fromClause && s.startsRelation(i) {
				inner.clause = fromClause // a join in brackets, unless SELECT follows
			}
			frames = append(frames, inner)
		}
		s.noteCTE(i)
	}
	return s
}

// enter moves the frame to the clause that token i starts.
func (s *structure) enter(f *frame, i int) {
	t := s.tokens[i]
	if t.isPunct(";") {
		f.clause = noClause
	}
	if t.Kind != lex.Word || s.at(i-1).isPunct(".") {
		return
	}
	switch t.name {
	case "select":
		f.clause = selectClause
	case "from":
		// IS DISTINCT FROM is none, nor is the FROM of extract(epoch FROM time).
		if f.clause == selectClause && !(s.at(i-1).isWord("distinct") && !s.at(i-2).isWord("select")) {
			f.clause = fromClause
		}
	case "where", "group", "having", "order", "limit", "window", "offset", "fetch", "union", "except", "intersect", "values", "qualify":
		if f.clause != noClause {
			f.clause = otherClause
		}
	}
}

// noteCTE records the name in "name AS (" and "name (columns) AS (".
func (s *structure) noteCTE(i int) {
	if !s.tokens[i].isPunct("(") || s.tokens[i].partner < 0 {
		return
	}
	as := i - 1
	if s.at(as).isWord("materialized") {
		as--
		if s.at(as).isWord("not") {
			as--
		}
	}
	if !s.at(as).isWord("as") {
		return
	}
	name := as - 1
	if s.at(name).isPunct(")") && s.at(name).partner > 0 {
		name = s.at(name).partner - 1
	}
	if s.at(name).isName() {
		s.ctes[s.at(name).name] = true
	}
}

// operandAt returns the start of the operand that token i ends, or -1.
func (s *structure) operandAt(f *frame, i int) int {
	t := s.tokens[i]
	if start := s.typeStart(i); start >= 2 {
		return s.operand[start-2]
	}
	switch {
	case t.Kind == lex.String || t.Kind == lex.Number || t.Kind == lex.Param:
		return i
	case t.Kind == lex.Word && !s.at(i-1).isPunct("."):
		switch t.name {
		case "case":
			f.cases = append(f.cases, i)
			return -1
		case "end":
			if n := len(f.cases); n > 0 {
				start := f.cases[n-1]
				f.cases = f.cases[:n-1]
				return start
			}
			return -1
		}
		if reserved[t.name] {
			return -1
		}
		return i
	case t.isName():
		if i >= 2 && s.tokens[i-1].isPunct(".") && s.operand[i-2] >= 0 {
			return s.operand[i-2] // a.b, (expression).field
		}
		return i
	case t.isPunct(")") || t.isPunct("]"):
		return s.bracketStart(i)
	}
	return -1
}

// typeStart returns the first token of the type after :: that token i belongs to and
// ends so far, or -1.
func (s *structure) typeStart(i int) int {
	// A type is at most "schema" . "name" ( n , n ) [ ] or some words: looking back
	// over the tokens that types consist of reaches its ::, if there is one near.
	for j := i; j > 0 && i-j < 12; j-- {
		t := s.tokens[j]
		if s.at(j - 1).isOp("::") {
			if end, _ := s.typeAt(j); end > i {
				return j
			}
			return -1
		}
		if !(t.isName() || t.Kind == lex.Number || t.isPunct(".") || t.isPunct("(") || t.isPunct(")") || t.isPunct(",") || t.isPunct("[") || t.isPunct("]")) {
			return -1
		}
	}
	return -1
}

// typeAt returns the end of the type that starts at token i, and the token of its
// name without the schema.
func (s *structure) typeAt(i int) (end, name int) {
	if !s.at(i).isName() {
		return i, i
	}
	name = i
	for s.at(name+1).isPunct(".") && s.at(name+2).isName() {
		name += 2
	}
	end = name + 1
	switch first := s.at(name).name; {
	case first == "double" && s.at(end).isWord("precision"), first == "character" && s.at(end).isWord("varying"):
		end++
	}
	if s.at(end).isPunct("(") && s.at(end).partner > 0 {
		end = s.at(end).partner + 1
	}
	if (s.at(end).isWord("with") || s.at(end).isWord("without")) && s.at(end+1).isWord("time") && s.at(end+2).isWord("zone") {
		end += 3
	}
	for s.at(end).isPunct("[") && s.at(end).partner > 0 {
		end = s.at(end).partner + 1
	}
	return end, name
}

// chainStart returns the first token of a.b.c, of which i is the last.
func (s *structure) chainStart(i int) int {
	for i >= 2 && s.tokens[i-1].isPunct(".") && s.tokens[i-2].isName() {
		i -= 2
	}
	return i
}

// bracketStart returns the start of the operand that a closing bracket ends.
func (s *structure) bracketStart(i int) int {
	open := s.tokens[i].partner
	if open < 0 {
		return -1
	}
	before := s.at(open - 1)
	switch {
	case s.tokens[i].name == "]" && open > 0 && s.operand[open-1] >= 0: // value[n]
		return s.operand[open-1]
	case before.isWord("array"):
		return open - 1
	case s.tokens[i].name == ")" && open > 0 && before.isName() && s.operand[open-1] >= 0: // f(…)
		return s.operand[open-1]
	case s.tokens[i].name == ")" && before.Kind == lex.Word && callWords[before.name]:
		return open - 1
	}
	return open
}

// operandEnd returns the end of the operand that starts at token i; i if none does.
func (s *structure) operandEnd(i int) int {
	end := i
	switch t := s.at(i); {
	case t.Kind == lex.String || t.Kind == lex.Number || t.Kind == lex.Param:
		end = i + 1
	case t.isPunct("(") || t.isPunct("["):
		end = t.partner + 1
	case t.isName() && (!reserved[t.name] || callWords[t.name] || t.Kind == lex.Quoted):
		end = i + 1
		for s.at(end).isPunct(".") && s.at(end+1).isName() {
			end += 2
		}
		if s.at(end).isPunct("(") && s.at(end).partner > 0 {
			end = s.at(end).partner + 1
		}
	}
	if end <= i {
		return i
	}
	for {
		switch t := s.at(end); {
		case t.isOp("::"):
			typeEnd, _ := s.typeAt(end + 1)
			if typeEnd == end+1 {
				return end
			}
			end = typeEnd
		case t.isPunct("[") && t.partner > 0:
			end = t.partner + 1
		default:
			return end
		}
	}
}

// startsRelation reports whether token i starts a relation of a FROM clause.
func (s *structure) startsRelation(i int) bool {
	if s.clause[i] != fromClause || i == 0 {
		return false
	}
	switch p := s.tokens[i-1]; p.Kind {
	case lex.Word:
		return p.name == "from" || p.name == "join" || p.name == "lateral" || p.name == "only"
	case lex.Punct:
		return p.name == "," || p.name == "(" && s.opener[i] == i-1
	}
	return false
}

// isItem reports whether the tokens [from, to) are all of an expression that a query
// returns, its alias aside.
func (s *structure) isItem(from, to int) bool {
	if s.clause[from] != selectClause {
		return false
	}
	switch p := s.at(from - 1); {
	case p.isWord("select"), p.isWord("distinct"), p.isWord("all"), p.isPunct(","):
	default:
		return false
	}
	next := s.at(to)
	return next.Kind == lex.End || next.isPunct(",") || next.isPunct(")") || next.isPunct(";") ||
		next.isWord("as") || next.isWord("from") || next.isWord("union") || s.isAlias(to)
}

// isAlias reports whether token i, behind a relation or expression, is a name for it.
func (s *structure) isAlias(i int) bool {
	t := s.at(i)
	return t.Kind == lex.Quoted || t.Kind == lex.Word && !reserved[t.name] && !joinWords[t.name]
}

// at returns token i, and an empty one outside.
func (s *structure) at(i int) token {
	if i < 0 || i >= len(s.tokens) {
		return token{partner: -1}
	}
	return s.tokens[i]
}

func set(words ...string) map[string]bool {
	m := make(map[string]bool, len(words))
	for _, w := range words {
		m[w] = true
	}
	return m
}

// reserved are the words that are no names, and end no operand.
var reserved = set("all", "and", "any", "array", "as", "asc", "between", "both", "by", "case", "cast", "collate", "cross", "desc", "distinct", "else",
	"end", "except", "exists", "fetch", "for", "from", "full", "group", "having", "ilike", "in", "inner", "intersect", "is", "isnull", "join",
	"lateral", "left", "like", "limit", "natural", "not", "notnull", "offset", "on", "only", "operator", "or", "order", "over", "partition",
	"right", "select", "similar", "some", "then", "union", "using", "values", "when", "where", "window", "with", "qualify", "escape")

// joinWords follow a relation without being its alias.
var joinWords = set("anti", "asof", "positional", "semi", "tablesample", "sample", "pivot", "unpivot", "set", "returning")

// callWords are reserved, and yet stand before the brackets of a value.
var callWords = set("array", "cast", "exists", "left", "right")
