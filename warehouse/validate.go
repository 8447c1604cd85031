package warehouse

import (
	"cmp"
	"strings"
)

// Validate checks that s describes a segment as ingest writes it: what the
// metastore refuses before it becomes part of the index. Errors are Invalid and
// name the object and the part.
func (s *Segment) Validate() error {
	if s.ID == (ObjectID{}) {
		return Errorf(Invalid, "validate segment: id is zero")
	}
	if len(s.Parts) == 0 {
		return Errorf(Invalid, "validate segment %s: it has no parts", s.ID)
	}
	for i := range s.Parts {
		p := &s.Parts[i]
		if err := p.Validate(); err != nil {
			return err
		}
		switch {
		case p.Object != s.ID || p.Shard != s.Shard || p.Level != 0:
			return p.invalid("it belongs to segment %s of shard %d at level %d", p.Object, p.Shard, p.Level)
		case p.end() > s.Size:
			return p.invalid("its sections end at %d, behind the object's %d bytes", p.end(), s.Size)
		case i > 0 && comparePlaces(&s.Parts[i-1], p) >= 0:
			return p.invalid("it is not behind the part of %s %s", s.Parts[i-1].Tenant, s.Parts[i-1].Hour)
		}
	}
	for i := range s.Profiles {
		if i > 0 && s.Profiles[i].Tenant == s.Profiles[i-1].Tenant {
			continue
		}
		if _, err := ParseTenant(string(s.Profiles[i].Tenant)); err != nil {
			return Errorf(Invalid, "validate segment %s: profile %s: %w", s.ID, s.Profiles[i].ID, err)
		}
	}
	return nil
}

// Validate checks that p obeys what its fields promise: a known tenant form,
// times inside the bounds and the hour, sorted datasets and types, sections
// that are each table's only one. Errors are Invalid and name the part.
func (p *Part) Validate() error {
	if _, err := ParseTenant(string(p.Tenant)); err != nil {
		return Errorf(Invalid, "validate part of %s: %w", p.Object, err)
	}
	switch {
	case p.Object == ObjectID{}:
		return p.invalid("its object id is zero")
	case p.Format == 0:
		return p.invalid("its format version is 0")
	case p.Hour < MinTime.Hour() || p.Hour > MaxTime.Hour():
		return p.invalid("the hour is outside %s to %s", MinTime.Hour(), MaxTime.Hour())
	case p.Range.IsEmpty() || p.Range.From < p.Hour.Start() || p.Range.To >= p.lastHour().End():
		return p.invalid("its range %s is empty or not inside the hour", p.Range)
	case len(p.Datasets) == 0:
		return p.invalid("it has no datasets")
	}
	for i := range p.Datasets {
		if i > 0 && p.Datasets[i-1].Service >= p.Datasets[i].Service {
			return p.invalid("service %q is not behind %q", p.Datasets[i].Service, p.Datasets[i-1].Service)
		}
		if err := p.validateTypes(&p.Datasets[i]); err != nil {
			return err
		}
	}
	return p.validateSections()
}

func (p *Part) validateTypes(ds *Dataset) error {
	if ds.Profiles < 0 {
		return p.invalid("service %q has %d profiles", ds.Service, ds.Profiles)
	}
	for i, t := range ds.Types {
		switch {
		case i > 0 && ds.Types[i-1].Type >= t.Type:
			return p.invalid("type %q of service %q is not behind %q", t.Type, ds.Service, ds.Types[i-1].Type)
		case t.Range.IsEmpty() || !p.Range.Covers(t.Range):
			return p.invalid("type %q of service %q has the range %s, the part %s", t.Type, ds.Service, t.Range, p.Range)
		case t.Rows < 0:
			return p.invalid("type %q of service %q has %d rows", t.Type, ds.Service, t.Rows)
		}
	}
	return nil
}

func (p *Part) validateSections() error {
	var seen [256]bool
	for _, s := range p.Sections {
		switch {
		case s.Table < TableSamples || s.Table > TableStackTotals || seen[s.Table]:
			return p.invalid("section %s is unknown or there twice", s.Table)
		case s.Offset < 0 || s.Size < 0 || s.Rows < 0 || s.Offset+s.Size < 0:
			return p.invalid("section %s has offset %d, size %d, rows %d", s.Table, s.Offset, s.Size, s.Rows)
		}
		seen[s.Table] = true
	}
	return nil
}

// MaxPartHours is how many hours, beginning with its own, a part's range may
// cover: more than one only for the parts of a day.
const MaxPartHours = 24

// dayLevel is the level from which on a part holds a day.
const dayLevel = 4

func (p *Part) lastHour() Hour {
	if p.Level >= dayLevel {
		return p.Hour + MaxPartHours - 1
	}
	return p.Hour
}

// end returns the offset behind the last section.
func (p *Part) end() int64 {
	var end int64
	for _, s := range p.Sections {
		end = max(end, s.Offset+s.Size)
	}
	return end
}

func (p *Part) invalid(format string, args ...any) error {
	args = append([]any{p.Object, p.Tenant, p.Hour}, args...)
	return Errorf(Invalid, "validate part of %s (%s %s): "+format, args...)
}

// comparePlaces orders parts by tenant, then hour.
func comparePlaces(a, b *Part) int {
	return cmp.Or(strings.Compare(string(a.Tenant), string(b.Tenant)), cmp.Compare(a.Hour, b.Hour))
}
