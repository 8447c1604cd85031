// Package segment reads and writes segments, the level-0 objects in which
// freshly received samples rest for a few seconds.
//
// A segment holds the rows of many tenants: one set of sections, which are
// tables, for each tenant and hour. A [Builder] makes it once; it is stored,
// registered in the metastore, and never changed. Compaction turns it into
// blocks.
//
// # Format, version 1
//
//	+--------------------+ 0
//	| section            |  one whole Parquet file of warehouse/block: samples,
//	| zeros, 0 to 7      |  profiles, series or stacktraces of one (tenant, hour);
//	| section            |  each begins at a multiple of 8
//	| zeros, 0 to 7      |
//	| ...                |
//	+--------------------+ size - 16 - length
//	| footer             |  warehouse.AppendSegment: id, shard, size of the object,
//	|                    |  parts with offset, size, rows and CRC-32C of every
//	|                    |  section, profile ids, epochs
//	+--------------------+ size - 16
//	| length   u32       |  bytes of the footer
//	| version  u32       |  1
//	| checksum u32       |  CRC-32C of footer, length and version
//	| magic    "SSEG"    |
//	+--------------------+ size
//
// Integers are little-endian. Sections lie in the order in which they were
// added, without gaps but the zeros. The fixed tail comes last, so that one
// read of an object's end finds the footer.
//
// The footer says the same as the segment's registration: an index can be
// rebuilt from objects alone.
//
// # Guarantees
//
//   - [Decode] and [DecodeFooter] return no footer, and [Section] no bytes,
//     whose checksum they have not verified.
//   - Hostile bytes are a Corrupt error, never a panic. Decoding costs memory in
//     proportion to their length; Check also unpacks the tables, one row group
//     at a time.
//   - [Check] verifies every statement of this comment, and that the footer
//     describes the rows; of profile ids and epochs only that they are there.
//     [Report] tells all that is wrong, also between tables and of profile ids.
//   - A version is read for ever; a newer one is refused by name.
//
// Choosing which segments to read is the querier's work, not this package's.
package segment
