//go:build !linux

package cache

import (
	"io/fs"
	"os"
)

// fileState tells whether a file is still the one that was verified, as far as
// package os knows. The zero state is that of no file.
type fileState struct {
	exists      bool
	size, mtime int64 // mtime in ns
}

// stateOf returns the state of a regular file, or of no file if there is none.
func stateOf(path string) fileState {
	info, err := os.Stat(path)
	if err != nil {
		return fileState{}
	}
	return stateOfInfo(info)
}

// stateOfInfo is stateOf for an open file's description.
func stateOfInfo(info fs.FileInfo) fileState {
	if !info.Mode().IsRegular() {
		return fileState{}
	}
	return fileState{exists: true, size: info.Size(), mtime: info.ModTime().UnixNano()}
}

// diskBytes would return the size of the file system that holds the folder.
func diskBytes(string) (int64, bool) { return 0, false }
