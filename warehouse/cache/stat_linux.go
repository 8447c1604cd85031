package cache

import (
	"errors"
	"io/fs"
	"syscall"
)

// fileState tells whether a file is still the one that was verified. The zero
// state is that of no file.
type fileState struct {
	inode, size  int64
	mtime, ctime int64 // ns
}

// stateOf returns the state of a regular file, or of no file if there is none.
func stateOf(path string) fileState {
	var st syscall.Stat_t
	err := syscall.Stat(path, &st)
	for errors.Is(err, syscall.EINTR) {
		err = syscall.Stat(path, &st)
	}
	if err != nil || st.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return fileState{}
	}
	return stateOfStat(&st)
}

// stateOfInfo is stateOf for an open file's description.
func stateOfInfo(info fs.FileInfo) fileState {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.Mode().IsRegular() {
		return fileState{}
	}
	return stateOfStat(st)
}

func stateOfStat(st *syscall.Stat_t) fileState {
	return fileState{
		inode: int64(st.Ino), size: st.Size,
		mtime: st.Mtim.Nano(), ctime: st.Ctim.Nano(),
	}
}

// diskBytes returns the size of the file system that holds the folder.
func diskBytes(dir string) (int64, bool) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, false
	}
	return int64(st.Blocks) * st.Bsize, true
}
