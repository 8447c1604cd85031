// Package metastore is the only truth about which stored objects are live: a
// Raft log of commands over a state machine in memory.
//
// # Parts
//
//   - options.go, metastore.go, run.go: Open, Run, and what stops them
//   - commands.go, propose.go: the changes, each answered when it is durable
//   - jobs.go: what compaction asks and says; the planner is in state/
//   - deletions.go: deletes, and rules of retention
//   - snapshot.go, inspect.go, pins.go: what a query holds while it reads, and what
//     an operator sees
//   - gc.go, sweep.go, retention.go, compact.go: the leader deletes dead objects and
//     those that nobody knows, drops old hours, and keeps the log short
//   - manifests.go: copies of the state in the bucket; manifest/ is their form,
//     rebuild/ makes a state of one and what is newer, backup/ copies everything
//   - offline.go: a directory that nobody runs is read, or made of a state
//   - fsm.go: the state under Raft; state/ is the state itself
//   - format.go, restore.go, logstore.go: the directory, and its start after any end
//   - versions.go: what a newer build wrote is found before anything is opened
//   - offline.go and the files named like it: the directory of a node that does not
//     run, read and checked without changing it
//   - transport.go, logger.go, metrics.go, failpoints.go
//
// # Guarantees
//
//   - An answered command survives kill -9 and power loss.
//   - Commands are idempotent: after an error of kind Unavailable, Deadline or
//     Canceled the outcome is unknown, and the same command may be sent again.
//   - A snapshot includes every command that was answered before it was asked for,
//     and its objects stay readable until it is released, for an hour at most.
//   - What the newest manifest in the bucket names as live is there; docs/adr/0054
//     has the one exception.
//   - Damage on disk is found when the directory is opened, and refused by name:
//     nothing is guessed, nothing deleted.
//
// Writing segments and blocks is the work of others.
// DESIGN.md tells why it is built this way.
package metastore
