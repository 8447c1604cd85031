package compactor

import (
	"cmp"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

// seriesTable holds definitions of series, one for each id.
type seriesTable map[warehouse.SeriesID]warehouse.Series

// read adds the definitions of a file. A known id with other labels is a Corrupt
// error.
func (t seriesTable) read(p *warehouse.Part, data []byte) error {
	err := block.ReadSeries(data, func(s warehouse.Series) error {
		known, ok := t[s.ID]
		switch {
		case !ok:
			t[s.ID] = s
		case known.Type != s.Type || !slices.Equal(known.Labels, s.Labels):
			return warehouse.Errorf(warehouse.Corrupt, "series %d has two definitions", s.ID)
		}
		return nil
	})
	if err != nil {
		return inputError(p, warehouse.TableSeries, err)
	}
	return nil
}

// write makes the file of the wanted definitions; nil wants all.
func (t seriesTable) write(wanted map[warehouse.SeriesID]struct{}) ([]byte, int64, error) {
	all := make([]warehouse.Series, 0, len(t))
	for id, s := range t {
		if _, ok := wanted[id]; ok || wanted == nil {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b warehouse.Series) int { return cmp.Compare(a.ID, b.ID) })
	return writeTable(warehouse.TableSeries, func(add func(recordOf) error) error {
		return add(block.SeriesRecord(all))
	})
}

// recordOf is a record of some table.
type recordOf = arrow.RecordBatch

// writeTable makes a file of the records that fill adds, which it releases. It
// returns the file and its rows; without rows there is no file.
func writeTable(t warehouse.Table, fill func(add func(recordOf) error) error) ([]byte, int64, error) {
	w, err := block.NewWriter(t)
	if err != nil {
		return nil, 0, err
	}
	defer w.Close()
	err = fill(func(rec recordOf) error {
		defer rec.Release()
		return w.Append(rec)
	})
	if err != nil || w.Rows() == 0 {
		return nil, 0, err
	}
	rows := w.Rows()
	return w.Finish(), rows, nil
}
