package cache

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/stackhouse-db/stackhouse/warehouse"
	"github.com/stackhouse-db/stackhouse/warehouse/block"
)

// Endings of files.
const (
	fileSuffix = ".parquet"
	tempSuffix = ".tmp"
)

// sectionKey names a section. The tenant is part of it although the object and
// the hour would do: what is fetched for one tenant is never another's.
type sectionKey struct {
	tenant warehouse.Tenant
	object warehouse.ObjectID
	hour   warehouse.Hour
	table  warehouse.Table
}

// folder returns the folder of the section's copy, relative to the cache's.
func (k sectionKey) folder() string {
	return string(k.tenant) + string(filepath.Separator) + k.object.String()
}

// file returns the name of the section's copy in its folder.
func (k sectionKey) file() string {
	return strconv.FormatInt(int64(k.hour), 10) + "-" + k.table.String() + fileSuffix
}

// parseFile sets the hour and table of k from the name of a copy, and reports
// whether it is one.
func (k *sectionKey) parseFile(name string) bool {
	rest, ok := strings.CutSuffix(name, fileSuffix)
	if !ok {
		return false
	}
	i := strings.LastIndexByte(rest, '-')
	if i < 0 {
		return false
	}
	hour, err := strconv.ParseInt(rest[:i], 10, 64)
	if err != nil {
		return false
	}
	k.hour = warehouse.Hour(hour)
	for k.table = warehouse.TableSamples; k.table <= warehouse.TableStackTotals; k.table++ {
		if k.table.String() == rest[i+1:] {
			return k.file() == name
		}
	}
	return false
}

// parseObject sets the object of k from the name of a folder.
func (k *sectionKey) parseObject(name string) bool {
	id, err := ulid.ParseStrict(name)
	k.object = id
	return err == nil && id.String() == name
}

// wanted is a section that a caller asks for.
type wanted struct {
	key     sectionKey
	section warehouse.Section
	part    *warehouse.Part
}

// want describes the part's section of a table. A table without rows has none:
// NotFound.
func want(verb string, p *warehouse.Part, t warehouse.Table) (wanted, error) {
	s, ok := p.Section(t)
	if !ok {
		return wanted{}, warehouse.Errorf(warehouse.NotFound, "%s %s of %s %s in %s: the part has none", verb, t, p.Tenant, p.Hour, p.Object)
	}
	if _, err := warehouse.ParseTenant(string(p.Tenant)); err != nil { // it becomes a folder
		return wanted{}, warehouse.Errorf(warehouse.Invalid, "%s %s of %s in %s: %w", verb, t, p.Hour, p.Object, err)
	}
	if s.Size < 0 || s.Offset < 0 || s.Offset+s.Size < 0 {
		return wanted{}, warehouse.Errorf(warehouse.Corrupt, "%s %s of %s %s in %s: the index says offset %d, size %d", verb, t, p.Tenant, p.Hour, p.Object, s.Offset, s.Size)
	}
	return wanted{key: sectionKey{p.Tenant, p.Object, p.Hour, t}, section: s, part: p}, nil
}

// object returns the name of the object that holds the section.
func (w wanted) object() string { return block.SectionName(w.part, w.key.table) }

// String names the section and where it is stored.
func (w wanted) String() string {
	return fmt.Sprintf("%s of %s %s in %s at %d", w.key.table, w.key.tenant, w.key.hour, w.object(), w.section.Offset)
}
