package probe

import (
	"errors"
	"fmt"
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
	Name:    "fentry",
	Skipped: "the kernel skipped the BPF program where it had preempted it; --probe kprobe is not skipped then",
	Detect: func(f *kernel.Facts) error {
		// Kernels without kprobes refuse these too. It has these since 5.5, later on other machines;
		// but only the helper bpf_task_pt_regs tells the arguments of a system call there.
		switch {
		case f.Kprobes != nil:
			return f.Kprobes
		case f.Version < kernel.NewVersion(5, 15, 0):
			return errors.New("this kernel is older than 5.15")
		}
		return f.Trampolines
	},
	Supports: func(r Request, f *kernel.Facts) error {
		results := r.Fields.Has(event.Result)
		switch {
		case r.Fields&(event.Path|event.Exe|event.File) != 0:
			return errors.New("absolute paths are found by several programs, one after the other, which it cannot have")
		case r.Fields.Has(event.Took):
			return errors.New("it sees opens when they end, and not how long they took")
		case r.Lookups:
			return errLookups
		case r.Execs:
			return errors.New("it does not see programs that are executed")
		case results && !r.Named:
			return errors.New("with results it does not show calls that have not ended when tracing ends")
		case r.Named && !results:
			return nil // what is skipped is told
		}
		return preempted(f)
	},
	Macros: func(*kernel.Facts) []string { return []string{"PROBE_FENTRY"} },
	Forks:  &probedForks,
	Hooks: func(f *kernel.Facts, results bool) []Hook {
		kind, end, handle, byName := Fentry, "_enter", "openat2_enter", openNamed
		if results {
			kind, end, handle, byName = Fexit, "_exit", "open_exit", "named_exit" // of as many arguments
		}
		hooks := []Hook{
			{Program: byName, Kind: kind, At: named},
			{Program: handle, Kind: kind, At: []string{"do_handle_open"}, Optional: true, Opens: true},
		}
		if results {
			hooks = append(hooks, sigreturns(f.Arch)...)
		}
		for _, h := range openat2(f.Arch) {
			h.Kind, h.Program = kind, "openat2"+end
			hooks = append(hooks, h)
		}
		return append(hooks, Hook{Program: "open" + end, Kind: kind, At: []string{doSysOpenat2}, Opens: true})
	},
}

// preempted returns nil if the kernel is never preempted, else the reason: it may skip programs, and
// with results two of them have a CPU's memory for one call, one after the other. Where that is not
// known, it is taken for one that is.
func preempted(f *kernel.Facts) error {
	if f.PreemptionErr != nil {
		return fmt.Errorf("how this kernel is preempted is not known: %w", f.PreemptionErr)
	}
	if mode := f.Preemption; mode != kernel.PreemptNone && mode != kernel.PreemptVoluntary {
		return fmt.Errorf("this kernel can be preempted (preempt=%s), and its programs with it", mode)
	}
	return nil
}

// sigreturns see the ends of calls that a signal has interrupted. On x86-64 the names of system
// calls without arguments are others of functions that have no type by these.
func sigreturns(arch string) (hooks []Hook) {
	for _, at := range map[string][]string{
		"amd64": {"__do_sys_rt_sigreturn", "__do_compat_sys_sigreturn", "__do_compat_sys_rt_sigreturn", "__do_compat_sys_x32_rt_sigreturn"},
		"arm64": {"__arm64_sys_rt_sigreturn", "__arm64_compat_sys_sigreturn", "__arm64_compat_sys_rt_sigreturn"},
	}[arch] {
		hooks = append(hooks, Hook{Program: "sigreturn_exit", Kind: Fexit, At: []string{at}, Optional: true, Hidden: true})
	}
	return hooks
}

// Functions are those that hooks attach to by trampolines, or that their programs call: the kernel's
// types have to tell their numbers.
func Functions(hooks []Hook) []string {
	var functions []string
	for _, h := range hooks {
		if h.Trampoline() {
			functions = append(functions, h.At...)
		}
		if h.Kind == KprobeSession {
			functions = append(functions, SessionIsReturn)
			functions = append(functions, h.At...)
		}
	}
	slices.Sort(functions)
	return slices.Compact(functions)
}
