package block

import "github.com/stackhouse-db/stackhouse/warehouse"

// Check decodes a whole file of the table and verifies that it has so many
// rows. A fault is a Corrupt error.
func Check(data []byte, t warehouse.Table, rows int64) error {
	n := int64(0)
	count := func() error { n++; return nil }
	var err error
	switch t {
	case warehouse.TableSeries:
		err = ReadSeries(data, func(warehouse.Series) error { return count() })
	case warehouse.TableStacktraces:
		err = ReadStacktraces(data, func(warehouse.Stacktrace) error { return count() })
	default:
		err = readTable(data, t, func(_ []columnValues, rows int) error {
			n += int64(rows)
			return nil
		})
	}
	if err == nil && n != rows {
		return warehouse.Errorf(warehouse.Corrupt, "check %s: file has %d rows, want %d", t, n, rows)
	}
	return err
}
