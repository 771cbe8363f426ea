// Package bpf holds the BPF programs, in C, and the few headers that libbcc
// needs in place of the kernel's, and of its own, to compile them.
package bpf

import (
	"embed"
	"io/fs"
)

// Source is the C source of the program: GPL-2.0-only, as the helpers that it
// calls demand. Its head says which -D flags specialize it.
//
//go:embed opensnoop.c
var Source string

// Hello and Open are two smaller programs, which opensnoop doctor tries.
//
//go:embed hello.c
var Hello string

//go:embed open.c
var Open string

//go:embed include
var include embed.FS

// Headers is laid out like a kernel source folder. It lacks linux/version.h,
// which tells the version of the running kernel and so is made at run time.
func Headers() fs.FS {
	sub, err := fs.Sub(include, "include")
	if err != nil {
		panic(err) // only for a malformed constant path
	}
	return sub
}
