package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

type blockShowCmd struct {
	storeFlags
	JSON   bool     `name:"json" option:"" help:"Print one JSON object a block, each on a line."`
	Blocks []string `arg:"" name:"block" help:"Ids of blocks, or their folders."`
}

// blockShowView is the JSON of a block with its layout.
type blockShowView struct {
	blockView
	Tables []tableView `json:"tables"`
}

type tableView struct {
	Table  string         `json:"table"`
	Format string         `json:"format"`
	Bytes  int64          `json:"bytes"`
	Rows   int64          `json:"rows"`
	Groups []rowGroupView `json:"row_groups"`
}

type rowGroupView struct {
	Rows    int64        `json:"rows"`
	Columns []columnView `json:"columns"`
}

type columnView struct {
	Column   string  `json:"column"`
	Field    int32   `json:"field_id"`
	Encoding string  `json:"encoding"`
	Codec    string  `json:"codec"`
	Values   int64   `json:"values"`
	Nulls    int64   `json:"nulls"`
	Bytes    int64   `json:"bytes"`
	Unpacked int64   `json:"unpacked_bytes"`
	Ratio    float64 `json:"ratio"`
	Min      string  `json:"min,omitempty"`
	Max      string  `json:"max,omitempty"`
}

// showBlocks prints what blocks hold and how. One that cannot be read does not keep
// the others from being shown.
func (p program) showBlocks(ctx context.Context, cmd *blockShowCmd) int {
	status := exitOK
	for i, arg := range cmd.Blocks {
		b, err := findBlock(ctx, &cmd.storeFlags, arg)
		if err == nil {
			err = b.err
		}
		var layouts []*block.Layout
		if err == nil {
			layouts, err = readLayouts(ctx, b)
		}
		if err != nil {
			status = p.fail(exitError, fmt.Errorf("show %s: %w", plainText(arg), err))
			continue
		}
		if cmd.JSON {
			err = printJSON(p.stdout, newBlockShowView(b, layouts))
		} else {
			if i > 0 {
				fmt.Fprintln(p.stdout)
			}
			err = writeBlock(p.stdout, b, layouts)
		}
		if err != nil {
			return p.fail(exitError, err)
		}
	}
	return status
}

func readLayouts(ctx context.Context, b *storedBlock) ([]*block.Layout, error) {
	var all []*block.Layout
	for _, s := range b.part.Sections {
		data, err := b.table(ctx, s.Table)
		if err != nil {
			return nil, err
		}
		l, err := block.LayoutOf(data, s.Table)
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

// ratio returns how many times smaller something is packed.
func ratio(unpacked, packed int64) float64 {
	if packed == 0 {
		return 0
	}
	return float64(unpacked) / float64(packed)
}

func newBlockShowView(b *storedBlock, layouts []*block.Layout) blockShowView {
	v := blockShowView{blockView: newBlockView(b, isUnsure), Tables: []tableView{}}
	for _, l := range layouts {
		t := tableView{Table: l.Table.String(), Format: l.Format, Bytes: l.Bytes, Rows: l.Rows, Groups: []rowGroupView{}}
		for _, g := range l.Groups {
			x := rowGroupView{Rows: g.Rows}
			for _, c := range g.Columns {
				x.Columns = append(x.Columns, columnView{c.Name, c.Field, c.Encoding, c.Codec, c.Values, c.Nulls, c.Packed, c.Unpacked, ratio(c.Unpacked, c.Packed), c.Min, c.Max})
			}
			t.Groups = append(t.Groups, x)
		}
		v.Tables = append(v.Tables, t)
	}
	return v
}

// writeBlock prints a block for people.
func writeBlock(out io.Writer, b *storedBlock, layouts []*block.Layout) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s: block %s, level %d\n", plainText(b.dir), b.part.Object, b.part.Level)
	fmt.Fprintf(w, "%s, %s, %s in %s\n", plural(profilesOf(b.part), "profile"), plural(b.part.Rows(), "sample"), bytesText(b.bytes), plural(len(b.entries), "file"))
	fmt.Fprintf(w, "made of %s: %s\n", plural(len(b.sources), "object"), sourcesText(b.sources))
	writePart(w, b.part)
	if err := w.Flush(); err != nil {
		return err
	}
	for _, l := range layouts {
		writeLayout(out, l)
	}
	return nil
}

// sourcesText returns the ids for people, at most three; JSON has all.
func sourcesText(ids []warehouse.ObjectID) string {
	const most = 3
	var shown []string
	for _, id := range ids[:min(most, len(ids))] {
		shown = append(shown, id.String())
	}
	if more := len(ids) - most; more > 0 {
		shown = append(shown, fmt.Sprintf("and %d more", more))
	}
	return dash(strings.Join(shown, ", "))
}

func writeLayout(out io.Writer, l *block.Layout) {
	fmt.Fprintf(out, "\n%s: %s, %s, %s, format %s\n", l.Table, plural(l.Rows, "row"), plural(len(l.Groups), "row group"), bytesText(l.Bytes), l.Format)
	for i, g := range l.Groups {
		title := ""
		if len(l.Groups) > 1 {
			title = fmt.Sprintf("  row group %d: %s", i, plural(g.Rows, "row"))
		}
		t := newTextTable(out, title, "column", "field", "encoding", "codec", "values", "nulls", "bytes", "unpacked", "ratio", "min", "max")
		for _, c := range g.Columns {
			t.row(c.Name, c.Field, c.Encoding, c.Codec, c.Values, c.Nulls, c.Packed, c.Unpacked, fmt.Sprintf("%.2f", ratio(c.Unpacked, c.Packed)), plainOrDash(c.Min), plainOrDash(c.Max))
		}
		t.end()
	}
}
