package probe

import (
	"errors"

	"opensnoop/internal/event"
	"opensnoop/internal/kernel"
)

// SessionIsReturn is the kernel's function that tells programs of sessions the return from the entry.
const SessionIsReturn = "bpf_session_is_return"

// session hooks the entry and the return of the functions that kprobe hooks by kprobe sessions, for
// results: no other system call is slowed. It cannot be preempted.
//
// Sessions came with Linux 6.10. Since 6.14 they have room for all calls under way: each task has a
// stack of its own for their returns. Before, there is room for as many as user space asks for.
var session = Probe{
	Name:    "session",
	Skipped: "other BPF code ran on their CPU, or too many were under way; --probe tracepoint sees them then",
	Detect: func(f *kernel.Facts) error {
		switch {
		case f.Kprobes != nil:
			return f.Kprobes
		case f.Arch != "amd64":
			return errors.New("it has been tried on x86-64 alone")
		case f.Version < kernel.NewVersion(6, 10, 0):
			return errors.New("this kernel is older than 6.10")
		}
		return f.Trampolines // it needs the same: types, and the tracing of functions
	},
	Supports: func(r Request, f *kernel.Facts) error {
		switch {
		case f.Version < kernel.NewVersion(6, 14, 0) && !r.Named && preempted(f) == nil:
			return errors.New("before Linux 6.14 it is for kernels that can be preempted")
		case r.Lookups:
			return errLookups
		case r.Execs:
			return errors.New("it does not see programs that are executed")
		case !r.Fields.Has(event.Result) && !r.Named:
			return errors.New("it is for results; without them --probe kprobe costs less")
		case r.Fields&(event.Path|event.Exe|event.File) != 0:
			return errors.New("absolute paths are found by several programs, one after the other, which it has not")
		}
		return nil
	},
	Macros:    func(f *kernel.Facts) []string { return append(kprobe.Macros(f), "PROBE_SESSION") },
	Forks:     &probedForks,
	Unstacked: true,
	Hooks:     func(f *kernel.Facts, _ bool) []Hook { return sessionHooks(f) },
	// The return is attached before the function where calls begin, without which there are none.
	BeginNamed: func(f *kernel.Facts) []Hook {
		if f.Version < kernel.NewVersion(7, 0, 0) {
			return nil
		}
		hooks := sessionHooks(f)
		begin, open := hooks[0], &hooks[len(hooks)-1]
		begin.Optional = false
		open.Program, open.Kind = "open_end", KretprobeMulti
		return append(hooks[1:], begin)
	},
}

// sessionHooks are those of the probe: first that at the kernel's copy of a name, last that at the open
// function.
func sessionHooks(f *kernel.Facts) []Hook {
	// By ftrace it costs less, but between 6.14 and 7.0: there that, too, takes a stack of the thread's
	// for returns. A trampoline costs least, but its program is skipped where it has been preempted.
	kind := KprobeMulti
	if f.Version >= kernel.NewVersion(6, 14, 0) && f.Version < kernel.NewVersion(7, 0, 0) {
		kind = Kprobe
	}
	hooks := []Hook{
		{Program: openNamed, Kind: kind, At: named, Optional: true, SetsFlag: CopiedNames},
	}
	for _, h := range sigreturns(f.Arch) {
		h.Program, h.Kind = "sigreturn_session", KprobeSession
		hooks = append(hooks, h)
	}
	hooks = append(hooks, Hook{
		Program: "openat2_session", Kind: KprobeSession, At: []string{"do_handle_open"}, Optional: true, Calls: true, Ends: true,
	})
	for _, h := range openat2(f.Arch) {
		h.Program, h.Kind, h.Opens, h.Calls, h.Ends = "openat2_session", KprobeSession, false, true, true
		hooks = append(hooks, h)
	}
	return append(hooks, Hook{Program: "open_session", Kind: KprobeSession, At: []string{doSysOpenat2}, Calls: true, Ends: true})
}
