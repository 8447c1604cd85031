package block

import (
	"cmp"
	"iter"
	"math/big"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// factKey is what a sample and the row of its profile share; both tables are sorted
// by it.
type factKey struct {
	service, name string
	series        warehouse.SeriesID
	time          warehouse.Micros
	profile       warehouse.ProfileID
}

func (a *factKey) compare(b *factKey) int {
	return cmp.Or(strings.Compare(a.service, b.service), strings.Compare(a.name, b.name), cmp.Compare(a.series, b.series),
		cmp.Compare(a.time, b.time), slices.Compare(a.profile[:], b.profile[:]))
}

// profileGroup is the profiles of one key: more than one if a profile was pushed
// again long after.
type profileGroup struct {
	factKey
	row     int64 // of the first
	value   big.Int
	samples int64
}

// factChecker checks samples, profiles and totals against each other, in the order
// in which all three are sorted.
type factChecker struct {
	*partChecker
	next      func() (profileGroup, bool)
	open      *profileGroup // the profile that samples belong to
	value     big.Int       // of its samples so far
	samples   int64
	totals    *totalChecker
	described *described
	row       int64
}

// checkFacts checks samples, profiles and totals.
func (c *partChecker) checkFacts() {
	c.checkTotalsAlone()
	profiles, samples := c.files[warehouse.TableProfiles], c.files[warehouse.TableSamples]
	if profiles == nil {
		if samples != nil && !c.broken {
			c.addf(CheckSampleProfile, warehouse.TableSamples, "profile_id", 0, "there are no profiles")
		}
		return
	}
	f := &factChecker{partChecker: c, described: newDescribed(), totals: c.newTotals()}
	defer f.totals.stop()
	next, stop := iter.Pull(c.profileGroups(profiles, f.described))
	defer stop()
	f.next = next
	f.advance()
	if samples != nil {
		c.reread(warehouse.TableSamples, ReadSamples(samples, f.sample))
	}
	if samples != nil || c.part.Rows() == 0 {
		for f.open != nil {
			f.advance()
		}
		f.totals.finish()
	}
	if !c.broken {
		f.described.compare(c)
	}
}

// profileGroups checks the rows of profiles and yields those of each key together.
func (c *partChecker) profileGroups(data []byte, d *described) iter.Seq[profileGroup] {
	return func(yield func(profileGroup) bool) {
		var g profileGroup
		row, stopped := int64(0), false
		err := ReadProfiles(data, func(p ProfileRow) error {
			key := factKey{p.Service, p.Type, p.Series, p.Time, p.ID}
			c.checkProfile(row, &p)
			d.profile(&p)
			if row > 0 && key.compare(&g.factKey) != 0 {
				if !yield(g) {
					stopped = true
					return errStopped
				}
				g = profileGroup{row: row}
			}
			g.factKey = key
			g.value.Add(&g.value, big.NewInt(p.Value))
			g.samples += int64(p.Samples)
			row++
			return nil
		})
		if !stopped {
			c.reread(warehouse.TableProfiles, err)
			if row > 0 {
				yield(g)
			}
		}
	}
}

var errStopped = warehouse.Errorf(warehouse.Canceled, "nobody asks for more rows")

func (c *partChecker) checkProfile(row int64, p *ProfileRow) {
	c.report.Checks += 3
	t := warehouse.TableProfiles
	if !c.holds(p.Time) {
		c.addf(CheckProfileHour, t, "time", row, "%s is not in the hour %s", p.Time, c.part.Hour)
	}
	if p.Flags&^knownFlags != 0 {
		c.addf(CheckProfileFlags, t, "flags", row, "%d has bits that mean nothing", p.Flags)
	}
	if p.Value < 0 {
		c.addf(CheckProfileValue, t, "value", row, "%d is negative", p.Value)
	}
	c.seriesOf(CheckProfileSeries, t, row, p.Series, p.Service, p.Type)
}

// holds reports whether an instant lies in the part.
func (c *partChecker) holds(at warehouse.Micros) bool {
	if c.part.Level >= DayLevel {
		return at >= c.part.Hour.Start() && at < (c.part.Hour+warehouse.MaxPartHours).Start()
	}
	return at.Hour() == c.part.Hour
}

// advance closes the open profile, whose samples have all been seen, and opens the
// next.
func (f *factChecker) advance() {
	if g := f.open; g != nil {
		f.report.Checks += 2
		if f.value.Cmp(&g.value) != 0 {
			f.addf(CheckProfileValue, warehouse.TableProfiles, "value", g.row, "profile %s has %s, its samples sum up to %s", g.profile, &g.value, &f.value)
		}
		if f.samples != g.samples {
			f.addf(CheckProfileSamples, warehouse.TableProfiles, "samples", g.row, "profile %s has %d, there are %d", g.profile, g.samples, f.samples)
		}
	}
	f.open, f.samples = nil, 0
	f.value.SetInt64(0)
	if g, ok := f.next(); ok {
		f.open = &g
	}
}

func (f *factChecker) sample(s SampleRow) error {
	f.checkSample(&s)
	key := factKey{s.Service, s.Type, s.Series, s.Time, s.Profile}
	for f.open != nil && f.open.compare(&key) < 0 {
		f.advance()
	}
	f.report.Checks++
	if f.open == nil || f.open.compare(&key) != 0 {
		f.addf(CheckSampleProfile, warehouse.TableSamples, "profile_id", f.row, "profile %s of series %d at %s has no row", s.Profile, s.Series, s.Time)
	} else {
		f.value.Add(&f.value, big.NewInt(s.Value))
		f.samples++
	}
	f.totals.sample(&s)
	f.described.sample(&s)
	f.row++
	return nil
}

func (f *factChecker) checkSample(s *SampleRow) {
	f.report.Checks += 4
	t := warehouse.TableSamples
	if !f.holds(s.Time) {
		f.addf(CheckSampleHour, t, "time", f.row, "%s is not in the hour %s", s.Time, f.part.Hour)
	}
	if s.Value <= 0 {
		f.addf(CheckSampleValue, t, "value", f.row, "%d is not above 0", s.Value)
	}
	if s.Span != "" && !isHex(s.Span, 16) {
		f.addf(CheckSampleSpan, t, "span_id", f.row, "%s is not 16 hexadecimal digits", shownText(s.Span))
	}
	if s.Trace != "" && !isHex(s.Trace, 32) {
		f.addf(CheckSampleSpan, t, "trace_id", f.row, "%s is not 32 hexadecimal digits", shownText(s.Trace))
	}
	if s.Attributes != 0 {
		f.addf(CheckSampleAttributes, t, "attributes_id", f.row, "it is %d", s.Attributes)
	}
	f.seriesOf(CheckSampleSeries, t, f.row, s.Series, s.Service, s.Type)
	if f.complete && f.files[warehouse.TableStacktraces] != nil && !f.isDefined(s.Stacktrace) {
		f.addf(CheckSampleStack, t, "stacktrace_id", f.row, "stacktrace %d is not defined", s.Stacktrace)
	}
}

// totalChecker compares the totals of each service and type with its samples.
type totalChecker struct {
	*partChecker
	next          func() (StackTotal, bool)
	stop          func()
	has           bool // the part has totals
	row           int64
	held          *StackTotal // the next row
	service, name string
	sums          map[warehouse.StacktraceID]*stackSum
}

type stackSum struct {
	value   big.Int
	samples int64
}

func (c *partChecker) newTotals() *totalChecker {
	t := &totalChecker{partChecker: c, stop: func() {}, sums: map[warehouse.StacktraceID]*stackSum{}}
	data := c.files[warehouse.TableStackTotals]
	if data == nil {
		return t
	}
	t.has = true
	t.next, t.stop = iter.Pull(func(yield func(StackTotal) bool) {
		_ = ReadStackTotals(data, func(s StackTotal) error { // it was sound
			if !yield(s) {
				return errStopped
			}
			return nil
		})
	})
	t.take()
	return t
}

// take makes the next row the held one.
func (t *totalChecker) take() {
	t.held = nil
	if s, ok := t.next(); ok {
		t.held = &s
	}
}

func (t *totalChecker) sample(s *SampleRow) {
	if !t.has {
		return
	}
	if s.Service != t.service || s.Type != t.name {
		t.flush()
		t.service, t.name = s.Service, s.Type
	}
	sum := t.sums[s.Stacktrace]
	if sum == nil {
		sum = &stackSum{}
		t.sums[s.Stacktrace] = sum
	}
	sum.value.Add(&sum.value, big.NewInt(s.Value))
	sum.samples++
}

// flush compares the rows up to the service and type that ends.
func (t *totalChecker) flush() {
	for t.held != nil && cmp.Or(strings.Compare(t.held.Service, t.service), strings.Compare(t.held.Type, t.name)) <= 0 {
		t.compare(t.held)
		t.take()
		t.row++
	}
	for id := range t.sums {
		t.addf(CheckTotalRows, warehouse.TableStackTotals, "", warehouse.NoRow, "stacktrace %d of service %q, %s, has samples and no row", id, t.service, t.name)
	}
	clear(t.sums)
}

func (t *totalChecker) compare(row *StackTotal) {
	t.report.Checks += 2
	var sum *stackSum
	if row.Service == t.service && row.Type == t.name {
		sum = t.sums[row.Stacktrace]
		delete(t.sums, row.Stacktrace)
	}
	table := warehouse.TableStackTotals
	switch {
	case sum == nil:
		t.addf(CheckTotalRows, table, "stacktrace_id", t.row, "stacktrace %d of service %q, %s, has no samples", row.Stacktrace, row.Service, row.Type)
	case sum.value.Cmp(bigOf(row.Value)) != 0:
		t.addf(CheckTotalValue, table, "value", t.row, "it is %s, the samples sum up to %s", bigOf(row.Value), &sum.value)
	case sum.samples != row.Samples:
		t.addf(CheckTotalValue, table, "samples", t.row, "it is %d, there are %d", row.Samples, sum.samples)
	}
}

func bigOf(v decimal128.Num) *big.Int { return v.BigInt() }

// finish compares what is left.
func (t *totalChecker) finish() {
	if !t.has {
		return
	}
	t.flush()
	for t.held != nil {
		t.addf(CheckTotalRows, warehouse.TableStackTotals, "stacktrace_id", t.row, "stacktrace %d of service %q, %s, has no samples", t.held.Stacktrace, t.held.Service, t.held.Type)
		t.take()
		t.row++
	}
}

// checkTotalsAlone checks what totals promise without samples.
func (c *partChecker) checkTotalsAlone() {
	data := c.files[warehouse.TableStackTotals]
	if data == nil {
		return
	}
	row := int64(0)
	hour := tables[warehouse.TableStackTotals].leafIndex("hour")
	c.reread(warehouse.TableStackTotals, readTable(data, warehouse.TableStackTotals, func(columns []columnValues, rows int) error {
		for i := range rows {
			c.report.Checks++
			if at := warehouse.Micros(columns[hour].ints[i]); !c.holds(at) || at != at.Hour().Start() {
				c.addf(CheckTotalHour, warehouse.TableStackTotals, "hour", row, "%s is not the start of the hour %s", at, c.part.Hour)
			}
			row++
		}
		return nil
	}))
}
