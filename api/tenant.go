package api

import (
	"net/http"
	"strings"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// tenantHeader names the header that carries the tenant.
const tenantHeader = "X-Scope-OrgID"

// tenantOf returns the tenant that the headers name, or the default one.
func tenantOf(h http.Header) (warehouse.Tenant, error) {
	var named string
	for _, v := range h.Values(tenantHeader) {
		v = strings.TrimSpace(v)
		if named != "" && v != "" && v != named {
			return "", warehouse.Errorf(warehouse.Invalid, "header %s names two tenants, %q and %q", tenantHeader, named, v)
		}
		if v != "" {
			named = v
		}
	}
	switch {
	case named == "":
		return warehouse.DefaultTenant, nil
	case strings.Contains(named, "|"):
		return "", warehouse.Errorf(warehouse.Invalid, "header %s: %q names several tenants, which is not supported yet", tenantHeader, named)
	}
	t, err := warehouse.ParseTenant(named)
	if err != nil {
		return "", warehouse.Errorf(warehouse.Invalid, "header %s: %w", tenantHeader, err)
	}
	return t, nil
}
