//go:build !failpoints

package main

import "github.com/stackhouse-db/stackhouse/warehouse/failpoint"

// failpoints returns none: only a build with the tag failpoints, for crash tests,
// can be told to fail.
func failpoints(lookup) (*failpoint.Points, error) { return nil, nil }
