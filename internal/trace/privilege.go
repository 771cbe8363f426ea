package trace

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"opensnoop/internal/bcc"
)

// capability is one of capabilities(7).
type capability struct {
	bit  uint
	name string
}

var (
	capSysAdmin = capability{unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN"}
	capPerfmon  = capability{unix.CAP_PERFMON, "CAP_PERFMON"}
	capBPF      = capability{unix.CAP_BPF, "CAP_BPF"}
)

// missingCapabilities returns the names of what lacks in the set effective, a
// bit each, to trace on a kernel of that version code. Linux 5.8 split CAP_BPF
// and CAP_PERFMON from CAP_SYS_ADMIN, which still stands for both.
func missingCapabilities(effective uint64, version uint32) []string {
	has := func(c capability) bool { return effective&(1<<c.bit) != 0 }
	if has(capSysAdmin) {
		return nil
	}
	if version < 5<<16|8<<8 {
		return []string{capSysAdmin.name}
	}
	var missing []string
	for _, c := range []capability{capBPF, capPerfmon} {
		if !has(c) {
			missing = append(missing, c.name)
		}
	}
	return missing
}

// checkPrivilege returns an error that names what this process lacks to trace,
// before anything is tried that would fail for it.
func checkPrivilege(version uint32) error {
	var data [2]unix.CapUserData
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("reading the process's capabilities: %w", err)
	}
	effective := uint64(data[0].Effective) | uint64(data[1].Effective)<<32
	if missing := missingCapabilities(effective, version); len(missing) > 0 {
		names := make([]string, len(missing))
		for i, name := range missing {
			names[i] = strings.ToLower(name)
		}
		program, err := os.Executable()
		if err != nil {
			program = "opensnoop"
		}
		return fmt.Errorf("missing the capabilities to trace: %s; run it with sudo, or grant them once with: sudo setcap %s+ep %s",
			strings.Join(missing, ", "), strings.Join(names, ","), program)
	}
	err := bcc.KernelRefuses()
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("the kernel refuses BPF although the capabilities are there: %w; "+
			"a user namespace, a container's seccomp filter or kernel lockdown does that; run it on the host, as its root", err)
	}
	if err != nil {
		return fmt.Errorf("the kernel refuses BPF: %w; it needs CONFIG_BPF_SYSCALL and Linux 4.17 or newer", err)
	}
	return nil
}
