package catalog

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRewrite(t *testing.T) {
	t.Parallel()
	empty := "(" + knownObjects().empty["pg_catalog.pg_inherits"] + ")"
	emptyInfo := "(" + knownObjects().empty["information_schema.triggers"] + ")"
	for name, c := range map[string]struct{ in, out string }{
		"schema of a relation":      {"SELECT * FROM pg_catalog.pg_class c", "SELECT * FROM pg_class c"},
		"schema in quotes":          {`select * from "pg_catalog"."pg_class"`, `select * from "pg_class"`},
		"schema with a database":    {"SELECT 1 FROM prof.pg_catalog.pg_class", "SELECT 1 FROM pg_class"},
		"schema of a function":      {"SELECT pg_catalog.version()", "SELECT version()"},
		"schema of a type":          {`SELECT '1'::pg_catalog.int4, a::pg_catalog."char"`, `SELECT '1'::int4, a::"char"`},
		"schema of a column":        {"SELECT pg_catalog.pg_class.oid FROM pg_catalog.pg_class", "SELECT pg_class.oid FROM pg_class"},
		"schema in a join":          {"select 1 from pg_class c left join pg_catalog.pg_am a on true, pg_catalog.pg_type t", "select 1 from pg_class c left join pg_am a on true, pg_type t"},
		"information schema":        {"SELECT * FROM INFORMATION_SCHEMA.Columns", "SELECT * FROM pgcat.infoschema.columns"},
		"information schema column": {"SELECT information_schema.tables.table_name FROM information_schema.tables", "SELECT tables.table_name FROM pgcat.infoschema.tables"},
		"empty relation":            {"SELECT 1 FROM pg_catalog.pg_inherits i", "SELECT 1 FROM " + empty + " i"},
		"empty relation, no alias":  {"SELECT 1 FROM pg_inherits WHERE true", "SELECT 1 FROM " + empty + " AS pg_inherits WHERE true"},
		"empty information schema":  {"SELECT 1 FROM information_schema.triggers", "SELECT 1 FROM " + emptyInfo + " AS triggers"},
		"schema system":             {`SELECT b.rows FROM system.blocks b JOIN "system".Jobs ON true`, `SELECT b.rows FROM systemschema.blocks b JOIN systemschema.Jobs ON true`},
		"schema system, database":   {"SELECT 1 FROM prof.system.segments", "SELECT 1 FROM prof.systemschema.segments"},
		"schema system, column":     {"SELECT system.jobs.state FROM system.jobs", "SELECT jobs.state FROM systemschema.jobs"},
		"behind TABLE":              {"TABLE system.jobs", "TABLE systemschema.jobs"},
		"no system relation":        {"SELECT system.x.y, a.system.jobs.b FROM system.nothing", "SELECT system.x.y, a.system.jobs.b FROM system.nothing"},
		"own query of that name":    {"with pg_inherits as (select 1) select * from pg_inherits", "with pg_inherits as (select 1) select * from pg_inherits"},
		"no relation of that name":  {"SELECT * FROM pg_nothing", "SELECT * FROM pg_nothing"},

		"regclass of a literal":        {"SELECT 1 WHERE x = 'samples'::regclass", "SELECT 1 WHERE x = regclass_in('samples')"},
		"regclass shown":               {"SELECT 'samples'::regclass", "SELECT regclass_out(regclass_in('samples'))"},
		"regclass of a column":         {"SELECT c.oid::pg_catalog.regclass FROM pg_class c", "SELECT regclass_out(c.oid) FROM pg_class c"},
		"regclass as text":             {"ORDER BY c.oid::pg_catalog.regclass::pg_catalog.text", "ORDER BY regclass_out(c.oid)"},
		"regclass as oid":              {"SELECT 'x'::regclass::oid", "SELECT regclass_in('x')::UINTEGER"},
		"regclass of an expression":    {"f((a || '.' || b)::regclass, 1)", "f(regclass_in((a || '.' || b)), 1)"},
		"regclass in a list":           {"x IN (SELECT 'a'::regclass)", "x IN (SELECT regclass_in('a'))"},
		"regclass by CAST":             {"WHERE x = CAST('a' AS regclass)", "WHERE x = regclass_in('a' )"},
		"regtype as text":              {"SELECT t.typelem::regtype::text", "SELECT regtype_out(t.typelem)"},
		"regtype of text":              {"SELECT 'a'::text::regtype::oid", "SELECT regtype_in('a'::text)::UINTEGER"},
		"array of regtype":             {"proargtypes::regtype[]", "proargtypes::UINTEGER[]"},
		"regproc column shown":         {"SELECT t.typinput, typoutput AS o FROM pg_type t", "SELECT regproc_out(t.typinput) AS typinput, regproc_out(typoutput) AS o FROM pg_type t"},
		"regproc column as text":       {"WHERE typreceive::text <> 'array_recv'", "WHERE regproc_out(typreceive) <> 'array_recv'"},
		"regproc column joined":        {"FROM pg_type t JOIN pg_proc p ON p.oid = t.typinput", "FROM pg_type t JOIN pg_proc p ON p.oid = t.typinput"},
		"to_regclass shown":            {"SELECT to_regclass('a')", "SELECT regclass_out(to_regclass('a'))"},
		"to_regclass compared":         {"SELECT to_regclass('a') IS NULL", "SELECT to_regclass('a') IS NULL"},
		"types":                        {"a::oid, b::name, c::int2vector, CAST(d AS oid)", "a::UINTEGER, b::VARCHAR, c::SMALLINT[], CAST(d AS UINTEGER)"},
		"types that are known":         {"a::int8, b::timestamp with time zone, c::numeric(10, 2)", "a::int8, b::timestamp with time zone, c::numeric(10, 2)"},
		"match":                        {"a ~ 'b'", "a ~ '(?s:.*(?:b).*)'"},
		"match, both ends":             {"n !~ '^pg_toast' AND a ~ '^(x)$'", "n !~ '(?s:(?:^pg_toast).*)' AND a ~ '(?s:(?:^(x)$))'"},
		"match, alternatives":          {"a ~ '^b|c$'", "a ~ '(?s:.*(?:^b|c$).*)'"},
		"match, any case":              {"a ~* 'b' or a !~* 'c'", "a ~ '(?si:.*(?:b).*)' or a !~ '(?si:.*(?:c).*)'"},
		"match with a parameter":       {"a ~ $1", "a ~ ('(?s:.*(?:' || $1 || ').*)')"},
		"match with a call":            {"a ~ f(b, c)::text and d", "a ~ ('(?s:.*(?:' || f(b, c)::text || ').*)') and d"},
		"match by OPERATOR":            {"c OPERATOR(pg_catalog.~) '^(s)$' COLLATE pg_catalog.default AND x", "c ~ '(?s:(?:^(s)$))'  AND x"},
		"no match but complement":      {"SELECT ~ 1", "SELECT ~ 1"},
		"operator":                     {"a OPERATOR(pg_catalog.=) b", "a = b"},
		"collation":                    {`ORDER BY a COLLATE "C", b COLLATE nocase`, `ORDER BY a , b COLLATE nocase`},
		"like":                         {`a LIKE 'x\_%' AND b NOT LIKE E'pg\\_%' AND c LIKE 'd%'`, `a LIKE 'x\_%' ESCAPE '\' AND b NOT LIKE E'pg\\_%' ESCAPE '\' AND c LIKE 'd%'`},
		"like with an escape":          {`a LIKE 'x\_%' ESCAPE '!'`, `a LIKE 'x\_%' ESCAPE '!'`},
		"array of numbers":             {"x = ANY('{1,2}') or y <> '{0}'", "x = ANY([1, 2]) or y <> [0]"},
		"array of strings":             {`'{a,"b ""c",NULL}'::text[]`, `'{a,"b ""c",NULL}'::text[]`},
		"array with quotes":            {`'{a,"b,c",NULL}'::text[]`, `['a', 'b,c', NULL]::text[]`},
		"array without elements":       {"'{}'::oid[]", "[]::UINTEGER[]"},
		"braces that are no array":     {`SELECT '{"a":1}'::json, x = '{a}'`, `SELECT '{"a":1}'::json, x = '{a}'`},
		"any in a join":                {"FROM a LEFT JOIN b ON (b.n = ANY (a.k))", "FROM a LEFT JOIN b ON (b.n = ANY (a.k))"},
		"any in a query's join":        {"SELECT 1 FROM a LEFT JOIN b ON (b.n = ANY (a.k))", "SELECT 1 FROM a LEFT JOIN b ON (list_contains(a.k, b.n ))"},
		"function in FROM":             {"SELECT 'a' || x FROM pg_catalog.unnest(l) x", "SELECT 'a' || x FROM unnest(l) x(x)"},
		"function in FROM, columns":    {"SELECT 1 FROM generate_series(1, 2) s(r)", "SELECT 1 FROM generate_series(1, 2) s(r)"},
		"value in FROM":                {"select * from current_schema()", "select * from (SELECT current_schema()) AS current_schema(current_schema)"},
		"several lists in FROM":        {"SELECT 1 FROM unnest(a, b) AS x(c, d)", "SELECT 1 FROM (SELECT unnest(a), unnest( b)) AS x(c, d)"},
		"rows of a function":           {"SELECT generate_series(1, 3)", "SELECT unnest(generate_series(1, 3))"},
		"function of another name":     {"SELECT json_build_object('a', 1), json_agg(x ORDER BY y)", "SELECT json_object('a', 1), to_json(list(x ORDER BY y))"},
		"aggregate of pairs":           {"SELECT json_object_agg(a, b ORDER BY c) FILTER (WHERE d)", "SELECT to_json(map_from_entries(list(row(a, b) ORDER BY c) FILTER (WHERE d)))"},
		"hidden column":                {"SELECT c.tableoid, c.oid FROM pg_class c", "SELECT 1259::UINTEGER AS tableoid, c.oid FROM pg_class c"},
		"names in strings and remarks": {"SELECT 'pg_catalog.x', /* pg_catalog.y */ $$pg_catalog.z$$ -- pg_catalog.", "SELECT 'pg_catalog.x', /* pg_catalog.y */ $$pg_catalog.z$$ -- pg_catalog."},
		"a user's statement":           {"SELECT date_trunc('minute', time), sum(value) FROM samples WHERE service_name = 'a' GROUP BY ALL", "SELECT date_trunc('minute', time), sum(value) FROM samples WHERE service_name = 'a' GROUP BY ALL"},
	} {
		out, pos := Rewrite(c.in)
		require.Equal(t, c.out, out, name)
		checkPositions(t, c.in, out, pos)
	}
}

// checkPositions: positions never go back, stay within the text, and lead to the same
// byte wherever the texts agree outside of edits.
func checkPositions(t testing.TB, in, out string, pos PositionMap) {
	t.Helper()
	last := 0
	for i := range len(out) + 1 {
		at := pos.Original(i)
		if at < last || at > len(in) {
			t.Fatalf("byte %d of %q leads to %d of %q, the one before to %d", i, out, at, in, last)
		}
		last = at
	}
	require.Equal(t, len(in), pos.Original(len(out)), "the ends of %q and %q", in, out)
}

func TestPositions(t *testing.T) {
	t.Parallel()
	in := "SELECT 'a'::regclass, pg_catalog.nothing(é, wrong) FROM pg_inherits WHERE wrong2"
	out, pos := Rewrite(in)
	for _, word := range []string{"nothing", "wrong", "WHERE", "wrong2", "é"} {
		require.Equal(t, strings.LastIndex(in, word), pos.Original(strings.LastIndex(out, word)), word)
	}
	require.Equal(t, strings.Index(in, "pg_inherits"), pos.Original(strings.Index(out, "inhseqno")), "within what replaced the relation")
	require.Equal(t, 5, PositionMap{}.Original(5))
}

// plain are the marks without which a text names nothing of PostgreSQL.
var plain = []string{"pg_", "information_schema", "reg", "operator", "collate", "like", "tableoid", "~", "{", "::", "cast", "any",
	"unnest", "generate_", "json", "typ", "am", "opr", "agg", "rng", "eoid", "lan", "prs", "tmpl", "con", "evtfoid", "prosupport", "castfunc",
	"from", "tgfoid"}

func FuzzRewrite(f *testing.F) {
	for _, s := range readClients(f)[:120] {
		f.Add(s.text)
	}
	for _, s := range []string{"", "(", "')", "a::", "::regclass", "CAST(a AS regclass", "x ~", "~ ~* 'a' ~", "case end::regclass", "$a$", "E'\\", `"`,
		"/* /* */", "1..2", "a.b.c.d::regtype[]", "FROM pg_inherits", "select from pg_class, (", "= any(", "'{}'::x[]", "order by a::regclass::text[1]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		out, pos := Rewrite(in)
		checkPositions(t, in, out, pos)
		checkTokens(t, in)
		checkTokens(t, out)
		Labels(in)
		lower := strings.ToLower(in)
		for _, mark := range plain {
			if strings.Contains(lower, mark) {
				return
			}
		}
		require.Equal(t, in, out, "nothing of PostgreSQL is named")
	})
}

// checkTokens: tokens are in order, do not overlap, and brackets are each other's
// partners.
func checkTokens(t testing.TB, text string) {
	t.Helper()
	at := 0
	tokens := scan(text)
	for i, tok := range tokens {
		if tok.Start < at || tok.End <= tok.Start || tok.partner >= 0 && tokens[tok.partner].partner != i {
			t.Fatalf("token %d of %q: %+v", i, text, tok)
		}
		at = tok.End
	}
	require.LessOrEqual(t, at, len(text))
}

// TestHostileTexts: work and result stay in proportion to the text.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	const size = 64 << 10
	var texts []string
	for _, s := range []string{"(", ")", "[", "'a'::regclass::text ", "a::", "x ~ ", "x ~ y ~ ", "case ", "end ", "case when a then ", "tableoid, ",
		"select tableoid from pg_class, ", "from pg_inherits, ", "from pg_inherits join ", "a.", "f(", "cast(a as regclass) ", "cast(", "like '\\' ",
		"= any (a", "'{1,2}'::int[] ", "/*", "$a$", "unnest(a,", "from unnest(a, b) with ordinality x, ", "1::a(", "over "} {
		texts = append(texts, strings.Repeat(s, size/len(s)))
	}
	for _, s := range [][2]string{{"(", ")"}, {"f(", ")"}, {"(select ", ")"}, {"case when a then ", " end"}, {"a[", "]"}, {"cast(", " as int)"}} {
		n := size / (len(s[0]) + len(s[1]))
		texts = append(texts, strings.Repeat(s[0], n)+"x"+strings.Repeat(s[1], n))
	}
	for _, text := range texts {
		start := time.Now()
		out, _ := Rewrite("select " + text)
		Labels("select " + text)
		require.Less(t, time.Since(start), 2*time.Second, text[:40])
		require.Less(t, len(out), 16*size, text[:40])
	}
}
