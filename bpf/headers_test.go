package bpf_test

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"opensnoop/bpf"
	"opensnoop/internal/plan"
)

// Every header says by which licence it is had.
func TestHeadersBeginWithTheirLicence(t *testing.T) {
	for _, headers := range []fs.FS{bpf.Headers(), bpf.OwnHeaders()} {
		err := fs.WalkDir(headers, ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := fs.ReadFile(headers, path)
			if !strings.HasPrefix(string(text), "// SPDX-License-Identifier: GPL-2.0-only\n") {
				t.Errorf("%s does not begin with its licence", path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// The text has every header of the program's own once, of one architecture, and includes none of them.
func TestText(t *testing.T) {
	for arch := range architectures {
		text, err := bpf.Text(arch, []string{"A", "B=1 + 2"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(text, "#define A 1\n#define B 1 + 2\n") || strings.Contains(text, "#include <opensnoop/") || strings.Contains(text, "#include <asm/open.h>") {
			t.Errorf("%s: the text lacks the macros or headers", arch)
		}
		paths, err := fs.Glob(bpf.OwnHeaders(), "include/opensnoop/*.h")
		if err != nil || len(paths) == 0 {
			t.Fatal(paths, err)
		}
		for _, path := range append(paths, "arch/"+arch+"/include/asm/open.h") {
			if path == "include/opensnoop/unwalked.h" {
				continue // in place of another
			}
			header, err := fs.ReadFile(bpf.OwnHeaders(), path)
			if err != nil {
				t.Fatal(err)
			}
			end := strings.TrimSpace(string(header[len(header)*3/4:]))
			if n := strings.Count(text, end); n != 1 {
				t.Errorf("%s: the text has %s %d times", arch, path, n)
			}
		}
	}
	if _, err := bpf.Text("none", nil, nil); err == nil {
		t.Error("a text for an unknown architecture")
	}
}

// The text ends with the programs of a plan, and lacks what others do.
func TestTextOfPrograms(t *testing.T) {
	text, err := bpf.Text("x86", nil, []bpf.Program{{Name: "syscall_enter", Context: "struct bpf_raw_tracepoint_args"}})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(text, "\nint syscall_enter(struct bpf_raw_tracepoint_args *ctx) { return on_syscall_enter(ctx); }\n") {
		t.Error("the text does not end with the program")
	}
	for name, want := range map[string]bool{"on_syscall_exit": true, "trace_return": true, "on_handle_enter": false, "on_walk_enter": false, "on_uring_submit": false, "on_task_exec": false, "on_task_fork": false} {
		if strings.Contains(text, name) != want {
			t.Errorf("the text of one program: %s is there: %v", name, !want)
		}
	}
}

// A header that no program of the plan is in is there if another one includes it.
func TestTextOfHeadersOfOthers(t *testing.T) {
	text, err := bpf.Text("x86", nil, []bpf.Program{{Name: "sigreturn_session", Context: "struct pt_regs"}})
	if err != nil || strings.Count(text, " on_openat2_enter(FUNCTION") != 1 {
		t.Errorf("session.h is there without kprobe.h, error %v", err)
	}
}

// Walks are in the text only if a program walks.
func TestTextOfWalks(t *testing.T) {
	for program, walked := range map[string]bool{"open_enter": false, "walk_enter": true} {
		text, err := bpf.Text("x86", nil, []bpf.Program{{Name: program, Context: "struct pt_regs"}})
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text, "recheck_seqs(") != walked || strings.Contains(text, "#define needs_walk(call) false") == walked {
			t.Errorf("%s: walks are there or not: %v", program, !walked)
		}
	}
}

// Macros that Go writes are always there: to ask whether they are defined says nothing.
func TestNoMacroIsAskedFor(t *testing.T) {
	written := make(map[string]bool)
	for _, macro := range plan.Complete(nil, nil) {
		name, _, _ := strings.Cut(macro, "=")
		written[name] = true
	}
	asks := regexp.MustCompile(`(?:#ifn?def |defined[( ])(\w+)`)
	for arch := range architectures {
		text, err := bpf.Text(arch, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range asks.FindAllStringSubmatch(text, -1) {
			if written[found[1]] {
				t.Errorf("%s: %s is defined in all programs: use `if` or `#if` with its value, or HAS", found[0], found[1])
			}
		}
	}
}
