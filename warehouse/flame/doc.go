// Package flame turns stacktraces and their values into call trees and into
// the forms in which people and tools read them.
//
// # Parts
//
//   - symbols.go, batch.go, frame.go, trie.go, intern.go: [Symbols], the
//     interned stacktraces of a tenant
//   - tree.go, shape.go: [Tree], a call tree whose nodes are named by function
//   - rank.go, bitset.go: the orders by which trees are made
//   - build.go, merge.go, trim.go, subtree.go: from values to a tree, from two
//     trees to one, from large to small, from the whole to a call site
//   - flamebearer.go, diff.go, binary.go, dot.go, pprof.go: the encodings
//
// # The canonical order
//
// A tree is kept in level order: the root, then all nodes of depth 1, and so
// on; the children of a node stand together, sorted by name (bytewise), and
// the groups stand in the order of their parents. This order depends on nothing
// but the tree's content. Every answer of this package, and every choice it
// makes between equals, follows it, so that answers do not depend on how the
// data was stored, split or loaded.
//
// # Guarantees
//
//   - Sums are exact. A total above 2^63-1 is an OutOfRange error, never a
//     wrapped or rounded number. Trimming moves values, it loses none.
//   - Every node but the root has a total above 0.
//   - Nothing recurses over the depth of a tree. Costs are linear in the number
//     of nodes; only distinct names and frames are sorted.
//   - Trees are immutable and safe for concurrent use. [Symbols] has a lock.
//
// Reading definitions from storage and summing samples is the query layer's
// work, and the default and the limit of max_nodes are the API's.
package flame
