package pgwire

import "github.com/stackhouse-db/stackhouse/warehouse"

// identity is who a session is, as far as it is believed.
type identity struct {
	user   string
	tenant warehouse.Tenant
}

// authenticate believes what the client says: whoever reaches the listener is
// trusted, which is why cmd keeps it on loopback. The database names the tenant;
// a client that names none gets its user's name as the default of PostgreSQL's
// clients, and means the tenant anonymous.
func authenticate(params map[string]string) (identity, error) {
	user, database := params["user"], params["database"]
	if user == "" {
		return identity{}, fatalf(stateInvalidAuthorization, "no PostgreSQL user name specified in startup packet")
	}
	if database == "" || database == user {
		return identity{user, warehouse.DefaultTenant}, nil
	}
	tenant, err := warehouse.ParseTenant(database)
	if err != nil {
		return identity{}, fatalf(stateUndefinedDatabase, "database %q does not exist", clip(database)).
			withDetail("A database is a tenant, and this is no tenant id: %s.", err)
	}
	return identity{user, tenant}, nil
}
