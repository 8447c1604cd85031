package statement

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestErrorsPointIntoTheText: state and position of what is wrong.
func TestErrorsPointIntoTheText(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.service(nil)
	tests := []struct {
		text, state, at string // at: what stands where the position points
	}{
		{"SELECT nothing FROM samples", stateUndefinedColumn, "nothing"},
		{"SELECT * FROM nowhere", stateUndefinedTable, "nowhere"},
		{"SELECT frobnicate(value) FROM samples", stateUndefinedFunction, "frobnicate"},
		{"SELECT value FROM samples WHERE", stateSyntaxError, ""},
		{"SELECT é, nothing FROM (SELECT 1 AS é)", stateUndefinedColumn, "nothing"},
		{"SELECT 1 FROM pg_catalog.pg_class WHERE oid::regclass::text = 'x' AND nothing = 1", stateUndefinedColumn, "nothing"},
		{"SELECT f.* FROM series, flamegraph(service_name, now(), now()) AS f", stateNotSupported, ""},
	}
	for _, tt := range tests {
		e := failure(t, s, tt.text)
		assert.Equal(t, tt.state, e.SQLState, "%s: %v", tt.text, e)
		if tt.at != "" && assert.Positive(t, e.Position, tt.text) {
			assert.True(t, strings.HasPrefix(string([]rune(tt.text)[e.Position-1:]), tt.at), "%s: position %d", tt.text, e.Position)
		}
	}
}
