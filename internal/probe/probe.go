// Package probe has a value for each way to hook the kernel's opening of files: what it
// asks of the kernel, what it makes of the BPF program, and where that attaches.
package probe

import (
	"fmt"
	"slices"

	"github.com/cilium/ebpf"

	"opensnoop/internal/event"
	"opensnoop/internal/kernel"
)

// Auto takes the first of [Probes] that attaches.
const Auto = "auto"

// Probe is a way to hook the kernel.
type Probe struct {
	Name string // as a user chooses it

	// Title says what it is, if the last of Hooks does not; else it is "".
	Title string

	// Detect returns nil if a kernel may have it, else an error that says how that is known.
	Detect func(*kernel.Facts) error

	// Supports returns nil if the probe serves a request, else the reason. It may be nil itself.
	Supports func(Request, *kernel.Facts) error

	// GlobalCost is whether it slows all system calls, opens or not.
	GlobalCost bool

	// Skipped says when the kernel skips its programs, and what helps.
	Skipped string

	// Macros are those that choose it in the BPF program.
	Macros func(*kernel.Facts) []string

	// Hooks are where the BPF program attaches, in the order of attaching: the
	// returns first, so that no call that enters waits for a return that nothing
	// sees. The last is the one that sees opens. With results, records leave at
	// the end of the system call.
	Hooks func(f *kernel.Facts, results bool) []Hook

	// BeginNamed returns hooks by which calls begin where the kernel has its copy of their name. That
	// costs less. It is nil, or returns nil, where that cannot be had.
	BeginNamed func(f *kernel.Facts) []Hook

	// Forks sees all processes that are made.
	Forks *Hook

	// Unstacked is whether it sees no return of threads that have no stack for that.
	Unstacked bool

	// Execs are more, for files that are opened to execute programs; nil if it does not see all of
	// these.
	Execs func(arch string) []Hook
}

// Probes are all there are, in the order in which they are tried.
var Probes = []*Probe{&fentry, &session, &kprobe, &tracepoint}

// Names are the values that a user can choose.
func Names() []string {
	names := []string{Auto}
	for _, p := range Probes {
		names = append(names, p.Name)
	}
	return names
}

// Choose returns the probes to try for what the user chose; "" is [Auto]. A name that is
// none of [Names] has no probe.
func Choose(name string) []*Probe {
	if name == Auto || name == "" {
		return Probes
	}
	i := slices.IndexFunc(Probes, func(p *Probe) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return Probes[i : i+1]
}

// Request is what a probe is to serve.
type Request struct {
	Fields  event.Fields // that records are to have
	Execs   bool         // whether programs that are executed are to show
	Lookups bool         // whether what is looked for and not opened is to show
	Named   bool         // the user has named the probe, and nothing stands in for it
	Gated   bool         // whether another session is to begin while this one runs
}

// Kind is what a program can be attached to.
type Kind string

// The kinds, as they are told to users.
const (
	Kprobe         Kind = "kprobe"          // a kernel function's entry
	Kretprobe      Kind = "kretprobe"       // a kernel function's return
	KprobeSession  Kind = "kprobe session"  // both, by one program
	KprobeMulti    Kind = "kprobe multi"    // a kernel function's entry, by way of ftrace
	KretprobeMulti Kind = "kretprobe multi" // its return, likewise
	RawTracepoint  Kind = "raw tracepoint"  // a tracepoint, with its own arguments
	Fentry         Kind = "fentry"          // a kernel function's entry, by a trampoline
	Fexit          Kind = "fexit"           // and its return, with its arguments
)

// ProgramType is what the kernel takes a program for that is attached so.
func (k Kind) ProgramType() ebpf.ProgramType {
	switch k {
	case RawTracepoint:
		return ebpf.RawTracepoint
	case Fentry, Fexit:
		return ebpf.Tracing
	}
	return ebpf.Kprobe
}

// Context is the C type of what such a program gets.
func (k Kind) Context() string {
	if k.ProgramType() == ebpf.Kprobe {
		return "struct pt_regs"
	}
	return "struct bpf_raw_tracepoint_args"
}

// AttachType is where the kernel has to know of a program at its loading that it is attached.
func (k Kind) AttachType() ebpf.AttachType {
	switch k {
	case Fentry:
		return ebpf.AttachTraceFEntry
	case Fexit:
		return ebpf.AttachTraceFExit
	case KprobeMulti, KretprobeMulti:
		return ebpf.AttachTraceKprobeMulti
	case KprobeSession:
		return ebpf.AttachTraceKprobeSession
	}
	return ebpf.AttachNone
}

// Hook attaches a program.
type Hook struct {
	Program string // what it does is on_ and this in bpf/include/include/opensnoop
	Kind    Kind
	At      []string // kernel functions or tracepoints: the first that is there

	// Optional is whether opens are seen without it, and Hidden whether there is
	// nothing to tell of it.
	Optional bool
	Hidden   bool

	// FallbackFor is the program of a hook before it: this one attaches only if that could not, or
	// later, once a call waits for it. "" is for one that attaches anyway.
	FallbackFor string

	// Number is that of the type of At's only function, of a hook by a trampoline. User space
	// sets it.
	Number uint32

	// SetsFlag is what the program has to be told once the hook is attached: a sum of
	// NativeOpenat2 and its like.
	SetsFlag uint64

	// Opens is whether each run of the program is an open, and Calls whether it may be
	// one: with runs that the kernel skips, opens are lost. Ends is whether the program
	// notices at the end of a call that its beginning was skipped.
	Opens, Calls, Ends bool
}

// Trampoline reports whether it attaches by one, which takes a program of its own.
func (h *Hook) Trampoline() bool { return h.Kind == Fentry || h.Kind == Fexit }

// What hooks see: the system calls openat2, and the kernel's copies of names. HOOKED_… in
// <opensnoop/slots.h>.
const (
	NativeOpenat2 = 1
	CompatOpenat2 = 2
	CopiedNames   = 4
)

// Describe says what the hook is, attached to at.
func (h *Hook) Describe(at string) string {
	if h.Kind == RawTracepoint {
		return fmt.Sprintf("%s %s", h.Kind, at)
	}
	return fmt.Sprintf("%s on %s", h.Kind, at)
}
