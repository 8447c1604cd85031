// Package block holds the storage format of Stackhouse's tables: plain Parquet
// that DuckDB, ClickHouse, Arrow and other engines read without us.
//
// # Parts
//
//   - schema.go: the one description of every table, from which the Arrow
//     schema and the Parquet schema with its field ids are made
//   - record.go: prepared rows → Arrow record batches
//   - write.go: Arrow record batches → Parquet files; leaf.go finds the values in
//     Arrow's memory, chunk.go, dictionary.go, bounds.go and encode.go make column
//     chunks of them, footer.go and thrift.go the rest
//   - read.go: Parquet files → rows, in the calling goroutine; stackcolumns.go:
//     stacktraces → columns; readtable.go, metadata.go, column.go, listlevels.go,
//     decode.go and thriftread.go are the layers below
//   - check.go: whether a file keeps every promise, for inspectors; second.go and
//     the files named like it read it again with parquet-go and compare, pages.go
//     walks the pages
//   - checkpart.go and the files named like it: whether the rows of a part, of a
//     block and of a dataset partition keep every promise to each other; fault.go
//     names what check.go finds
//   - layout.go: how a file is stored, for people
//   - meta.go: the meta.json of a block
//   - filename.go: every on-disk name
//   - version.go: the version of the tables' layout
//
// # Format, version 1
//
//	samples      one row per sample; see docs/FORMAT.md for every column
//	profiles     one row per received profile and series, with its total
//	series       one row per series id: what it stands for
//	stacktraces  one row per stacktrace id: parallel lists, leaf first
//	stack_totals one row per hour, service, type and stacktrace: a rollup
//
// A file carries the key-value pairs stackhouse.format (the version) and
// stackhouse.table, a fixed field id for every column, the sort order of its
// rows, and for top-level columns the smallest and largest value of each row
// group. Row groups have at most [MaxRowGroupRows] rows. Pages are PLAIN or
// RLE_DICTIONARY, zstd-compressed where that saves bytes.
//
// # Guarantees
//
//   - Field ids, names and types of columns never change; new columns get new
//     ids. Version N is read for ever.
//   - A written dictionary has only the values that its rows use: two files
//     made from one Arrow dictionary share nothing.
//   - Readers never panic and start no goroutine; damaged bytes are a Corrupt
//     error. They do not check checksums, which whoever fetched the bytes has
//     done; only Check does.
//   - What Check accepts, two independent readers understand equally.
//   - Writers never depend on time, randomness or map order: equal records give
//     equal bytes.
//
// Why own code and no Parquet library: every size is bounded before memory is
// spent on it, and a section of a few rows costs a twentieth of what a general
// library needs (docs/adr/0008). Tests hold the result against DuckDB and
// parquet-go.
//
// Sorting rows, choosing objects and verifying checksums is not this package's
// job.
package block
