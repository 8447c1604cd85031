// Package state is the metastore's replicated state: which objects are live,
// which profiles were received lately, what was promised to whom.
//
// # Parts
//
//   - state.go: State, what a command changes; clock.go: time that only moves on
//   - view.go: View, an immutable picture of the state that queries hold
//   - tenant.go: the levels tenant → hour → parts, copied only where touched
//   - window.go, fate.go, tombstone.go: what is remembered for a while
//   - job.go: compaction jobs; plan.go: what the leader wants merged, and when
//   - deletion.go: what is deleted, and what became of it; mask.go, planmask.go: how jobs
//     take it out; overdue.go: what rules of retention want deleted
//   - command.go: the byte form of commands; one file for each command
//   - snapshot.go, snapshot_deletion.go, frame.go: the byte form of the whole state
//   - describe.go: everything in a view, for people; consistent.go: whether it
//     contradicts itself
//
// # Guarantees
//
//   - Deterministic: the same commands give the same state and the same answers
//     on every machine. Nothing here reads a clock, a random source or the order
//     of a map; time comes in commands.
//   - A command is applied as a whole or, if its answer is a refusal, not at all.
//   - A View never changes and costs a few words; any number may be held.
//   - Bytes are checked: damage is a Corrupt error, never a different state.
//
// Agreement between nodes, durability and the deletion of objects are the work
// of package metastore.
package state
