package block

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// metaFile is meta.json, which stands beside a block's tables and says what the
// metastore knows about them: an index can be rebuilt from objects alone, and
// people can read it.
//
// Format: docs/FORMAT.md has an example. Instants are RFC 3339 with
// microseconds, ranges include both ends.
type metaFile struct {
	Format   uint16        `json:"format"`
	Object   string        `json:"object"`
	Level    uint8         `json:"level"`
	Tenant   string        `json:"tenant"`
	Hour     string        `json:"hour"`
	From     string        `json:"from"`
	To       string        `json:"to"`
	Datasets []metaDataset `json:"datasets"`
	Tables   []metaTable   `json:"tables"`
	Sources  []string      `json:"sources"`
}

type metaDataset struct {
	Service  string     `json:"service"`
	Profiles int64      `json:"profiles"`
	Types    []metaType `json:"types"`
}

type metaType struct {
	Type    string `json:"type"`
	From    string `json:"from"`
	To      string `json:"to"`
	Samples int64  `json:"samples"`
}

type metaTable struct {
	Table string `json:"table"`
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
	Rows  int64  `json:"rows"`
	CRC   string `json:"crc32c"`
}

const hourLayout = "2006-01-02T15"

// EncodeMeta returns the meta.json of a block, which was made from the sources.
func EncodeMeta(p *warehouse.Part, sources []warehouse.ObjectID) ([]byte, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	m := metaFile{
		Format: p.Format, Object: p.Object.String(), Level: p.Level, Tenant: string(p.Tenant), Hour: p.Hour.String(),
		From: p.Range.From.String(), To: p.Range.To.String(), Datasets: []metaDataset{}, Tables: []metaTable{}, Sources: []string{},
	}
	for _, d := range p.Datasets {
		types := []metaType{}
		for _, t := range d.Types {
			types = append(types, metaType{t.Type, t.Range.From.String(), t.Range.To.String(), t.Rows})
		}
		m.Datasets = append(m.Datasets, metaDataset{d.Service, d.Profiles, types})
	}
	for _, s := range p.Sections {
		m.Tables = append(m.Tables, metaTable{s.Table.String(), TableName(s.Table), s.Size, s.Rows, fmt.Sprintf("%08x", s.CRC)})
	}
	for _, id := range sources {
		m.Sources = append(m.Sources, id.String())
	}
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, warehouse.Errorf(warehouse.Internal, "encode meta of block %s: %w", p.Object, err)
	}
	return append(data, '\n'), nil
}

// DecodeMeta is the inverse of [EncodeMeta]. What is no valid description is a
// Corrupt error.
func DecodeMeta(data []byte) (*warehouse.Part, []warehouse.ObjectID, error) {
	var m metaFile
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, nil, warehouse.Errorf(warehouse.Corrupt, "decode meta: %w", err)
	}
	if m.Format > FormatVersion {
		return nil, nil, warehouse.Errorf(warehouse.Corrupt, "decode meta of block %q: format version %d is newer than %d, the newest this program knows", m.Object, m.Format, FormatVersion)
	}
	var d metaDecoder
	p, sources := d.part(&m)
	if d.err == nil {
		d.err = p.Validate()
	}
	if d.err != nil {
		return nil, nil, warehouse.Errorf(warehouse.Corrupt, "decode meta of block %q: %w", m.Object, d.err)
	}
	return p, sources, nil
}

// metaDecoder keeps the first error.
type metaDecoder struct{ err error }

func (d *metaDecoder) part(m *metaFile) (*warehouse.Part, []warehouse.ObjectID) {
	p := &warehouse.Part{
		Object: d.id(m.Object), Level: m.Level, Format: m.Format, Tenant: warehouse.Tenant(m.Tenant),
		Hour: d.instant(hourLayout, m.Hour).Hour(), Range: d.timeRange(m.From, m.To),
	}
	for _, ds := range m.Datasets {
		var types []warehouse.TypeStats
		for _, t := range ds.Types {
			types = append(types, warehouse.TypeStats{Type: t.Type, Range: d.timeRange(t.From, t.To), Rows: t.Samples})
		}
		p.Datasets = append(p.Datasets, warehouse.Dataset{Service: ds.Service, Profiles: ds.Profiles, Types: types})
	}
	for _, t := range m.Tables {
		p.Sections = append(p.Sections, warehouse.Section{Table: d.table(t.Table), Size: t.Bytes, Rows: t.Rows, CRC: d.crc(t.CRC)})
	}
	var sources []warehouse.ObjectID
	for _, text := range m.Sources {
		sources = append(sources, d.id(text))
	}
	return p, sources
}

func (d *metaDecoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

func (d *metaDecoder) id(text string) warehouse.ObjectID {
	id, err := ulid.ParseStrict(text)
	if err != nil {
		d.fail(fmt.Errorf("object id %q: %w", text, err))
	}
	return id
}

func (d *metaDecoder) instant(layout, text string) warehouse.Micros {
	at, err := time.Parse(layout, text)
	if err != nil {
		d.fail(err)
	}
	return warehouse.MicrosOf(at)
}

func (d *metaDecoder) timeRange(from, to string) warehouse.TimeRange {
	return warehouse.TimeRange{From: d.instant(time.RFC3339Nano, from), To: d.instant(time.RFC3339Nano, to)}
}

func (d *metaDecoder) table(name string) warehouse.Table {
	for _, t := range Tables() {
		if t.String() == name {
			return t
		}
	}
	d.fail(fmt.Errorf("unknown table %q", name))
	return 0
}

func (d *metaDecoder) crc(text string) uint32 {
	v, err := strconv.ParseUint(text, 16, 32)
	if err != nil {
		d.fail(fmt.Errorf("checksum %q: %w", text, err))
	}
	return uint32(v)
}
