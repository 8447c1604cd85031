package pgwire

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func split(text string) []string {
	var out []string
	for s := newSplitter(text); ; {
		p, ok := s.next()
		if !ok {
			return out
		}
		out = append(out, text[p.start:p.end])
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"empty", "", nil},
		{"only semicolons", " ; ;; ", nil},
		{"only comments", "-- a\n/* b; */ ;", nil},
		{"one", "select 1", []string{"select 1"}},
		{"semicolon at the end", " select 1 ; ", []string{"select 1"}},
		{"several", "select 1;select 2;;\n select 3", []string{"select 1", "select 2", "select 3"}},
		{"quotes", "select ';', ''';'; select 2", []string{"select ';', ''';'", "select 2"}},
		{"identifiers", `select 1 as ";"";"; select 2`, []string{`select 1 as ";"";"`, "select 2"}},
		{"backslash is ordinary", `select '\'; select 2`, []string{`select '\'`, "select 2"}},
		{"escape string", `select E'\';'; select 2`, []string{`select E'\';'`, "select 2"}},
		{"escape string with doubled quote", `select e'a'';\\'; select 2`, []string{`select e'a'';\\'`, "select 2"}},
		{"escape needs to touch the quote", `select e '\'; select 2`, []string{`select e '\'`, "select 2"}},
		{"word that ends in e", `select like'\'; select 2`, []string{`select like'\'`, "select 2"}},
		{"escape string goes on", "select E'a'\n'\\';'; select 2", []string{"select E'a'\n'\\';'", "select 2"}},
		{"plain string goes on", "select 'a'\n'\\'; select 2", []string{"select 'a'\n'\\'", "select 2"}},
		{"dollar quotes", "select $$;'$$; select 2", []string{"select $$;'$$", "select 2"}},
		{"tagged dollar quotes", "select $a$;$$;$b$;$a$; select 2", []string{"select $a$;$$;$b$;$a$", "select 2"}},
		{"parameters are no quotes", "select $1; select $1", []string{"select $1", "select $1"}},
		{"dollars within words", "select a$b$c; select b$b$d", []string{"select a$b$c", "select b$b$d"}},
		{"tags do not begin with digits", "select $1$; select 2", []string{"select $1$", "select 2"}},
		{"line comment", "select 1 -- ; '\n; select 2", []string{"select 1", "select 2"}},
		{"nested comment", "select /* ; /* ; */ ; */ 1; select 2", []string{"select /* ; /* ; */ ; */ 1", "select 2"}},
		{"comment markers within quotes", "select '--', '/*'; select 2", []string{"select '--', '/*'", "select 2"}},
		{"quote within comment", "select /* ' */ 1; select 2", []string{"select /* ' */ 1", "select 2"}},
		{"open string", "select 1; select 'a; b", []string{"select 1", "select 'a; b"}},
		{"open comment is kept for the error", "select 1; select 2 /* ; ", []string{"select 1", "select 2 /* ; "}},
		{"open comment alone", "/* ;", []string{"/* ;"}},
		{"open dollar quotes", "select $a$ ; $b$", []string{"select $a$ ; $b$"}},
		{"unicode strings", `select U&'d\0061;', u&"d;"; select 2`, []string{`select U&'d\0061;', u&"d;"`, "select 2"}},
		{"bits", "select b'1;', x'f;', N';'; select 2", []string{"select b'1;', x'f;', N';'", "select 2"}},
		{"beyond ASCII", "select 'ü;'; select ü; select 3", []string{"select 'ü;'", "select ü", "select 3"}},
		{"operators", "select 1--1\n; select 2 /**/ ; select 3 - -3", []string{"select 1", "select 2", "select 3 - -3"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, split(tt.text))
		})
	}
}

func TestLiteralValues(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ raw, want string }{
		{`'it''s'`, "it's"},
		{`'a\n'`, `a\n`},
		{`E'a\n\t\\\'\x41\101\u00e9\U0001F600\q'`, "a\n\t\\'AAé😀q"},
		{`$x$a'$$b$x$`, "a'$$b"},
		{"'a'\n  'b'", "ab"},
		{`n'x'`, "x"},
		{`E'\x'`, "x"},
	} {
		got, ok := literalValue(tt.raw)
		require.True(t, ok, tt.raw)
		require.Equal(t, tt.want, got)
	}
	for _, raw := range []string{`b'1'`, `X'ff'`, `U&'a'`, `E'\u12'`, `E'\UFFFFFFFF'`} {
		_, ok := literalValue(raw)
		require.False(t, ok, raw)
	}
}

func TestQuoteIdent(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"a_1", `"A"`, `"a b"`, `"q""q"`, `""`, `"1a"`, `"$user"`},
		[]string{quoteIdent("a_1"), quoteIdent("A"), quoteIdent("a b"), quoteIdent(`q"q`), quoteIdent(""), quoteIdent("1a"), quoteIdent("$user")})
}

// Statements are disjoint, in order, and nothing but semicolons, space and
// comments is lost; each is one statement if it is split again.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{
		"select 1; select 2", "select ';' /* ; */ -- ;\n;", "E'\\'' ; $a$;$a$", "'", `"`, "$", "$$", "/*", "--", "U&';'", "\x00\xff;", "e'", "a$$;$$", "$1$;$1$", "'a'\n'b;'",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		end := 0
		for s := newSplitter(text); ; {
			p, ok := s.next()
			if !ok {
				break
			}
			require.LessOrEqual(t, end, p.start)
			require.Less(t, p.start, p.end)
			require.LessOrEqual(t, p.end, len(text))
			require.Empty(t, split(text[end:p.start]), "something between statements")
			again := split(text[p.start:p.end])
			require.Equal(t, []string{text[p.start:p.end]}, again)
			end = p.end
		}
		require.Empty(t, split(text[end:]))
	})
}

// Whatever a client sends is a command or an error, never a panic.
func FuzzParseCommand(f *testing.F) {
	for _, s := range []string{
		"select 1", "SELECT set_config('a.b', $1, false) as x", "begin isolation level serializable, read only", "rollback to savepoint a",
		"set session characteristics as transaction read write", "set time zone interval '+02:00' hour to minute", "show all", "reset all",
		"declare c binary no scroll cursor with hold for select 1", "fetch backward 3 from c", "move relative -1 in c", "close all",
		"prepare p(int, timestamp with time zone[], \"char\") as select $1", "execute p(1, 'a'::text, null, date '2026-01-01')", "deallocate all",
		"copy (select 1) to stdout with (format csv, header, force_quote (a), null '')", "copy t(a, b) to stdout csv header quote as '\"'",
		"explain (analyze, costs off, format json) select 1", "discard all", "listen x", "unlisten *", "fetch", "copy (((", "prepare p as",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range split(text) {
			cmd, err := parseCommand(s)
			if err == nil {
				require.NotNil(t, cmd)
				continue
			}
			e := asPGError(err)
			require.Len(t, e.code, 5)
			require.LessOrEqual(t, e.position, len(s)+1)
		}
	})
}

func TestEveryCommandParses(t *testing.T) {
	t.Parallel()
	for _, s := range strings.Split(strings.TrimSpace(`
begin
begin work isolation level repeatable read read only, not deferrable
start transaction read write
commit
end transaction and no chain
rollback work and chain
abort
savepoint a
release savepoint a
release a
rollback to a
rollback work to savepoint "A b"
set a.b = 'c'
set datestyle to iso, mdy
set session statement_timeout = 1000
set local extra_float_digits = -3
set time zone 'Europe/Berlin'
set time zone -5
set time zone local
set names 'utf8'
set role none
set session authorization default
set transaction isolation level serializable
set session characteristics as transaction isolation level read committed
set search_path = a, "B", public
set x.y to default
show search_path
show time zone
show transaction isolation level
reset session authorization
discard temporary
declare c cursor for select 1
declare c insensitive scroll cursor without hold for (select 1)
declare "a b" no scroll binary cursor with hold for with x as (select 1) select * from x
fetch c
fetch 5 c
fetch -1 from c
fetch all in c
fetch forward all from c
fetch backward c
fetch absolute -1 from c
fetch first from "a b"
fetch next
move 3 in c
close c
prepare p as select $1
prepare p(character varying(10), numeric(4,2), int[]) as values ($1)
execute p
execute p('a', -1.5, true, null, timestamp '2026-01-01', '{1}'::int[])
deallocate prepare p
deallocate prepare
copy (select ')' /* ) */) to stdout
copy public."T" (a, b) to stdout with binary
copy binary t to stdout
copy t to stdout delimiter as '|' null as '' csv header force quote a, b
copy (select 1) to stdout (format "binary")
explain select 1
explain analyze verbose select 1
explain (select 1)
listen a
`), "\n") {
		cmd, err := parseCommand(s)
		require.NoError(t, err, s)
		_, isQuery := cmd.(*query)
		require.Equal(t, strings.HasPrefix(s, "explain"), isQuery, "%s: it is the SQL layer's", s)
	}
}

func TestErrorsOfParsing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text, code string
		position   int
		message    string
	}{
		{"begin foo", "42601", 7, `syntax error at or near "foo"`},
		{"set", "42601", 4, "syntax error at end of input"},
		{"set é = ", "42601", 9, "syntax error at end of input"},
		{"set a = 'b", "42601", 9, `unterminated quoted string at or near "'b"`},
		{"set a = \"b", "42601", 9, `unterminated quoted identifier at or near "\"b"`},
		{"set a /* b", "42601", 7, `unterminated /* comment at or near "/* b"`},
		{"declare c cursor for insert into t values (1)", "25006", 0, "cannot execute INSERT in a read-only transaction"},
		{"declare c cursor for show all", "42601", 22, `syntax error at or near "show all"`},
		{"prepare p(nosuch) as select 1", "42704", 11, `type "nosuch" does not exist`},
		{"execute p(1 + 1)", "0A000", 11, "only constants are supported as arguments"},
		{"execute p(now())", "0A000", 11, "only constants are supported as arguments"},
		{"copy t from stdin", "25006", 0, "cannot execute COPY FROM in a read-only transaction"},
		{"copy t to '/tmp/x'", "42501", 0, "permission denied to COPY to a file or program"},
		{"copy (select 1) to program 'sh'", "42501", 0, "permission denied to COPY to a file or program"},
		{"copy () to stdout", "42601", 9, `syntax error at or near "to"`},
		{"copy t to stdout (format xml)", "22023", 0, `COPY format "xml" not recognized`},
		{"copy t to stdout (nosuch 1)", "42601", 19, `option "nosuch" not recognized`},
		{"copy t to stdout (format csv, format csv)", "42601", 31, "conflicting or redundant options"},
		{"copy t to stdout (quote '\"')", "0A000", 0, "COPY QUOTE, ESCAPE and FORCE QUOTE are available only in CSV mode"},
		{"copy t to stdout (delimiter 'ab')", "0A000", 0, "COPY delimiter must be a single one-byte character"},
		{"drop table t", "25006", 0, "cannot execute DROP in a read-only transaction"},
		{"do $$ $$", "0A000", 0, "DO is not supported"},
		{"explain (nosuch) select 1", "42601", 10, `unrecognized EXPLAIN option "nosuch"`},
		{"explain", "42601", 8, "syntax error at end of input"},
		{"prepare transaction 'a'", "0A000", 0, "prepared transactions are not supported"},
		{"fetch 99999999999999999999 c", "42601", 7, `syntax error at or near "99999999999999999999"`},
	} {
		_, err := parseCommand(tt.text)
		e := asPGError(err)
		require.NotNil(t, e, tt.text)
		require.Equal(t, []any{tt.code, tt.position, tt.message}, []any{e.code, e.position, e.message}, tt.text)
	}
}

// The functions that act on sessions are taken only where nothing else is asked.
func TestAdminFunctions(t *testing.T) {
	t.Parallel()
	taken := []string{
		"select set_config('search_path', '', false)", "select pg_catalog.set_config('a.b', $1, true) as x",
		"select set_config('bytea_output','hex',false) from pg_settings where name = 'bytea_output'",
		"select pg_cancel_backend(12)", "select pg_terminate_backend($1::int)",
	}
	for _, s := range slices.Concat(taken, []string{
		"select set_config('a', 'b')", "select set_config('a', 'b', false), 1", "select pg_cancel_backend(pid) from pg_stat_activity",
		"select version()", "select 1", "select set_config", "select pg_catalog",
	}) {
		cmd, err := parseCommand(s)
		require.NoError(t, err)
		_, isAdmin := cmd.(*admin)
		require.Equal(t, slices.Contains(taken, s), isAdmin, s)
	}
}
