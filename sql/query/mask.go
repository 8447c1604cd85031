package query

import (
	"encoding/binary"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// maskTable knows which deletions hide rows of which parts. It is nil as long as
// nothing of the tenant is deleted and not yet gone, which is the usual case.
type maskTable map[*warehouse.Part][]*warehouse.Deletion

// newMaskTable finds the deletions of each part.
func newMaskTable(all []*warehouse.Deletion, parts []*warehouse.Part) maskTable {
	var out maskTable
	if len(all) == 0 {
		return nil
	}
	for _, p := range parts {
		if masks := warehouse.MasksOf(all, p); masks != nil {
			if out == nil {
				out = maskTable{}
			}
			out[p] = masks
		}
	}
	return out
}

// maskKey names a set of deletions in keys of caches: what is built under one is never
// taken for what is built under another. Empty is no deletion.
func maskKey(masks []*warehouse.Deletion) string {
	if len(masks) == 0 {
		return ""
	}
	key := make([]byte, 0, 8*len(masks))
	for _, d := range masks {
		key = binary.BigEndian.AppendUint64(key, d.Index)
	}
	return string(key)
}

// isHidden reports whether one of the deletions hides a row.
func isHidden(masks []*warehouse.Deletion, service, typ string, series warehouse.SeriesID, at warehouse.Micros) bool {
	for _, d := range masks {
		if d.Hides(service, typ, series, at) {
			return true
		}
	}
	return false
}

// hideAll reports whether nothing of a part is left.
func (t maskTable) hideAll(p *warehouse.Part) bool {
	masks := t[p]
	if masks == nil {
		return false
	}
	for i := range p.Datasets {
		d := &p.Datasets[i]
		for j := range d.Types {
			if _, gone := warehouse.MasksOfDataset(masks, d.Service, d.Types[j].Type, d.Types[j].Range); !gone {
				return false
			}
		}
	}
	return true
}

// fileMask is a deletion with the files, by their place in a statement's list, that it
// hides rows of.
type fileMask struct {
	*warehouse.Deletion
	files []int64
}

// of returns the masks of the parts' files.
func (t maskTable) of(parts []*warehouse.Part) []fileMask {
	if t == nil {
		return nil
	}
	var out []fileMask
	at := map[*warehouse.Deletion]int{}
	for i, p := range parts {
		for _, d := range t[p] {
			n, ok := at[d]
			if !ok {
				n = len(out)
				at[d] = n
				out = append(out, fileMask{Deletion: d})
			}
			out[n].files = append(out[n].files, int64(i))
		}
	}
	return out
}

// bindings are the values of statements/mask.sql.
func (m *fileMask) bindings() bindings {
	values := bindings{"files": m.files, "from": int64(m.From), "to": int64(m.To)}
	if len(m.Services) > 0 {
		values["services"] = m.Services
	}
	if len(m.Types) > 0 {
		values["types"] = m.Types
	}
	if len(m.Series) > 0 {
		ids := make([]int64, len(m.Series))
		for i, id := range m.Series {
			ids[i] = int64(id)
		}
		values["series"] = ids
	}
	return values
}
