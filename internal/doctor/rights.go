package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"opensnoop/internal/kernel"
	"opensnoop/internal/trace"
)

// bpfCall judges what the kernel said to a BPF system call.
func bpfCall(s *System) Check {
	c := Check{Name: "BPF", Status: OK, Found: "the kernel takes BPF programs", errorText: "refuses BPF"}
	switch {
	case len(s.Capabilities.Missing(s.Version)) > 0:
		c.Status = Warn
		c.Found = "unknown: not tried without the capabilities"
		c.Meaning = "whether the kernel takes BPF programs shows only with them"
		c.Remedy = "run opensnoop doctor with sudo"
	case errors.Is(s.BPF, unix.EPERM):
		c.Status = Fail
		c.Found = "the kernel refuses BPF although the capabilities are there"
		c.Meaning = "no program can be loaded: " + whoRefuses(s.Root)
		c.Remedy = "run opensnoop on the host, as its root"
	case s.BPF != nil:
		c.Status = Fail
		c.Found = fmt.Sprintf("the kernel refuses BPF: %v", s.BPF)
		c.Meaning = "no program can be loaded"
		c.Remedy = "use a kernel built with CONFIG_BPF_SYSCALL and CONFIG_BPF_EVENTS, Linux 4.17 or newer"
	}
	return c
}

// whoRefuses names what forbids BPF to a process with all capabilities, as far as
// /proc tells: outside of the first user namespace they do not reach the kernel
// (user_namespaces(7)), and a container's seccomp filter often forbids bpf(2).
func whoRefuses(root fs.FS) string {
	var reasons []string
	if ids, err := text(root, "proc/self/uid_map"); err == nil && strings.Join(strings.Fields(ids), " ") != "0 0 4294967295" {
		reasons = append(reasons, "this is a user namespace, whose root is not the kernel's")
	}
	status, _ := text(root, "proc/self/status")
	for line := range strings.Lines(status) {
		if name, value, _ := strings.Cut(line, ":"); name == "Seccomp" && strings.TrimSpace(value) == "2" {
			reasons = append(reasons, "a seccomp filter is on, as in a container")
		}
	}
	if reasons == nil {
		return "a security module may forbid it"
	}
	return strings.Join(reasons, "; ")
}

// jit tells whether BPF programs are compiled to machine code.
func jit(root fs.FS) Check {
	c := Check{Name: "JIT", Status: OK}
	switch value, err := text(root, "proc/sys/net/core/bpf_jit_enable"); {
	case err != nil:
		c.Found = fmt.Sprintf("unknown: %v", err)
	case value == "0":
		c.Status = Warn
		c.Found = "off"
		c.Meaning = noJIT
		c.Remedy = "sysctl net.core.bpf_jit_enable=1"
	default:
		c.Found = "on"
	}
	return c
}

func capabilities(s *System) Check {
	c := Check{Name: "capabilities", errorText: "missing the capabilities"}
	missing := s.Capabilities.Missing(s.Version)
	switch {
	case len(missing) > 0:
		c.Status = Fail
		c.Found = "missing: " + strings.Join(missing, ", ")
		c.Meaning = "opensnoop may not trace"
		c.Remedy = kernel.GrantHelp(missing, s.Program)
	case s.Capabilities.Has(unix.CAP_SYS_ADMIN):
		c.Status = OK
		c.Found = "CAP_SYS_ADMIN"
	default:
		c.Status = OK
		c.Found = "CAP_BPF, CAP_PERFMON"
	}
	return c
}

// paranoid judges kernel.perf_event_paranoid. Up to its usual top, 2, it does not
// bind a process with CAP_PERFMON; the kernels of Debian and Ubuntu have levels
// above, at which only CAP_SYS_ADMIN helps.
func paranoid(s *System) Check {
	c := Check{Name: "perf_event_paranoid", Status: OK, errorText: "perf_event_paranoid"}
	value, err := text(s.Root, "proc/sys/kernel/perf_event_paranoid")
	if err != nil {
		c.Status = Fail
		c.Found = fmt.Sprintf("cannot be read: %v", err)
		c.Meaning = "without /proc, or on a kernel without CONFIG_PERF_EVENTS, there is no perf buffer to get the opens through"
		c.Remedy = "mount /proc, or use another kernel"
		return c
	}
	c.Found = value
	if level, err := strconv.Atoi(value); err == nil && level <= 2 || s.Capabilities.Has(unix.CAP_SYS_ADMIN) {
		return c
	}
	c.Status = Fail
	if len(s.Capabilities.Missing(s.Version)) > 0 {
		c.Status = Warn // for the time being, something else stands in the way
	}
	c.Meaning = "above 2, this kernel asks for CAP_SYS_ADMIN in place of CAP_PERFMON to open the perf buffers"
	c.Remedy = "run it with sudo, or set sysctl kernel.perf_event_paranoid=2"
	return c
}

// lockdown judges the kernel's lockdown mode: at confidentiality it forbids
// kprobes, and programs to read kernel memory (security/security.c).
func lockdown(root fs.FS) Check {
	c := Check{Name: "lockdown", Status: OK}
	modes, err := text(root, "sys/kernel/security/lockdown")
	if err != nil {
		c.Found = "unknown: no /sys/kernel/security/lockdown (the kernel has no lockdown, or securityfs is not mounted)"
		return c
	}
	_, mode, _ := strings.Cut(modes, "[")
	c.Found, _, _ = strings.Cut(mode, "]")
	if c.Found == "confidentiality" {
		c.Status = Fail
		c.Meaning = "the kernel lets no program read its memory, nor kprobes be attached"
		c.Remedy = "boot without lockdown=confidentiality"
	}
	return c
}

func unprivileged(root fs.FS) Check {
	c := Check{Name: "unprivileged_bpf_disabled", Status: OK}
	switch value, err := text(root, "proc/sys/kernel/unprivileged_bpf_disabled"); {
	case err != nil:
		c.Found = "not in this kernel; it does not bind who has the capabilities"
	default:
		c.Found = value + "; it does not bind who has the capabilities"
	}
	return c
}

func pointers(root fs.FS) Check {
	c := Check{Name: "kptr_restrict", Status: OK}
	switch value, err := text(root, "proc/sys/kernel/kptr_restrict"); {
	case err != nil:
		c.Found = "not in this kernel"
	default:
		c.Found = value + "; it hides addresses, of which opensnoop needs none"
	}
	return c
}

// lockedMemory compares the perf buffers of the default size, with a page of
// their own each, to what this user may lock: perf_event_mlock_kb for each CPU,
// and beyond it the process's limit (perf_mmap in kernel/events/core.c).
func lockedMemory(s *System) Check {
	c := Check{Name: "locked memory", Status: OK, errorText: "lock no more memory"}
	limit := "unlimited"
	if s.LockLimit != math.MaxUint64 {
		limit = fmt.Sprintf("%d KiB", s.LockLimit>>10)
	}
	c.Found = "the limit is " + limit
	if s.Capabilities.Has(unix.CAP_IPC_LOCK) || s.LockLimit == math.MaxUint64 {
		return c
	}
	free, _ := text(s.Root, "proc/sys/kernel/perf_event_mlock_kb")
	freeKB, _ := strconv.ParseUint(free, 10, 32)
	needed := uint64(s.CPUs) * (trace.DefaultBufferPages + 1) * uint64(s.PageSize)
	allowed := uint64(s.CPUs)*freeKB<<10 + s.LockLimit
	c.Found += fmt.Sprintf(", and with perf_event_mlock_kb of %d for each of %d CPUs %d KiB; the buffers take %d KiB",
		freeKB, s.CPUs, allowed>>10, needed>>10)
	if needed > allowed {
		c.Status = Warn
		c.Meaning = "the perf buffers are made smaller, and opens may be lost when there are very many"
		c.Remedy = "raise ulimit -l or sysctl kernel.perf_event_mlock_kb, or run it with sudo"
	}
	return c
}

// pidNamespace tells whether this is the first pid namespace, whose inode is fixed
// (PROC_PID_INIT_INO in include/linux/proc_ns.h). Linux 5.7 brought the helper
// that translates the kernel's process ids to another's (commit b4490c5c4e02).
func pidNamespace(root fs.FS, version kernel.Version) Check {
	const first = "pid:[4026531836]"
	c := Check{Name: "pid namespace", Status: OK}
	switch link, err := fs.ReadLink(root, "proc/self/ns/pid"); {
	case err != nil:
		c.Status = Warn
		c.Found = fmt.Sprintf("unknown: %v", err)
		c.Meaning = "the process ids shown may not be those of this namespace"
		c.Remedy = "mount /proc"
	case link == first:
		c.Found = "the first: no container"
	case version < kernel.NewVersion(5, 7, 0):
		c.Status = Fail
		c.Found = "one of its own, as in a container"
		c.Meaning = "the kernel cannot translate process ids to those of this namespace before Linux 5.7"
		c.Remedy = "run opensnoop on the host"
	default:
		c.Found = "one of its own, as in a container: its processes show with their ids in it, others with the kernel's"
	}
	return c
}
