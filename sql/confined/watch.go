package confined

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// residentBytes returns the memory that a process has, 0 if that is not known.
func residentBytes(pid int) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// isOutOfMemory reports whether a process that died said that it had no memory left:
// the Go runtime and the C++ library each have their words for it.
func isOutOfMemory(said string) bool {
	for _, words := range []string{"out of memory", "cannot allocate memory", "std::bad_alloc", "pthread_create failed"} {
		if strings.Contains(said, words) {
			return true
		}
	}
	return false
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}
