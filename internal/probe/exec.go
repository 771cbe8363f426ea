package probe

import (
	"fmt"
	"strings"
)

// Exec is what ends the calls of programs that are executed, and reads their arguments.
var Exec = Hook{Program: "task_exec", Kind: RawTracepoint, At: []string{"sched_process_exec"}, Hidden: true}

// execs are what kprobes see executed: the system calls, and what the kernel opens besides.
func execs(arch string) []Hook {
	hooks := []Hook{
		{Program: "exec_open", Kind: Kprobe, At: []string{"open_exec"}, Opens: true},
		{Program: "exec_loader", Kind: Kprobe, At: []string{"bprm_open_interpreter"}, Optional: true, Hidden: true, Opens: true},
	}
	for _, at := range map[string][]string{
		"amd64": {"__x64_sys_%s", "__ia32_compat_sys_%s", "__x32_compat_sys_%s"},
		"arm64": {"__arm64_sys_%s", "__arm64_compat_sys_%s"},
	}[arch] {
		for _, call := range []string{"execve", "execveat"} {
			hooks = append(hooks, Hook{
				Program: "exec_enter", Kind: Kprobe, At: []string{fmt.Sprintf(at, call)},
				Optional: strings.Contains(at, "compat"), Hidden: true, Opens: true,
			})
		}
	}
	return hooks
}
