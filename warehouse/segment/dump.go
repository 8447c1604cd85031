package segment

import (
	"encoding/hex"
	"fmt"
	"io"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Dump writes the layout of a whole segment for people: each section with its
// first and last bytes, then the footer and the tail byte by byte. Sections are
// not verified; see [Check].
func Dump(w io.Writer, data []byte) error {
	seg, err := Decode(data)
	if err != nil {
		return err
	}
	d := dumper{w: w}
	d.printf("segment %s, shard %d, %d bytes\n", seg.ID, seg.Shard, seg.Size)
	for _, p := range placesOf(seg) {
		d.printf("\n%08x section %s of %s %s: %d rows, %d bytes, crc %08x\n", p.Offset, p.Table, p.part.Tenant, p.part.Hour, p.Rows, p.Size, p.CRC)
		section := data[p.Offset : p.Offset+p.Size]
		if len(section) > 32 {
			d.hex(p.Offset, section[:16])
			d.printf("%8s  … %d bytes\n", "", len(section)-32)
			d.hex(p.Offset+p.Size-16, section[len(section)-16:])
		} else {
			d.hex(p.Offset, section)
		}
	}
	n, err := FooterSize(data, seg.Size)
	if err != nil {
		return err
	}
	at, tail := seg.Size-n, seg.Size-TailSize
	d.printf("\n%08x footer, %d bytes\n", at, n-TailSize)
	d.hex(at, data[at:tail])
	for i := range seg.Parts {
		d.part(&seg.Parts[i])
	}
	for _, k := range seg.Profiles {
		d.printf("%8s  profile %s %s\n", "", k.Tenant, k.ID)
	}
	for _, e := range seg.Epochs {
		d.printf("%8s  epoch %s %q %s: %d\n", "", e.Key.Tenant, e.Key.Service, e.Key.Hour, e.Value)
	}
	d.printf("\n%08x tail\n", tail)
	for i, name := range []string{"length", "version", "checksum", "magic"} {
		d.printf("%08x  %x  %s\n", tail+int64(4*i), data[tail+int64(4*i):tail+int64(4*i)+4], name)
	}
	return d.err
}

// dumper keeps the first error of its writer.
type dumper struct {
	w   io.Writer
	err error
}

func (d *dumper) printf(format string, args ...any) {
	if d.err == nil {
		_, d.err = fmt.Fprintf(d.w, format, args...)
	}
}

func (d *dumper) hex(at int64, data []byte) {
	for ; len(data) > 0; data = data[min(16, len(data)):] {
		line := data[:min(16, len(data))]
		text := []byte(hex.EncodeToString(line))
		d.printf("%08x  %-32s  %s\n", at, text, printable(line))
		at += int64(len(line))
	}
}

// printable shows ASCII characters, and a dot for every other byte.
func printable(line []byte) string {
	text := make([]byte, len(line))
	for i, c := range line {
		text[i] = '.'
		if c >= ' ' && c <= '~' {
			text[i] = c
		}
	}
	return string(text)
}

func (d *dumper) part(p *warehouse.Part) {
	d.printf("%8s  part %s %s: level %d, format %d, %s\n", "", p.Tenant, p.Hour, p.Level, p.Format, p.Range)
	for i := range p.Datasets {
		ds := &p.Datasets[i]
		d.printf("%8s    dataset %q: %d profiles\n", "", ds.Service, ds.Profiles)
		for _, t := range ds.Types {
			d.printf("%8s      %s: %d rows, %s\n", "", t.Type, t.Rows, t.Range)
		}
	}
}
