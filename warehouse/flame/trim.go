package flame

import "slices"

// Trim returns the tree with at most maxNodes nodes: those of the greatest
// totals. What is below a node that stays and does not stay itself is added to
// a child of that node called [OtherName]. All totals stay exact.
//
// The root always stays, and neither it nor the nodes called other that Trim
// makes count (there is at most one beside the children of each node). A
// function that is called other and stays absorbs what is trimmed beside it.
//
// Since a total includes those below, a node never stays without its ancestors.
// Between equal totals the smaller depth goes first, then the path of names
// (bytewise): the canonical order of the package.
//
// maxNodes <= 0 trims nothing.
func (t *Tree) Trim(maxNodes int64) *Tree {
	stays := selectNodes(t.total, maxNodes)
	if stays == nil {
		return t
	}
	s, to := t.fold(stays)
	return newTree(s, move(t.self, to, s.size()))
}

// selectNodes marks the root and the maxNodes nodes of the greatest weight; nil
// means all of them. Weights are not negative and never rise along a path.
func selectNodes(weight []int64, maxNodes int64) []bool {
	if maxNodes <= 0 || int64(len(weight)-1) <= maxNodes {
		return nil
	}
	stays := make([]bool, len(weight))
	stays[0] = true
	limit, ties := kthGreatest(weight[1:], int(maxNodes))
	for n, w := range weight[1:] {
		if w > limit || w == limit && ties > 0 {
			stays[n+1] = true
			if w == limit {
				ties--
			}
		}
	}
	return stays
}

// kthGreatest returns the k-th greatest of values, counted from 1, and how many
// values equal to it are among the k greatest. Values are not negative.
//
// It narrows the value down byte by byte from the highest: linear, whatever the
// values are.
func kthGreatest(values []int64, k int) (limit int64, equal int) {
	var prefix, mask int64
	for shift := 56; shift >= 0; shift -= 8 {
		var count [256]int
		for _, v := range values {
			if v&mask == prefix {
				count[byte(v>>shift)]++
			}
		}
		digit := 255
		for ; count[digit] < k; digit-- {
			k -= count[digit]
		}
		prefix |= int64(digit) << shift
		mask |= 0xff << shift
	}
	return prefix, k
}

// fold returns the shape of the nodes that stay, with the others folded, and
// the node that each node became or was folded into. A node that stays has a
// parent that stays.
func (s *shape) fold(stays []bool) (out shape, to []int32) {
	names, nameTo, other := s.namesAfterFold(stays)
	f := folder{
		shape: shape{names: names, name: []int32{0}},
		queue: []int32{0},
		to:    make([]int32, s.size()),
		other: other,
	}
	for n := 0; n < len(f.queue); n++ {
		f.first = append(f.first, int32(len(f.queue)))
		if f.queue[n] != made {
			f.foldChildren(s, f.queue[n], stays, nameTo)
		}
	}
	f.first = append(f.first, int32(len(f.queue)))

	// What is below a folded node goes where it went.
	for n := range int32(s.size()) {
		for c := s.first[n]; !stays[n] && c < s.first[n+1]; c++ {
			f.to[c] = f.to[n]
		}
	}
	return f.shape, f.to
}

// folder is a shape that is being made, level by level.
type folder struct {
	shape
	queue []int32 // of a node: what it was before, or made
	to    []int32 // of a node before: what it is
	other int32   // the place of OtherName in names
}

// made is the origin of a node called other that was no node before.
const made = -1

// foldChildren adds what becomes of n's children.
func (f *folder) foldChildren(s *shape, n int32, stays []bool, nameTo []int32) {
	from, end := s.children(n)
	otherAt := int32(made) // the node that the folded ones go to
	if slices.Contains(stays[from:end], false) {
		otherAt = int32(len(f.queue)) // and one more for each that stays before it
	}
	isOtherDone := otherAt == made
	for c := from; c < end; c++ {
		if !stays[c] {
			continue
		}
		name := nameTo[s.name[c]]
		if !isOtherDone && name >= f.other {
			isOtherDone = true
			if name > f.other {
				f.add(made, f.other)
			}
		}
		if !isOtherDone {
			otherAt++
		}
		f.to[c] = int32(len(f.queue))
		f.add(c, name)
	}
	if !isOtherDone {
		f.add(made, f.other)
	}
	for c := from; c < end; c++ {
		if !stays[c] {
			f.to[c] = otherAt
		}
	}
}

func (f *folder) add(origin, name int32) {
	f.queue = append(f.queue, origin)
	f.name = append(f.name, name)
}

// namesAfterFold returns the names of the nodes that stay and OtherName, where
// each name went, and the place of OtherName. Something is folded.
func (s *shape) namesAfterFold(stays []bool) (names []string, to []int32, other int32) {
	used := make([]bool, len(s.names))
	for n := 1; n < s.size(); n++ {
		used[s.name[n]] = used[s.name[n]] || stays[n]
	}
	to = make([]int32, len(s.names))
	other = made
	for i, name := range s.names {
		if other == made && name >= OtherName {
			other = int32(len(names))
			names = append(names, OtherName)
		}
		switch {
		case name == OtherName:
			to[i] = other
		case used[i]:
			to[i] = int32(len(names))
			names = append(names, name)
		}
	}
	if other == made {
		other = int32(len(names))
		names = append(names, OtherName)
	}
	return names, to, other
}
