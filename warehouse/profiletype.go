package warehouse

import "strings"

// ProfileType says what the values of a series measure. Its text form is
// name:sample_type:sample_unit:period_type:period_unit, for example
// process_cpu:cpu:nanoseconds:cpu:nanoseconds.
type ProfileType struct {
	Name       string
	SampleType string
	SampleUnit string
	PeriodType string
	PeriodUnit string
}

// String returns the text form.
func (p ProfileType) String() string {
	return strings.Join([]string{p.Name, p.SampleType, p.SampleUnit, p.PeriodType, p.PeriodUnit}, ":")
}

// ParseProfileType parses the text form. A sixth part, "delta", is accepted and
// ignored, as Pyroscope does.
func ParseProfileType(s string) (ProfileType, error) {
	parts := strings.Split(s, ":")
	if len(parts) == 6 && parts[5] == "delta" {
		parts = parts[:5]
	}
	if len(parts) != 5 {
		return ProfileType{}, Errorf(Invalid, "profile type %q: want name:sample_type:sample_unit:period_type:period_unit", s)
	}
	if parts[0] == "" || parts[1] == "" {
		return ProfileType{}, Errorf(Invalid, "profile type %q: name and sample type must not be empty", s)
	}
	return ProfileType{parts[0], parts[1], parts[2], parts[3], parts[4]}, nil
}
