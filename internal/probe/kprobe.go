package probe

import "opensnoop/internal/kernel"

// kprobe hooks the kernel function that all opens by system call go through.
var kprobe = Probe{
	Name:      "kprobe",
	Title:     func(at string) string { return "kprobe on " + at },
	Available: kernel.Kprobes,
	Macros: func(version kernel.Version) []string {
		macros := []string{"PROBE_KPROBE"}
		if OpenSymbol(version) == doSysOpen {
			macros = append(macros, "DO_SYS_OPEN")
		}
		return macros
	},
	Hooks: func(version kernel.Version, results bool) []Hook {
		enter := Hook{Program: "open_enter", Kind: Kprobe, At: []string{OpenSymbol(version)}}
		if results {
			return []Hook{{Program: "syscall_exit", Kind: RawTracepoint, At: []string{"sys_exit"}}, enter}
		}
		return []Hook{
			{Program: "open_return", Kind: Kretprobe, At: []string{OpenSymbol(version)}, Quiet: true},
			// Without it a name that is not in memory at entry is read at the
			// return, which the kernel may skip when many calls are blocked.
			{Program: "open_named", Kind: Kprobe, At: []string{"do_filp_open"}, Optional: true},
			enter,
		}
	},
}

const doSysOpen = "do_sys_open"

// OpenSymbol is the name of the kernel function to hook in a kernel of that version:
// every open by system call, native or 32-bit, comes through it. Linux 5.6 brought
// do_sys_openat2 (commit fddb5d430ad9); before, it was do_sys_open.
func OpenSymbol(version kernel.Version) string {
	if version < kernel.NewVersion(5, 6, 0) {
		return doSysOpen
	}
	return "do_sys_openat2"
}
