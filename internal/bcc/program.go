package bcc

import (
	"fmt"

	"github.com/cilium/ebpf"
)

// ProgramID is the kernel's number of a loaded program. Asking for it needs
// CAP_SYS_ADMIN.
func (m *Module) ProgramID(name string) (ebpf.ProgramID, error) {
	fd, ok := m.programs[name]
	if !ok {
		return 0, fmt.Errorf("the BPF program %s is not loaded", name)
	}
	prog, err := dupProgram(fd)
	if err != nil {
		return 0, fmt.Errorf("looking at the BPF program %s: %w", name, err)
	}
	defer prog.Close()
	info, err := prog.Info()
	if err != nil {
		return 0, fmt.Errorf("looking at the BPF program %s: %w", name, err)
	}
	id, ok := info.ID()
	if !ok {
		return 0, fmt.Errorf("looking at the BPF program %s: the kernel tells no id", name)
	}
	return id, nil
}
