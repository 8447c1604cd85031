//go:build !unix

package cache

import "os"

// mapFile returns a file's bytes, and what ends their use.
func mapFile(path string) (data []byte, unmap func(), err error) {
	data, err = os.ReadFile(path)
	return data, func() {}, err
}
