// Package bcc compiles BPF programs with libbcc, through gobpf, in a process of its own
// of which nothing stays: no LLVM, no memory, no changed folder or environment.
//
// A program that uses this package is its own compiler: started under another name, it
// never comes to main, but gives up all rights, loads libbcc, compiles what it reads
// from its stdin and writes an object. It needs no kernel headers, asks the kernel for
// no map and no program, and reads no file but libbcc and what that consists of.
//
// [Compiler.Compile] compiles a source, or takes what an earlier start left in the
// cache; [Compiler.Keep] leaves it there.
package bcc

import (
	"fmt"
	"io/fs"

	"opensnoop/internal/cache"
	"opensnoop/internal/kernel"
	"opensnoop/internal/object"
)

// Source is what a [Compiler] compiles.
type Source struct {
	Code    string   // C
	Headers fs.FS    // laid out like a kernel source folder, less linux/version.h, with a bcc/helpers.h
	Flags   []string // of the compiler, such as -DNAME=value
	// Types are what the running kernel's types are to tell, as more macros. They are read
	// when there is something to compile.
	Types []kernel.Fact
	// Functions are those of the kernel whose type numbers the result must contain.
	Functions []string
	Arch      string // "" is this machine's; "arm64", "x86" only to check a source
}

// defines are macros, as NAME or NAME=value, as the compiler's flags.
func defines(macros []string) []string {
	var flags []string
	for _, macro := range macros {
		flags = append(flags, "-D"+macro)
	}
	return flags
}

// Compiler compiles. The zero value has no cache.
type Compiler struct {
	Cache *cache.Folder

	// ProbeReadUser is whether the running kernel has the helper
	// bpf_probe_read_user, since Linux 5.5; libbcc asks that of a kernel.
	ProbeReadUser bool

	// Version is the running kernel's.
	Version kernel.Version
}

// Result is a compiled source.
type Result struct {
	Object *object.Object

	// Functions are the numbers of the types of those of Source.Functions that are there.
	Functions map[string]uint32

	// Cached is whether the object comes from the cache, and Why why not, or
	// "" if there was just none. A cached one that is Stale was used as there is
	// no libbcc to compile with.
	Cached bool
	Stale  bool
	Why    string

	key  string
	data []byte // to keep; nil if that is done or not wanted
}

// String says in a few words where the object comes from.
func (r *Result) String() string {
	switch {
	case r.Stale:
		return fmt.Sprintf("taken from the cache, although %s: there is no libbcc to compile with", r.Why)
	case r.Cached:
		return "taken from the cache"
	}
	return "compiled"
}
