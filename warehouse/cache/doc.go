// Package cache keeps what queries read again and again near to them: stored
// sections as verified local files, and definitions of stacktraces in memory.
// Stored objects never change, so nothing here can be stale.
//
// # Parts
//
//   - sections.go: [Sections], what callers use; key.go: what a section is called
//   - file.go, list.go: the cached files, their states and their order of use
//   - fetch.go, verify.go, read.go: bytes from the bucket and the disk, and the
//     proof that they are the right ones
//   - verdict.go: who is told of damage, and copies that are verified once more
//   - evict.go, adopt.go: the budget, and what an earlier process left
//   - options.go, metrics.go, stat_*.go: settings, instruments, system calls
//   - symbols.go: stacktraces by id, in memory
//
// # Files
//
//	<dir>/<tenant>/<object>/<hour>-<table>.parquet      a copy of one section
//	<dir>/<tenant>/<object>/<hour>-<table>.parquet.tmp  one that is being written
//
// hour is the number of hours since 1970. Nothing is synced: a file that a power
// loss damaged is found out by its checksum and fetched again.
//
// # Guarantees
//
//   - Bytes are handed out only after their size and CRC-32C were found equal to
//     those that the index has. A file that changed since (inode, size, mtime or
//     ctime differ) is verified again.
//   - A file stays in place until everyone who acquired it has released it.
//   - Keys carry the tenant: no tenant waits for, or gets, what was fetched for
//     another.
//   - The package starts no goroutine: work happens in the calls that need it.
//
// The cache does not know which objects are live, and does not read Parquet.
package cache
