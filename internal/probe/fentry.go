package probe

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"

	"opensnoop/internal/event"
	"opensnoop/internal/kernel"
)

// fentry hooks the same functions as kprobe does by trampolines, which cost a third. With
// results the kernel's open function is hooked at its end alone: nothing is kept meanwhile.
//
// The kernel skips a program that runs already on the CPU, in another task that this one has
// preempted. Kprobes cannot be preempted, and programs by trampolines can.
var fentry = Probe{
	Name: "fentry",
	Available: func(root fs.FS) error {
		if err := kernel.Kprobes(root); err != nil {
			return err
		}
		// It has these since 5.5, later on other machines; but only the helper
		// bpf_task_pt_regs tells the arguments of a system call there.
		if version, err := kernel.CurrentVersion(); err != nil || version < kernel.NewVersion(5, 15, 0) {
			return errors.New("this kernel is older than 5.15")
		}
		return kernel.Trampolines(root)
	},
	Unfit: func(use Use) error {
		results := use.Fields.Has(event.Result)
		switch {
		case use.Fields&(event.Path|event.Exe|event.File) != 0:
			return errors.New("absolute paths are found by several programs, one after the other, which it cannot have")
		case use.Execs:
			return errors.New("it does not see programs that are executed")
		case results && !use.Named:
			return errors.New("with results it does not show calls that have not ended when tracing ends")
		case use.Named && !results:
			return nil // what is skipped is told
		}
		return preempted()
	},
	Macros: func(kernel.Version) []string { return []string{"PROBE_FENTRY"} },
	Forks:  &probedForks,
	Hooks: func(_ kernel.Version, results bool) []Hook {
		kind, end, handle := Fentry, "_enter", "openat2_enter"
		if results {
			kind, end, handle = Fexit, "_exit", "open_exit" // of as many arguments
		}
		hooks := []Hook{
			{Program: openNamed, Kind: kind, At: named},
			{Program: handle, Kind: kind, At: []string{"do_handle_open"}, Optional: true, Opens: true},
		}
		if results {
			hooks = append(hooks, sigreturns...)
		}
		for _, h := range openat2 {
			h.Kind, h.Program = kind, "openat2"+end
			hooks = append(hooks, h)
		}
		return append(hooks, Hook{Program: "open" + end, Kind: kind, At: []string{doSysOpenat2}, Opens: true})
	},
}

// preempted returns nil if the kernel is never preempted, else the reason: it may skip programs, and
// with results two of them have a CPU's memory for one call, one after the other. Where that is not
// known, it is taken for one that is.
func preempted() error {
	mode, err := kernel.CurrentPreemption()
	if err != nil {
		return fmt.Errorf("how this kernel is preempted is not known: %w", err)
	}
	if mode != kernel.PreemptNone && mode != kernel.PreemptVoluntary {
		return fmt.Errorf("this kernel can be preempted (preempt=%s), and its programs with it", mode)
	}
	return nil
}

// sigreturns see the ends of calls that a signal has interrupted. On x86-64 the names of system
// calls without arguments are others of functions that have no type by these.
var sigreturns = func() (hooks []Hook) {
	for _, at := range map[string][]string{
		"amd64": {"__do_sys_rt_sigreturn", "__do_compat_sys_sigreturn", "__do_compat_sys_rt_sigreturn", "__do_compat_sys_x32_rt_sigreturn"},
		"arm64": {"__arm64_sys_rt_sigreturn", "__arm64_compat_sys_sigreturn", "__arm64_compat_sys_rt_sigreturn"},
	}[runtime.GOARCH] {
		hooks = append(hooks, Hook{Program: "sigreturn_exit", Kind: Fexit, At: []string{at}, Optional: true, Quiet: true})
	}
	return hooks
}()

// Functions are those that hooks attach to by trampolines: the kernel's types have to tell their
// numbers.
func Functions(hooks []Hook) []string {
	var functions []string
	for _, h := range hooks {
		if h.Trampoline() {
			functions = append(functions, h.At...)
		}
	}
	slices.Sort(functions)
	return slices.Compact(functions)
}
