package flame

import (
	"fmt"
	"slices"
	"strings"
)

// Tree is a call tree: what was measured, by the functions that were called,
// from the root. A node's self value is that of the stacktraces that end in it,
// its total includes all nodes below.
//
// A Tree is immutable and safe for concurrent use; the zero Tree is not valid.
type Tree struct {
	shape
	self  []int64
	total []int64
}

// Names that have a meaning of their own.
const (
	// RootName is the name of the root, which is no function.
	RootName = "total"
	// OtherName is the name of nodes that stand for what was trimmed.
	OtherName = "other"
)

// Node is one node of a tree, as [Tree.Walk] shows it.
type Node struct {
	Name  string // RootName for the root
	Depth int    // 0 for the root
	Self  int64
	Total int64
}

// Empty returns the tree of nothing: a root with value 0.
func Empty() *Tree {
	return newTree(shape{name: []int32{0}, first: []int32{1, 1}}, []int64{0})
}

func newTree(s shape, self []int64) *Tree {
	return &Tree{shape: s, self: self, total: s.totals(self)}
}

// Total returns the sum of all values.
func (t *Tree) Total() int64 { return t.total[0] }

// Size returns the number of nodes, without the root.
func (t *Tree) Size() int { return t.size() - 1 }

// Walk calls fn for the nodes in preorder, children by name, until it returns
// false.
func (t *Tree) Walk(fn func(Node) bool) {
	t.preorder(func(n int32, depth int) bool {
		name := RootName
		if n > 0 {
			name = t.names[t.name[n]]
		}
		return fn(Node{Name: name, Depth: depth, Self: t.self[n], Total: t.total[n]})
	}, nil)
}

// Equal reports whether both trees have the same nodes and values.
func (t *Tree) Equal(o *Tree) bool {
	return slices.Equal(t.self, o.self) && slices.Equal(t.first, o.first) &&
		slices.Equal(t.name, o.name) && slices.Equal(t.names, o.names)
}

// String returns one line a node, indented by depth: "name self total".
func (t *Tree) String() string {
	var b strings.Builder
	t.Walk(func(n Node) bool {
		fmt.Fprintf(&b, "%s%s %d %d\n", strings.Repeat("  ", n.Depth), n.Name, n.Self, n.Total)
		return true
	})
	return b.String()
}

// preorder visits the nodes of s, parents before children, until enter returns
// false. exit, if not nil, is called after the last node below a node.
func (s *shape) preorder(enter func(n int32, depth int) bool, exit func(n int32)) {
	type span struct{ node, next, end int32 }
	open := []span{{-1, 0, 1}}
	for {
		top := &open[len(open)-1]
		if top.next < top.end {
			n := top.next
			top.next++
			if !enter(n, len(open)-1) {
				return
			}
			from, to := s.children(n)
			open = append(open, span{n, from, to})
			continue
		}
		if top.node < 0 {
			return
		}
		if exit != nil {
			exit(top.node)
		}
		open = open[:len(open)-1]
	}
}
