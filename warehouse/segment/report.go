package segment

import (
	"fmt"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

// The names of what Report finds besides those of block.CheckPart. Programs rely on
// them.
const (
	CheckFooter   = "segment.footer"   // it can be read, is of a version that this program reads, and agrees with itself
	CheckLayout   = "segment.layout"   // sections, zeros and footer are all of the object
	CheckProfiles = "segment.profiles" // the ids of profiles in the footer are of profiles in it
	CheckName     = "segment.name"     // it is the segment that its name says; checked by whoever knows the name
)

// ObjectName returns the name of the segment's object in a bucket.
func ObjectName(seg *warehouse.Segment) string { return block.SegmentName(seg.Shard, seg.ID) }

// Report verifies all that [Check] does and that block.CheckPart does, and tells all
// it finds under the object's name. It returns what the footer says if that can be
// read.
func Report(data []byte, object string, r *warehouse.Report) *warehouse.Segment {
	r.Checks += 2
	seg, err := Decode(data)
	if err != nil {
		r.Add(warehouse.Finding{Check: CheckFooter, Object: object, Row: warehouse.NoRow, Text: err.Error()})
		return nil
	}
	if err := checkPlacement(data, placesOf(seg)); err != nil {
		r.Add(warehouse.Finding{Check: CheckLayout, Object: object, Row: warehouse.NoRow, Text: err.Error()})
	}
	checkParts(data, seg, object, r)
	return seg
}

// checkParts checks every part, and the footer's profile ids.
func checkParts(data []byte, seg *warehouse.Segment, object string, r *warehouse.Report) {
	ids := map[warehouse.ProfileKey]struct{}{}
	whole := true
	for i := range seg.Parts {
		p := &seg.Parts[i]
		// A section is cut out as it is: CheckPart compares its checksum.
		_ = block.CheckPart(p, partObject(object, p), sections(data, p), r)
		whole = readIDs(data, p, ids) && whole
	}
	for _, k := range seg.Profiles {
		r.Checks++
		if _, ok := ids[k]; !ok && whole {
			r.Add(warehouse.Finding{
				Check: CheckProfiles, Object: object, Row: warehouse.NoRow,
				Text: fmt.Sprintf("profile %s of tenant %s is in the footer and not in the tables", k.ID, k.Tenant),
			})
		}
	}
}

// partObject names a part of an object.
func partObject(object string, p *warehouse.Part) string {
	return fmt.Sprintf("%s (%s %s)", object, p.Tenant, p.Hour)
}

// readIDs adds the ids of a part's profiles, and reports whether all could be read.
func readIDs(data []byte, p *warehouse.Part, ids map[warehouse.ProfileKey]struct{}) bool {
	section, err := Section(data, p, warehouse.TableProfiles)
	if err == nil {
		err = block.ReadProfiles(section, func(row block.ProfileRow) error {
			ids[warehouse.ProfileKey{Tenant: p.Tenant, ID: row.ID}] = struct{}{}
			return nil
		})
	}
	return err == nil || warehouse.KindOf(err) == warehouse.NotFound
}
