package warehouse

import (
	"slices"
	"strings"
)

// Names of labels with a meaning of their own.
const (
	LabelName        = "__name__"         // the profile type's first part
	LabelType        = "__type__"         // its sample type
	LabelUnit        = "__unit__"         // its sample unit
	LabelPeriodType  = "__period_type__"  // its period type
	LabelPeriodUnit  = "__period_unit__"  // its period unit
	LabelProfileType = "__profile_type__" // its text form
	LabelDelta       = "__delta__"        // "false": values are not differences
	LabelService     = "service_name"
)

// UnknownService is the service of profiles that name none.
const UnknownService = "unknown_service"

// Label is one name and value.
type Label struct{ Name, Value string }

// Labels is a set of labels, sorted by name (bytewise), without duplicates.
//
// A stored series' labels include service_name and exclude the names that are
// derived from its profile type ([IsDerivedLabel]).
type Labels []Label

// LabelsOf returns the sorted set of name, value pairs; later pairs replace
// earlier ones of the same name.
func LabelsOf(pairs ...string) Labels {
	var ls Labels
	for i := 0; i+1 < len(pairs); i += 2 {
		ls = ls.With(pairs[i], pairs[i+1])
	}
	return ls
}

// Value returns the value of the label called name, or "".
func (ls Labels) Value(name string) string {
	if i, ok := ls.find(name); ok {
		return ls[i].Value
	}
	return ""
}

// Lookup returns the value of the label called name, and whether it exists.
func (ls Labels) Lookup(name string) (string, bool) {
	i, ok := ls.find(name)
	if !ok {
		return "", false
	}
	return ls[i].Value, true
}

// Has reports whether a label called name exists.
func (ls Labels) Has(name string) bool {
	_, ok := ls.find(name)
	return ok
}

// With returns a copy of ls in which the label called name has the value.
func (ls Labels) With(name, value string) Labels {
	i, ok := ls.find(name)
	out := slices.Clone(ls)
	if ok {
		out[i].Value = value
		return out
	}
	return slices.Insert(out, i, Label{name, value})
}

// Compare orders label sets: names and values in turn, bytewise.
func (ls Labels) Compare(o Labels) int {
	return slices.CompareFunc(ls, o, func(a, b Label) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.Value, b.Value)
	})
}

// String returns {a="b", c="d"}.
func (ls Labels) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, l := range ls {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(l.Name)
		b.WriteByte('=')
		appendQuoted(&b, l.Value)
	}
	b.WriteByte('}')
	return b.String()
}

func (ls Labels) find(name string) (int, bool) {
	return slices.BinarySearchFunc(ls, name, func(l Label, n string) int { return strings.Compare(l.Name, n) })
}

// IsDerivedLabel reports whether name is a label that is computed from the
// profile type when read, and therefore never stored.
func IsDerivedLabel(name string) bool {
	switch name {
	case LabelName, LabelType, LabelUnit, LabelPeriodType, LabelPeriodUnit, LabelProfileType:
		return true
	}
	return false
}

// Derived returns the labels that a series of type p has besides the stored ones.
func (p ProfileType) Derived() Labels {
	return Labels{
		{LabelName, p.Name},
		{LabelPeriodType, p.PeriodType},
		{LabelPeriodUnit, p.PeriodUnit},
		{LabelProfileType, p.String()},
		{LabelType, p.SampleType},
		{LabelUnit, p.SampleUnit},
	}
}

// DerivedValue returns the value of a derived label, or "" if name is none.
func (p ProfileType) DerivedValue(name string) string {
	switch name {
	case LabelName:
		return p.Name
	case LabelType:
		return p.SampleType
	case LabelUnit:
		return p.SampleUnit
	case LabelPeriodType:
		return p.PeriodType
	case LabelPeriodUnit:
		return p.PeriodUnit
	case LabelProfileType:
		return p.String()
	}
	return ""
}
