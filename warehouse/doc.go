// Package warehouse holds the words of Stackhouse: tenants, ids, times, labels,
// selectors, profile types, errors, and the description of stored objects that
// ingest, metastore, compactor and query exchange.
//
// # Parts
//
//   - tenant.go, id.go, time.go, label.go, selector.go, profiletype.go,
//     stacktrace.go: the vocabulary of a profile
//   - part.go, segment.go: what the metastore knows about a stored object
//   - validate.go: what those descriptions promise
//   - codec.go, wire.go: their canonical byte form
//   - error.go: kinds of failure
//
// # Guarantees
//
// The package imports no other package of Stackhouse, starts no goroutine and
// does no input or output. Values are plain data; methods of value types are
// safe for concurrent use.
//
// It is not the storage format (see warehouse/block and warehouse/segment) and
// not the canonical encoding of ids (see warehouse/profile).
package warehouse
