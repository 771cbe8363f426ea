package kernel

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// TypesFile is where the running kernel describes its types, if it was built with
// CONFIG_DEBUG_INFO_BTF.
const TypesFile = "/sys/kernel/btf/vmlinux"

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

	// Function asks for the number of the type of one, in place of a structure. That of a structure
	// itself is asked for without Members.
	Function string

	// Optional is whether the program does without.
	Optional bool
}

// handlers is the name of the type of a tracepoint's handlers.
func (f *Fact) handlers() string { return "btf_trace_" + f.Tracepoint }

// describesTypes returns nil if the running kernel describes its types, so that
// [AskTypes] can be asked, else the reason. It takes next to no time.
func describesTypes() error {
	if _, err := os.Stat(TypesFile); err != nil {
		return typesUnknown(err)
	}
	return nil
}

func typesUnknown(err error) error {
	return fmt.Errorf("this kernel does not describe its types (CONFIG_DEBUG_INFO_BTF): %w", err)
}

// mapTypes returns what an open [TypesFile] has, some 6 MB, until it is released. Linux lets it be
// mapped since 6.16; to read it takes as long as everything that is done with it.
func mapTypes(file *os.File) (data []byte, release func(), err error) {
	info, err := file.Stat()
	if err != nil {
		return nil, nil, typesUnknown(err)
	}
	data, err = unix.Mmap(int(file.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_PRIVATE)
	if err == nil {
		return data, func() { _ = unix.Munmap(data) }, nil
	}
	data = make([]byte, info.Size())
	if _, err := io.ReadFull(file, data); err != nil {
		return nil, nil, fmt.Errorf("reading the kernel's types: %w", err)
	}
	return data, func() {}, nil
}

// Modules are those of whose types facts may be, where they are no part of the kernel itself.
var Modules = [...]string{"btrfs", "overlay"}

// TypesFiles opens what describes the types of the running kernel and of Modules; nil for what is not there.
func TypesFiles() []*os.File {
	var files []*os.File
	for _, name := range append([]string{"vmlinux"}, Modules[:]...) {
		file, err := os.Open(filepath.Join(filepath.Dir(TypesFile), name))
		if err != nil {
			file = nil
		}
		files = append(files, file)
	}
	return files
}

// Missing is the value of a macro of what the kernel does not have: no offset is -1.
const Missing = "=-1"

// TypeMacros returns the macros of what the running kernel's types tell, as NAME=value.
func TypeMacros(facts []Fact) ([]string, error) {
	files := TypesFiles()
	macros, _, err := AskTypes(files, facts, nil)
	for _, file := range files {
		file.Close()
	}
	return macros, err
}

// AskTypes returns the macros of what the kernel's types tell, as NAME=value, and the numbers of
// those of the functions that they have, from [TypesFiles]. It takes 4 ms. Where those are of
// no use, what is optional is [Missing].
func AskTypes(files []*os.File, facts []Fact, functions []string) (macros []string, numbers map[string]uint32, err error) {
	if len(facts)+len(functions) == 0 {
		return nil, nil, nil
	}
	var descriptions [][]byte
	for i, file := range files {
		description, release, failed := mapTypes(file)
		if failed == nil {
			defer release()
		} else if i == 0 {
			err = failed
			break
		}
		descriptions = append(descriptions, description)
	}
	if err == nil {
		macros, numbers, err = ask(descriptions, facts, functions)
	}
	if err != nil && !slices.ContainsFunc(facts, func(f Fact) bool { return !f.Optional }) {
		for _, f := range facts {
			macros = append(macros, f.Macro+Missing)
		}
		return macros, nil, nil
	}
	return macros, numbers, err
}

// ask is the same of descriptions: the kernel's, and those of modules, which may be of no use.
func ask(descriptions [][]byte, facts []Fact, functions []string) (macros []string, numbers map[string]uint32, err error) {
	names := slices.Clone(functions)
	for _, f := range facts {
		names = append(names, f.Structure, f.Function, f.handlers())
	}
	kernel, err := parseTypes(descriptions[0], names, nil)
	if err != nil {
		return nil, nil, err
	}
	all := []*types{kernel}
	for _, description := range descriptions[1:] {
		if module, err := parseTypes(description, names, kernel); err == nil {
			all = append(all, module)
		}
	}
	numbers = make(map[string]uint32)
	for _, name := range functions {
		if number, ok := kernel.number(kindFunc, name); ok {
			numbers[name] = number
		}
	}
	macros, err = define(facts, all)
	return macros, numbers, err
}

func define(facts []Fact, all []*types) ([]string, error) {
	var macros []string
	for _, f := range facts {
		value, err := all[0].value(f)
		for _, module := range all[1:] {
			if of, failed := module.value(f); err != nil && failed == nil {
				value, err = of, nil
			}
		}
		switch {
		case err == nil:
			macros = append(macros, fmt.Sprintf("%s=%d", f.Macro, value))
		case f.Optional:
			macros = append(macros, f.Macro+Missing)
		default:
			return nil, err
		}
	}
	return macros, nil
}

func (t *types) value(f Fact) (uint32, error) {
	switch {
	case f.Tracepoint != "":
		return t.arguments(f.handlers())
	case f.Function != "":
		return t.function(f.Function)
	case len(f.Members) == 0:
		return t.structure(f.Structure)
	}
	return t.offset(f.Structure, f.Members)
}

// structure returns the number of one.
func (t *types) structure(name string) (uint32, error) {
	number, ok := t.number(kindStruct, name)
	if !ok {
		return 0, fmt.Errorf("looking for the kernel's struct %s: there is none", name)
	}
	return number, nil
}

// function is the same of a function.
func (t *types) function(name string) (uint32, error) {
	number, ok := t.number(kindFunc, name)
	if !ok {
		return 0, fmt.Errorf("looking for the kernel's function %s: there is none", name)
	}
	return number, nil
}

// offset returns where a member is in a structure.
func (t *types) offset(structure string, path []string) (uint32, error) {
	within, err := t.structure(structure)
	if err != nil {
		return 0, err
	}
	var offset uint32
	for _, name := range path {
		at, member, err := t.find(within, name, deepest)
		if err != nil {
			return 0, fmt.Errorf("looking for %s in the kernel's struct %s: %w", name, structure, err)
		}
		offset += at
		within = member
	}
	return offset, nil
}

// arguments returns how many arguments the handlers of a tracepoint are given.
func (t *types) arguments(handlers string) (uint32, error) {
	number, ok := t.number(kindTypedef, handlers)
	if !ok {
		return 0, fmt.Errorf("looking for the kernel's type %s: there is none", handlers)
	}
	pointer := t.at(t.at(number).other)
	function := t.at(pointer.other)
	if pointer.kind != kindPointer || function.kind != kindFuncProto || function.parts == 0 {
		return 0, fmt.Errorf("the kernel's type %s points to no function", handlers)
	}
	return uint32(function.parts - 1), nil // the first is the handler's own data
}

var errNoMember = errors.New("there is no such member")

// renamed are members that have another name in newer kernels.
var renamed = map[string]string{
	"d_iname": "d_shortname", // Linux 6.14
}

// deepest is more than types are names of names, or structures without a name within each other.
const deepest = 32

// find looks for a member, also in structures and unions without a name, so deep. It returns
// where it is, in bytes, and the number of its type.
func (t *types) find(within uint32, name string, deep int) (offset, number uint32, err error) {
	if deep == 0 {
		return 0, 0, errNoMember
	}
	if within < t.first {
		return t.kernel.find(within, name, deep)
	}
	whole := t.at(within)
	if whole.isName() {
		return t.find(whole.other, name, deep-1)
	}
	for m := range t.members(whole) {
		if m.name == name || m.name != "" && m.name == renamed[name] {
			return m.offset, m.number, nil
		}
		if m.name != "" {
			continue
		}
		if offset, number, err := t.find(m.number, name, deep-1); err == nil {
			return m.offset + offset, number, nil
		}
	}
	return 0, 0, errNoMember
}
