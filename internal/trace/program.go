package trace

import (
	"fmt"
	"runtime"
	"slices"

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
	for len(probes) > 1 && usable(probes[0], &opts) != nil {
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
	if err != nil {
		return "", nil, err
	}
	more, err := bcc.DefineTypes(program.Types)
	return code, slices.Concat(program.Flags, more), err
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
	if opts.Execs {
		if err := CanShowExecs(); err != nil {
			return bcc.Source{}, err
		}
		macros = append(macros, "EXECS")
	}
	if fields.Has(event.Result) && version >= kernel.NewVersion(6, 18, 0) {
		define("URING_COMPLETE_ARGUMENTS", 3)
	}
	macros = append(macros, opts.Filter.Macros(fields)...)
	if err := Supports(fields | needed(&opts.Filter)); err != nil {
		return bcc.Source{}, err
	}
	source := bcc.Source{Code: bpf.Source, Headers: bpf.Headers()}
	// libbcc turns that off, and a call of what is not declared would be code that no
	// kernel takes.
	source.Flags = append(source.Flags, "-Werror=implicit-function-declaration")
	source.Flags = append(source.Flags, bcc.Defines(macros)...)
	source.Types = factsFor(fields, opts, version)
	source.Functions = probe.Functions(p.Hooks(version, fields.Has(event.Result)))
	return source, nil
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
