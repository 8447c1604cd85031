package warehousetest

import (
	"slices"
	"strings"
)

// PathSeparator stands between the names of a path of [Sum].
const PathSeparator = ";"

// Sum adds up the rows of all series that keep accepts, by the names of their
// frames from the root to the leaf, joined with [PathSeparator].
func Sum(profiles []Generated, keep func(*Generated, *Series) bool) map[string]int64 {
	out := map[string]int64{}
	for i := range profiles {
		for j := range profiles[i].Series {
			s := &profiles[i].Series[j]
			if !keep(&profiles[i], s) {
				continue
			}
			for _, r := range s.Rows {
				path := slices.Clone(r.Functions)
				slices.Reverse(path)
				out[strings.Join(path, PathSeparator)] += r.Value
			}
		}
	}
	return out
}
