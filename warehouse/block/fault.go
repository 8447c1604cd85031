package block

import (
	"errors"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// The names of what Check finds in a table's file, of which it tells the first.
// Programs rely on them.
const (
	CheckFooter   = "table.footer"    // it is Parquet of our table, of a version that this program reads
	CheckSchema   = "table.schema"    // names, types, field ids and repetition of columns
	CheckMetadata = "table.metadata"  // key-value pairs, counts of rows and row groups, orders of columns
	CheckRowGroup = "table.row_group" // its sizes, encodings and stated order
	CheckPage     = "table.page"      // checksums of pages, and that their values can be read
	CheckValues   = "table.values"    // that two readers find the same values
	CheckBounds   = "table.bounds"    // smallest and largest values, and numbers of NULLs
	CheckRows     = "table.rows"      // the number of rows
	CheckOrder    = "table.order"     // the order of rows
	CheckUnique   = "table.unique"    // ids are defined once
	CheckLists    = "table.lists"     // lists that belong together are of equal length
)

// fault is an error of Check with the name of the promise that is broken.
type fault struct {
	check, column string
	row           int64
	err           error
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

// asFault gives an error a name, unless it has one or is nil.
func asFault(check string, err error) error {
	if err == nil || errors.As(err, new(*fault)) {
		return err
	}
	return &fault{check, "", warehouse.NoRow, err}
}

// findingOf returns the finding that an error of Check stands for.
func findingOf(object string, t warehouse.Table, err error) warehouse.Finding {
	f := warehouse.Finding{Check: CheckFooter, Object: object, Table: t.String(), Row: warehouse.NoRow, Text: err.Error()}
	var x *fault
	if errors.As(err, &x) {
		f.Check, f.Column, f.Row = x.check, x.column, x.row
	}
	return f
}
