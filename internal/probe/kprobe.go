package probe

import (
	"errors"

	"opensnoop/internal/kernel"
)

// errLookups is why there is one probe for lookups: many functions of the kernel do these, and the
// system calls alone are the same in all versions.
var errLookups = errors.New("lookups are seen at the entry of system calls (--probe tracepoint)")

// kprobe hooks the kernel function that all opens by system call go through.
var kprobe = Probe{
	Name:    "kprobe",
	Detect:  func(f *kernel.Facts) error { return f.Kprobes },
	Skipped: "the kernel skipped the kprobe while other BPF code ran on its CPU; --probe tracepoint is not skipped then",
	Supports: func(r Request, _ *kernel.Facts) error {
		if r.Lookups {
			return errLookups
		}
		return nil
	},
	Macros: func(f *kernel.Facts) []string {
		macros := []string{"PROBE_KPROBE"}
		if OpenSymbol(f.Version) == doSysOpen {
			macros = append(macros, "DO_SYS_OPEN")
		}
		return macros
	},
	Forks: &probedForks,
	Execs: execs,
	Hooks: func(f *kernel.Facts, results bool) []Hook {
		named := Hook{Program: openNamed, Kind: Kprobe, At: named, Optional: true, SetsFlag: CopiedNames}
		hooks := []Hook{
			{Program: handleProgram(f.Version), Kind: Kprobe, At: []string{"do_handle_open"}, Optional: true, Opens: true},
		}
		hooks = append(hooks, openat2(f.Arch)...)
		hooks = append(hooks, Hook{Program: "open_enter", Kind: Kprobe, At: []string{OpenSymbol(f.Version)}, Opens: true})
		if results {
			return append([]Hook{{Program: "syscall_exit", Kind: RawTracepoint, At: []string{"sys_exit"}}, named}, hooks...)
		}
		// A return probe would cost every open a third of what tracing does. With absolute paths one
		// is attached once a call waits for it, of threads that share what its name is relative to.
		end := Hook{Program: "open_return", Kind: Kretprobe, At: []string{OpenSymbol(f.Version)}, Hidden: true, FallbackFor: openNamed}
		return append([]Hook{named, end}, hooks...)
	},
}

// handleProgram is the program of the function behind open_by_handle_at. Since Linux 5.15 one reads
// all that it has to know out of the system call's registers, as it does for openat2.
func handleProgram(version kernel.Version) string {
	if version < kernel.NewVersion(5, 15, 0) {
		return "handle_enter"
	}
	return "openat2_enter"
}

// openat2 are the entries of the system call: the kernel refuses some before it comes to the
// function that opens.
func openat2(arch string) []Hook {
	return map[string][]Hook{
		"amd64": {
			{Program: "openat2_enter", Kind: Kprobe, At: []string{"__x64_sys_openat2"}, Optional: true, Hidden: true, SetsFlag: NativeOpenat2, Opens: true},
			{Program: "openat2_enter", Kind: Kprobe, At: []string{"__ia32_sys_openat2"}, Optional: true, Hidden: true, SetsFlag: CompatOpenat2, Opens: true},
		},
		"arm64": {
			{Program: "openat2_enter", Kind: Kprobe, At: []string{"__arm64_sys_openat2"}, Optional: true, Hidden: true, SetsFlag: NativeOpenat2 | CompatOpenat2, Opens: true},
		},
	}[arch]
}

const openNamed = "open_named"

// named are what the kernel calls with its own copy of a name: what it opens. The function got
// another name with Linux 7.0.
var named = []string{"do_filp_open", "do_file_open"}

const (
	doSysOpen    = "do_sys_open"
	doSysOpenat2 = "do_sys_openat2"
)

// OpenSymbol is the name of the kernel function to hook in a kernel of that version:
// every open by system call, native or 32-bit, comes through it. Linux 5.6 brought
// do_sys_openat2 (commit fddb5d430ad9); before, it was do_sys_open.
func OpenSymbol(version kernel.Version) string {
	if version < kernel.NewVersion(5, 6, 0) {
		return doSysOpen
	}
	return doSysOpenat2
}
