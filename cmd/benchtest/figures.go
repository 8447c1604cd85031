package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"
)

// unit is what a figure is measured in.
type unit string

// The units.
const (
	millis     unit = "ms"
	nanos      unit = "ns"
	perSecond  unit = "/s"
	megabytes  unit = "MB"
	bytesEach  unit = "B"
	ratio      unit = "×"
	count      unit = ""
	cpuSeconds unit = "CPU s"
)

// isTime reports whether a slow machine has larger figures of the unit.
func (u unit) isTime() bool { return u == millis || u == nanos || u == cpuSeconds }

// figure is one measurement.
type figure struct {
	Value float64 `json:"value"`
	Unit  unit    `json:"unit"`
}

// figures are what a run measured, as they are kept in a file.
type figures struct {
	Taken   time.Time         `json:"taken"`
	Cores   int               `json:"cores"`
	Scale   string            `json:"scale"`
	Command string            `json:"command"`
	Figures map[string]figure `json:"figures"`

	out io.Writer
}

// machineFigure is the time of a fixed piece of work: how fast the machine is at the
// moment.
const machineFigure = "machine/fixed_work"

func newFigures(scale, command string, out io.Writer) *figures {
	return &figures{Taken: time.Now().UTC().Truncate(time.Second), Cores: runtime.NumCPU(), Scale: scale, Command: command, Figures: map[string]figure{}, out: out}
}

// put records a figure and prints it.
func (f *figures) put(name string, value float64, u unit) {
	f.Figures[name] = figure{value, u}
	fmt.Fprintf(f.out, "  %-52s %12.5g %s\n", name, value, u)
}

func (f *figures) putTime(name string, d time.Duration) {
	f.put(name, float64(d)/float64(time.Millisecond), millis)
}

func readFigures(file string) (*figures, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var f figures
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return &f, nil
}

func (f *figures) write(file string) error {
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o644) //nolint:gosec // no secret
}

// compare prints how the figures of both runs differ, and returns those that are
// worse by more than the tolerance, a factor. Times are held against the time that
// the machine took for the same work at each run.
func (f *figures) compare(last *figures, tolerance float64) (worse []string) {
	speed := 1.0
	if a, b := last.Figures[machineFigure].Value, f.Figures[machineFigure].Value; a > 0 && b > 0 {
		speed = b / a
	}
	fmt.Fprintf(f.out, "\ncompared with the figures of %s; the machine takes %.2f times as long for the same work\n", last.Taken.Format(time.DateTime), speed)
	if last.Scale != f.Scale || last.Cores != f.Cores {
		fmt.Fprintf(f.out, "not comparable: scale %s on %d cores then, %s on %d now\n", last.Scale, last.Cores, f.Scale, f.Cores)
		return nil
	}
	w := tabwriter.NewWriter(f.out, 2, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "figure\tthen\tnow\tunit\tworse by\t")
	for _, name := range slices.Sorted(maps.Keys(f.Figures)) {
		now := f.Figures[name]
		then, ok := last.Figures[name]
		if !ok || name == machineFigure {
			continue
		}
		factor := worseBy(then, now, speed)
		mark := ""
		if factor > tolerance {
			mark = " <"
			worse = append(worse, name)
		}
		fmt.Fprintf(w, "%s\t%.4g\t%.4g\t%s\t%.2f%s\t\n", name, then.Value, now.Value, now.Unit, factor, mark)
	}
	_ = w.Flush()
	return worse
}

// worseBy returns by which factor now is worse than then.
func worseBy(then, now figure, speed float64) float64 {
	a, b := then.Value, now.Value
	switch {
	case now.Unit.isTime():
		b /= speed
	case now.Unit == perSecond:
		a, b = b*speed, a
	}
	if a == b || a <= 0 {
		if b > a {
			return 1000 // from nothing to something
		}
		return 1
	}
	return b / a
}
