package catalog

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
)

// addRowTypes adds the row types of the relations.
func addRowTypes(types *rowset) {
	for _, r := range allRelations {
		row := record{
			"oid": r.typeOID(), "typname": r.Name, "typnamespace": r.schema(), "typowner": ownerOID, "typlen": -1, "typbyval": false,
			"typtype": "c", "typcategory": "C", "typispreferred": false, "typisdefined": true, "typdelim": ",",
			"typrelid": r.oid(), "typsubscript": 0, "typelem": 0, "typarray": r.arrayOID(),
			"typinput": 2290, "typoutput": 2291, "typreceive": 2402, "typsend": 2403, // record_in, …
			"typmodin": 0, "typmodout": 0, "typanalyze": 0, "typalign": "d", "typstorage": "x", "typnotnull": false,
			"typbasetype": 0, "typtypmod": -1, "typndims": 0, "typcollation": 0,
		}
		types.add(row)
		maps.Copy(row, record{
			"oid": r.arrayOID(), "typname": "_" + r.Name, "typtype": "b", "typcategory": "A",
			"typrelid": 0, "typsubscript": 6179, "typelem": r.typeOID(), "typarray": 0,
			"typinput": 750, "typoutput": 751, "typreceive": 2400, "typsend": 2401, "typanalyze": 3816, // array_in, …
		})
		types.add(row)
	}
}

// classRows are the rows of pg_class: of PostgreSQL's relations and ours.
func (s *system) classRows() *rowset {
	rows := &rowset{columns: columnNames(s.tables["pg_catalog.pg_class"])}
	natts := map[string]int{}
	s.columns.each(func(value func(string) string) { natts[value("attrelid")]++ })
	add := func(oid, name, schema, rowType any, kind Kind, columns int) {
		row := record{
			"oid": oid, "relname": name, "relnamespace": schema, "reltype": rowType, "reloftype": 0, "relowner": ownerOID,
			"relam": 0, "relfilenode": 0, "reltablespace": 0, "relpages": 0, "reltuples": -1, "relallvisible": 0, "reltoastrelid": 0,
			"relhasindex": false, "relisshared": false, "relpersistence": "p", "relkind": string(kind), "relnatts": columns, "relchecks": 0,
			"relhasrules": kind == View, "relhastriggers": false, "relhassubclass": false, "relrowsecurity": false,
			"relforcerowsecurity": false, "relispopulated": true, "relreplident": "n", "relispartition": false, "relrewrite": 0,
			"relfrozenxid": 0, "relminmxid": 0, "relacl": []string{"stackhouse=r/stackhouse", "=r/stackhouse"},
		}
		if kind == Table {
			row["relam"] = 2 // heap, as clients expect of a table
			if schema == schemaPublic || schema == schemaSystem {
				row["relreplident"] = "d" // or psql shows that it is missing
			}
		}
		rows.add(row)
	}
	s.relations.each(func(value func(string) string) {
		add(value("oid"), value("relname"), value("relnamespace"), 0, Kind(value("relkind")[0]), natts[value("oid")])
	})
	for _, r := range allRelations {
		add(r.oid(), r.Name, r.schema(), r.typeOID(), r.Kind, len(r.Columns))
	}
	return rows
}

// attributeRows are the rows of pg_attribute.
func (s *system) attributeRows() *rowset {
	rows := &rowset{columns: columnNames(s.tables["pg_catalog.pg_attribute"])}
	types := map[string]record{}
	s.types.each(func(value func(string) string) {
		types[value("oid")] = record{
			"atttypid": value("oid"), "attlen": value("typlen"), "attbyval": value("typbyval"), "attalign": value("typalign"),
			"attstorage": value("typstorage"), "attcollation": value("typcollation"),
		}
	})
	add := func(relation, number, name any, typeOID string, more record) {
		row := record{
			"attrelid": relation, "attnum": number, "attname": name, "attstattarget": -1, "attcacheoff": -1, "atttypmod": -1,
			"attcompression": "", "atthasdef": false, "atthasmissing": false, "attidentity": "", "attgenerated": "",
			"attisdropped": false, "attislocal": true, "attinhcount": 0,
		}
		maps.Copy(row, types[typeOID])
		maps.Copy(row, more)
		rows.add(row)
	}
	s.columns.each(func(value func(string) string) {
		add(value("attrelid"), value("attnum"), value("attname"), value("atttypid"), record{
			"atttypmod": value("atttypmod"), "attndims": value("attndims"), "attnotnull": value("attnotnull"), "attcollation": value("attcollation"),
		})
	})
	for _, r := range allRelations {
		for i, c := range r.Columns {
			add(r.oid(), i+1, c.Name, fmt.Sprint(c.Type.OID), record{
				"attndims":   strings.Count(c.Type.DuckDB, "[]"),
				"attnotnull": !c.Nullable && r.Kind == Table, // PostgreSQL says so of no view
			})
		}
	}
	return rows
}

func columnNames(t *table) []string {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.name
	}
	return names
}

// signature writes arguments or columns as SQL: selector text, "from" timestamp, and so on.
func signature(args []Arg, defaults bool) string {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = identSQL(a.Name) + " " + a.Type.name
		if defaults && a.Default != "" {
			words[i] += " DEFAULT " + a.Default
		}
	}
	return strings.Join(words, ", ")
}

// identSQL quotes a name where PostgreSQL would. Names here are plain, so what
// matters is whether they are keywords.
func identSQL(name string) string {
	switch name {
	case "from", "to", "limit":
		return quoteIdent(name)
	}
	return name
}

// result is the type that a function returns.
func (f Function) result() string {
	columns := make([]Arg, len(f.Returns))
	for i, c := range f.Returns {
		columns[i] = Arg{Name: c.Name, Type: c.Type}
	}
	return "TABLE(" + signature(columns, false) + ")"
}

// describe adds a function to those of PostgreSQL.
func (f Function) describe(procs, signatures *rowset) {
	var args, all []uint32
	var modes, names []string
	var defaults []string
	for _, a := range f.Args {
		args, all = append(args, a.Type.OID), append(all, a.Type.OID)
		modes, names = append(modes, "i"), append(names, a.Name)
		if a.Default != "" {
			defaults = append(defaults, a.Default)
		}
	}
	for _, c := range f.Returns {
		all, modes, names = append(all, c.Type.OID), append(modes, "t"), append(names, c.Name)
	}
	row := record{
		"oid": f.oid(), "proname": f.Name, "pronamespace": schemaPublic, "proowner": ownerOID, "prolang": languageInternal,
		"procost": 100, "prorows": 1000, "provariadic": 0, "prosupport": 0, "prokind": "f", "prosecdef": false, "proleakproof": false,
		"proisstrict": false, "proretset": true, "provolatile": "s", "proparallel": "s",
		"pronargs": len(args), "pronargdefaults": len(defaults), "prorettype": 2249, // record
		"proargtypes": args, "proallargtypes": all, "proargmodes": modes, "proargnames": names, "prosrc": f.Name,
	}
	if len(defaults) > 0 {
		row["proargdefaults"] = strings.Join(defaults, ", ")
	}
	procs.add(row)
	signatures.add(record{
		"oid": f.oid(), "arguments": signature(f.Args, true), "identity": signature(f.Args, false), "result": f.result(),
	})
}

// addComments adds the comments on what is in the schemas public and system, and on
// the schemas.
func addComments(descriptions *rowset) {
	add := func(oid uint32, class, column int, text string) {
		if text != "" {
			descriptions.add(record{"objoid": oid, "classoid": class, "objsubid": column, "description": text})
		}
	}
	add(schemaPublic, classNamespace, 0, "profiles of the tenant")
	add(schemaSystem, classNamespace, 0, "how the profiles of the tenant are stored")
	for _, r := range allRelations {
		add(r.oid(), classRelation, 0, r.Comment)
		for i, c := range r.Columns {
			add(r.oid(), classRelation, i+1, c.Comment)
		}
	}
	for _, f := range functions {
		add(f.oid(), classProc, 0, f.Comment)
	}
}

// definitions lists the queries of the views.
func definitions() *rowset {
	s := &rowset{columns: []string{"oid", "definition"}}
	for _, r := range allRelations {
		if r.Kind == View {
			s.add(record{"oid": r.oid(), "definition": r.Definition})
		}
	}
	return s
}

// addTypeNames adds the names of the row types.
func addTypeNames(s *rowset) {
	for _, r := range allRelations {
		s.rows = append(s.rows,
			[]string{strconv.FormatUint(uint64(r.typeOID()), 10), r.qualifiedName()},
			[]string{strconv.FormatUint(uint64(r.arrayOID()), 10), r.qualifiedName() + "[]"})
	}
}
