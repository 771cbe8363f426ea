// Package bpf holds the BPF programs, in C, and the few headers that libbcc
// needs in place of the kernel's, and of its own, to compile them.
package bpf

import (
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
)

// Source is the main file of the program, in C: GPL-2.0-only, as the helpers that
// it calls demand. Its head says which -D flags specialize it. It includes headers
// of [Headers].
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

// included finds the headers that are the program's own, by their names. All others
// stand in for the kernel's.
var included = regexp.MustCompile(`(?m)^#include <((?:opensnoop/|asm/open\.h)[^>]*)>`)

// Listing returns [Source] with the program's own headers behind it, each under a
// line with its name, for an architecture by libbcc's name, such as "x86". It is to
// be read: the headers go into files of these names to compile it.
func Listing(arch string) (string, error) {
	var text strings.Builder
	text.WriteString(Source)
	headers := Headers()
	seen := make(map[string]bool)
	var add func(code string) error
	add = func(code string) error {
		for _, match := range included.FindAllStringSubmatch(code, -1) {
			name := match[1]
			if seen[name] {
				continue
			}
			seen[name] = true
			path := "include/" + name
			if strings.HasPrefix(name, "asm/") {
				path = "arch/" + arch + "/include/" + name
			}
			header, err := fs.ReadFile(headers, path)
			if err != nil {
				return fmt.Errorf("finding a header of the BPF program: %w", err)
			}
			fmt.Fprintf(&text, "\n// ---- The header <%s>:\n\n%s", name, header)
			if err := add(string(header)); err != nil {
				return err
			}
		}
		return nil
	}
	if err := add(Source); err != nil {
		return "", err
	}
	return text.String(), nil
}
