// Package query answers the questions of the profiling API: flame graphs, merged
// profiles, time series and labels, each over one tenant, a selector and a closed
// range of time.
//
// # A query's way
//
//	selection.go    matchers, split into those that datasets and those that series decide
//	view.go         a snapshot of the index, and the datasets that may hold an answer
//	seriescache.go  per part: its series with the times and values of their profiles
//	definitions.go  series ids to labels
//	sums.go         values by stacktrace: samplecache.go in memory for small datasets,
//	                scan.go and statements/*.sql in the engine for large ones
//	symbols.go      stacktrace ids to frames
//	mask.go         deletions that hide rows of parts
//	tree.go, timeseries.go, heatmap.go, labels.go, stats.go, extent.go   the answers
//
// # Guarantees
//
// Answers are exact: every profile in [From, To] that is not deleted counts once and
// no other one,
// whichever of the paths its part takes, and a total that does not fit its type
// is an OutOfRange error. A label, a type or a series is reported if and only if
// one of its profiles lies in the range. Nothing is cached under a key without
// its tenant. Damaged bytes fail the query with an error that names the object.
//
// # Not its job
//
// It parses no request, applies no limit on ranges or nodes, and knows no wire
// format: see package api. Where objects lie is the business of warehouse/cache.
package query
