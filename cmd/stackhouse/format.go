package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// formats are the versions of what a data directory holds, by name.
//
// Format: FORMAT is text, a fixed first line and one "name version" a line,
// sorted by name. A name that a reader does not know is as a newer version.
type formats map[string]int

const formatHeader = "stackhouse data directory"

// String returns the text of the FORMAT file.
func (f formats) String() string {
	lines := []string{formatHeader}
	for name, version := range f {
		lines = append(lines, fmt.Sprintf("%s %d", name, version))
	}
	slices.Sort(lines[1:])
	return strings.Join(lines, "\n") + "\n"
}

func parseFormats(text string) (formats, error) {
	header, rest, ok := strings.Cut(text, "\n")
	if !ok || header != formatHeader {
		return nil, fmt.Errorf("want %q in the first line, not %.40q", formatHeader, header)
	}
	f := formats{}
	for line := range strings.Lines(rest) {
		name, number, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		version, err := strconv.Atoi(number)
		if err != nil || version < 1 || name == "" {
			return nil, fmt.Errorf("want a name and a version, not %.40q", line)
		}
		f[name] = version
	}
	return f, nil
}

// readableBy returns an error that names both versions of everything in f that
// is newer than what the program reads.
func (f formats) readableBy(program formats) error {
	var newer []string
	for name, version := range f {
		switch ours := program[name]; {
		case ours == 0:
			newer = append(newer, fmt.Sprintf("%s format %d, which this one does not know", name, version))
		case version > ours:
			newer = append(newer, fmt.Sprintf("%s format %d, this one reads up to %d", name, version, ours))
		}
	}
	if newer == nil {
		return nil
	}
	slices.Sort(newer)
	return fmt.Errorf("it has %s", strings.Join(newer, ", "))
}
