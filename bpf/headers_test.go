package bpf_test

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"opensnoop/bpf"
)

var comment = regexp.MustCompile(`//.*`)

// misplaced is what libbcc understands in the main file only. In a header it compiles
// without a word into something else, or into nothing.
var misplaced = map[string]*regexp.Regexp{
	"a call of a map's method": regexp.MustCompile(`(\.|->)\s*\w+\s*\(`),
	"a map":                    regexp.MustCompile(`\bBPF_(TABLE|HASH|ARRAY|PERCPU_|PERF_|LRU_|RINGBUF|STACK|QUEUE|PROG_)\w*\s*\(`),
	"bpf_trace_printk":         regexp.MustCompile(`\bbpf_trace_printk\b`),
	"a program":                regexp.MustCompile(`(?m)^(int|long|u32|u64|void|struct)\s[^;={]*\)\s*\{`),
}

// faults tells what of a header must not be in one.
func faults(header string) []string {
	var found []string
	code := comment.ReplaceAllString(header, "")
	for what, pattern := range misplaced {
		if where := pattern.FindString(code); where != "" {
			found = append(found, what+": "+where)
		}
	}
	return found
}

func TestHeadersLeaveTheMapsToTheMainFile(t *testing.T) {
	err := fs.WalkDir(bpf.Headers(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(bpf.Headers(), path)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(string(text), "// SPDX-License-Identifier: GPL-2.0-only\n") {
			t.Errorf("%s does not begin with its licence", path)
		}
		if path == "include/bcc/helpers.h" { // the macros themselves
			return nil
		}
		for _, fault := range faults(string(text)) {
			t.Errorf("%s holds %s", path, fault)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFaultsAreFound(t *testing.T) {
	for header, want := range map[string]string{
		"static long f(u64 *id) { return calls.lookup(id); }":                  "a call of a map's method: .lookup(",
		"x = calls . delete (&id);":                                            "a call of a map's method: . delete (",
		"BPF_HASH(calls, u64, u64, 1);":                                        "a map: BPF_HASH(",
		"BPF_PERCPU_ARRAY(scratch, u64, 1);":                                   "a map: BPF_PERCPU_ARRAY(",
		"static void f(void) { bpf_trace_printk(\"\"); }":                      "bpf_trace_printk: bpf_trace_printk",
		"int open_enter(struct pt_regs *ctx)\n{\n\treturn 0;\n}":               "a program: int open_enter(struct pt_regs *ctx)\n{",
		"// calls.lookup(&id)\nstatic int f(struct x *x) { return x->y.z; }\n": "",
	} {
		if got := strings.Join(faults(header), "; "); got != want {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
	}
}

// The text has every header of the program's own once, of one architecture, and includes none of them.
func TestText(t *testing.T) {
	for arch := range architectures {
		text, err := bpf.Text(arch, []string{"A", "B=1 + 2"})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(text, "#define A 1\n#define B 1 + 2\n") || strings.Contains(text, "#include <opensnoop/") || strings.Contains(text, "#include <asm/open.h>") {
			t.Errorf("%s: the text lacks the macros or headers", arch)
		}
		paths, err := fs.Glob(bpf.Headers(), "include/opensnoop/*.h")
		if err != nil || len(paths) == 0 {
			t.Fatal(paths, err)
		}
		for _, path := range append(paths, "arch/"+arch+"/include/asm/open.h") {
			header, err := fs.ReadFile(bpf.Headers(), path)
			if err != nil {
				t.Fatal(err)
			}
			end := strings.TrimSpace(string(header[len(header)*3/4:]))
			if n := strings.Count(text, end); n != 1 {
				t.Errorf("%s: the text has %s %d times", arch, path, n)
			}
		}
	}
	if _, err := bpf.Text("none", nil); err == nil {
		t.Error("a text for an unknown architecture")
	}
}
