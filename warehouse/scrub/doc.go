// Package scrub reads stored objects again, long after they were written, and finds
// those whose bytes are not what the index says any more: disks and stores lose bits
// without saying so.
//
// # Parts
//
//   - scrubber.go: [Scrubber] and its Run, which verifies everything once in a
//     period; pace.go, plan.go: what is next, and when
//   - pass.go: one pass without a pause, for an operator
//   - verify.go, window.go: one object against the index
//   - register.go: [Register], what is known of each object: when it was last
//     verified, and what is damaged in it
//   - file.go: the register on disk, drawn byte by byte
//   - metrics.go: instruments
//
// # Guarantees
//
//   - Bytes come from the bucket, never from a copy, and where the system allows it
//     from the disk, not from the system's memory.
//   - Damage is bytes that differ, or an object that is missing while the index says
//     that it is live, both found twice. A bucket that is away is none, and neither
//     is an object that was merged or deleted meanwhile.
//   - Nothing is changed or removed: what to do about damage is the operator's
//     decision.
//
// The package does not repair, and does not read Parquet: bytes whose checksum is
// right are as they were written.
package scrub
