package sqltest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Oracle answers questions about the profiles of a script by plain addition. It
// shares nothing with the product but the profiles.
type Oracle struct{ profiles []stored }

// stored is a profile as it is kept: values that are not positive are dropped, and
// samples that are equal but for their value are one.
type stored struct {
	Profile
	total   int64
	dropped bool
}

// NewOracle returns the oracle of a script's profiles.
func NewOracle(profiles []Profile) *Oracle {
	o := &Oracle{}
	for _, p := range profiles {
		o.profiles = append(o.profiles, store(p))
	}
	return o
}

func store(p Profile) stored {
	s := stored{Profile: p}
	s.Samples = nil
	places := map[string]int{}
	for _, sample := range p.Samples {
		if sample.Value <= 0 {
			s.dropped = true
			continue
		}
		s.total += sample.Value
		key := strings.Join(append([]string{sample.Span, sample.Trace}, sample.Stack...), ";")
		if at, ok := places[key]; ok {
			s.Samples[at].Value += sample.Value
			continue
		}
		places[key] = len(s.Samples)
		s.Samples = append(s.Samples, sample)
	}
	return s
}

// selection is a selector, and the profiles it picks of a range of time.
type selection struct {
	typ      string
	matchers []matcher
	from, to time.Time // [from, to)
}

type matcher struct {
	name     string
	accepts  *regexp.Regexp
	negative bool
}

var matcherText = regexp.MustCompile(`(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"`)

// parseSelection reads TYPE{SELECTOR}.
func parseSelection(text string, from, to time.Time) (selection, error) {
	typ, rest, ok := strings.Cut(text, "{")
	if !ok || !strings.HasSuffix(rest, "}") {
		return selection{}, fmt.Errorf("%q is no TYPE{SELECTOR}", text)
	}
	sel := selection{typ: typ, from: from, to: to}
	for _, m := range matcherText.FindAllStringSubmatch(rest, -1) {
		pattern := m[3]
		if m[2] == "=" || m[2] == "!=" {
			pattern = regexp.QuoteMeta(pattern)
		}
		accepts, err := regexp.Compile("^(?s:" + pattern + ")$")
		if err != nil {
			return selection{}, err
		}
		sel.matchers = append(sel.matchers, matcher{m[1], accepts, m[2][0] == '!'})
	}
	return sel, nil
}

// picks reports whether the selection has a profile.
func (s *selection) picks(p *stored) bool {
	at := At(p.Second)
	if p.Type.String() != s.typ || at.Before(s.from) || !at.Before(s.to) {
		return false
	}
	for _, m := range s.matchers {
		if m.accepts.MatchString(p.Labels[m.name]) == m.negative {
			return false
		}
	}
	return true
}

// selected returns the samples of a selection.
func (o *Oracle) selected(sel selection) (out []Sample) {
	for i := range o.profiles {
		if p := &o.profiles[i]; sel.picks(p) {
			out = append(out, p.Samples...)
		}
	}
	return out
}

// box is a box of a flame graph.
type box struct {
	name        string
	self, total int64
	children    map[string]*box
}

// graph returns the flame graph of samples.
func graph(samples []Sample) *box {
	root := &box{name: "total", children: map[string]*box{}}
	for _, s := range samples {
		at := root
		at.total += s.Value
		for _, name := range s.Stack {
			if at.children[name] == nil {
				at.children[name] = &box{name: name, children: map[string]*box{}}
			}
			at = at.children[name]
			at.total += s.Value
		}
		at.self += s.Value
	}
	return root
}

// sums returns self and total by function. A function counts once for each sample
// that it is in.
func sums(samples []Sample) (self, total map[string]int64) {
	self, total = map[string]int64{}, map[string]int64{}
	for _, s := range samples {
		self[s.Stack[len(s.Stack)-1]] += s.Value
		for _, name := range slices.Compact(slices.Sorted(slices.Values(s.Stack))) {
			total[name] += s.Value
		}
	}
	return self, total
}

// Ask answers questions of kind [API].
func (o *Oracle) Ask(_ context.Context, q *Question) (*Answer, bool, error) {
	if q.Kind != API {
		return nil, false, nil
	}
	rows, err := o.answer(strings.Fields(q.Text))
	return &Answer{Rows: rows}, true, err
}

func (o *Oracle) answer(words []string) ([][]string, error) {
	switch {
	case words[0] == "profile-types":
		return o.values(func(p *stored) string { return p.Type.String() }), nil
	case words[0] == "label-values" && len(words) == 2:
		return o.values(func(p *stored) string { return p.Labels[words[1]] }), nil
	case len(words) < 4:
		return nil, fmt.Errorf("%q has too few arguments", strings.Join(words, " "))
	}
	from, to, err := bounds(words[2], words[3])
	if err != nil {
		return nil, err
	}
	sel, err := parseSelection(words[1], from, to.Add(time.Millisecond)) // the API includes its end
	if err != nil {
		return nil, err
	}
	switch words[0] {
	case "total":
		return [][]string{{fmt.Sprint(graph(o.selected(sel)).total)}}, nil
	case "top":
		return top(o.selected(sel)), nil
	case "series":
		return o.series(sel, words[4:])
	}
	return nil, fmt.Errorf("unknown verb %q", words[0])
}

// bounds reads two seconds.
func bounds(from, to string) (time.Time, time.Time, error) {
	a, err := strconv.ParseInt(from, 10, 64)
	if err != nil {
		return time.Time{}, time.Time{}, err
	}
	b, err := strconv.ParseInt(to, 10, 64)
	return At(a), At(b), err
}

// values returns the different values of profiles that have one.
func (o *Oracle) values(of func(*stored) string) (rows [][]string) {
	seen := map[string]bool{}
	for i := range o.profiles {
		seen[of(&o.profiles[i])] = true
	}
	delete(seen, "")
	for _, v := range slices.Sorted(maps.Keys(seen)) {
		rows = append(rows, []string{v})
	}
	return rows
}

func top(samples []Sample) (rows [][]string) {
	self, total := sums(samples)
	for _, name := range slices.SortedFunc(maps.Keys(total), func(a, b string) int {
		return cmp.Or(cmp.Compare(self[b], self[a]), cmp.Compare(a, b))
	}) {
		rows = append(rows, []string{name, fmt.Sprint(self[name])})
	}
	return rows
}

// series adds up by labels and step: the point at T covers (T - step, T], and the
// first one is at the start.
func (o *Oracle) series(sel selection, words []string) (rows [][]string, err error) {
	if len(words) == 0 {
		return nil, fmt.Errorf("series needs a step")
	}
	step, err := strconv.ParseInt(words[0], 10, 64)
	if err != nil || step <= 0 {
		return nil, fmt.Errorf("step %q: %w", words[0], err)
	}
	start := int64(sel.from.Sub(Start) / time.Second)
	end := int64(sel.to.Sub(Start) / time.Second)
	sel.from = At(start - step + 1) // whole seconds
	type point struct {
		labels string
		second int64
	}
	sums := map[point]int64{}
	for i := range o.profiles {
		p := &o.profiles[i]
		if !sel.picks(p) {
			continue
		}
		at := start
		for at < p.Second {
			at += step
		}
		if at <= end {
			sums[point{groupOf(p, words[1:]), at}] += p.total
		}
	}
	for _, pt := range slices.SortedFunc(maps.Keys(sums), func(a, b point) int {
		return cmp.Or(cmp.Compare(a.labels, b.labels), cmp.Compare(a.second, b.second))
	}) {
		if sums[pt] != 0 {
			rows = append(rows, []string{pt.labels, fmt.Sprint(pt.second), fmt.Sprint(sums[pt])})
		}
	}
	return rows, nil
}

// groupOf are the labels that group a profile: those of the names that it has.
func groupOf(p *stored, names []string) string {
	var labels []string
	for _, name := range slices.Sorted(slices.Values(names)) {
		if value, ok := p.Labels[name]; ok {
			labels = append(labels, name+"="+value)
		}
	}
	return strings.Join(labels, ",")
}

// service is the service of a profile.
func (p *stored) service() string { return p.Labels[warehouse.LabelService] }
