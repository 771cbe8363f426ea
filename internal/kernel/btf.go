package kernel

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf/btf"
)

// Types knows the running kernel's structures.
type Types struct{ spec *btf.Spec }

// DescribesTypes returns nil if the running kernel describes its types, so that [LoadTypes] can
// read them, else the reason. It takes next to no time.
func DescribesTypes() error {
	if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err != nil {
		return fmt.Errorf("this kernel does not describe its types (CONFIG_DEBUG_INFO_BTF): %w", err)
	}
	return nil
}

// LoadTypes reads the kernel's own description of its types, in /sys/kernel/btf. It is
// there where the kernel was built with CONFIG_DEBUG_INFO_BTF. It takes some 25 ms.
func LoadTypes() (*Types, error) {
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		return nil, fmt.Errorf("reading the kernel's types (CONFIG_DEBUG_INFO_BTF): %w", err)
	}
	return &Types{spec}, nil
}

// Offset returns where a member is in a structure, in bytes. Each name after the
// first is one of a member of the structure that the member before it is.
func (k *Types) Offset(structure string, path ...string) (uint32, error) {
	var typ *btf.Struct
	if err := k.spec.TypeByName(structure, &typ); err != nil {
		return 0, fmt.Errorf("looking for the kernel's struct %s: %w", structure, err)
	}
	var within btf.Type = typ
	var offset uint32
	for _, name := range path {
		at, member, err := find(within, name)
		if err != nil {
			return 0, fmt.Errorf("looking for %s in the kernel's struct %s: %w", name, structure, err)
		}
		offset += at
		within = member
	}
	return offset, nil
}

// TracepointArguments returns how many arguments a tracepoint has, which are those of a raw
// tracepoint's program.
func (k *Types) TracepointArguments(name string) (int, error) {
	name = "btf_trace_" + name // the type of its handlers
	var handler *btf.Typedef
	if err := k.spec.TypeByName(name, &handler); err != nil {
		return 0, fmt.Errorf("looking for the kernel's type %s: %w", name, err)
	}
	pointer, _ := handler.Type.(*btf.Pointer)
	if pointer == nil {
		return 0, fmt.Errorf("the kernel's type %s is no pointer", name)
	}
	function, _ := pointer.Target.(*btf.FuncProto)
	if function == nil || len(function.Params) == 0 {
		return 0, fmt.Errorf("the kernel's type %s points to no function", name)
	}
	return len(function.Params) - 1, nil // the first is the handler's own data
}

var errNoMember = errors.New("there is no such member")

// find looks for a member, also in structures and unions without a name.
func find(within btf.Type, name string) (uint32, btf.Type, error) {
	var members []btf.Member
	switch t := btf.UnderlyingType(within).(type) {
	case *btf.Struct:
		members = t.Members
	case *btf.Union:
		members = t.Members
	}
	for _, m := range members {
		if m.Name == name {
			return m.Offset.Bytes(), m.Type, nil
		}
		if m.Name != "" {
			continue
		}
		if offset, typ, err := find(m.Type, name); err == nil {
			return m.Offset.Bytes() + offset, typ, nil
		}
	}
	return 0, nil, errNoMember
}
