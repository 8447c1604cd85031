//go:build !linux && !darwin && !freebsd

package space

import "errors"

func usageOf(string) (Usage, error) {
	return Usage{}, errors.New("not known on this system")
}
