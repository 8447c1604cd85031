package pgwire

import "strings"

// writes are the first words of statements that would change something. They are
// refused before any engine sees them, as a read-only transaction of PostgreSQL
// would.
var writes = map[string]bool{
	"insert": true, "update": true, "delete": true, "merge": true, "truncate": true,
	"create": true, "alter": true, "drop": true, "comment": true,
	"grant": true, "revoke": true, "reassign": true, "security": true,
	"refresh": true, "reindex": true, "cluster": true, "vacuum": true, "analyze": true,
	"import": true, "notify": true, "lock": true, "checkpoint": true,
}

// unsupported are the first words of statements that nothing here does.
var unsupported = map[string]bool{"do": true, "call": true, "load": true}

func refuseWrite(keyword string) error {
	switch {
	case writes[keyword]:
		return errorf(stateReadOnly, "cannot execute %s in a read-only transaction", strings.ToUpper(keyword))
	case unsupported[keyword]:
		return errorf(stateFeatureNotSupported, "%s is not supported", strings.ToUpper(keyword))
	}
	return nil
}
