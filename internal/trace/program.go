package trace

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"opensnoop/bpf"
	"opensnoop/internal/bcc"
	"opensnoop/internal/event"
	"opensnoop/internal/filter"
	"opensnoop/internal/kernel"
	"opensnoop/internal/probe"
)

// Program returns what a session of these options compiles, as far as can be told
// without attaching it: by the best probe that the kernel may have.
func Program(opts Options) (bcc.Source, error) {
	version, err := kernel.CurrentVersion()
	if err != nil {
		return bcc.Source{}, err
	}
	probes := probe.Choose(opts.Probe)
	for len(probes) > 1 && probes[0].Available(os.DirFS("/")) != nil {
		probes = probes[1:]
	}
	return sourceFor(probes[0], version, &opts)
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

// sourceFor specializes the BPF program; its head explains the macros.
func sourceFor(p *probe.Probe, version kernel.Version, opts *Options) (bcc.Source, error) {
	macros := p.Macros(version)
	define := func(name string, value any) { macros = append(macros, fmt.Sprintf("%s=%v", name, value)) }
	if runtime.GOARCH == "amd64" {
		// thread_info had no syscall_work before 5.11 (commit 3136b93c3fb2).
		offset := 16
		if version < kernel.NewVersion(5, 11, 0) {
			offset = 8
		}
		define("THREAD_STATUS", offset)
	}
	if ns, ok := kernel.CurrentPIDNamespace(); ok {
		define("PIDNS_DEV", ns.Dev)
		define("PIDNS_INO", ns.Ino)
	}
	fields := opts.fields()
	if fields != 0 {
		define("FIELDS", uint16(fields))
	}
	if kernel.HasHelper(asm.FnTaskPtRegs) {
		macros = append(macros, "TASK_REGS")
	}
	if fields.Has(event.Result) && completesWithCQE(version) {
		macros = append(macros, "URING_CQE")
	}
	macros = append(macros, opts.Filter.Macros()...)
	offsets, err := offsetsFor(fields, &opts.Filter)
	if err != nil {
		return bcc.Source{}, err
	}
	source := bcc.Source{Code: bpf.Source, Headers: bpf.Headers()}
	// libbcc turns that off, and a call of what is not declared would be code that no
	// kernel takes.
	source.Flags = append(source.Flags, "-Werror=implicit-function-declaration")
	for _, macro := range append(macros, offsets...) {
		source.Flags = append(source.Flags, "-D"+macro)
	}
	return source, nil
}

// completesWithCQE reports whether the tracepoint io_uring_complete has a struct
// io_uring_cqe in place of its members. Linux 6.12 does not, 6.18 does; between them only
// the kernel's types tell.
func completesWithCQE(version kernel.Version) bool {
	if version < kernel.NewVersion(6, 13, 0) {
		return false
	}
	if version >= kernel.NewVersion(6, 18, 0) {
		return true
	}
	types, err := kernel.LoadTypes()
	if err != nil {
		return false // such opens then show without a result
	}
	n, err := types.TracepointArguments("io_uring_complete")
	return err == nil && n == 3
}

// member is one of a kernel structure, whose offset a macro has.
type member struct {
	macro     string
	structure string
	path      []string
}

// offsetsFor defines where the members of the kernel's structures are that these fields
// and filters need.
func offsetsFor(fields event.Fields, f *filter.Filter) ([]string, error) {
	var members []member
	if fields.Has(event.PPID) {
		if err := KnowsParents(); err != nil {
			return nil, err
		}
		members = append(members,
			member{"TASK_REAL_PARENT", "task_struct", []string{"real_parent"}},
			member{"TASK_TGID", "task_struct", []string{"tgid"}})
	}
	if f.MountNamespaces != "" {
		members = append(members,
			member{"TASK_NSPROXY", "task_struct", []string{"nsproxy"}},
			member{"NSPROXY_MNT_NS", "nsproxy", []string{"mnt_ns"}},
			member{"MNT_NS_INUM", "mnt_namespace", []string{"ns", "inum"}})
	}
	if len(members) == 0 {
		return nil, nil
	}
	types, err := kernel.LoadTypes()
	if err != nil {
		return nil, err
	}
	var macros []string
	for _, m := range members {
		offset, err := types.Offset(m.structure, m.path...)
		if err != nil {
			return nil, err
		}
		macros = append(macros, fmt.Sprintf("%s=%d", m.macro, offset))
	}
	return macros, nil
}

// KnowsParents returns nil if events can have a PPID here, else the reason.
func KnowsParents() error {
	if _, foreign := kernel.CurrentPIDNamespace(); foreign {
		return errors.New("the parent's process id cannot be told in a pid namespace, as of a container: leave out the column ppid, or run it on the host")
	}
	if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err != nil {
		return fmt.Errorf("the parent's process id cannot be told, as this kernel does not describe its types (CONFIG_DEBUG_INFO_BTF): %w", err)
	}
	return nil
}

// checkPinned returns an error if a pinned map is not what the BPF program would use it
// as.
func checkPinned(f *filter.Filter) error {
	for _, pinned := range []struct {
		path      string
		valueSize uint32
	}{{f.Cgroups, 8}, {f.MountNamespaces, 4}} {
		if pinned.path == "" {
			continue
		}
		m, err := ebpf.LoadPinnedMap(pinned.path, nil)
		if err != nil {
			return fmt.Errorf("opening the pinned BPF map %s: %w", pinned.path, err)
		}
		m.Close()
		if m.Type() != ebpf.Hash || m.KeySize() != 8 || m.ValueSize() != pinned.valueSize {
			return fmt.Errorf("the pinned BPF map %s is a %v with keys of %d and values of %d bytes; expected a Hash with keys of 8 bytes and values of %d",
				pinned.path, m.Type(), m.KeySize(), m.ValueSize(), pinned.valueSize)
		}
	}
	return nil
}
