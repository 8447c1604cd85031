package block

import (
	"slices"
	"strings"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/profile"
)

// checkDefinitions checks series and stacktraces and remembers their ids.
func (c *partChecker) checkDefinitions() {
	c.series = map[warehouse.SeriesID]seriesFact{}
	if data := c.files[warehouse.TableSeries]; data != nil {
		c.reread(warehouse.TableSeries, c.checkSeries(data))
	}
	if data := c.files[warehouse.TableStacktraces]; data != nil {
		row := int64(0)
		c.reread(warehouse.TableStacktraces, ReadStacktraces(data, func(s warehouse.Stacktrace) error {
			c.checkStack(row, &s)
			row++
			return nil
		}))
	}
}

// reread reports that a file which was sound cannot be read, which nothing of ours
// does.
func (c *partChecker) reread(t warehouse.Table, err error) {
	if err != nil {
		c.broken = true
		c.report.Add(findingOf(c.object, t, err))
	}
}

func (c *partChecker) checkSeries(data []byte) error {
	services, err := serviceColumn(data)
	if err != nil {
		return err
	}
	row := int64(0)
	return ReadSeries(data, func(s warehouse.Series) error {
		c.report.Checks += 2
		c.series[s.ID] = seriesFact{s.Service(), s.Type.String()}
		if text := labelsFault(s.Labels, services[row]); text != "" {
			c.addf(CheckSeriesLabels, warehouse.TableSeries, "labels", row, "%s", text)
		}
		if id := profile.SeriesIDOf(s.Type, s.Labels); id != s.ID {
			c.addf(CheckSeriesID, warehouse.TableSeries, "series_id", row, "it is %d, its content gives %d", s.ID, id)
		}
		row++
		return nil
	})
}

// serviceColumn returns the column service_name of a series file.
func serviceColumn(data []byte) (names []string, err error) {
	at := tables[warehouse.TableSeries].leafIndex("service_name")
	err = readTable(data, warehouse.TableSeries, func(c []columnValues, rows int) error {
		for i := range rows {
			names = append(names, c[at].text(i))
		}
		return nil
	})
	return names, err
}

// labelsFault says what is wrong with the labels of a series, if anything is.
func labelsFault(ls warehouse.Labels, service string) string {
	for i, l := range ls {
		switch {
		case i > 0 && ls[i-1].Name >= l.Name:
			return "label " + shownText(l.Name) + " is not behind " + shownText(ls[i-1].Name)
		case warehouse.IsDerivedLabel(l.Name):
			return "label " + shownText(l.Name) + " is derived from the type"
		}
	}
	if got, ok := ls.Lookup(warehouse.LabelService); !ok || got != service {
		return "its label service_name is " + shownText(got) + ", the column has " + shownText(service)
	}
	return ""
}

func (c *partChecker) checkStack(row int64, s *warehouse.Stacktrace) {
	c.report.Checks++
	c.stacks = append(c.stacks, s.ID)
	switch matches, known := profile.IsStacktraceID(s.ID, s.Frames); {
	case matches:
	case !known:
		c.report.Skip(CheckStackID)
	default:
		c.addf(CheckStackID, warehouse.TableStacktraces, "stacktrace_id", row, "%d is not the hash of its %d frames%s", s.ID, len(s.Frames), leafText(s.Frames))
	}
}

func leafText(frames []warehouse.Frame) string {
	if len(frames) == 0 {
		return ""
	}
	return ", of which the first is " + shownText(frames[0].Function)
}

// isHex reports whether text is so many lower-case hexadecimal digits.
func isHex(text string, digits int) bool {
	return len(text) == digits && !slices.ContainsFunc([]byte(text), func(b byte) bool { return !strings.ContainsRune("0123456789abcdef", rune(b)) })
}
