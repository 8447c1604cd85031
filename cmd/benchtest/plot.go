package main

import (
	"bytes"
	"fmt"
	"math"
)

// plot is a picture of lines over logarithmic axes.
type plot struct {
	title, x, y string
	lines       []line
}

type line struct {
	name   string
	points [][2]float64 // all above 0
}

var colours = []string{"#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#7f7f7f"}

// svg draws the plot.
func (p *plot) svg() []byte {
	const (
		width, height            = 860, 420
		left, right, top, bottom = 60, 300, 40, 50
	)
	minX, maxX, minY, maxY := math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for _, l := range p.lines {
		for _, pt := range l.points {
			minX, maxX, minY, maxY = min(minX, pt[0]), max(maxX, pt[0]), min(minY, pt[1]), max(maxY, pt[1])
		}
	}
	minY, maxY = math.Pow(10, math.Floor(math.Log10(minY))), math.Pow(10, math.Ceil(math.Log10(maxY)))
	place := func(v, low, high, from, to float64) float64 {
		if high == low {
			return from
		}
		return from + (to-from)*(math.Log(v)-math.Log(low))/(math.Log(high)-math.Log(low))
	}
	px := func(v float64) float64 { return place(v, minX, maxX, left, width-right) }
	py := func(v float64) float64 { return place(v, minY, maxY, height-bottom, top) }
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/><text x="%d" y="22" font-size="15">%s</text>`+"\n", left, p.title)
	for v := minY; v <= maxY*1.001; v *= 10 {
		fmt.Fprintf(&b, `<path d="M%d %.1fH%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%g %s</text>`+"\n", left, py(v), width-right, left-6, py(v)+4, v, p.y)
	}
	for _, pt := range p.lines[0].points {
		fmt.Fprintf(&b, `<path d="M%.1f %dV%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle">%g</text>`+"\n", px(pt[0]), top, height-bottom, px(pt[0]), height-bottom+18, pt[0])
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", (left+width-right)/2, height-12, p.x)
	for i, l := range p.lines {
		colour := colours[i%len(colours)]
		fmt.Fprintf(&b, `<polyline fill="none" stroke="%s" stroke-width="2" points="`, colour)
		for _, pt := range l.points {
			fmt.Fprintf(&b, "%.1f,%.1f ", px(pt[0]), py(pt[1]))
		}
		b.WriteString(`"/>` + "\n")
		for _, pt := range l.points {
			fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", px(pt[0]), py(pt[1]), colour)
		}
		y := top + 20*i
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="12" height="12" fill="%s"/><text x="%d" y="%d">%s</text>`+"\n", width-right+20, y, colour, width-right+38, y+11, l.name)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}
