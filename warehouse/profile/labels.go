package profile

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// labelSessionID tells processes of one series apart. The reference drops it
// unless it is told to keep a few; it must not make a series of every process.
const labelSessionID = "__session_id__"

// isUnstoredLabel reports whether a label that a client sends never becomes a
// label of a series: derived ones, because the profile type says the same;
// __session_id__; and __delta__, which says how a client counts, while values are
// stored as sent. All other labels that begin with "__" are kept, as sent.
func isUnstoredLabel(name string) bool {
	return warehouse.IsDerivedLabel(name) || name == labelSessionID || name == warehouse.LabelDelta
}

// canonicalLabels appends to dst the labels of a request: sorted, without those
// of empty value (which mean the same as none) and without repetitions. It checks
// names, values and their number.
func canonicalLabels(dst, sent []warehouse.Label, lim *Limits) ([]warehouse.Label, error) {
	for _, l := range sent {
		if err := checkLabel(l, lim); err != nil {
			return dst, err
		}
		if l.Value != "" {
			dst = append(dst, l)
		}
	}
	slices.SortFunc(dst, func(a, b warehouse.Label) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Value, b.Value))
	})
	dst = slices.Compact(dst)
	for i := 1; i < len(dst); i++ {
		if dst[i].Name == dst[i-1].Name {
			return dst, refuse(warehouse.ReasonDuplicateLabels, "read labels: duplicate label name %q with values %q and %q", dst[i].Name, dst[i-1].Value, dst[i].Value)
		}
	}
	return dst, checkLabelCount(len(dst), lim)
}

func checkLabel(l warehouse.Label, lim *Limits) error {
	switch {
	case l.Name == "":
		return refuse(warehouse.ReasonInvalidLabels, "read labels: a label with the value %q has no name", l.Value)
	case len(l.Name) > lim.MaxLabelName:
		return refuse(warehouse.ReasonLabelNameLong, "read labels: label name %.64q… has %d bytes, the limit is %d", l.Name, len(l.Name), lim.MaxLabelName)
	case len(l.Value) > lim.MaxLabelValue:
		return refuse(warehouse.ReasonLabelValueLong, "read labels: value of label %q has %d bytes, the limit is %d", l.Name, len(l.Value), lim.MaxLabelValue)
	case !utf8.ValidString(l.Name), !utf8.ValidString(l.Value):
		return refuse(warehouse.ReasonInvalidLabels, "read labels: label %q: invalid UTF-8", l.Name)
	}
	return nil
}

func checkLabelCount(n int, lim *Limits) error {
	if n > lim.MaxLabels {
		return refuse(warehouse.ReasonTooManyLabels, "read labels: a series has %d labels, the limit is %d", n, lim.MaxLabels)
	}
	return nil
}

// storedLabels returns the labels that all series of a profile share, from
// canonical ones: without those never stored, and with a service name.
func storedLabels(canonical []warehouse.Label) warehouse.Labels {
	ls := make(warehouse.Labels, 0, len(canonical)+1)
	for _, l := range canonical {
		if !isUnstoredLabel(l.Name) {
			ls = append(ls, l)
		}
	}
	if ls.Has(warehouse.LabelService) {
		return ls
	}
	return ls.With(warehouse.LabelService, warehouse.UnknownService)
}
