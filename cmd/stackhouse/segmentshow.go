package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// showSegments prints what each segment holds. One that cannot be read does not
// keep the others from being shown.
func (p program) showSegments(cmd *segmentShowCmd) int {
	status := exitOK
	for i, path := range cmd.Files {
		seg, err := readDescription(path)
		if err != nil {
			status = p.fail(exitError, fmt.Errorf("show %s: %w", plainText(path), err))
			continue
		}
		if cmd.JSON {
			err = json.NewEncoder(p.stdout).Encode(newSegmentView(path, seg))
		} else {
			if i > 0 {
				fmt.Fprintln(p.stdout)
			}
			err = writeSegment(p.stdout, path, seg)
		}
		if err != nil {
			return p.fail(exitError, fmt.Errorf("show %s: %w", plainText(path), err))
		}
	}
	return status
}

// segmentView is the JSON of a segment. Its words are those of a block's
// meta.json; ranges include both ends.
type segmentView struct {
	File       string      `json:"file"`
	Segment    string      `json:"segment"`
	Shard      uint32      `json:"shard"`
	Bytes      int64       `json:"bytes"`
	ProfileIDs int         `json:"profile_ids"`
	Parts      []partView  `json:"parts"`
	Epochs     []epochView `json:"epochs"`
}

type partView struct {
	Tenant   string        `json:"tenant"`
	Hour     string        `json:"hour"`
	Format   uint16        `json:"format"`
	From     string        `json:"from"`
	To       string        `json:"to"`
	Datasets []datasetView `json:"datasets"`
	Sections []sectionView `json:"sections"`
}

type datasetView struct {
	Service  string     `json:"service"`
	Profiles int64      `json:"profiles"`
	Types    []typeView `json:"types"`
}

type typeView struct {
	Type    string `json:"type"`
	From    string `json:"from"`
	To      string `json:"to"`
	Samples int64  `json:"samples"`
}

type sectionView struct {
	Table       string  `json:"table"`
	Offset      int64   `json:"offset"`
	Bytes       int64   `json:"bytes"`
	Rows        int64   `json:"rows"`
	BytesPerRow float64 `json:"bytes_per_row"`
	CRC         string  `json:"crc32c"`
}

type epochView struct {
	Tenant  string `json:"tenant"`
	Service string `json:"service"`
	Hour    string `json:"hour"`
	Epoch   uint64 `json:"epoch"`
}

func newSegmentView(path string, seg *warehouse.Segment) segmentView {
	v := segmentView{
		File: path, Segment: seg.ID.String(), Shard: seg.Shard, Bytes: seg.Size, ProfileIDs: len(seg.Profiles),
		Epochs: []epochView{},
	}
	for i := range seg.Parts {
		v.Parts = append(v.Parts, newPartView(&seg.Parts[i]))
	}
	for _, e := range seg.Epochs {
		v.Epochs = append(v.Epochs, epochView{string(e.Key.Tenant), e.Key.Service, e.Key.Hour.String(), e.Value})
	}
	return v
}

func newPartView(p *warehouse.Part) partView {
	v := partView{
		Tenant: string(p.Tenant), Hour: p.Hour.String(), Format: p.Format,
		From: p.Range.From.String(), To: p.Range.To.String(), Sections: []sectionView{},
	}
	for _, ds := range p.Datasets {
		d := datasetView{Service: ds.Service, Profiles: ds.Profiles, Types: []typeView{}}
		for _, t := range ds.Types {
			d.Types = append(d.Types, typeView{t.Type, t.Range.From.String(), t.Range.To.String(), t.Rows})
		}
		v.Datasets = append(v.Datasets, d)
	}
	for _, s := range p.Sections {
		v.Sections = append(v.Sections, sectionView{s.Table.String(), s.Offset, s.Size, s.Rows, perRow(s.Size, s.Rows), fmt.Sprintf("%08x", s.CRC)})
	}
	return v
}

// perRow returns the bytes of a row, 0 if there are no rows.
func perRow(bytes, rows int64) float64 {
	if rows == 0 {
		return 0
	}
	return float64(bytes) / float64(rows)
}

// writeSegment prints a segment for people.
func writeSegment(out io.Writer, path string, seg *warehouse.Segment) error {
	var samples int64
	for i := range seg.Parts {
		samples += seg.Parts[i].Rows()
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s: segment %s, shard %d\n", plainText(path), seg.ID, seg.Shard)
	fmt.Fprintf(w, "%s, %s, %s (%.2f bytes a sample), %s, %s\n", plural(len(seg.Parts), "part"), plural(samples, "sample"),
		bytesText(seg.Size), perRow(seg.Size, samples), plural(len(seg.Profiles), "profile id"), plural(len(seg.Epochs), "epoch"))
	for i := range seg.Parts {
		writePart(w, &seg.Parts[i])
	}
	for i, e := range seg.Epochs {
		if i == 0 {
			fmt.Fprint(w, "\nrelies on definitions of\n")
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\tepoch %d\n", e.Key.Tenant, plainText(e.Key.Service), e.Key.Hour, e.Value)
	}
	return w.Flush()
}

// writePart prints a part. Columns of datasets and of sections are aligned apart.
func writePart(w *tabwriter.Writer, p *warehouse.Part) {
	fmt.Fprintf(w, "\n%s %s: %s, format %d\n", p.Tenant, p.Hour, p.Range, p.Format)
	for _, ds := range p.Datasets {
		fmt.Fprintf(w, "  %s: %s\n", plainText(ds.Service), plural(ds.Profiles, "profile"))
		for _, t := range ds.Types {
			fmt.Fprintf(w, "    %s\t%s\t%s\n", plainText(t.Type), plural(t.Rows, "sample"), t.Range)
		}
	}
	w.Flush() //nolint:errcheck // the last Flush returns the error too
	fmt.Fprint(w, "  section\toffset\tbytes\trows\tbytes/row\tcrc32c\n")
	for _, s := range p.Sections {
		fmt.Fprintf(w, "  %s\t%d\t%d\t%d\t%.2f\t%08x\n", s.Table, s.Offset, s.Size, s.Rows, perRow(s.Size, s.Rows), s.CRC)
	}
}
