// Package objecttest holds the promises of [object.Bucket] as tests, and stores
// that fail on purpose.
//
// # Parts
//
//   - suite.go, suite_*.go: [Run], the conformance suite of every bucket
//   - faulty.go, fault.go: [Faulty], a bucket with chosen failures
//   - disk.go: [Disk], an operating system in memory that loses at a crash what
//     was never synced
//   - hook.go: [HookedOS], which sees and fails single steps of another one
//
// # Guarantees
//
// Failures are chosen by call number or by a seed: equal plans and equal calls
// give equal failures, whatever the scheduling of goroutines on distinct names.
package objecttest
