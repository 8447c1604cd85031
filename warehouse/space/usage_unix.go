//go:build linux || darwin || freebsd

package space

import (
	"os"
	"syscall"
)

// usageOf asks the system for the room on a folder's file system.
func usageOf(path string) (Usage, error) {
	var st syscall.Statfs_t
	err := syscall.Statfs(path, &st)
	for err == syscall.EINTR {
		err = syscall.Statfs(path, &st)
	}
	if err != nil {
		return Usage{}, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	u := Usage{Free: int64(st.Bavail) * int64(st.Bsize), Total: int64(st.Blocks) * int64(st.Bsize)} //nolint:unconvert,gosec // of other types on other systems
	if info, err := os.Stat(path); err == nil {
		if sys, ok := info.Sys().(*syscall.Stat_t); ok {
			u.ID = uint64(sys.Dev) //nolint:unconvert,gosec // likewise
		}
	}
	return u, nil
}
