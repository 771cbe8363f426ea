package kernel

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/cilium/ebpf/btf"
)

// TypesFile is where the running kernel describes its types, if it was built with
// CONFIG_DEBUG_INFO_BTF.
const TypesFile = "/sys/kernel/btf/vmlinux"

// types knows the running kernel's structures.
type types struct{ spec *btf.Spec }

// Fact is something that the types tell a C program, as a macro.
type Fact struct {
	Macro string

	// Structure and Members ask where a member is, in bytes: each name after the first is one
	// of a member of the structure that the member before it is.
	Structure string
	Members   []string

	// Tracepoint asks how many arguments one has, which are those of a raw tracepoint's
	// program, in place of a structure.
	Tracepoint string

	// Optional is whether the program does without.
	Optional bool
}

// DescribesTypes returns nil if the running kernel describes its types, so that
// [AskTypes] can read them, else the reason. It takes next to no time.
func DescribesTypes() error {
	if _, err := os.Stat(TypesFile); err != nil {
		return typesUnknown(err)
	}
	return nil
}

func typesUnknown(err error) error {
	return fmt.Errorf("this kernel does not describe its types (CONFIG_DEBUG_INFO_BTF): %w", err)
}

// AskTypes returns the macros of what the kernel's types tell, as NAME=value, and the numbers of
// those of the functions that they have, from what [TypesFile] has. To read that takes some 25 ms
// and as many MB. Where it cannot be read, what is optional is left out.
func AskTypes(file io.ReaderAt, facts []Fact, functions []string) (macros []string, numbers map[string]uint32, err error) {
	if len(facts)+len(functions) == 0 {
		return nil, nil, nil
	}
	types, err := readTypes(file)
	if err != nil && !slices.ContainsFunc(facts, func(f Fact) bool { return !f.Optional }) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	numbers = make(map[string]uint32)
	for _, name := range functions {
		if number, err := types.function(name); err == nil {
			numbers[name] = number
		}
	}
	macros, err = types.define(facts)
	return macros, numbers, err
}

// readTypes reads the kernel's own description of its types.
func readTypes(file io.ReaderAt) (*types, error) {
	spec, err := btf.LoadSplitSpecFromReader(file, nil)
	if err != nil {
		return nil, fmt.Errorf("reading the kernel's types (CONFIG_DEBUG_INFO_BTF): %w", err)
	}
	return &types{spec}, nil
}

func (k *types) define(facts []Fact) ([]string, error) {
	var macros []string
	for _, f := range facts {
		value, err := k.value(f)
		switch {
		case err == nil:
			macros = append(macros, fmt.Sprintf("%s=%d", f.Macro, value))
		case !f.Optional:
			return nil, err
		}
	}
	return macros, nil
}

func (k *types) value(f Fact) (uint32, error) {
	if f.Tracepoint != "" {
		return k.arguments(f.Tracepoint)
	}
	return k.offset(f.Structure, f.Members)
}

// offset returns where a member is in a structure.
func (k *types) offset(structure string, path []string) (uint32, error) {
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

// arguments returns how many arguments a tracepoint has.
func (k *types) arguments(name string) (uint32, error) {
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
	return uint32(len(function.Params) - 1), nil // the first is the handler's own data
}

// function returns the number of a function's type.
func (k *types) function(name string) (uint32, error) {
	var function *btf.Func
	if err := k.spec.TypeByName(name, &function); err != nil {
		return 0, err
	}
	id, err := k.spec.TypeID(function)
	return uint32(id), err
}

var errNoMember = errors.New("there is no such member")

// renamed are members that have another name in newer kernels.
var renamed = map[string]string{
	"d_iname": "d_shortname", // Linux 6.14
}

// find looks for a member, also in structures and unions without a name.
func find(within btf.Type, name string) (uint32, btf.Type, error) {
	newer := renamed[name]
	var members []btf.Member
	switch t := btf.UnderlyingType(within).(type) {
	case *btf.Struct:
		members = t.Members
	case *btf.Union:
		members = t.Members
	}
	for _, m := range members {
		if m.Name == name || m.Name != "" && m.Name == newer {
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
