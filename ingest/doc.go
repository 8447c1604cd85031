// Package ingest turns received profiles into registered segments.
//
// # A push's way through
//
//	Push      admit under the memory budget, inflate, decode, validate, hash (warehouse/profile)
//	flights   a profile that is already on its way is waited for, not stored twice
//	shard     queues by tenant; a head is cut from them, tenants in turn
//	seal      group by (tenant, hour), leave out known definitions, build Arrow records
//	encode    Arrow records become Parquet sections, sections a segment object
//	flush     store the object, register it, answer every push that waits for it
//
// # Guarantees
//
//   - A push is answered with success only after the segment that holds its
//     profiles is stored and registered: it is durable, and visible to queries.
//   - A profile that cannot be stored fails alone. A dataset that cannot be
//     encoded fails only the pushes that are part of it.
//   - Ids of registered profiles live in the metastore and nowhere else: the
//     registration is refused when it would count a profile twice, and the
//     ingester then drops those profiles and seals again.
//   - Every series and stacktrace id in a segment is defined in a live object of
//     the same dataset partition (tenant, service, hour): what this package
//     remembers as defined is only what was registered, under an epoch that the
//     registration checks.
//   - Memory is bounded: bodies and what was decoded from them are counted
//     against one budget until the push is answered.
//
// It keeps no state on disk, and it is not the place where objects are merged or
// deleted.
package ingest
