package probe

import (
	"errors"
	"fmt"
	"slices"

	"opensnoop/internal/event"
	"opensnoop/internal/kernel"
)

// fentry hooks the same functions as kprobe does by trampolines, which cost a third, and with results
// their returns. There the end of a call is seen, so that no other system call is hooked.
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
		case r.Lookups:
			return errLookups
		case r.Execs:
			return errors.New("it does not see programs that are executed")
		case results && r.Gated:
			// A function whose trampoline changes is left without the programs at its return.
			return errors.New("with results it does not see how calls end that are under way when another session begins")
		case r.Named && !results:
			return nil // what is skipped is told
		}
		return preempted(f)
	},
	Macros: func(*kernel.Facts) []string { return []string{"PROBE_FENTRY", "TYPED_PARMS"} },
	Forks:  &probedForks,
	Hooks: func(f *kernel.Facts, results bool) (hooks []Hook) {
		entries := []Hook{
			{Program: openNamed, Kind: Fentry, At: named, SetsFlag: CopiedNames},
			{Program: "openat2_enter", Kind: Fentry, At: []string{"do_handle_open"}, Optional: true, Opens: true},
		}
		for _, h := range openat2(f.Arch) {
			h.Kind = Fentry
			entries = append(entries, h)
		}
		entries = append(entries, Hook{Program: "open_enter", Kind: Fentry, At: []string{doSysOpenat2}, Opens: true})
		if !results {
			return entries
		}
		for _, h := range entries[1:] {
			program := "open_exit" // of functions of as many arguments
			if h.SetsFlag != 0 {
				program = "openat2_exit"
			}
			hooks = append(hooks, Hook{Program: program, Kind: Fexit, At: h.At, Optional: h.Optional, Hidden: h.Hidden})
		}
		return slices.Concat(hooks, sigreturns(f.Arch), entries)
	},
}

// preempted returns nil if the kernel is never preempted, else the reason: it may skip programs. Where
// that is not known, it is taken for one that is.
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
