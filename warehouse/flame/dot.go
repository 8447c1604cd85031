package flame

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Dot returns the call graph of t in graphviz's language: a box a function,
// sized by its own value, and an arrow a call, weighted by what went through it.
//
// A function's total counts a stacktrace once, however often the function
// recurs in it. The maxNodes functions of the greatest totals are shown
// (maxNodes <= 0: all; ties by name). Where functions between two shown ones
// are left out, the arrow is dotted.
func (t *Tree) Dot(maxNodes int) string {
	g := t.callGraph(maxNodes)
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %q {\n", RootName)
	fmt.Fprintf(&b, "node [style=filled fillcolor=\"#f8f8f8\" shape=box fontname=\"sans-serif\"]\n")
	fmt.Fprintf(&b, "L [shape=box fontsize=16 label=\"Total: %d\\lShowing %d of %d functions\\l\"]\n",
		t.Total(), len(g.shown), len(t.names))
	for i, name := range g.shown {
		g.writeNode(&b, i+1, t.names[name], g.sums[name], t.Total())
	}
	for _, e := range g.arrows() {
		g.writeArrow(&b, e, t.Total())
	}
	b.WriteString("}\n")
	return b.String()
}

// callGraph sums a tree up by function and by call.
type callGraph struct {
	sums  []functionSum
	shown []int32 // names, by falling total
	place []int32 // of a name among shown, -1 if it is left out
	calls map[call]*callSum
}

type (
	functionSum struct{ self, total int64 }
	call        struct{ caller, callee int32 } // names
	callSum     struct {
		total int64
		isGap bool // functions between the two are left out
	}
)

func (t *Tree) callGraph(maxNodes int) *callGraph {
	g := &callGraph{sums: t.functionSums(), place: make([]int32, len(t.names)), calls: map[call]*callSum{}}
	for i := range t.names {
		g.shown = append(g.shown, int32(i))
		g.place[i] = -1
	}
	slices.SortStableFunc(g.shown, func(a, b int32) int { return cmp.Compare(g.sums[b].total, g.sums[a].total) })
	if maxNodes > 0 && len(g.shown) > maxNodes {
		g.shown = g.shown[:maxNodes]
	}
	for i, name := range g.shown {
		g.place[name] = int32(i)
	}
	g.sumCalls(t)
	return g
}

// functionSums returns self and total by name.
func (t *Tree) functionSums() []functionSum {
	sums := make([]functionSum, len(t.names))
	open := make([]int, len(t.names)) // times on the path to the node visited
	enter := func(n int32, depth int) bool {
		if depth > 0 {
			name := t.name[n]
			sums[name].self += t.self[n]
			if open[name]++; open[name] == 1 {
				sums[name].total += t.total[n]
			}
		}
		return true
	}
	exit := func(n int32) {
		if n > 0 {
			open[t.name[n]]--
		}
	}
	t.preorder(enter, exit)
	return sums
}

// sumCalls adds up the calls between shown functions. A call is counted once a
// stacktrace; calls of a function by itself are left out.
func (g *callGraph) sumCalls(t *Tree) {
	const none = -1
	type step struct {
		name  int32 // none for the root
		shown int32 // the function itself if it is shown, else the nearest caller that is
	}
	var path []step
	open := map[call]int{} // times on the path to the node visited
	callOf := func(callee, caller int32) (c call, counts bool) {
		return call{caller, callee}, caller != none && g.place[callee] >= 0 && caller != callee
	}
	enter := func(n int32, depth int) bool {
		if depth == 0 {
			path = append(path, step{none, none})
			return true
		}
		top, name := path[len(path)-1], t.name[n]
		if c, counts := callOf(name, top.shown); counts {
			open[c]++
			g.count(c, t.total[n], open[c] == 1, top.name == top.shown)
		}
		next := step{name, top.shown}
		if g.place[name] >= 0 {
			next.shown = name
		}
		path = append(path, next)
		return true
	}
	exit := func(n int32) {
		path = path[:len(path)-1]
		if n > 0 {
			if c, counts := callOf(t.name[n], path[len(path)-1].shown); counts {
				open[c]--
			}
		}
	}
	t.preorder(enter, exit)
}

// count adds a call that was met in the tree. isFirst: its stacktraces have not
// been counted for it yet.
func (g *callGraph) count(c call, total int64, isFirst, isDirect bool) {
	s := g.calls[c]
	if s == nil {
		s = &callSum{isGap: true}
		g.calls[c] = s
	}
	if isFirst {
		s.total += total
	}
	if isDirect {
		s.isGap = false
	}
}

// arrow is a call between places among the shown functions.
type arrow struct {
	from, to int32
	callSum
}

// arrows returns the calls by falling total, then by place.
func (g *callGraph) arrows() []arrow {
	out := make([]arrow, 0, len(g.calls))
	for c, s := range g.calls {
		out = append(out, arrow{g.place[c.caller], g.place[c.callee], *s})
	}
	slices.SortFunc(out, func(a, b arrow) int {
		return cmp.Or(cmp.Compare(b.total, a.total), cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to))
	})
	return out
}

func (g *callGraph) writeNode(b *strings.Builder, id int, name string, s functionSum, total int64) {
	const minFont, fontRange = 8, 16
	font := minFont + int(fontRange*share(s.self, total))
	label := fmt.Sprintf("%s\n%d (%s)", name, s.self, percent(s.self, total))
	if s.self != s.total {
		label += fmt.Sprintf("\nof %d (%s)", s.total, percent(s.total, total))
	}
	fmt.Fprintf(b, "N%d [label=%s tooltip=%s fontsize=%d]\n", id, dotQuote(label), dotQuote(name), font)
}

func (g *callGraph) writeArrow(b *strings.Builder, a arrow, total int64) {
	fmt.Fprintf(b, "N%d -> N%d [label=\" %d\" weight=%d penwidth=%d", a.from+1, a.to+1, a.total,
		1+int(100*share(a.total, total)), 1+int(5*share(a.total, total)))
	if a.isGap {
		b.WriteString(" style=dotted")
	}
	b.WriteString("]\n")
}

func share(v, total int64) float64 {
	if total == 0 {
		return 0
	}
	return float64(v) / float64(total)
}

func percent(v, total int64) string {
	return strconv.FormatFloat(100*share(v, total), 'f', 2, 64) + "%"
}

// dotQuote quotes a string for graphviz, in which only quotes and backslashes
// are special. Other control characters would be drawn as they are.
func dotQuote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r < ' ' || r == 0x7f:
			b.WriteRune('\uFFFD')
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
