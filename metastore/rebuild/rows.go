package rebuild

import (
	"context"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
	"github.com/stackhouse-db/stackhouse/warehouse/object"
	"github.com/stackhouse-db/stackhouse/warehouse/segment"
)

// rowKey is what no two rows of the profiles table have in common: a row of a block
// with that of an input is the same row.
type rowKey struct {
	profile  warehouse.ProfileID
	series   warehouse.SeriesID
	received warehouse.Micros
}

// readRows calls fn with every row of a part's profiles table, which is verified.
func readRows(ctx context.Context, b object.Bucket, p *warehouse.Part, fn func(block.ProfileRow)) error {
	s, ok := p.Section(warehouse.TableProfiles)
	if !ok {
		return nil
	}
	name := block.SectionName(p, s.Table)
	data, err := b.Read(ctx, name, s.Offset, s.Size)
	if err != nil {
		return err
	}
	if int64(len(data)) != s.Size || segment.Checksum(data) != s.CRC {
		return warehouse.Errorf(warehouse.Corrupt, "read %s: the table profiles at byte %d does not have its checksum", name, s.Offset)
	}
	err = block.ReadProfiles(data, func(row block.ProfileRow) error {
		fn(row)
		return nil
	})
	if err != nil {
		return warehouse.Errorf(warehouse.KindOf(err), "read %s: %w", name, err)
	}
	return nil
}

// rowsOf returns the keys of a part's rows.
func rowsOf(ctx context.Context, b object.Bucket, p *warehouse.Part) (map[rowKey]struct{}, error) {
	rows := map[rowKey]struct{}{}
	err := readRows(ctx, b, p, func(r block.ProfileRow) { rows[rowKey{r.ID, r.Series, r.Received}] = struct{}{} })
	return rows, err
}
