package probe

import "opensnoop/internal/kernel"

// tracepoint hooks the entry and exit of every system call, by the raw tracepoints
// sys_enter and sys_exit. It slows all system calls a little. Perf's tracepoints of one call each
// (syscalls:sys_enter_openat) slow others by half of that, 60 ns of 150, but an open by 150 more;
// they also need tracefs, and do not see 32-bit calls.
var tracepoint = Probe{
	Name:       "tracepoint",
	Title:      "raw tracepoints sys_enter and sys_exit",
	Detect:     func(*kernel.Facts) error { return nil },
	GlobalCost: true,
	Skipped:    "the kernel skipped the BPF program where it had preempted it; --probe kprobe is not skipped then",
	Macros:     func(*kernel.Facts) []string { return []string{"PROBE_TRACEPOINT"} },
	Forks:      &tracedForks,
	Hooks: func(*kernel.Facts, bool) []Hook {
		return []Hook{
			{Program: "syscall_exit", Kind: RawTracepoint, At: []string{"sys_exit"}, Hidden: true, Ends: true},
			{Program: "syscall_enter", Kind: RawTracepoint, At: []string{"sys_enter"}, Calls: true},
		}
	},
}
