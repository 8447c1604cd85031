// Package stackhouse is the root of the module and holds no code: only the
// tests of conventions that concern every package (arch_test.go).
//
// Start with README.md, docs/ARCHITECTURE.md and package warehouse, whose words
// all others use. The program is cmd/stackhouse.
package stackhouse
