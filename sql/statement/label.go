package statement

import "github.com/stackhouse-db/stackhouse/sql/catalog"

// label gives the columns the names that PostgreSQL would, where DuckDB shows an
// expression: count instead of count_star(). Columns that came out of a star keep
// their own names; with two stars nobody can tell which are whose, and all do.
func label(columns []Column, text string) {
	labels := catalog.Labels(text)
	star := -1
	for i, l := range labels {
		if l != catalog.Star {
			continue
		}
		if star >= 0 {
			return
		}
		star = i
	}
	behind := 0 // items after the star
	switch {
	case star < 0 && len(labels) != len(columns):
		return
	case star >= 0:
		behind = len(labels) - 1 - star
		if star+behind > len(columns) {
			return
		}
	}
	for i := range columns {
		switch {
		case star < 0 || i < star:
			columns[i].Name = labels[i]
		case i >= len(columns)-behind:
			columns[i].Name = labels[len(labels)-(len(columns)-i)]
		}
	}
}
