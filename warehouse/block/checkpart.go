package block

import (
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// The names of what CheckPart finds besides those of Check. Programs rely on them.
const (
	CheckTableSize     = "table.size"     // the file has the bytes that its description says
	CheckTableChecksum = "table.checksum" // and the checksum
	CheckTableMissing  = "table.missing"  // the file of a table that is described is there; a final block has totals

	CheckSampleHour       = "samples.hour"       // all rows lie in the part's hour
	CheckSampleValue      = "samples.value"      // > 0
	CheckSampleSpan       = "samples.span"       // span and trace ids have their form
	CheckSampleAttributes = "samples.attributes" // are NULL
	CheckSampleProfile    = "samples.profile"    // every sample has the row of its profile
	CheckSampleSeries     = "samples.series"     // the series is defined, with the service and type of the row
	CheckSampleStack      = "samples.stacktrace" // the stacktrace is defined

	CheckProfileHour    = "profiles.hour"
	CheckProfileValue   = "profiles.value"   // is the sum of its samples
	CheckProfileSamples = "profiles.samples" // is their number
	CheckProfileSeries  = "profiles.series"  // is defined, with the service and type of the row
	CheckProfileFlags   = "profiles.flags"   // are known

	CheckSeriesType   = "series.type"   // is a profile type
	CheckSeriesLabels = "series.labels" // are sorted, with service_name, without what the type says
	CheckSeriesID     = "series.id"     // is the hash of type and labels

	CheckStackID = "stacktraces.id" // is the hash of the frames

	CheckTotalHour  = "stack_totals.hour"
	CheckTotalRows  = "stack_totals.rows"  // one for each service, type and stacktrace with samples
	CheckTotalValue = "stack_totals.value" // value and number of samples are their sums

	CheckDatasets = "description.datasets" // services, types, profiles, rows and ranges are those of the rows
	CheckRange    = "description.range"    // so is the part's range
)

// knownFlags are the bits that profiles.flags may have.
const knownFlags = 1 | 2 | 4 | 8

// Source gives the bytes of a part's table. That the table is not there is a
// NotFound error.
type Source func(t warehouse.Table) ([]byte, error)

// CheckPart verifies every promise of the format about a part: its description,
// each table as [Check] does, and what the rows say of each other. It reports all
// it finds under the object's name; after the first fault of a file, that file's
// rows are not looked at.
//
// Definitions need not be in the same part below the final level: whether those
// that are missing are elsewhere is for [CheckPartition] to find. Ids that the
// definition does not tell are counted as skipped.
//
// It costs the memory of the part's largest two files, a row group and the ids of
// all definitions. An error is one of read.
func CheckPart(p *warehouse.Part, object string, read Source, r *warehouse.Report) error {
	c := &partChecker{part: p, object: object, report: r, files: map[warehouse.Table][]byte{}, complete: p.Level >= warehouse.LevelFinal}
	for _, t := range []warehouse.Table{warehouse.TableSeries, warehouse.TableStacktraces, warehouse.TableProfiles, warehouse.TableSamples, warehouse.TableStackTotals} {
		if err := c.load(t, read); err != nil {
			return err
		}
	}
	c.checkDefinitions()
	c.checkFacts()
	return nil
}

// partChecker is one run of CheckPart.
type partChecker struct {
	part     *warehouse.Part
	object   string
	report   *warehouse.Report
	complete bool                       // definitions must be in the part
	files    map[warehouse.Table][]byte // those that are sound
	broken   bool                       // one is not

	series map[warehouse.SeriesID]seriesFact
	stacks []warehouse.StacktraceID // sorted
}

// seriesFact is what rows of facts repeat of a series.
type seriesFact struct{ service, name string }

func (c *partChecker) addf(check string, t warehouse.Table, column string, row int64, format string, args ...any) {
	f := warehouse.Finding{Check: check, Object: c.object, Row: row, Column: column, Text: fmt.Sprintf(format, args...)}
	if t != 0 {
		f.Table = t.String()
	}
	c.report.Add(f)
}

// load reads and checks the file of a table.
func (c *partChecker) load(t warehouse.Table, read Source) error {
	s, ok := c.part.Section(t)
	if !ok {
		if t == warehouse.TableStackTotals && c.complete && c.part.Rows() > 0 {
			c.addf(CheckTableMissing, t, "", warehouse.NoRow, "a final block has totals")
		}
		return nil
	}
	data, err := read(t)
	switch {
	case warehouse.KindOf(err) == warehouse.NotFound:
		c.broken = true
		c.addf(CheckTableMissing, t, "", warehouse.NoRow, "the description has it, and it is not there")
		return nil
	case err != nil:
		return err
	}
	c.report.Checks += 3
	c.report.Rows += s.Rows
	sound := true
	if int64(len(data)) != s.Size {
		sound = false
		c.addf(CheckTableSize, t, "", warehouse.NoRow, "it has %d bytes, the description says %d", len(data), s.Size)
	}
	if got := crc32.Checksum(data, castagnoli); got != s.CRC {
		sound = false
		c.addf(CheckTableChecksum, t, "", warehouse.NoRow, "it has checksum %08x, the description says %08x", got, s.CRC)
	}
	if err := Check(data, t, s.Rows); err != nil {
		sound = false
		c.report.Add(findingOf(c.object, t, err))
	}
	if !sound {
		c.broken = true
		return nil
	}
	c.files[t] = data
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seriesOf checks that the series of a row is defined as the row says.
func (c *partChecker) seriesOf(check string, t warehouse.Table, row int64, id warehouse.SeriesID, service, name string) {
	c.report.Checks++
	fact, ok := c.series[id]
	switch {
	case ok && (fact.service != service || fact.name != name):
		c.addf(check, t, "series_id", row, "series %d is of service %q and type %q, the row of %q and %q", id, fact.service, fact.name, service, name)
	case !ok && c.complete && c.files[warehouse.TableSeries] != nil:
		c.addf(check, t, "series_id", row, "series %d is not defined", id)
	}
}

func (c *partChecker) isDefined(id warehouse.StacktraceID) bool {
	_, ok := slices.BinarySearch(c.stacks, id)
	return ok
}
