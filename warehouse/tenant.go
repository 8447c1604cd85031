package warehouse

// Tenant is the unit of isolation and the first key of everything stored.
type Tenant string

// DefaultTenant is the tenant of requests that name none.
const DefaultTenant Tenant = "anonymous"

// MaxTenantBytes is the longest tenant id.
const MaxTenantBytes = 150

// ParseTenant checks that s is a tenant id: 1 to 150 bytes of
// [A-Za-z0-9!_.*'()-], not ".", ".." or beginning with "__". The charset is that
// of Pyroscope and Mimir; the exclusions keep ids usable as folder names.
func ParseTenant(s string) (Tenant, error) {
	if s == "" {
		return "", Errorf(Invalid, "tenant id is empty")
	}
	if len(s) > MaxTenantBytes {
		return "", Errorf(Invalid, "tenant id has %d bytes, the limit is %d", len(s), MaxTenantBytes)
	}
	if s == "." || s == ".." || (len(s) > 1 && s[:2] == "__") {
		return "", Errorf(Invalid, "tenant id %q is reserved", s)
	}
	for i := range len(s) {
		if !isTenantByte(s[i]) {
			return "", Errorf(Invalid, "tenant id %q has the character %q: allowed are letters, digits and !_.*'()-", s, s[i])
		}
	}
	return Tenant(s), nil
}

func isTenantByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	switch c {
	case '!', '_', '.', '*', '\'', '(', ')', '-':
		return true
	}
	return false
}
