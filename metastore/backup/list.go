package backup

import (
	"cmp"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// ListName is the name of the file that says what belongs to a backup.
const ListName = "BACKUP"

// Version is the version of the list that is written.
const Version = 1

const listHeader = "stackhouse backup "

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// File is a file of a backup.
type File struct {
	Name string
	Size int64
	CRC  uint32 // CRC-32C of its bytes
}

// List is what belongs to a backup.
//
// Format, version 1: text, each line ends in a line feed.
//
//	stackhouse backup 1
//	index <log index of the state>
//	time <when it was begun, RFC 3339 with microseconds>
//	manifest <name of the manifest>
//	files <their number>
//	<CRC-32C, 8 hexadecimal digits> <size in bytes> <name>      by name, with the manifest
//	end <CRC-32C of all before this line>
type List struct {
	Index    uint64
	At       warehouse.Micros
	Manifest string
	Files    []File // sorted by name
}

// Bytes returns the size of all files.
func (l *List) Bytes() (n int64) {
	for _, f := range l.Files {
		n += f.Size
	}
	return n
}

// Encode returns the list's byte form. It sorts the files.
func (l *List) Encode() []byte {
	slices.SortFunc(l.Files, func(a, b File) int { return cmp.Compare(a.Name, b.Name) })
	var b strings.Builder
	fmt.Fprintf(&b, "%s%d\nindex %d\ntime %s\nmanifest %s\nfiles %d\n", listHeader, Version, l.Index, l.At, l.Manifest, len(l.Files))
	for _, f := range l.Files {
		fmt.Fprintf(&b, "%08x %d %s\n", f.CRC, f.Size, f.Name)
	}
	fmt.Fprintf(&b, "end %08x\n", crc32.Checksum([]byte(b.String()), castagnoli))
	return []byte(b.String())
}

// DecodeList reads what Encode wrote. Anything else is a Corrupt error.
func DecodeList(data []byte) (*List, error) {
	text := string(data)
	d := listDecoder{rest: text}
	version := d.field(strings.TrimSuffix(listHeader, " "))
	if n, err := strconv.Atoi(version); d.err == nil && err == nil && n > Version {
		return nil, corruptf("version %d, this program reads 1 to %d", n, Version)
	}
	if version != strconv.Itoa(Version) {
		d.fail("version is %.40q", version)
	}
	l := &List{Index: d.number("index")}
	d.time(&l.At)
	l.Manifest = d.field("manifest")
	n := d.number("files")
	if n > uint64(len(d.rest)) {
		d.fail("%d files are more than fit", n)
	}
	for range n {
		if d.err != nil {
			break
		}
		f := d.file()
		if k := len(l.Files); k > 0 && l.Files[k-1].Name >= f.Name {
			d.fail("file %q is not behind %q", f.Name, l.Files[k-1].Name)
		}
		l.Files = append(l.Files, f)
	}
	covered := text[:len(text)-len(d.rest)]
	sum := d.field("end")
	if d.err == nil && d.rest != "" {
		d.fail("%d bytes behind the end", len(d.rest))
	}
	if got := fmt.Sprintf("%08x", crc32.Checksum([]byte(covered), castagnoli)); d.err == nil && got != sum {
		d.fail("checksum is %.40q, the bytes give %s", sum, got)
	}
	return l, d.err
}

// listDecoder keeps the first error.
type listDecoder struct {
	rest string
	err  error
}

func (d *listDecoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = corruptf(format, args...)
	}
}

func corruptf(format string, args ...any) error {
	return warehouse.Errorf(warehouse.Corrupt, "decode "+ListName+": "+format, args...)
}

func (d *listDecoder) line() string {
	line, rest, ok := strings.Cut(d.rest, "\n")
	if !ok {
		d.fail("it ends within a line")
		return ""
	}
	d.rest = rest
	return line
}

func (d *listDecoder) field(name string) string {
	line := d.line()
	value, ok := strings.CutPrefix(line, name+" ")
	if !ok {
		d.fail("want %q, not %.40q", name, line)
	}
	return value
}

func (d *listDecoder) number(name string) uint64 {
	text := d.field(name)
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || strconv.FormatUint(n, 10) != text {
		d.fail("%s is %.40q", name, text)
	}
	return n
}

func (d *listDecoder) time(at *warehouse.Micros) {
	text := d.field("time")
	if d.err != nil {
		return
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if *at = warehouse.MicrosOf(t); err != nil || at.String() != text {
		d.fail("time is %.40q", text)
	}
}

func (d *listDecoder) file() (f File) {
	line := d.line()
	crc, rest, _ := strings.Cut(line, " ")
	size, name, _ := strings.Cut(rest, " ")
	sum, err1 := strconv.ParseUint(crc, 16, 32)
	n, err2 := strconv.ParseInt(size, 10, 64)
	f = File{Name: name, Size: n, CRC: uint32(sum)}
	if err1 != nil || err2 != nil || n < 0 || name == "" || fmt.Sprintf("%08x %d %s", f.CRC, f.Size, f.Name) != line {
		d.fail("file is %.80q", line)
	}
	return f
}
