package flame

import (
	"math"
	"math/bits"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// trie interns paths from the root. A node is a parent and a key; paths with a
// common beginning share its nodes, which is what makes tens of thousands of
// stacktraces fit in a few megabytes.
//
// Invariant: node 0 is the root, its own parent.
// Invariant: the parent of any other node n is below n, so that a pass in descending
// order meets children before their parents.
// Invariant: no two nodes have the same parent and key.
// Invariant: a node is in a slot unless it is the root or right behind its parent.
//
// Why: most nodes of a path are right behind their parents, at least if paths
// come sorted. They are found and added without a look into a table that is
// larger than any cache.
type trie struct {
	nodes []trieNode
	slots []uint32 // a node, 0 if empty
	used  int      // slots that are not empty
}

// trieNode is a step of a path.
type trieNode struct{ parent, key uint32 }

func newTrie() trie {
	return trie{nodes: make([]trieNode, 1), slots: make([]uint32, minSlots)}
}

func (t *trie) sizeBytes() int { return 8*cap(t.nodes) + 4*len(t.slots) }

func (t *trie) size() int { return len(t.nodes) }

// find returns the child of parent with the key.
func (t *trie) find(parent, key uint32) (uint32, bool) {
	if next := parent + 1; int(next) < len(t.nodes) && t.nodes[next] == (trieNode{parent, key}) {
		return next, true
	}
	n := t.slots[t.slot(parent, key)]
	return n, n != 0
}

// child returns the child of parent with the key, which it adds if it is new.
func (t *trie) child(parent, key uint32) (n uint32, isNew bool) {
	next := parent + 1
	if int(next) == len(t.nodes) { // whose parent has no other child, as all are behind it
		t.nodes = append(t.nodes, trieNode{parent, key})
		return checkedCount(len(t.nodes)) - 1, true
	}
	if t.nodes[next] == (trieNode{parent, key}) {
		return next, false
	}
	at := t.slot(parent, key)
	if n := t.slots[at]; n != 0 {
		return n, false
	}
	if isFull(t.used, len(t.slots)) {
		t.grow()
		at = t.slot(parent, key)
	}
	t.nodes = append(t.nodes, trieNode{parent, key})
	n = checkedCount(len(t.nodes)) - 1
	t.slots[at] = n
	t.used++
	return n, true
}

func (t *trie) slot(parent, key uint32) uint32 {
	mask := uint32(len(t.slots) - 1)
	at := mix(parent, key) & mask
	want := trieNode{parent, key}
	for {
		n := t.slots[at]
		if n == 0 || t.nodes[n] == want {
			return at
		}
		at = (at + 1) & mask
	}
}

func (t *trie) grow() {
	t.slots = make([]uint32, 2*len(t.slots))
	mask := uint32(len(t.slots) - 1)
	for n := 1; n < len(t.nodes); n++ {
		if int(t.nodes[n].parent) == n-1 {
			continue
		}
		at := mix(t.nodes[n].parent, t.nodes[n].key) & mask
		for t.slots[at] != 0 {
			at = (at + 1) & mask
		}
		t.slots[at] = uint32(n)
	}
}

// mix hashes a node. It needs no seed: parents and keys are numbers that were
// given out here, which a client cannot choose.
func mix(parent, key uint32) uint32 {
	hi, lo := bits.Mul64((uint64(parent)<<32|uint64(key))^0x9e3779b97f4a7c15, 0xa0761d6478bd642f)
	return uint32(hi ^ lo)
}

// checkedCount returns n as an index type. Tables are bounded by the memory
// budget of their owner long before.
func checkedCount(n int) uint32 {
	if n > math.MaxInt32 {
		panic(warehouse.Bug("intern item %d: tables hold at most 2^31-1", n))
	}
	return uint32(n)
}
