// Package statement answers SQL that a user wrote.
//
// # A statement's way
//
//	prepare.go    the text, checked and described; nothing of it runs
//	check.go      which relations and functions it names, and whether it may:
//	              allow.go, functions.txt; lexer.go and edit.go work on its text
//	call.go       calls of product functions, with constant arguments
//	execute.go    arguments → plan → snapshot → files → rows
//	literal.go    arguments as expressions of their types
//	flamegraph.go the rows of product functions, by the profiling API's code
//	system.go     the rows of the schema system, from the snapshot
//	rows.go       rows as they are made; explain.go for EXPLAIN
//	ledger.go     which statements run, and what became of the others; shapeOf.go
//	error.go      whatever fails, as an *[Error] with its SQLSTATE and place
//
// # Guarantees
//
// One statement of the SELECT family runs at a time, over the tenant's own relations
// and functions that are on a list: what the check does not know is refused. All that
// a statement sees, product functions included, is of one snapshot, which is pinned
// with the files it reads until the rows end, are closed, or their time is over; a
// transaction's statements share one. The files left unread never change an answer.
// A canceled statement ends at once and leaves nothing.
//
// # Not its job
//
// It knows no session: BEGIN, SET, cursors and COPY are package pgwire's. It is no
// sandbox: the check keeps statements to what they may name; what they do with it is
// bounded by the process that package confined runs them in.
package statement
