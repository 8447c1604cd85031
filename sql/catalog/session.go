package catalog

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Session is what the functions about a session answer: current_user, session_user,
// pg_backend_pid(), current_setting(), version(), and pg_settings, pg_roles and
// pg_stat_activity.
type Session struct {
	User     string
	PID      int32
	Settings map[string]string // run-time parameters by their lower-case names
}

// SQL returns statements that tell an instance about the session. They are run on
// its connection before a statement of the session, and stay until the next ones;
// DuckDB reads the variables when it binds a statement, not when it runs it.
func (s Session) SQL() string {
	var b strings.Builder
	b.WriteString("SET VARIABLE pg_session_user = " + quoteLiteral(s.User))
	b.WriteString("; SET VARIABLE pg_session_pid = " + strconv.Itoa(int(s.PID)))
	b.WriteString("; SET VARIABLE pg_session_settings = MAP {")
	for i, name := range slices.Sorted(maps.Keys(s.Settings)) {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(quoteLiteral(name) + ": " + quoteLiteral(s.Settings[name]))
	}
	b.WriteString("}::MAP(VARCHAR, VARCHAR)")
	return b.String()
}
