package compactor

import "syscall"

// relax lets the system take the memory of a mapped file's pages, which are read
// again if they are asked for.
func relax(data []byte) {
	if len(data) > 0 {
		_ = syscall.Madvise(data, syscall.MADV_DONTNEED)
	}
}
