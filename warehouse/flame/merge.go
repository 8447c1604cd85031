package flame

import (
	"strings"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Merge returns the sum of two trees, which may come from different Symbols.
// A total above 2^63-1 is an OutOfRange error.
func Merge(a, b *Tree) (*Tree, error) {
	if _, ok := addExact(a.Total(), b.Total()); !ok {
		return nil, warehouse.Errorf(warehouse.OutOfRange, "merge trees: %w", errTotal())
	}
	u := unite(&a.shape, &b.shape)
	self := move(a.self, u.toA, u.size())
	for n, v := range b.self {
		self[u.toB[n]] += v
	}
	return newTree(u.shape, self), nil
}

// union is the shape that has all nodes of two others.
type union struct {
	shape
	toA, toB []int32 // of a node of either: the node it became
}

// unite aligns two shapes: nodes whose paths have equal names become one node.
func unite(a, b *shape) union {
	names, nameA, nameB := uniteNames(a.names, b.names)
	room := max(a.size(), b.size())
	u := union{
		shape: shape{names: names, name: make([]int32, 1, room), first: make([]int32, 0, room+1)},
		toA:   make([]int32, a.size()),
		toB:   make([]int32, b.size()),
	}
	const none = -1
	type pair struct{ a, b int32 }
	queue := make([]pair, 1, room)
	add := func(p pair, name int32) {
		if p.a != none {
			u.toA[p.a] = int32(len(queue))
		}
		if p.b != none {
			u.toB[p.b] = int32(len(queue))
		}
		queue = append(queue, p)
		u.name = append(u.name, name)
	}
	for n := 0; n < len(queue); n++ {
		u.first = append(u.first, int32(len(queue)))
		var ca, endA, cb, endB int32
		if p := queue[n].a; p != none {
			ca, endA = a.children(p)
		}
		if p := queue[n].b; p != none {
			cb, endB = b.children(p)
		}
		for ca < endA || cb < endB {
			switch {
			case cb == endB || ca < endA && nameA[a.name[ca]] < nameB[b.name[cb]]:
				add(pair{ca, none}, nameA[a.name[ca]])
				ca++
			case ca == endA || nameA[a.name[ca]] > nameB[b.name[cb]]:
				add(pair{none, cb}, nameB[b.name[cb]])
				cb++
			default:
				add(pair{ca, cb}, nameA[a.name[ca]])
				ca++
				cb++
			}
		}
	}
	u.first = append(u.first, int32(len(queue)))
	return u
}

// uniteNames merges two sorted lists and says where each name went.
func uniteNames(a, b []string) (names []string, toA, toB []int32) {
	names = make([]string, 0, max(len(a), len(b)))
	toA, toB = make([]int32, len(a)), make([]int32, len(b))
	for i, j := 0, 0; i < len(a) || j < len(b); {
		var order int
		switch {
		case j == len(b):
			order = -1
		case i == len(a):
			order = 1
		default:
			order = strings.Compare(a[i], b[j])
		}
		at := int32(len(names))
		if order <= 0 {
			names = append(names, a[i])
			toA[i] = at
			i++
		} else {
			names = append(names, b[j])
		}
		if order >= 0 {
			toB[j] = at
			j++
		}
	}
	return names, toA, toB
}
