package confined

import "syscall"

// childAttributes put a process into a group of its own, so that what is sent to the
// terminal's group is not for it, and end it with the thread that started it.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
