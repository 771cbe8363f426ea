package probe

import (
	"io/fs"

	"opensnoop/internal/kernel"
)

// tracepoint hooks the entry and exit of every system call, by the raw tracepoints
// sys_enter and sys_exit. It slows all system calls a little.
var tracepoint = Probe{
	Name:      "tracepoint",
	Title:     "raw tracepoints sys_enter and sys_exit",
	Available: func(fs.FS) error { return nil },
	Slows:     true,
	Macros:    func(kernel.Version) []string { return []string{"PROBE_TRACEPOINT"} },
	Forks:     &tracedForks,
	Hooks: func(kernel.Version, bool) []Hook {
		return []Hook{
			{Program: "syscall_exit", Kind: RawTracepoint, At: []string{"sys_exit"}, Quiet: true, Ends: true},
			{Program: "syscall_enter", Kind: RawTracepoint, At: []string{"sys_enter"}, Calls: true},
		}
	},
}
