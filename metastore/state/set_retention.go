package state

import (
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// SetRetention says how long data is kept: that of one tenant, or that of all
// tenants without their own. It has no answer.
type SetRetention struct {
	Tenant    warehouse.Tenant // empty: the default of all
	Retention time.Duration    // 0: for ever; InheritRetention: as the default
}

// Kind returns KindSetRetention.
func (SetRetention) Kind() Kind { return KindSetRetention }

func (c SetRetention) appendTo(dst []byte) []byte {
	e := warehouse.NewEncoder(dst)
	e.String(string(c.Tenant))
	e.Varint(int64(c.Retention))
	return e.Bytes()
}

func decodeSetRetention(body []byte) (Command, error) {
	d := warehouse.NewDecoder("body", body)
	c := SetRetention{Tenant: warehouse.Tenant(d.String()), Retention: time.Duration(d.Varint())}
	if c.Retention < InheritRetention {
		d.Failf("retention is %s", c.Retention)
	}
	return c, d.Finish()
}

func (c SetRetention) apply(s *State, _ moment) any {
	if c.Tenant != "" {
		s.editTenant(c.Tenant).retention = c.Retention
		return nil
	}
	s.draft.retention = max(c.Retention, 0)
	return nil
}
