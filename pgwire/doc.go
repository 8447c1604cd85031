// Package pgwire lets PostgreSQL clients talk to the warehouse: psql, drivers, BI
// tools.
//
// # Parts, from the wire up
//
// Protocol: bytes and messages, no SQL.
//
//   - server.go, drain.go: the listener, its connections and their end
//   - wire.go, watch.go: one connection's buffers; noticing that its client left
//   - startup.go, auth.go, cancel.go: what happens before the first statement
//   - simple.go, extended.go, portal.go: the two query protocols
//   - errors.go, sqlstate.go: failures as ErrorResponse
//
// Session: statements about the connection itself, which no engine sees.
//
//   - lexer.go, splitter.go, parser.go, command.go: text to commands
//   - transaction.go, cursor.go, prepare.go, settings.go, copy.go, listen.go,
//     admin.go: one family of commands each
//   - param.go, params.go: run-time parameters (GUCs)
//
// SQL: everything else goes to Statements (query.go), whose Arrow rows come back
// through
//
//   - oid.go: DuckDB's types as PostgreSQL's
//   - encode*.go: values to text and binary; decode*.go: parameters to values
//   - spool.go: rows that wait for their client
//
// # Guarantees
//
// A client that breaks the protocol loses its own connection and nothing else. A
// statement ends when its client cancels it, vanishes, runs out of time or the
// server drains; each of these has its SQLSTATE. Statements of one transaction see
// one snapshot. Nothing a client sends is written anywhere: writes are 25006.
//
// # Not its job
//
// It does not parse SELECT, know relations or choose what a user may read: that
// is package sql/statement. It does not encrypt or authenticate yet: who listens
// on more than loopback must be trusted.
package pgwire
