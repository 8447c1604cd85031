// Package sqltest is a small language for questions about profiles and their
// answers. The same scripts run against every way to ask and every way to store;
// all must give the answers in the script.
//
// # Parts
//
//   - script.go: scripts, as text and as data
//   - profiles.go: the profiles of a script
//   - run.go: asking and comparing
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
// which it came.
//
// # Not its job
//
// It does not know how profiles are pushed or questions asked: that is a [Target],
// which a test makes.
package sqltest
