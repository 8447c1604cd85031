package flame

import (
	"encoding/binary"
	"math"
	"unsafe"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Bounds of [DecodeTree]. Trees that are larger can be encoded and not decoded;
// the API's max_nodes and the ingest's depth limit are far below.
const (
	MaxDecodeNodes = 1 << 24
	MaxDecodeDepth = 1 << 16
)

// AppendBinary appends the tree in the form that Pyroscope's API calls tree
// bytes. Nodes are in preorder, children sorted by name; each is
//
//	uvarint  length of the name, 0 for the root
//	bytes    name
//	uvarint  self
//	uvarint  number of children
//
// Totals are not in it: they follow from the selfs.
func (t *Tree) AppendBinary(dst []byte) []byte {
	t.preorder(func(n int32, _ int) bool {
		name := ""
		if n > 0 {
			name = t.names[t.name[n]]
		}
		from, to := t.children(n)
		dst = binary.AppendUvarint(dst, uint64(len(name)))
		dst = append(dst, name...)
		dst = binary.AppendUvarint(dst, uint64(t.self[n]))
		dst = binary.AppendUvarint(dst, uint64(to-from))
		return true
	}, nil)
	return dst
}

// DecodeTree is the inverse of [Tree.AppendBinary]. It also takes trees of other
// writers: siblings may be in any order, those of equal name become one node,
// and nodes of total 0 vanish.
//
// Bytes that are no tree, or one above the bounds, are a Corrupt error with the
// offset; a total above 2^63-1 is an OutOfRange error. Memory is proportional
// to len(data).
func DecodeTree(data []byte) (*Tree, error) {
	d := treeDecoder{data: data, calls: newTrie(), names: newInterner[string]()}
	e, err := d.decode()
	if err != nil {
		return nil, warehouse.Errorf(warehouse.KindOf(err), "decode tree: %w", err)
	}
	return e.plant(d.calls.nodes, d.names.keys), nil
}

type treeDecoder struct {
	data  []byte
	at    int
	nodes int

	calls trie
	names interner[string]

	ends  ends
	total int64
}

// minNodeBytes is the size of the smallest node.
const minNodeBytes = 3

func (d *treeDecoder) decode() (ends, error) {
	type open struct {
		node uint32
		left uint64 // children to come
	}
	path := []open{{left: 1}} // above the root
	for len(path) > 0 {
		top := &path[len(path)-1]
		if top.left == 0 {
			path = path[:len(path)-1]
			continue
		}
		if len(path) > MaxDecodeDepth {
			return ends{}, d.corrupt("depth is above %d", MaxDecodeDepth)
		}
		top.left--
		node, children, err := d.node(top.node)
		if err != nil {
			return ends{}, err
		}
		path = append(path, open{node, children})
	}
	if d.at != len(d.data) {
		return ends{}, d.corrupt("%d bytes after the tree", len(d.data)-d.at)
	}
	return d.ends, nil
}

// node reads one node below parent; the first one is the root.
func (d *treeDecoder) node(parent uint32) (node uint32, children uint64, err error) {
	if d.nodes++; d.nodes > MaxDecodeNodes {
		return 0, 0, d.corrupt("more than %d nodes", MaxDecodeNodes)
	}
	isRoot := d.nodes == 1
	name, err := d.name()
	if err != nil {
		return 0, 0, err
	}
	if isRoot && len(name) > 0 {
		return 0, 0, d.corrupt("the root has the name %q", truncated(name))
	}
	self, err := d.uvarint("self")
	if err != nil {
		return 0, 0, err
	}
	if children, err = d.uvarint("number of children"); err != nil {
		return 0, 0, err
	}
	if children > uint64(len(d.data)-d.at)/minNodeBytes {
		return 0, 0, d.corrupt("%d children in %d bytes", children, len(d.data)-d.at)
	}
	if !isRoot {
		node, _ = d.calls.child(parent, d.intern(name))
	}
	return node, children, d.add(node, self)
}

func (d *treeDecoder) add(node uint32, self uint64) error {
	if self == 0 {
		return nil
	}
	if self > math.MaxInt64 {
		return errTotal()
	}
	var ok bool
	if d.total, ok = addExact(d.total, int64(self)); !ok {
		return errTotal()
	}
	d.ends.nodes = append(d.ends.nodes, node)
	d.ends.values = append(d.ends.values, int64(self))
	return nil
}

// intern returns the number of a name, which it copies if it is new.
func (d *treeDecoder) intern(name []byte) uint32 {
	n, ok := d.names.find(unsafe.String(unsafe.SliceData(name), len(name))) // only looks
	if !ok {
		n, _ = d.names.intern(string(name))
	}
	return n
}

func (d *treeDecoder) name() ([]byte, error) {
	size, err := d.uvarint("name length")
	if err != nil {
		return nil, err
	}
	if size > uint64(len(d.data)-d.at) {
		return nil, d.corrupt("a name of %d bytes in %d bytes", size, len(d.data)-d.at)
	}
	name := d.data[d.at : d.at+int(size)]
	d.at += int(size)
	return name, nil
}

func (d *treeDecoder) uvarint(what string) (uint64, error) {
	v, n := binary.Uvarint(d.data[d.at:])
	if n <= 0 {
		return 0, d.corrupt("no %s", what)
	}
	d.at += n
	return v, nil
}

func (d *treeDecoder) corrupt(format string, args ...any) error {
	return warehouse.Errorf(warehouse.Corrupt, "offset %d: %w", d.at, warehouse.Errorf(warehouse.Corrupt, format, args...))
}

// truncated keeps foreign names in messages short.
func truncated(b []byte) []byte { return b[:min(len(b), 64)] }
