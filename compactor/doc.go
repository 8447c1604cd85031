// Package compactor merges parts: segments become blocks, and the blocks of an hour
// that is over become final ones.
//
// # Parts
//
//   - worker.go: takes jobs, keeps their leases, hands in what was made
//   - job.go: one job, from its inputs to stored blocks
//   - input.go: inputs as verified files in memory
//   - merge.go: the merge of samples, and where blocks end
//   - cursor.go: one input's samples, run by run
//   - mask.go: rows that are deleted
//   - block.go: a block in the making
//   - stacks.go, definitions.go, profiles.go, totals.go: the other tables
//
// # Guarantees
//
// What is made holds every row of the inputs that is not deleted exactly once, in the
// order of the format; this is checked against the index and against the totals that profiles
// carry before anything is handed in. Definitions of the inputs are kept, one for
// each id, unless only deleted rows need them. An answer over the outputs is the answer over the inputs.
//
// A job that ends before its outputs are registered leaves nothing but files that
// nobody knows, which the metastore's sweep removes.
//
// # Not its job
//
// What is merged when is planned by the metastore, which also decides whose outputs
// count. Deleting the inputs is its work, too.
package compactor
