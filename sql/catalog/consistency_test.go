package catalog

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// references are columns that hold identifiers of rows of another relation. Zero
// refers to none.
var references = []struct{ relation, column, to string }{
	{"pg_type", "typelem", "pg_type"}, {"pg_type", "typarray", "pg_type"}, {"pg_type", "typbasetype", "pg_type"},
	{"pg_type", "typrelid", "pg_class"}, {"pg_type", "typnamespace", "pg_namespace"}, {"pg_type", "typcollation", "pg_collation"},
	{"pg_type", "typinput", "pg_proc"}, {"pg_type", "typoutput", "pg_proc"}, {"pg_type", "typreceive", "pg_proc"},
	{"pg_type", "typsend", "pg_proc"}, {"pg_type", "typmodin", "pg_proc"}, {"pg_type", "typmodout", "pg_proc"},
	{"pg_type", "typanalyze", "pg_proc"}, {"pg_type", "typsubscript", "pg_proc"}, {"pg_type", "typowner", "pg_roles"},
	{"pg_class", "relnamespace", "pg_namespace"}, {"pg_class", "reltype", "pg_type"}, {"pg_class", "relam", "pg_am"},
	{"pg_class", "relowner", "pg_roles"},
	{"pg_attribute", "attrelid", "pg_class"}, {"pg_attribute", "atttypid", "pg_type"}, {"pg_attribute", "attcollation", "pg_collation"},
	{"pg_proc", "prorettype", "pg_type"}, {"pg_proc", "pronamespace", "pg_namespace"}, {"pg_proc", "prolang", "pg_language"},
	{"pg_proc", "provariadic", "pg_type"}, {"pg_proc", "proowner", "pg_roles"},
	{"pg_operator", "oprleft", "pg_type"}, {"pg_operator", "oprright", "pg_type"}, {"pg_operator", "oprresult", "pg_type"},
	{"pg_operator", "oprcode", "pg_proc"}, {"pg_operator", "oprrest", "pg_proc"}, {"pg_operator", "oprjoin", "pg_proc"},
	{"pg_operator", "oprcom", "pg_operator"}, {"pg_operator", "oprnegate", "pg_operator"},
	{"pg_cast", "castsource", "pg_type"}, {"pg_cast", "casttarget", "pg_type"}, {"pg_cast", "castfunc", "pg_proc"},
	{"pg_range", "rngtypid", "pg_type"}, {"pg_range", "rngsubtype", "pg_type"}, {"pg_range", "rngmultitypid", "pg_type"},
	{"pg_range", "rngcanonical", "pg_proc"}, {"pg_range", "rngsubdiff", "pg_proc"},
	{"pg_am", "amhandler", "pg_proc"}, {"pg_language", "lanvalidator", "pg_proc"}, {"pg_language", "lanplcallfoid", "pg_proc"},
	{"pg_database", "datdba", "pg_roles"}, {"pg_database", "dattablespace", "pg_tablespace"},
	{"pg_description", "classoid", "pg_class"},
}

func TestReferences(t *testing.T) {
	t.Parallel()
	i := newInstance(t)
	for _, r := range references {
		_, rows, err := i.query(t.Context(), fmt.Sprintf("SELECT r.* FROM %s r WHERE %s <> 0 AND %s NOT IN (SELECT oid FROM %s)", r.relation, r.column, r.column, r.to))
		require.NoError(t, err)
		require.Empty(t, rows, "%s.%s to %s", r.relation, r.column, r.to)
	}
	for _, list := range []string{"proargtypes", "proallargtypes"} {
		_, rows, err := i.query(t.Context(), "SELECT * FROM (SELECT proname, unnest("+list+") AS a FROM pg_proc) WHERE a NOT IN (SELECT oid FROM pg_type)")
		require.NoError(t, err)
		require.Empty(t, rows, list)
	}
	for class, relation := range map[int]string{classType: "pg_type", classProc: "pg_proc", classRelation: "pg_class", classNamespace: "pg_namespace"} {
		_, rows, err := i.query(t.Context(), fmt.Sprintf("SELECT * FROM pg_description WHERE classoid = %d AND objoid NOT IN (SELECT oid FROM %s)", class, relation))
		require.NoError(t, err)
		require.Empty(t, rows, relation)
	}
}

// TestUnique: no two rows have the same identifier, over all catalogues together for
// those that follow from names.
func TestUnique(t *testing.T) {
	t.Parallel()
	i := newInstance(t)
	var all []string
	for _, relation := range []string{"pg_type", "pg_class", "pg_proc", "pg_operator", "pg_cast", "pg_am", "pg_language", "pg_collation",
		"pg_tablespace", "pg_namespace", "pg_database", "pg_roles"} {
		_, rows, err := i.query(t.Context(), "SELECT oid FROM "+relation+" GROUP BY oid HAVING count(*) > 1")
		require.NoError(t, err)
		require.Empty(t, rows, relation)
		all = append(all, "SELECT oid FROM "+relation+" WHERE oid >= 16384")
	}
	_, rows, err := i.query(t.Context(), "SELECT oid FROM ("+strings.Join(all, " UNION ALL ")+") GROUP BY oid HAVING count(*) > 1")
	require.NoError(t, err)
	require.Empty(t, rows)
	for relation, column := range map[string]string{"pg_class": "relnamespace, relname", "pg_type": "typnamespace, typname",
		"pg_attribute": "attrelid, attname", "pg_description": "objoid, classoid, objsubid"} {
		_, rows, err := i.query(t.Context(), "SELECT "+column+" FROM "+relation+" GROUP BY ALL HAVING count(*) > 1")
		require.NoError(t, err)
		require.Empty(t, rows, relation)
	}
}

// TestStable: identifiers never change, or a statement that a client built from an
// earlier answer would mean something else. Lines are added to testdata/oids.txt.
func TestStable(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	for _, r := range allRelations {
		fmt.Fprintf(&got, "%s %d, row type %d, array %d\n", r.qualifiedName(), r.oid(), r.typeOID(), r.arrayOID())
	}
	for _, f := range functions {
		fmt.Fprintf(&got, "%s() %d\n", f.Name, f.oid())
	}
	require.EqualValues(t, schemaSystem, oidOf("schema", SystemSchema))
	want, err := os.ReadFile("testdata/oids.txt")
	require.NoError(t, err)
	require.Equal(t, string(want), got.String())
}

// TestViews: each view has the columns of PostgreSQL's relation, with the types.
func TestViews(t *testing.T) {
	t.Parallel()
	s, err := readSystem()
	require.NoError(t, err)
	i := newInstance(t)
	names, _, err := views()
	require.NoError(t, err)
	for _, name := range append(names, "pg_catalog.pg_type", "pg_catalog.pg_class", "pg_catalog.pg_attribute", "pg_catalog.pg_proc") {
		table := s.tables[name]
		require.NotNil(t, table, name)
		_, rows, err := i.query(t.Context(), "SELECT column_name, column_type FROM (DESCRIBE "+table.name+")")
		require.NoError(t, err, name)
		var want [][]string
		for _, c := range table.columns {
			duck := c.duck
			if duck == "TIMESTAMPTZ" {
				duck = "TIMESTAMP WITH TIME ZONE"
			}
			want = append(want, []string{c.name, duck})
		}
		require.Equal(t, want, rows, name)
	}
}

// TestMacroFiles: every file is loaded.
func TestMacroFiles(t *testing.T) {
	t.Parallel()
	entries, err := scriptFiles.ReadDir("macro")
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".sql"))
	}
	listed := slices.Clone(macroFiles)
	slices.Sort(listed)
	require.Equal(t, names, listed)
}

// TestHygiene: an argument of a macro means what it means outside, even where it is
// called like a column that the macro reads.
func TestHygiene(t *testing.T) {
	t.Parallel()
	i := newInstance(t)
	_, rows, err := i.query(t.Context(), `SELECT count(*) FROM (
		SELECT pg_table_is_visible(oid) AS v, regclass_out(oid) AS n, format_type(reltype, -1) AS f, obj_description(oid, 'pg_class') AS d
		FROM pg_class c WHERE relnamespace = 2200) WHERE v AND n IS NOT NULL AND d IS NOT NULL`)
	require.NoError(t, err)
	require.Equal(t, [][]string{{fmt.Sprint(len(relations))}}, rows)
	_, rows, err = i.query(t.Context(), "SELECT pg_get_function_result(oid), pg_function_is_visible(oid), regproc_out(oid) FROM pg_proc WHERE proname = 'date_part' LIMIT 1")
	require.NoError(t, err)
	require.Equal(t, [][]string{{"double precision", "t", "date_part"}}, rows)
}

// TestRegistry: names are sorted and plain, types exist, everything is explained.
func TestRegistry(t *testing.T) {
	t.Parallel()
	require.True(t, slices.IsSortedFunc(relations, func(a, b Relation) int { return strings.Compare(a.Name, b.Name) }))
	require.True(t, slices.IsSortedFunc(systemRelations, func(a, b Relation) int { return strings.Compare(a.Name, b.Name) }))
	require.True(t, slices.IsSortedFunc(functions, func(a, b Function) int { return strings.Compare(a.Name, b.Name) }))
	i := newInstance(t)
	types := func(columns []Column) {
		for _, c := range columns {
			_, rows, err := i.query(t.Context(), fmt.Sprintf("SELECT format_type(%d, -1)", c.Type.OID))
			require.NoError(t, err)
			require.Equal(t, [][]string{{c.Type.name}}, rows, c.Name)
		}
	}
	for _, r := range allRelations {
		require.NotEmpty(t, r.Comment)
		require.Equal(t, r.Kind == View, r.Definition != "")
		for _, c := range r.Columns {
			require.NotEmpty(t, c.Comment, "%s.%s", r.Name, c.Name)
		}
		types(r.Columns)
		byName := RelationByName
		if r.System {
			byName = SystemRelationByName
		}
		found, ok := byName(r.Name)
		require.True(t, ok)
		require.Equal(t, r, found)
		if r.Kind == View {
			_, _, err := i.query(t.Context(), strings.TrimSuffix(r.Definition, ";"))
			require.NoError(t, err, r.Name)
		}
	}
	for _, f := range functions {
		require.NotEmpty(t, f.Comment)
		types(f.Returns)
		_, ok := FunctionByName(f.Name)
		require.True(t, ok)
	}
	for _, name := range []string{"nothing", "blocks", "system.blocks"} {
		_, ok := RelationByName(name)
		require.False(t, ok)
	}
	_, ok := SystemRelationByName("samples")
	require.False(t, ok)
	require.Equal(t, systemRelations, SystemRelations())
	_, ok = FunctionByName("nothing")
	require.False(t, ok)
}

func TestCatalog(t *testing.T) {
	t.Parallel()
	c, err := New()
	require.NoError(t, err)
	require.True(t, c.IsRelation("pg_class"))
	require.False(t, c.IsRelation("pg_inherits"), "it has no rows")
	require.False(t, c.IsRelation("columns"))
	require.True(t, c.IsInfoRelation("columns"))
	require.False(t, c.IsInfoRelation("pg_class"))
	require.True(t, c.IsFunction("format_type"))
	require.True(t, c.IsFunction("current_user"))
	require.False(t, c.IsFunction("pg_get_keywords"))
	require.True(t, c.IsTableFunction("pg_get_keywords"))
	require.True(t, c.IsFunction("_pg_expandarray") && c.IsTableFunction("_pg_expandarray"))
	for column, want := range map[string]string{"relname": "name", "oid": "oid", "relkind": "char", "typinput": "regproc", "proargtypes": "oidvector",
		"relfrozenxid": "xid", "attnum": "", "service_name": "", "proargmodes": "_char"} {
		require.Equal(t, want, c.ColumnType(column), column)
	}
}

func TestSession(t *testing.T) {
	t.Parallel()
	i := newInstance(t)
	s := Session{User: `o'"x`, PID: 7, Settings: map[string]string{"a": "it's", "server_version": "15.0"}}
	require.NoError(t, i.Exec(t.Context(), s.SQL()))
	_, rows, err := i.query(t.Context(), `SELECT current_user, session_user, pg_backend_pid(), current_setting('A'), version(),
		(SELECT string_agg(rolname, ',' ORDER BY rolname) FROM pg_roles), (SELECT usename FROM pg_user), (SELECT pid FROM pg_stat_activity)`)
	require.NoError(t, err)
	require.Equal(t, [][]string{{`o'"x`, `o'"x`, "7", "it's", "PostgreSQL 15.0 (Stackhouse)", `o'"x,stackhouse`, `o'"x`, "7"}}, rows)
	_, _, err = i.query(t.Context(), "SELECT current_setting('b')")
	require.ErrorContains(t, err, `unrecognized configuration parameter "b"`)
	require.NoError(t, i.Exec(t.Context(), Session{}.SQL()))
	_, rows, err = i.query(t.Context(), "SELECT current_setting('a', true), count(*) FROM pg_settings")
	require.NoError(t, err)
	require.Equal(t, [][]string{{"", "0"}}, rows)
}
