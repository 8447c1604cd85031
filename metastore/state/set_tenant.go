package state

import "github.com/stackhouse-db/stackhouse/warehouse"

// SetTenant replaces a tenant's settings, which makes the tenant known. It has
// no answer.
type SetTenant struct {
	Tenant   warehouse.Tenant
	Settings []Setting // sorted by name, each name once
}

// Kind returns KindSetTenant.
func (SetTenant) Kind() Kind { return KindSetTenant }

func (c SetTenant) appendTo(dst []byte) []byte {
	e := warehouse.NewEncoder(dst)
	e.String(string(c.Tenant))
	encodeSettings(e, c.Settings)
	return e.Bytes()
}

func decodeSetTenant(body []byte) (Command, error) {
	d := warehouse.NewDecoder("body", body)
	c := SetTenant{Tenant: warehouse.Tenant(d.String()), Settings: decodeSettings(d)}
	return c, d.Finish()
}

func (c SetTenant) apply(s *State, _ moment) any {
	s.editTenant(c.Tenant).settings = c.Settings
	return nil
}

func encodeSettings(e *warehouse.Encoder, settings []Setting) {
	e.Uvarint(uint64(len(settings)))
	for _, s := range settings {
		e.String(s.Name)
		e.String(s.Value)
	}
}

func decodeSettings(d *warehouse.Decoder) []Setting {
	var settings []Setting
	for i := range d.Count(2) {
		settings = append(settings, Setting{Name: d.String(), Value: d.String()})
		if i > 0 && settings[i-1].Name >= settings[i].Name {
			d.Failf("setting %q is not behind %q", settings[i].Name, settings[i-1].Name)
			return nil
		}
	}
	return settings
}
