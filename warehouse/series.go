package warehouse

// Series is a definition: an id and what it stands for.
type Series struct {
	ID     SeriesID
	Type   ProfileType
	Labels Labels // sorted; includes service_name, excludes derived labels
}

// Service returns the series' service name.
func (s Series) Service() string { return s.Labels.Value(LabelService) }

// LabelValue returns the value of a stored or derived label, or "".
func (s Series) LabelValue(name string) string {
	if IsDerivedLabel(name) {
		return s.Type.DerivedValue(name)
	}
	return s.Labels.Value(name)
}

// Matches reports whether every matcher accepts the series. A label that is
// absent counts as empty.
func (s Series) Matches(ms []Matcher) bool {
	for i := range ms {
		if !ms[i].Matches(s.LabelValue(ms[i].Name)) {
			return false
		}
	}
	return true
}
