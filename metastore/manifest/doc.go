// Package manifest is the copy of the metastore's state that stands in the bucket,
// beside the objects that it names: what a lost metastore is rebuilt from.
//
// # Parts
//
//   - manifest.go: the byte form of one manifest, and its name
//   - store.go: those in a bucket: write, read, keep the newest few
//
// # Format, version 1
//
//	magic "SSMF" ‖ u32le(version) ‖ u64le(index) ‖ i64le(time, µs) ‖ u64le(length)
//	   ‖ state: what View.WriteTo of metastore/state wrote, so many bytes
//	   ‖ u32le(CRC-32C of all before)
//
// The index is that of the log up to which the state goes, and is in the name too,
// in 20 digits, so that names sort as indexes do.
//
// # Guarantees
//
//   - Bytes are checked before anything is made of them: damage is a Corrupt error.
//   - A version is read for ever; a newer one is refused by name.
//
// When a manifest is written, and what may be deleted without one, is decided by
// package metastore; what is made of one, by metastore/rebuild.
package manifest
