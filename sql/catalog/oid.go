package catalog

import "hash/fnv"

// firstOID is the least identifier that PostgreSQL gives to users' objects.
const firstOID = 16384

// Identifiers of PostgreSQL's catalogue that rows here refer to.
const (
	ownerOID         = 10 // the role that owns everything
	schemaCatalog    = 11 // pg_catalog
	schemaPublic     = 2200
	schemaInfo       = 13207      // information_schema, as in data/relation.csv
	schemaSystem     = 1664675691 // system, by its name; some SQL files have the number
	classType        = 1247       // pg_type
	classProc        = 1255       // pg_proc
	classRelation    = 1259       // pg_class
	classDatabase    = 1262       // pg_database
	classNamespace   = 2615       // pg_namespace
	languageInternal = 12
)

// oidOf returns the identifier of a user-visible object. It follows from the name,
// so that statements, workers and servers agree for ever; that no two are equal is
// what a test makes sure of. It stays below 2^31, where clients that take it for a
// signed integer read the same.
func oidOf(class, name string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(class + "\x00" + name))
	return firstOID + h.Sum32()%(1<<31-firstOID)
}

func (r Relation) oid() uint32      { return oidOf("relation", r.qualifiedName()) }
func (r Relation) typeOID() uint32  { return oidOf("type", r.qualifiedName()) }
func (r Relation) arrayOID() uint32 { return oidOf("type", "_"+r.qualifiedName()) }
func (f Function) oid() uint32      { return oidOf("function", f.Name) }
