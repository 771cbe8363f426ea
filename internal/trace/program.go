package trace

import (
	"fmt"

	"github.com/cilium/ebpf"

	"opensnoop/bpf"
	"opensnoop/internal/bcc"
	"opensnoop/internal/filter"
	"opensnoop/internal/kernel"
	"opensnoop/internal/plan"
	"opensnoop/internal/probe"
)

// Program returns what a session of these options compiles on a kernel, as far as can be told
// without attaching it: by the best probe that the kernel may have.
func Program(opts plan.Options, f *kernel.Facts) (bcc.Source, error) {
	if opts.Probe != "" && opts.Probe != probe.Auto { // a named one can be looked at where it cannot be had
		possible := *f
		possible.Kprobes, possible.Trampolines = nil, nil
		f = &possible
	}
	plans, rejected, err := plan.New(opts, f)
	switch {
	case err != nil:
		return bcc.Source{}, err
	case len(plans) == 0:
		return bcc.Source{}, errNoProbe(rejected)
	}
	return sourceOf(plans[0])
}

// Source returns the C text that a session of these options compiles, which libbcc compiles by itself.
// It needs no privilege.
func Source(opts plan.Options, f *kernel.Facts) (string, error) {
	program, err := Program(opts, f)
	if err != nil {
		return "", err
	}
	types, err := kernel.TypeMacros(program.Types)
	if err != nil {
		return "", err
	}
	return bpf.Define(types) + bcc.Prune(program.Code, nil), nil
}

// sourceOf is what a plan compiles.
func sourceOf(p *plan.Plan) (bcc.Source, error) {
	code, err := bpf.Text(map[string]string{"amd64": "x86", "arm64": "arm64"}[p.Arch], p.Defines(), p.Programs())
	return bcc.Source{Code: code, Headers: bpf.Headers(), Types: p.Types, Functions: p.Functions}, err
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
			return fmt.Errorf("the pinned BPF map %s is a %v with keys of %d and values of %d bytes; expected a Hash, 8 and %d",
				pinned.path, m.Type(), m.KeySize(), m.ValueSize(), pinned.valueSize)
		}
	}
	return nil
}
