package trace

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"opensnoop/bpf"
	"opensnoop/internal/bcc"
	"opensnoop/internal/event"
	"opensnoop/internal/kernel"
	"opensnoop/internal/layout"
	"opensnoop/internal/probe"
)

// programs are what to load for each kind of probe, if records leave at entry,
// and if they wait for the result.
var programs = map[probe.Kind]map[bool][]program{
	probe.Kprobe: {
		false: {{"open_enter", ebpf.Kprobe}, {"open_named", ebpf.Kprobe}, {"open_return", ebpf.Kprobe}},
		true:  {{"open_enter", ebpf.Kprobe}, {"syscall_exit", ebpf.RawTracepoint}},
	},
	probe.Tracepoint: {
		false: {{"syscall_enter", ebpf.RawTracepoint}, {"syscall_exit", ebpf.RawTracepoint}},
		true:  {{"syscall_enter", ebpf.RawTracepoint}, {"syscall_exit", ebpf.RawTracepoint}},
	},
}

type program struct {
	name string
	kind ebpf.ProgramType
}

// Program returns what a session of these options compiles, as far as can be told
// without attaching it: by the best probe that the kernel may have.
func Program(opts Options) (bcc.Source, error) {
	version, err := kernel.CurrentVersion()
	if err != nil {
		return bcc.Source{}, err
	}
	kind := opts.Probe.Order()[0]
	if len(opts.Probe.Order()) > 1 && probe.Kprobes(os.DirFS("/")) != nil {
		kind = probe.Tracepoint
	}
	flags, err := flagsOf(kind, uint32(version), opts)
	return bcc.Source{Code: bpf.Source, Headers: bpf.Headers(), Flags: flags}, err
}

// Source returns the C source that a session of these options compiles, with its
// headers behind it (see [bpf.Listing]), and the flags it is compiled with. It needs no
// privilege.
func Source(opts Options) (code string, flags []string, err error) {
	program, err := Program(opts)
	if err != nil {
		return "", nil, err
	}
	arch := map[string]string{"amd64": "x86", "arm64": "arm64"}[runtime.GOARCH]
	code, err = bpf.Listing(arch)
	return code, program.Flags, err
}

// flagsOf specializes the BPF program; its head explains the macros.
func flagsOf(kind probe.Kind, version uint32, opts Options) ([]string, error) {
	var flags []string
	define := func(name string, value any) { flags = append(flags, fmt.Sprintf("-D%s=%v", name, value)) }

	switch kind {
	case probe.Kprobe:
		flags = append(flags, "-DPROBE_KPROBE")
		if probe.OpenSymbol(version) == "do_sys_open" {
			flags = append(flags, "-DDO_SYS_OPEN")
		}
	case probe.Tracepoint:
		flags = append(flags, "-DPROBE_TRACEPOINT")
	}
	if runtime.GOARCH == "amd64" {
		// thread_info had no syscall_work before 5.11 (commit 3136b93c3fb2).
		offset := 16
		if version < 5<<16|11<<8 {
			offset = 8
		}
		define("THREAD_STATUS", offset)
	}
	if dev, ino, ok := pidNamespace(); ok {
		define("PIDNS_DEV", dev)
		define("PIDNS_INO", ino)
	}
	fields := opts.fields()
	if fields != 0 {
		define("FIELDS", uint16(fields))
	}
	if kernel.HasHelper(asm.FnTaskPtRegs) {
		flags = append(flags, "-DTASK_REGS")
	}
	for _, filter := range opts.filters() {
		flags = append(flags, "-D"+filter)
	}
	offsets, err := offsetsFor(opts)
	if err != nil {
		return nil, err
	}
	return append(flags, offsets...), nil
}

// offsetsFor defines where the members of the kernel's structures are that these
// options need.
func offsetsFor(opts Options) ([]string, error) {
	type member struct {
		macro     string
		structure string
		path      []string
	}
	var members []member
	if opts.fields().Has(event.PPID) {
		if err := KnowsParents(); err != nil {
			return nil, err
		}
		members = append(members,
			member{"TASK_REAL_PARENT", "task_struct", []string{"real_parent"}},
			member{"TASK_TGID", "task_struct", []string{"tgid"}})
	}
	if opts.MountNamespaces != "" {
		members = append(members,
			member{"TASK_NSPROXY", "task_struct", []string{"nsproxy"}},
			member{"NSPROXY_MNT_NS", "nsproxy", []string{"mnt_ns"}},
			member{"MNT_NS_INUM", "mnt_namespace", []string{"ns", "inum"}})
	}
	if len(members) == 0 {
		return nil, nil
	}
	types, err := layout.Load()
	if err != nil {
		return nil, err
	}
	var flags []string
	for _, m := range members {
		offset, err := types.Offset(m.structure, m.path...)
		if err != nil {
			return nil, err
		}
		flags = append(flags, fmt.Sprintf("-D%s=%d", m.macro, offset))
	}
	return flags, nil
}

// KnowsParents returns nil if events can have a PPID here, else the reason.
func KnowsParents() error {
	if _, _, foreign := pidNamespace(); foreign {
		return errors.New("the parent's process id cannot be told in a pid namespace, as of a container: leave out the column ppid, or run it on the host")
	}
	if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err != nil {
		return fmt.Errorf("the parent's process id cannot be told, as this kernel does not describe its types (CONFIG_DEBUG_INFO_BTF): %w", err)
	}
	return nil
}

// fields are those that records need for what is shown and for the filters.
func (o *Options) fields() event.Fields {
	fields := o.Fields
	if o.Failed {
		fields |= event.Result
	}
	if len(o.Flags) > 0 {
		fields |= event.Flags
	}
	return fields
}

// filters are the macros of the filters that the kernel applies.
func (o *Options) filters() []string {
	var macros []string
	add := func(name, value string) {
		if value != "" {
			macros = append(macros, name+"="+value)
		}
	}
	if _, ok := o.onePID(); ok {
		macros = append(macros, "PID_SLOT")
	} else {
		add("PIDS", cases(o.PIDs))
	}
	add("TIDS", cases(o.TIDs))
	add("UIDS", cases(o.UIDs))
	var comms []string
	for _, comm := range o.Comms {
		comms = append(comms, fmt.Sprintf("HAS(comm, %s, %d)", literal(comm), len(comm)))
	}
	add("COMMS", strings.Join(comms, " || "))
	if o.Cgroups != "" {
		macros = append(macros, "CGROUPS")
	}
	if o.MountNamespaces != "" {
		macros = append(macros, "MNTNSES")
	}
	var wanted []string
	for _, f := range o.Flags {
		wanted = append(wanted, fmt.Sprintf("(flags & %#x) == %#x", f.Mask, f.Value))
	}
	add("FLAGS_WANTED", strings.Join(wanted, " || "))
	add("NAMES", o.Paths.kernelAllows())
	add("NAMES_EXCLUDED", o.ExcludedPaths.kernelExcludes())
	if o.Failed {
		macros = append(macros, "FAILED")
	}
	return macros
}

// onePID returns the process to trace if it is one, and false if it is any or several.
// The program then finds it in a slot, and is the same for every process.
func (o *Options) onePID() (pid uint32, ok bool) {
	if pids := distinct(o.PIDs); len(pids) == 1 {
		return pids[0], true
	}
	return 0, false
}

// distinct returns the numbers in order, each once.
func distinct(numbers []uint32) []uint32 {
	return slices.Compact(slices.Sorted(slices.Values(numbers)))
}

// cases are the labels of a switch.
func cases(numbers []uint32) string {
	var labels []string
	for _, n := range distinct(numbers) {
		labels = append(labels, fmt.Sprintf("case %d:", n))
	}
	return strings.Join(labels, " ")
}

// literal is a string of C.
func literal(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(text) {
		if c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '?' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\%03o`, c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// pidNamespace returns the device and inode of our pid namespace as the kernel
// numbers them, if it is not the first one, whose inode is fixed
// (PROC_PID_INIT_INO in include/linux/proc_ns.h).
func pidNamespace() (dev uint32, ino uint64, ok bool) {
	const first = 0xeffffffc
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &st); err != nil || st.Ino == first {
		return 0, 0, false
	}
	return unix.Major(st.Dev)<<20 | unix.Minor(st.Dev), st.Ino, true
}
