//go:build !linux

package confined

import "runtime"

// confine can do nothing here but say so.
func confine(*openRequest) (Report, error) {
	return Report{Problem: "processes are not confined on " + runtime.GOOS}, nil
}
