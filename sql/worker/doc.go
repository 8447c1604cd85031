// Package worker runs statements of tenants on instances of DuckDB that belong to
// one tenant each.
//
// # Parts
//
//   - planner.go: an instance with empty tables, which parses, describes and plans
//   - executor.go: an instance that runs a statement over the files it needs
//   - layout.go: what both are filled with: relations, functions, the clock
//   - pool.go, pools.go: the instances of all tenants, within one memory budget
//
// # Guarantees
//
// An instance never serves two tenants. It can read the files below
// Options.Dirs and nothing else; its settings are locked, but for the time zone. The
// planner's time, time zone and relations are the executor's.
//
// # Not its job
//
// It trusts the text it is given: what a statement may do is for package statement to
// check. It is no security boundary itself: with a starter of processes (package
// confined) instances live where they can harm nobody; without one an instance can
// crash this process, and a statement can defy its interrupt.
package worker
