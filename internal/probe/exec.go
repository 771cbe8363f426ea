package probe

import "runtime"

// Exec is what ends the calls of programs that are executed, and reads their arguments.
var Exec = Hook{Program: "task_exec", Kind: RawTracepoint, At: []string{"sched_process_exec"}, Quiet: true}

// execs are what kprobes see executed: the system calls, and what the kernel opens besides.
var execs = append([]Hook{
	{Program: "exec_open", Kind: Kprobe, At: []string{"open_exec"}, Opens: true},
	{Program: "exec_loader", Kind: Kprobe, At: []string{"bprm_open_interpreter"}, Optional: true, Quiet: true, Opens: true},
}, execDoors[runtime.GOARCH]...)

var execDoors = map[string][]Hook{
	"amd64": {
		execDoor("__x64_sys_execve", false), execDoor("__x64_sys_execveat", false),
		execDoor("__ia32_compat_sys_execve", true), execDoor("__ia32_compat_sys_execveat", true),
		execDoor("__x32_compat_sys_execve", true), execDoor("__x32_compat_sys_execveat", true),
	},
	"arm64": {
		execDoor("__arm64_sys_execve", false), execDoor("__arm64_sys_execveat", false),
		execDoor("__arm64_compat_sys_execve", true), execDoor("__arm64_compat_sys_execveat", true),
	},
}

func execDoor(at string, optional bool) Hook {
	return Hook{Program: "exec_enter", Kind: Kprobe, At: []string{at}, Optional: optional, Quiet: true, Opens: true}
}
