package flame

import (
	"cmp"
	"slices"
	"strings"
)

// ranking is the order of some numbered things.
type ranking struct {
	used   *bitset
	sorted []uint32 // the numbers in order
	place  []int32  // by used.rank: where a number is in sorted
}

// of returns the place of number n.
func (r *ranking) of(n uint32) int32 { return r.place[r.used.rank(n)] }

// ofAll returns the places of numbers.
func (r *ranking) ofAll(numbers []uint32) []int32 {
	out := make([]int32, len(numbers))
	for i, n := range numbers {
		out[i] = r.of(n)
	}
	return out
}

// strings returns strs in order.
func (r *ranking) strings(strs []string) []string {
	out := make([]string, len(r.sorted))
	for i, n := range r.sorted {
		out[i] = strs[n]
	}
	return out
}

// rank orders the members of used by their keys.
func rank[K any](used *bitset, key func(uint32) K, compare func(a, b K) int) ranking {
	type keyed struct {
		key K
		n   uint32
	}
	items := make([]keyed, 0, used.count())
	used.each(func(n uint32) { items = append(items, keyed{key(n), n}) })
	slices.SortFunc(items, func(a, b keyed) int { return compare(a.key, b.key) })

	r := ranking{used: used, sorted: make([]uint32, len(items)), place: make([]int32, len(items))}
	for i, x := range items {
		r.sorted[i] = x.n
		r.place[used.rank(x.n)] = int32(i)
	}
	return r
}

// rankStrings orders the strings with the numbers that use adds.
func rankStrings(strs []string, use func(add func(n uint32) bool)) ranking {
	used := newBitset(len(strs))
	use(used.add)
	return rank(used, func(n uint32) string { return strs[n] }, strings.Compare)
}

// rankFrames orders the given frames by what they say, field by field, so that
// the order does not depend on the numbers that were given to anything.
func (v *view) rankFrames(frames []uint32) ranking {
	used, functions, mappings := newBitset(len(v.frames)), newBitset(len(v.functions)), newBitset(len(v.mappings))
	for _, n := range frames {
		if used.add(n) {
			functions.add(v.frames[n].function)
			mappings.add(v.frames[n].mapping)
		}
	}
	strs := rankStrings(v.strings, func(add func(uint32) bool) {
		functions.each(func(n uint32) {
			f := v.functions[n]
			add(f.name)
			add(f.system)
			add(f.file)
		})
		mappings.each(func(n uint32) {
			add(v.mappings[n].name)
			add(v.mappings[n].buildID)
		})
	})
	byFunction := v.rankFunctions(functions, &strs)
	byMapping := v.rankMappings(mappings, &strs)

	type key struct {
		function int32
		mapping  int32
		line     int64
		address  uint64
		inlined  bool
	}
	return rank(used, func(n uint32) key {
		f := &v.frames[n]
		return key{byFunction.of(f.function), byMapping.of(f.mapping), f.line, f.address, f.inlined}
	}, func(a, b key) int {
		switch { // the first two decide nearly always
		case a.function != b.function:
			return cmp.Compare(a.function, b.function)
		case a.line != b.line:
			return cmp.Compare(a.line, b.line)
		case a.mapping != b.mapping:
			return cmp.Compare(a.mapping, b.mapping)
		case a.address != b.address:
			return cmp.Compare(a.address, b.address)
		case a.inlined:
			return 1
		}
		return -1
	})
}

func (v *view) rankFunctions(used *bitset, strs *ranking) ranking {
	type key struct {
		name, system, file int32
		start              int64
	}
	return rank(used, func(n uint32) key {
		f := v.functions[n]
		return key{strs.of(f.name), strs.of(f.system), strs.of(f.file), f.start}
	}, func(a, b key) int {
		switch {
		case a.name != b.name:
			return cmp.Compare(a.name, b.name)
		case a.system != b.system:
			return cmp.Compare(a.system, b.system)
		case a.file != b.file:
			return cmp.Compare(a.file, b.file)
		}
		return cmp.Compare(a.start, b.start)
	})
}

func (v *view) rankMappings(used *bitset, strs *ranking) ranking {
	type key struct{ name, buildID int32 }
	return rank(used, func(n uint32) key {
		m := v.mappings[n]
		return key{strs.of(m.name), strs.of(m.buildID)}
	}, func(a, b key) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.buildID, b.buildID))
	})
}
