// Package object is a compiled BPF program: the maps and instructions that a compiler
// made of a source, in a form that can be kept in a file, and their life in the kernel.
//
// A compiler makes an [Object], which encoding/json takes through a pipe or a file; what
// comes from there has to pass [Object.Check]. [Object.Create] makes its maps; the
// [Module] that it returns loads programs one by one and attaches them.
package object

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// Object is a compiled source.
type Object struct {
	License  string // of the programs, as the kernel asks for it
	Maps     []Map
	Programs []Program
}

// Map is the shape of a map.
type Map struct {
	Name       string
	Type       ebpf.MapType
	KeySize    uint32 // bytes
	ValueSize  uint32 // bytes
	MaxEntries uint32 // of a perf event array, 0: as many as there can be CPUs
	Flags      uint32 // BPF_F_… of include/uapi/linux/bpf.h
}

// Program is a function that the kernel may run. Its instructions are struct bpf_insn's
// of include/uapi/linux/bpf.h, in this machine's byte order; one that loads the
// address of a map has the map's index in place of a descriptor.
type Program struct {
	Name         string
	Instructions []byte
}

// Memory is about how many bytes the maps that programs refer to take in the kernel when they are made.
func (o *Object) Memory() uint64 {
	var sum uint64
	for i, used := range o.used() {
		if used {
			sum += o.Maps[i].memory()
		}
	}
	return sum
}

// Check returns an error if the object cannot be what a compiler made. One that passes
// has whole instructions, and refers to no map that it has not.
func (o *Object) Check() error {
	names := make(map[string]bool)
	for _, m := range o.Maps {
		if m.Name == "" || names[m.Name] {
			return fmt.Errorf("two maps or none go by the name %q", m.Name)
		}
		names[m.Name] = true
	}
	clear(names)
	for i := range o.Programs {
		p := &o.Programs[i]
		if p.Name == "" || names[p.Name] {
			return fmt.Errorf("two programs or none go by the name %q", p.Name)
		}
		names[p.Name] = true
		if err := p.check(len(o.Maps)); err != nil {
			return fmt.Errorf("the program %q: %w", p.Name, err)
		}
	}
	return nil
}

func (p *Program) check(maps int) error {
	if len(p.Instructions) == 0 || len(p.Instructions)%asm.InstructionSize != 0 {
		return fmt.Errorf("%d bytes are no whole instructions", len(p.Instructions))
	}
	return MapReferences(p.Instructions, func(index uint32) (uint32, error) {
		if uint64(index) >= uint64(maps) {
			return 0, fmt.Errorf("it refers to the map %d of %d", index, maps)
		}
		return index, nil
	})
}

// errHalf is the error of a load of 8 bytes without its second half.
var errHalf = errors.New("its last instruction is only half of one")

// MapReferences calls f with the number that stands in place of the address of each map, or of its
// value, in instructions, and puts what it returns in the number's place.
func MapReferences(instructions []byte, f func(uint32) (uint32, error)) error {
	const (
		loadImmediate  = 0x18 // BPF_LD | BPF_IMM | BPF_DW: two instructions long
		pseudoMapFD    = 1    // BPF_PSEUDO_MAP_FD, as the source register
		pseudoMapValue = 2    // BPF_PSEUDO_MAP_VALUE
	)
	for at := 0; at < len(instructions); at += asm.InstructionSize {
		if instructions[at] != loadImmediate {
			continue
		}
		if len(instructions)-at < 2*asm.InstructionSize {
			return errHalf
		}
		if source := instructions[at+1] >> 4; source == pseudoMapFD || source == pseudoMapValue {
			n, err := f(order.Uint32(instructions[at+4:]))
			if err != nil {
				return err
			}
			order.PutUint32(instructions[at+4:], n)
		}
		at += asm.InstructionSize
	}
	return nil
}

// Copy adds a copy of a program, with a prefix to its name. In place of a map it refers to that with the
// prefix to its name, if there is one.
func (o *Object) Copy(name, prefix string) error {
	p := o.program(name)
	if p == nil {
		return fmt.Errorf("the BPF program has no %s to copy", name)
	}
	copied := Program{Name: prefix + name, Instructions: slices.Clone(p.Instructions)}
	err := MapReferences(copied.Instructions, func(index uint32) (uint32, error) {
		if other, ok := o.index(prefix + o.Maps[index].Name); ok {
			return uint32(other), nil
		}
		return index, nil
	})
	o.Programs = append(o.Programs, copied)
	return err
}

// used reports of each map whether a program refers to it.
func (o *Object) used() []bool {
	used := make([]bool, len(o.Maps))
	for i := range o.Programs {
		// The programs have been checked.
		_ = MapReferences(o.Programs[i].Instructions, func(index uint32) (uint32, error) {
			used[index] = true
			return index, nil
		})
	}
	return used
}

// index returns where a map is in the object; false if it has none of that name.
func (o *Object) index(name string) (int, bool) {
	for i := range o.Maps {
		if o.Maps[i].Name == name {
			return i, true
		}
	}
	return 0, false
}

// program returns a program of the object, nil if it has none of that name.
func (o *Object) program(name string) *Program {
	for i := range o.Programs {
		if o.Programs[i].Name == name {
			return &o.Programs[i]
		}
	}
	return nil
}
