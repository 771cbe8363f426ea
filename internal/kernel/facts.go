package kernel

import (
	"io/fs"
	"os"
	"runtime"
	"sync"

	"github.com/cilium/ebpf/asm"
)

// Facts are what of a kernel decides how it is traced. Of an error in it nil is that the kernel has
// it.
type Facts struct {
	Version   Version
	Arch      string       // by Go's name
	Namespace PIDNamespace // the tracer's; the zero value is the first one

	ProbeReadUser bool // BPF programs may call bpf_probe_read_user
	TaskRegs      bool // and bpf_task_pt_regs
	Functions     bool // and functions of the kernel, by the numbers of their types

	Types       error // the description of its types
	Kprobes     error
	Trampolines error // programs at the entry and return of functions

	// Locks tells where the kernel counts renames, and changes of mounts: rename_lock and mount_lock; nil if
	// it does not tell. It is asked only for paths, as it takes 0.2 ms.
	Locks func() []uint64

	Preemption    Preemption // of a kernel that has trampolines
	PreemptionErr error      // why it is not known
}

// CurrentFacts returns those of the running kernel. Without the right to load programs, it has none of
// the helpers.
func CurrentFacts() (*Facts, error) {
	version, err := CurrentVersion()
	if err != nil {
		return nil, err
	}
	root := os.DirFS("/")
	f := &Facts{Version: version, Arch: runtime.GOARCH}
	f.Namespace, _ = currentPIDNamespace()
	// Linux 5.15 brought the second, 5.5 the first.
	f.TaskRegs = hasHelper(asm.FnTaskPtRegs)
	f.ProbeReadUser = f.TaskRegs || hasHelper(asm.FnProbeReadUser)
	f.Functions = f.Version >= NewVersion(6, 2, 0) && callsFunctions()
	f.Locks = sync.OnceValue(func() []uint64 { return Addresses("rename_lock", "mount_lock") })
	f.look(root)
	if f.Kprobes == nil && f.Trampolines == nil {
		f.Preemption, f.PreemptionErr = CurrentPreemption()
	}
	return f, nil
}

// look sets what files tell. root is the root of the file system.
func (f *Facts) look(root fs.FS) {
	f.Types, f.Kprobes, f.Trampolines = describesTypes(), Kprobes(root), Trampolines(root)
}
