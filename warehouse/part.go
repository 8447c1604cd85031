package warehouse

import "fmt"

// Table names one of the stored tables. The numbers are stored: never renumber.
type Table uint8

// The stored tables.
const (
	TableSamples     Table = 1
	TableProfiles    Table = 2
	TableSeries      Table = 3
	TableStacktraces Table = 4
	TableStackTotals Table = 5
)

// String returns the table's SQL name.
func (t Table) String() string {
	switch t {
	case TableSamples:
		return "samples"
	case TableProfiles:
		return "profiles"
	case TableSeries:
		return "series"
	case TableStacktraces:
		return "stacktraces"
	case TableStackTotals:
		return "stack_totals"
	}
	return fmt.Sprintf("table(%d)", uint8(t))
}

// Section says where one table's Parquet bytes of a part lie.
type Section struct {
	Table  Table
	Offset int64  // bytes from the start of the object's file
	Size   int64  // bytes
	Rows   int64  // rows of the Parquet file
	CRC    uint32 // CRC-32C of the bytes
}

// Dataset is what one service has in a part: the unit of pruning.
type Dataset struct {
	Service  string
	Types    []TypeStats // sorted by type
	Profiles int64       // received profiles, not split by type
}

// TypeStats is what one profile type of a dataset has in a part.
type TypeStats struct {
	Type  string    // text form of the profile type
	Range TimeRange // of its profiles, whether or not they have samples
	Rows  int64     // samples
}

// Part is one object's rows of one tenant and hour: the unit of the metastore's
// index. A segment has several parts in one file; a block is one part whose
// tables are files of their own.
//
// A Part is immutable once registered.
type Part struct {
	Object   ObjectID
	Level    uint8  // 0 is a segment
	Shard    uint32 // of a segment
	Format   uint16 // version of the tables' layout
	Tenant   Tenant
	Hour     Hour
	Range    TimeRange // of all profiles in it
	Datasets []Dataset // sorted by service
	Sections []Section // at most one a table; a table without rows has none

	// Masked is an index of the log: every deletion up to it was applied to the rows.
	// The metastore gives it with the registration; the byte form does not have it.
	Masked uint64
}

// Section returns the part's section of the table, if it has rows.
func (p *Part) Section(t Table) (Section, bool) {
	for _, s := range p.Sections {
		if s.Table == t {
			return s, true
		}
	}
	return Section{}, false
}

// Dataset returns what the service has in the part, or nil.
func (p *Part) Dataset(service string) *Dataset {
	for i := range p.Datasets {
		if p.Datasets[i].Service == service {
			return &p.Datasets[i]
		}
	}
	return nil
}

// SizeBytes returns the size of all sections.
func (p *Part) SizeBytes() int64 {
	var n int64
	for _, s := range p.Sections {
		n += s.Size
	}
	return n
}

// Rows returns the number of samples.
func (p *Part) Rows() int64 {
	s, _ := p.Section(TableSamples)
	return s.Rows
}

// PartitionKey names a dataset partition: the scope in which the definitions of
// every series and stacktrace id are complete.
type PartitionKey struct {
	Tenant  Tenant
	Service string
	Hour    Hour
}

// Epoch counts how often definitions were removed from a dataset partition.
// What was remembered as registered under an older epoch may be gone.
type Epoch struct {
	Key   PartitionKey
	Value uint64
}
