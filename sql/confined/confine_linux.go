package confined

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"unsafe"

	"github.com/landlock-lsm/go-landlock/landlock"
	llsys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// confine gives up everything that answering does not need, in all threads there are;
// later ones inherit it. What the kernel does not have is left out and reported; what
// it has and refuses is an error.
func confine(req *openRequest) (Report, error) {
	var report Report
	if err := limitResources(req); err != nil {
		return report, err
	}
	beNice(req.Niceness)
	if err := restrictFiles(req, &report); err != nil {
		return report, fmt.Errorf("landlock: %w", err)
	}
	if err := dropCapabilities(); err != nil {
		return report, fmt.Errorf("drop capabilities: %w", err)
	}
	if err := filterCalls(&report); err != nil {
		return report, fmt.Errorf("seccomp: %w", err)
	}
	return report, nil
}

// openFiles is the most files at once: those of a statement, a few hundred.
const openFiles = 16384

// limitResources sets limits that only a privileged process could raise again. There
// is no limit of processes: it would count those of all of the user's; none can be
// started anyway.
func limitResources(req *openRequest) error {
	limits := map[int]uint64{
		unix.RLIMIT_CORE: 0, unix.RLIMIT_NOFILE: openFiles, unix.RLIMIT_MEMLOCK: 0, unix.RLIMIT_MSGQUEUE: 0,
	}
	if req.DataBytes > 0 {
		limits[unix.RLIMIT_DATA] = uint64(req.DataBytes)
	}
	if req.MaxTempBytes > 0 {
		limits[unix.RLIMIT_FSIZE] = uint64(req.MaxTempBytes)
	}
	for which, most := range limits {
		var had unix.Rlimit
		if err := unix.Getrlimit(which, &had); err != nil {
			return fmt.Errorf("limit %d: %w", which, err)
		}
		most = min(most, had.Max)
		if err := unix.Setrlimit(which, &unix.Rlimit{Cur: most, Max: most}); err != nil {
			return fmt.Errorf("limit %d to %d: %w", which, most, err)
		}
	}
	return nil
}

// beNice lowers the priority of every thread. Failing is no harm.
func beNice(by int) {
	tasks, _ := os.ReadDir("/proc/self/task")
	for _, t := range tasks {
		if id, err := strconv.Atoi(t.Name()); err == nil {
			_ = unix.Setpriority(unix.PRIO_PROCESS, id, by)
		}
	}
}

// DuckDB looks there for the machine's limits when it opens, and does not bear being
// refused. They tell nothing of other processes.
var (
	systemFiles = []string{"/proc/self/cgroup", "/proc/self/mountinfo", "/proc/meminfo", "/sys/devices/system/cpu/online"}
	systemDirs  = []string{"/sys/fs/cgroup"}
)

// restrictFiles leaves the folders that the instance reads and its temporary one; and
// no way to bind or connect, or to reach processes outside, where Landlock knows of it.
func restrictFiles(req *openRequest, report *Report) error {
	version, err := llsys.LandlockGetABIVersion()
	if err != nil || version <= 0 {
		report.Problem = "the kernel has no Landlock: other files are kept from the process by DuckDB's settings alone"
		return setNoNewPrivileges()
	}
	rules := []landlock.Rule{
		landlock.RODirs(req.ReadDirs...).IgnoreIfMissing(),
		landlock.ROFiles(systemFiles...).IgnoreIfMissing(),
		landlock.RODirs(systemDirs...).IgnoreIfMissing(),
	}
	if req.TempDir != "" {
		rules = append(rules, landlock.RWDirs(req.TempDir))
	}
	report.Landlock = version
	return landlock.V6.BestEffort().Restrict(rules...)
}

func setNoNewPrivileges() error {
	if _, _, errno := psx.Syscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// dropCapabilities takes root's powers from a process that runs as root.
func dropCapabilities() error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	_, _, errno := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&none)), 0) //nolint:gosec // the call's arguments
	runtime.KeepAlive(&head)
	runtime.KeepAlive(&none)
	if errno != 0 {
		return errno
	}
	return nil
}
