// Package plan says which parts of a tenant's data a statement can need, before
// any of it is read.
//
// # A statement's way
//
//	operator.go   the plan that DuckDB's optimizer made over empty tables, as JSON
//	trace.go      where the columns of each operator come from
//	scan.go       the scans of stored relations, with what restricts them
//	predicate.go  the restrictions: a tree of comparisons with service, type and time
//	select.go     the parts of the index that they leave
//
// # Guarantees
//
// Selecting parts never changes an answer: what is not understood restricts
// nothing. A relation that the plan does not scan needs no part at all.
//
// It holds for plans that do not depend on the data: the instance that makes them
// has empty tables, and none of the optimizers that look at data (see
// [DisabledOptimizers]).
//
// # Not its job
//
// It runs no SQL and reads no file: package worker does the one, package statement
// has the other done.
package plan

// DisabledOptimizers are those that a planning instance must not have. Three would
// fold what reads an empty table, or leave filters to what joins find when they run.
// limit_pushdown moves a LIMIT below a projection without telling it the types of its
// new columns, which json_serialize_plan then refuses to write.
const DisabledOptimizers = "statistics_propagation,late_materialization,join_filter_pushdown,limit_pushdown"
