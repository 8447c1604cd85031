// Package engine runs SQL that Stackhouse itself wrote, on an embedded DuckDB.
// It is the only package that imports DuckDB.
//
// # Parts
//
//   - options.go: budgets, and the settings that enforce them
//   - engine.go: the instance, its bounded pool of connections, Query
//   - error.go: DuckDB's errors as kinds of package warehouse
//   - metrics.go: instruments
//
// # Guarantees
//
// An engine reads local files below Options.AllowedDirs, spills below
// Options.TempDir and touches nothing else: no network, no extensions, no other
// file. Its settings are locked when Open returns. A query ends when its context
// does, and says so with the context's error. Every Arrow batch is released when
// the callback returns. An instance that DuckDB declares broken is replaced
// before the next query.
//
// # Not its job
//
// It is no security boundary: SQL that a user wrote belongs in a worker process
// (decision 9 of the architecture), which can implement the same method set.
package engine
