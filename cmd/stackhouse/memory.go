package main

import (
	"bufio"
	"bytes"
	"math"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// availableMemory returns the bytes of memory that the process may use: the
// host's, or what the tightest of its control groups allows. It returns
// fallbackMemory where neither can be read.
//
// root is "/" except in tests.
func availableMemory(root string) int64 {
	limit := hostMemory(filepath.Join(root, "proc/meminfo"))
	for _, file := range cgroupLimitFiles(filepath.Join(root, "proc/self/cgroup")) {
		limit = min(limit, cgroupLimit(filepath.Join(root, file)))
	}
	if limit == math.MaxInt64 {
		return fallbackMemory
	}
	return limit
}

// fallbackMemory is assumed on systems without /proc.
const fallbackMemory = 4 << 30

func hostMemory(file string) int64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return math.MaxInt64
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 3 && fields[0] == "MemTotal:" && fields[2] == "kB" {
			if kib, err := strconv.ParseInt(fields[1], 10, 64); err == nil && kib > 0 && kib < math.MaxInt64>>10 {
				return kib << 10
			}
		}
	}
	return math.MaxInt64
}

// cgroupLimitFiles names the files that may hold a memory limit of the process,
// for both versions of control groups: the group's own and all groups' above.
// Inside a container the own group usually is the visible root.
func cgroupLimitFiles(self string) []string {
	text, err := os.ReadFile(self)
	if err != nil {
		return nil
	}
	var files []string
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		parts := strings.SplitN(lines.Text(), ":", 3) // id:controllers:path
		if len(parts) != 3 {
			continue
		}
		base, name := "sys/fs/cgroup", "memory.max"
		switch {
		case parts[1] == "memory":
			base, name = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		case parts[1] != "":
			continue
		}
		for group := path.Clean("/" + parts[2]); ; group = path.Dir(group) {
			files = append(files, path.Join(base, group, name))
			if group == "/" {
				break
			}
		}
	}
	return files
}

// cgroupLimit returns the limit in a file, or MaxInt64 for none: version 2 says
// "max", version 1 a number that no machine has.
func cgroupLimit(file string) int64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return math.MaxInt64
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n <= 0 {
		return math.MaxInt64
	}
	return n
}
