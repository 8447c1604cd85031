package confined

import (
	"os"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"
)

// refusedCalls are system calls that answering needs none of: new programs and
// processes, other processes, sockets, the system's settings, and interfaces of the
// kernel that are large and seldom looked at.
var refusedCalls = []string{
	"execve", "execveat", "fork", "vfork",
	"ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_open", "pidfd_getfd", "pidfd_send_signal",
	"kill", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo",
	"socket", "socketpair", "bind", "listen", "accept", "accept4", "connect", "sendto", "sendmsg", "sendmmsg",
	"shmget", "shmat", "shmctl", "msgget", "msgsnd", "msgrcv", "semget", "semop", "mq_open", "mq_unlink",
	"mount", "umount2", "pivot_root", "chroot", "unshare", "setns", "move_mount", "open_tree", "fsopen", "fsmount", "fsconfig",
	"init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff", "acct", "quotactl",
	"bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register", "add_key", "request_key", "keyctl",
	"setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "setfsuid", "setfsgid", "capset",
	"settimeofday", "clock_settime", "adjtimex", "clock_adjtime", "sethostname", "setdomainname", "syslog", "vhangup",
	"open_by_handle_at", "name_to_handle_at", "fanotify_init", "inotify_init", "inotify_init1", "lookup_dcookie", "personality", "iopl", "ioperm",
	"mknod", "mknodat", "chmod", "fchmod", "fchmodat", "chown", "fchown", "lchown", "fchownat", "setxattr", "lsetxattr", "fsetxattr",
	"memfd_create", "memfd_secret",
}

// filterCalls refuses them with EPERM. clone makes threads only: clone3, whose
// arguments a filter cannot see, does not exist, whereupon the C library uses clone.
// Threads signal those of their own process, as Go's scheduler does, and no other.
func filterCalls(report *Report) error {
	if !seccomp.Supported() {
		if report.Problem == "" {
			report.Problem = "the kernel has no seccomp: system calls are not filtered"
		}
		return nil
	}
	eperm := seccomp.ActionErrno | seccomp.Action(unix.EPERM)
	enosys := seccomp.ActionErrno | seccomp.Action(unix.ENOSYS)
	err := seccomp.LoadFilter(seccomp.Filter{
		NoNewPrivs: true,
		Flag:       seccomp.FilterFlagTSync,
		Policy: seccomp.Policy{
			DefaultAction: seccomp.ActionAllow,
			Syscalls: []seccomp.SyscallGroup{
				{Action: enosys, Names: []string{"clone3"}},
				{Action: eperm, Names: knownCalls(), NamesWithCondtions: []seccomp.NameWithConditions{
					{Name: "clone", Conditions: seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.BitsNotSet, Value: unix.CLONE_THREAD}}},
					{Name: "tgkill", Conditions: seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.NotEqual, Value: uint64(os.Getpid())}}}, //nolint:gosec // pids are positive
				}},
			},
		},
	})
	if err != nil {
		return err
	}
	report.Seccomp = true
	return nil
}

// knownCalls are the refused calls that this processor's table has.
func knownCalls() (names []string) {
	for _, name := range refusedCalls {
		group := seccomp.SyscallGroup{Action: seccomp.ActionErrno, Names: []string{name}}
		policy := seccomp.Policy{DefaultAction: seccomp.ActionAllow, Syscalls: []seccomp.SyscallGroup{group}}
		if _, err := policy.Assemble(); err == nil {
			names = append(names, name)
		}
	}
	return names
}
