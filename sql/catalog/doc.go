// Package catalog is what a SQL client can find out about the warehouse: its
// relations and functions with their comments, and PostgreSQL's own catalogue,
// which psql, drivers and BI tools read to learn about them.
//
// Parts:
//
//   - registry.go, relations.go, functions.go: the relations and functions a user
//     sees. Everything else here follows from them.
//   - data: rows of PostgreSQL's catalogue that never change, from a real server.
//   - pg_catalog, information_schema, macro: one SQL file for each relation that is
//     a query over others, and for each family of functions.
//   - table.go, rows.go, script.go: the statements that build all this in DuckDB, in
//     the attached database [Database], by [Catalog.Load].
//   - rewrite.go and the files beside it: [Rewrite] turns what PostgreSQL's clients
//     write about its catalogue into what DuckDB understands.
//   - session.go: how the functions that tell about the session learn of it.
//
// Guarantees: object identifiers depend on names alone, so any two statements and
// any two servers agree on them; every identifier that a row names exists; nothing
// but the product's own relations and PostgreSQL's is shown.
//
// Not its job: to hold users' rows, to decide what a statement may do, to run
// statements of the session (BEGIN, SET, SHOW).
package catalog
