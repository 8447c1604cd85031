// Package sqltest is a small language for questions about profiles and their
// answers. The same scripts run against every way to ask and every way to store;
// all must give the answers in the script.
//
// # Parts
//
//   - script.go: scripts, as text and as data
//   - profiles.go: the profiles of a script
//   - answer.go: answers as text
//   - run.go: asking and comparing
//   - oracle.go, tables.go: answers recomputed from the profiles, by plain addition
//     and by plain tables in a bare DuckDB
//
// # The language
//
// A script is a txtar archive (golang.org/x/tools/txtar): prose, then sections in
// order. See testdata/README.md for the verbs.
//
//	-- profiles --
//	service=checkout pod=a type=process_cpu:cpu:nanoseconds:cpu:nanoseconds
//	t=0   10  main;serve;encode
//	t=30   5  main;serve
//	-- sql --
//	SELECT sum(value) FROM samples
//	-- want --
//	sum(value)
//	15
//	-- api --
//	total process_cpu:cpu:nanoseconds:cpu:nanoseconds{} 0 60
//	-- want --
//	15
//
// # Guarantees
//
// An answer is compared as text, in PostgreSQL's form, row by row in the order in
// which it came. An answer that was rewritten by mistake is found: [Script.Recompute]
// gives all but those about errors and catalogues from the profiles alone.
//
// # A new way to store
//
// Scripts do not say how profiles are stored, except that each section of profiles
// is flushed before the next one. A [Layout] does; see the list in
// cmd/stackhouse/sqlscript_test.go. Levels of compaction, shards and restarts are
// each one more entry.
//
// # Not its job
//
// It does not know how profiles are pushed or questions asked: that is a [Target],
// which a test makes.
package sqltest
