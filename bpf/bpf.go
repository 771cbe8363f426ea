// Package bpf holds the BPF programs, in C, and the few headers that libbcc
// needs in place of the kernel's, and of its own, to compile them.
package bpf

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"slices"
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

//go:embed include/arch include/include/bcc include/include/linux include/include/uapi
var include embed.FS

// Headers are those that libbcc reads beside [Text], laid out like a kernel source folder. It lacks
// linux/version.h, which tells the version of the running kernel and so is made at run time.
func Headers() fs.FS { return below(include) }

//go:embed include/include/opensnoop include/arch/*/include/asm/open.h
var own embed.FS

// OwnHeaders are those that [Text] puts into one text, laid out in the same way.
func OwnHeaders() fs.FS { return below(own) }

func below(files embed.FS) fs.FS {
	sub, err := fs.Sub(files, "include")
	if err != nil {
		panic(err) // only for a malformed constant path
	}
	return sub
}

// Program is one that the kernel runs. What it does is on_ and its name in the text; Context is what
// that takes, such as "struct pt_regs".
type Program struct{ Name, Context string }

// textSize is what the longest text takes; each start makes one, and more memory takes time.
const textSize = 160 << 10

// isIn reports whether a header has what the program does.
func (p Program) isIn(header []byte) bool { return bytes.Contains(header, []byte(" on_"+p.Name+"(")) }

// Text returns [Source] with the program's own headers where it includes them, these macros, as NAME
// or NAME=value, before all, and these programs behind all: one text, which libbcc compiles by itself.
// It is for an architecture by libbcc's name, such as "x86". What Source includes for other programs is
// left out, and so are walks if none of the programs walks: libbcc parses all of the text three times. Without
// programs all is there.
func Text(arch string, macros []string, programs []Program) (string, error) {
	var text strings.Builder
	text.Grow(textSize)
	text.WriteString(Define(macros))
	headers := OwnHeaders()
	// none reports whether no program is in a header that is there for programs.
	none := func(header []byte) bool {
		return programs != nil && bytes.Contains(header, []byte(" on_")) && !slices.ContainsFunc(programs, func(p Program) bool { return p.isIn(header) })
	}
	walks, err := fs.ReadFile(headers, "include/opensnoop/walks.h")
	if err != nil {
		return "", err
	}
	seen := make(map[string]bool)
	var add func(code []byte, main bool) error
	add = func(code []byte, main bool) error {
		for line := range bytes.Lines(code) {
			included, is := bytes.CutPrefix(line, []byte("#include <"))
			if !is || !bytes.HasPrefix(included, []byte("opensnoop/")) && !bytes.HasPrefix(included, []byte("asm/open.h")) {
				text.Write(line)
				continue
			}
			name := string(bytes.TrimSuffix(included, []byte(">\n")))
			if name == "opensnoop/walk.h" && none(walks) {
				name = "opensnoop/unwalked.h"
			}
			if seen[name] {
				continue
			}
			path := "include/" + name
			if strings.HasPrefix(name, "asm/") {
				path = "arch/" + arch + "/include/" + name
			}
			header, err := fs.ReadFile(headers, path)
			if err != nil {
				return fmt.Errorf("finding a header of the BPF program: %w", err)
			}
			if main && none(header) {
				continue
			}
			seen[name] = true
			if err := add(header, false); err != nil {
				return err
			}
		}
		return nil
	}
	err = add([]byte(Source), true)
	for _, p := range programs {
		fmt.Fprintf(&text, "int %s(%s *ctx) { return on_%[1]s(ctx); }\n", p.Name, p.Context)
	}
	return text.String(), err
}

// Define defines macros, as NAME or NAME=value.
func Define(macros []string) string {
	var text strings.Builder
	for _, macro := range macros {
		name, value, given := strings.Cut(macro, "=")
		if !given {
			value = "1"
		}
		fmt.Fprintf(&text, "#define %s %s\n", name, value)
	}
	return text.String()
}
