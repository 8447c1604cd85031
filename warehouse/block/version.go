package block

import (
	"strconv"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// FormatVersion is the version of the tables' layout that is written. Every
// lower version is read for ever; a higher one is refused by name.
const FormatVersion = 1

// Keys of a Parquet file's key-value metadata.
const (
	keyFormat = "stackhouse.format"
	keyTable  = "stackhouse.table"
)

// createdBy has the form that Parquet readers parse: "application version v".
var createdBy = "stackhouse version " + strconv.Itoa(FormatVersion)

// checkVersion reads the version that a file states and refuses newer ones.
func checkVersion(t warehouse.Table, text string) error {
	v, err := strconv.ParseUint(text, 10, 16)
	switch {
	case err != nil || v == 0:
		return warehouse.Errorf(warehouse.Corrupt, "read %s: %s is %q, want a number from 1", t, keyFormat, text)
	case v > FormatVersion:
		return warehouse.Errorf(warehouse.Corrupt, "read %s: format version %d is newer than %d, the newest this program knows", t, v, FormatVersion)
	}
	return nil
}
