package query

import "github.com/stackhouse-db/stackhouse/warehouse"

// stackSums adds values up by stacktrace.
type stackSums struct {
	table    idTable
	values   []int64 // by number
	overflow bool    // a sum did not fit
}

// add adds a value ≥ 0.
func (s *stackSums) add(id warehouse.StacktraceID, value int64) {
	n, isNew := s.table.number(id)
	if isNew {
		s.values = append(s.values, value)
		return
	}
	sum := s.values[n] + value
	s.overflow = s.overflow || sum < 0
	s.values[n] = sum
}
