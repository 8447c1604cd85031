//go:build !duckdb_arrow

package engine

// DuckDB's Arrow interface is behind a build tag of its Go driver: build with
// make, or with GOFLAGS=-tags=duckdb_arrow.
var _ = build_with_the_tag_duckdb_arrow_for_example_through_make
