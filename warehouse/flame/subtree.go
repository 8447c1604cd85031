package flame

import (
	"slices"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// SubTree returns the tree of only those stacktraces that begin, at the root,
// with the functions of callSite: the call site with all that is below it, and
// its callers without anything else. An empty callSite selects everything.
func (t *Tree) SubTree(callSite []string) *Tree {
	if len(callSite) == 0 {
		return t
	}
	path, ok := t.find(callSite)
	if !ok {
		return Empty()
	}
	stays := make([]bool, t.size())
	site := path[len(path)-1]
	stays[site] = true
	for n := site; n < int32(t.size()); n++ {
		if stays[n] {
			from, to := t.children(n)
			for c := from; c < to; c++ {
				stays[c] = true
			}
		}
	}
	for _, n := range path {
		stays[n] = true
	}
	return t.only(stays, site)
}

// find returns the nodes of a path of names from the root, which it includes.
func (s *shape) find(callSite []string) (path []int32, ok bool) {
	path = make([]int32, 1, len(callSite)+1)
	for _, name := range callSite {
		rank, ok := slices.BinarySearch(s.names, name)
		if !ok {
			return nil, false
		}
		from, to := s.children(path[len(path)-1])
		i, ok := slices.BinarySearch(s.name[from:to], int32(rank))
		if !ok {
			return nil, false
		}
		path = append(path, from+int32(i))
	}
	return path, true
}

// only returns the tree of the nodes that stay; those above site lose their
// self value.
func (t *Tree) only(stays []bool, site int32) *Tree {
	var out shape
	nameTo := make([]int32, len(t.names))
	used := make([]bool, len(t.names))
	for n := 1; n < t.size(); n++ {
		used[t.name[n]] = used[t.name[n]] || stays[n]
	}
	for i, name := range t.names {
		nameTo[i] = int32(len(out.names))
		if used[i] {
			out.names = append(out.names, name)
		}
	}
	var self []int64
	next := int32(1)
	for n := range int32(t.size()) {
		if !stays[n] {
			continue
		}
		name, value := int32(0), int64(0)
		if n > 0 {
			name = nameTo[t.name[n]]
		}
		if n >= site {
			value = t.self[n]
		}
		out.name = append(out.name, name)
		self = append(self, value)
		out.first = append(out.first, next)
		for c := t.first[n]; c < t.first[n+1]; c++ {
			if stays[c] {
				next++
			}
		}
	}
	out.first = append(out.first, next)
	return newTree(out, self)
}

// Below keeps those of ids, with their values, whose stacktraces begin at the
// root with the functions of callSite, as [Tree.SubTree] does for trees. It
// works in the memory of ids and values. Unknown ids are kept: [Build] and
// [Pprof] report them.
func (s *Symbols) Below(callSite []string, ids []warehouse.StacktraceID, values []int64) ([]warehouse.StacktraceID, []int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	site, ok := s.site(callSite)
	n := 0
	for i, id := range ids {
		at, known := s.stacks.find(id)
		if !known || ok && s.isBelow(s.call[s.leaves[at]], site) {
			ids[n], values[n] = id, values[i]
			n++
		}
	}
	return ids[:n], values[:n]
}

// site returns the node of calls that stands for a path of names.
func (s *Symbols) site(callSite []string) (node uint32, ok bool) {
	for _, name := range callSite {
		k, ok := s.strings.find(name)
		if !ok {
			return 0, false
		}
		if node, ok = s.calls.find(node, k); !ok {
			return 0, false
		}
	}
	return node, true
}

// isBelow reports whether a node of calls is site or below it.
func (s *Symbols) isBelow(node, site uint32) bool {
	for node > site { // parents have smaller numbers
		node = s.calls.nodes[node].parent
	}
	return node == site
}
