package statement

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/stackhouse-db/stackhouse/sql/catalog"
	"github.com/stackhouse-db/stackhouse/sql/lex"
	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Limits of a statement's text. Above them the time that parsing, binding and
// planning take has no useful bound.
const (
	maxTextBytes   = 64 << 10
	maxDepth       = 100    // of nested expressions and subqueries
	maxSubqueries  = 16     // within each other
	maxLambdas     = 8      // within each other
	maxJoins       = 16     //
	maxCTEs        = 64     //
	maxQueries     = 256    // joined by UNION, nested or in common table expressions
	maxColumns     = 1000   // of a select list
	maxArguments   = 1000   // of a function
	maxItems       = 10_000 // of an IN list or of VALUES
	maxRelations   = 256    // with those that the use of common table expressions repeats
	maxLiteralSize = 1 << 24
)

// checked is what a statement that passed the check names.
type checked struct {
	relations map[string]bool // of the schema public, in lower case
	system    map[string]bool // relations of the schema system
	catalog   bool            // it names something of PostgreSQL's catalogue
	calls     []call          // of product functions, by their place
	params    int             // the greatest number of a parameter
}

// call is a product function in FROM.
type call struct {
	function catalog.Function
	args     []node
	at       int // byte of the function's name
	alias    bool
}

// names of relations and functions beyond the warehouse's own.
type dictionary interface {
	IsRelation(name string) bool
	IsInfoRelation(name string) bool
	isFunction(ctx context.Context, name string) (bool, error)
}

// checker walks a syntax tree. It knows every kind of node that may occur and
// refuses the others.
type checker struct {
	ctx      context.Context //nolint:containedctx // of the one call that the checker lives for
	database string
	dict     dictionary
	out      checked

	joins, ctes, queries int
	within               struct{ depth, subqueries, lambdas int }
}

// scope holds the common table expressions that names may mean.
type scope struct {
	up   *scope
	name string
	cost int // relations that a use of it stands for
}

func (s *scope) find(name string) *scope {
	for ; s != nil; s = s.up {
		if s.name == name {
			return s
		}
	}
	return nil
}

// check checks the only statement of a syntax tree.
func (c *checker) check(s *syntax) (*checked, error) {
	switch len(s.Statements) {
	case 0:
		return nil, errorf(stateSyntaxError, "the statement is empty")
	case 1:
	default:
		return nil, errSeveral()
	}
	c.out.relations, c.out.system = map[string]bool{}, map[string]bool{}
	for _, p := range s.Statements[0].list("named_param_map") {
		if err := c.param(p); err != nil {
			return nil, err
		}
	}
	cost, err := c.value(s.Statements[0]["node"], nil)
	if err != nil {
		return nil, err
	}
	if cost > maxRelations {
		return nil, errorf(stateTooComplex, "the statement reads %d relations, the limit is %d", cost, maxRelations)
	}
	return &c.out, nil
}

// param notes a parameter of the statement.
func (c *checker) param(p any) error {
	m, _ := p.(map[string]any)
	name := node(m).string("key")
	n, err := strconv.Atoi(name)
	if err != nil || n < 1 || n > maxParams {
		return errorf(stateUndefinedParameter, "there is no parameter $%s", name)
	}
	c.out.params = max(c.out.params, n)
	return nil
}

// maxParams is what a client's message can number.
const maxParams = 65535

// value checks anything below a node, and returns how many relations it reads.
func (c *checker) value(v any, sc *scope) (cost int, err error) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			n, err := c.value(e, sc)
			if err != nil {
				return 0, err
			}
			if cost += n; cost > maxRelations {
				return 0, errorf(stateTooComplex, "the statement reads more than %d relations", maxRelations)
			}
		}
	case map[string]any:
		return c.node(v, sc)
	}
	return cost, nil
}

func (c *checker) node(o node, sc *scope) (int, error) {
	if class, ok := o["class"].(string); ok {
		return c.expression(o, class, sc)
	}
	switch kind := o.string("type"); kind {
	case "": // a container: CASE's branches, order of an aggregate, sample options
		return c.members(o, sc)
	case "SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE":
		return c.query(o, sc)
	case "BASE_TABLE":
		return c.table(o, sc)
	case "TABLE_FUNCTION":
		return c.tableFunction(o, sc)
	case "JOIN":
		if c.joins++; c.joins > maxJoins {
			return 0, errorf(stateTooComplex, "the statement has more than %d joins", maxJoins)
		}
		return c.nested(o, sc)
	case "SUBQUERY", "PIVOT":
		return c.nested(o, sc)
	case "EXPRESSION_LIST":
		if n := len(o.list("values")); n > maxItems {
			return 0, errorf(stateTooComplex, "VALUES has %d rows, the limit is %d", n, maxItems)
		}
		return c.members(o, sc)
	case "SHOW_REF":
		if o["query"] == nil {
			return 0, errorf(stateNotSupported, "SHOW and DESCRIBE without a relation are not supported").withHint("Use information_schema.tables.")
		}
		return c.nested(o, sc)
	case "EMPTY", "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER", "ORDER_MODIFIER", "DISTINCT_MODIFIER",
		"ASCENDING", "DESCENDING", "ORDER_DEFAULT":
		return c.members(o, sc)
	default:
		return 0, errorf(stateNotSupported, "%s is not supported", strings.ToLower(strings.ReplaceAll(kind, "_", " ")))
	}
}

// members checks all that a node holds.
func (c *checker) members(o node, sc *scope, but ...string) (cost int, err error) {
	for _, key := range slices.Sorted(maps.Keys(o)) { // in one order, for one error
		if skipped(key, but) {
			continue
		}
		n, err := c.value(o[key], sc)
		if err != nil {
			return 0, err
		}
		cost += n
	}
	return cost, nil
}

// skipped reports whether a member needs no check: types do not.
func skipped(key string, but []string) bool {
	if key == "cast_type" || key == "expected_types" {
		return true
	}
	for _, b := range but {
		if key == b {
			return true
		}
	}
	return false
}

// nested checks what lies a level deeper.
func (c *checker) nested(o node, sc *scope, but ...string) (int, error) {
	c.within.depth++
	defer func() { c.within.depth-- }()
	if c.within.depth > maxDepth {
		return 0, errorf(stateTooComplex, "the statement is nested more than %d levels deep", maxDepth).at(o.location())
	}
	return c.members(o, sc, but...)
}

// query checks a query with its common table expressions, each of which sees those
// before it, and itself if it is recursive.
func (c *checker) query(o node, sc *scope) (int, error) {
	if c.queries++; c.queries > maxQueries {
		return 0, errorf(stateTooComplex, "the statement has more than %d queries", maxQueries)
	}
	if n := len(o.list("select_list")); n > maxColumns {
		return 0, errorf(stateTooComplex, "the select list has %d columns, the limit is %d", n, maxColumns)
	}
	for _, v := range o.node("cte_map").list("map") {
		entry, _ := v.(map[string]any)
		name := strings.ToLower(node(entry).string("key"))
		if c.ctes++; c.ctes > maxCTEs {
			return 0, errorf(stateTooComplex, "the statement has more than %d common table expressions", maxCTEs)
		}
		cost, err := c.nested(node(entry).node("value"), sc)
		if err != nil {
			return 0, err
		}
		sc = &scope{up: sc, name: name, cost: cost}
	}
	if o.string("type") == "RECURSIVE_CTE_NODE" {
		sc = &scope{up: sc, name: strings.ToLower(o.string("cte_name")), cost: 1}
	}
	return c.nested(o, sc, "cte_map")
}

// table checks the name of a relation.
func (c *checker) table(o node, sc *scope) (int, error) {
	if o["at_clause"] != nil {
		return 0, errorf(stateNotSupported, "AT is not supported").at(o.location())
	}
	database, schema := o.string("catalog_name"), strings.ToLower(o.string("schema_name"))
	name := strings.ToLower(o.string("table_name"))
	if database == "" && schema == "" {
		if cte := sc.find(name); cte != nil {
			return max(cte.cost, 1), nil
		}
	}
	if _, err := c.members(o, sc); err != nil { // a sample clause
		return 0, err
	}
	switch {
	case c.isOwn(database) && (schema == "" || schema == "public"):
		if _, ok := catalog.RelationByName(name); ok {
			c.out.relations[name] = true
			return 1, nil
		}
		if database == "" && schema == "" && c.dict.IsRelation(name) {
			c.out.catalog = true
			return 1, nil
		}
	case c.isOwn(database) && schema == catalog.SystemSchemaName:
		if _, ok := catalog.SystemRelationByName(name); ok {
			c.out.system[name] = true
			return 1, nil
		}
	case database == "" && schema == catalog.Database && c.dict.IsRelation(name),
		strings.EqualFold(database, catalog.Database) && (schema == "infoschema" && c.dict.IsInfoRelation(name) || schema == "main" && c.dict.IsRelation(name)):
		c.out.catalog = true
		return 1, nil
	case !c.isOwn(database):
		return 0, errorf(stateNotSupported, "cross-database references are not implemented: %q", qualified(o)).at(o.location())
	}
	return 0, errorf(stateUndefinedTable, "relation %q does not exist", qualified(o)).at(o.location())
}

// isOwn reports whether a database is the tenant's.
func (c *checker) isOwn(database string) bool {
	return database == "" || strings.EqualFold(database, c.database)
}

// qualified returns a relation's name as it was written.
func qualified(o node) string {
	var parts []string
	for _, key := range []string{"catalog_name", "schema_name", "table_name"} {
		if s := o.string(key); s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ".")
}

// tableFunction checks a function in FROM, and notes those of the product.
func (c *checker) tableFunction(o node, sc *scope) (int, error) {
	f := o.node("function")
	name := strings.ToLower(f.string("function_name"))
	schema := strings.ToLower(f.string("schema"))
	if own, ok := catalog.FunctionByName(name); ok && (schema == "" || schema == "public") && c.isOwn(f.string("catalog")) {
		if o.string("with_ordinality") == "WITH_ORDINALITY" {
			return 0, errorf(stateNotSupported, "WITH ORDINALITY is not supported with %s", name).at(f.location())
		}
		cl := call{function: own, at: f.location(), alias: o.string("alias") != ""}
		for _, a := range f.list("children") {
			arg, _ := a.(map[string]any)
			cl.args = append(cl.args, arg)
		}
		c.out.calls = append(c.out.calls, cl)
	} else if !allowedTableFunctions[name] || schema != "" || f.string("catalog") != "" {
		return 0, c.refuse(name, schema, f)
	}
	if len(f.list("children")) > maxArguments {
		return 0, errorf(stateTooComplex, "function %s has more than %d arguments", name, maxArguments).at(f.location())
	}
	cost, err := c.nested(f, sc)
	if err != nil {
		return 0, err
	}
	n, err := c.nested(o, sc, "function")
	return cost + n + 1, err
}

// expression checks an expression by its class.
func (c *checker) expression(o node, class string, sc *scope) (int, error) {
	switch class {
	case "BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "PARAMETER",
		"POSITIONAL_REFERENCE", "STAR", "LAMBDA_REF":
	case "CONSTANT":
		return 0, nil
	case "OPERATOR":
		if n := len(o.list("children")); n > maxItems {
			return 0, errorf(stateTooComplex, "a list has %d items, the limit is %d", n, maxItems).at(o.location())
		}
	case "FUNCTION", "WINDOW":
		if err := c.function(o); err != nil {
			return 0, err
		}
	case "LAMBDA":
		c.within.lambdas++
		defer func() { c.within.lambdas-- }()
		if c.within.lambdas > maxLambdas {
			return 0, errorf(stateTooComplex, "lambdas are nested more than %d levels deep", maxLambdas).at(o.location())
		}
	case "SUBQUERY":
		c.within.subqueries++
		defer func() { c.within.subqueries-- }()
		if c.within.subqueries > maxSubqueries {
			return 0, errorf(stateTooComplex, "subqueries are nested more than %d levels deep", maxSubqueries).at(o.location())
		}
	default:
		return 0, errorf(stateNotSupported, "%s is not supported", strings.ToLower(strings.ReplaceAll(class, "_", " "))).at(o.location())
	}
	return c.nested(o, sc)
}

// builtins is the schema that the parser gives to the functions behind syntax, such
// as that of [1, 2].
const builtins = "main"

// clockFunctions are those that package macro replaces. DuckDB's own would tell another
// time when a statement is planned than when it runs.
var clockFunctions = names("age ago clock_timestamp current_date current_localtime current_localtimestamp current_time current_timestamp " +
	"get_current_time get_current_timestamp localtime localtimestamp now statement_timestamp today transaction_timestamp")

// function checks the name of a function, and literals that make it use memory
// without bounds.
func (c *checker) function(o node) error {
	name := strings.ToLower(o.string("function_name"))
	schema := strings.ToLower(o.string("schema"))
	isMacro := false
	if o.string("catalog") == "" && (schema == "" || schema == catalog.Database) {
		var err error
		if isMacro, err = c.dict.isFunction(c.ctx, name); err != nil {
			return err
		}
	}
	switch {
	case o["export_state"] == true:
		return errorf(stateNotSupported, "EXPORT_STATE is not supported").at(o.location())
	case isMacro:
		c.out.catalog = true
	case schema != "" && schema != builtins || o.string("catalog") != "" || !allowedFunctions[name],
		schema == builtins && clockFunctions[name]:
		return c.refuse(name, schema, o)
	}
	args := o.list("children")
	if len(args) > maxArguments {
		return errorf(stateTooComplex, "function %s has more than %d arguments", name, maxArguments).at(o.location())
	}
	for _, a := range args {
		arg, _ := a.(map[string]any)
		if tooGreat(name, arg) {
			return errorf(stateTooComplex, "an argument of %s is above the limit of %d", name, maxLiteralSize).at(o.location())
		}
	}
	return nil
}

// tooGreat reports whether an argument is a literal that makes a function produce a
// value of a size without use.
func tooGreat(function string, arg node) bool {
	if arg.string("class") != "CONSTANT" {
		return false
	}
	switch v := arg.node("value")["value"].(type) {
	case json.Number:
		switch function {
		case "repeat", "lpad", "rpad", "range", "generate_series", "array_resize", "list_resize", "bar":
			n, err := v.Float64()
			return err != nil || n > maxLiteralSize
		}
	case string:
		switch function {
		case "printf", "format":
			return longestNumber(v) > maxLiteralSize
		}
	}
	return false
}

// longestNumber returns the greatest number that occurs in s.
func longestNumber(s string) (most float64) {
	n := 0.0
	for i := range len(s) {
		if lex.IsDigit(s[i]) {
			n = n*10 + float64(s[i]-'0')
			most = max(most, n)
		} else {
			n = 0
		}
	}
	return most
}

// refuse returns the error for a function that statements may not call.
func (c *checker) refuse(name, schema string, o node) error {
	if refusedFunctions[name] || allowedFunctions[name] && schema != "" {
		return errorf(stateNotAllowed, "function %s is not allowed", name).at(o.location())
	}
	return errorf(stateUndefinedFunction, "function %s does not exist", name).at(o.location())
}

// reads reports whether the statement reads anything of a snapshot.
func (c *checked) reads() bool { return len(c.relations)+len(c.system)+len(c.calls) > 0 }

// own are the stored relations that names of the schema public stand for.
func own(relations map[string]bool) map[warehouse.Table]bool {
	out := map[warehouse.Table]bool{}
	for name := range relations {
		switch name {
		case "samples":
			out[warehouse.TableSamples] = true
		case "profiles":
			out[warehouse.TableProfiles] = true
		case "series":
			out[warehouse.TableSeries] = true
		case "stacktraces":
			out[warehouse.TableStacktraces] = true
		case "labeled_samples":
			out[warehouse.TableSamples], out[warehouse.TableSeries] = true, true
		case "labeled_profiles":
			out[warehouse.TableProfiles], out[warehouse.TableSeries] = true, true
		}
	}
	return out
}
