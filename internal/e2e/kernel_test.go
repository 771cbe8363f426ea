package e2e

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"opensnoop/internal/format"
	"opensnoop/internal/kernel"
	"opensnoop/internal/probe"
)

// notEverywhere are functions of the kernel that opensnoop hooks where they are, each with the
// versions that have it, or as it was built.
var notEverywhere = map[string]func(v kernel.Version) bool{
	"bprm_open_interpreter": func(v kernel.Version) bool { return v >= kernel.NewVersion(7, 0, 0) },

	// Of programs that the kernel may have been built without.
	"__ia32_sys_openat2":          nil,
	"__ia32_compat_sys_execve":    nil,
	"__ia32_compat_sys_execveat":  nil,
	"__x32_compat_sys_execve":     nil,
	"__x32_compat_sys_execveat":   nil,
	"__arm64_compat_sys_execve":   nil,
	"__arm64_compat_sys_execveat": nil,
}

// All that opensnoop relies on has the name in this kernel that it has in the lists of hooks. A
// kernel that renames something fails here, by its name.
func TestNamesInTheKernel(t *testing.T) {
	if !kprobes() {
		t.Skip("NOT TESTED: this kernel has no kprobes, and guests do")
	}
	facts, err := kernel.CurrentFacts()
	if err != nil {
		t.Fatal(err)
	}
	version := facts.Version
	text, err := os.ReadFile("/proc/kallsyms")
	if err != nil {
		t.Fatal(err)
	}
	symbols := make(map[string]bool)
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) >= 3 {
			name, _, _ := strings.Cut(fields[2], ".") // what the compiler made of it
			symbols[name] = true
		}
	}
	hooks := []probe.Hook{probe.Exits, probe.Exec, probe.Cgroups}
	for _, p := range probe.Probes {
		hooks = slices.Concat(hooks, p.Hooks(facts, false), p.Hooks(facts, true), []probe.Hook{*p.Forks})
		if p.Execs != nil {
			hooks = append(hooks, p.Execs(facts.Arch)...)
		}
	}
	if uring, err := probe.IOUring(version, true); err == nil {
		hooks = slices.Concat(hooks, uring)
	} else {
		t.Logf("no opens through io_uring: %v", err)
	}
	for _, h := range hooks {
		there := slices.ContainsFunc(h.At, func(at string) bool {
			if h.Kind == probe.RawTracepoint {
				at = "__tracepoint_" + at
			}
			return symbols[at]
		})
		in, partly := notEverywhere[h.At[0]]
		if want := !partly || in != nil && in(version); want && !there {
			t.Errorf("Linux %v has none of the %ss %q that the program %s needs", version, h.Kind, h.At, h.Program)
		}
	}
}

// Its structures have the members that are asked for.
func TestMembersInTheKernel(t *testing.T) {
	r := runToEnd(t, exec.Command(opensnoop, "--ebpf", "--execs", "--follow", "-p", "1", "--containers", "--columns", format.Names(format.Columns)))
	if r.status != 0 {
		t.Fatalf("status %d, stderr %q", r.status, r.stderr)
	}
	for _, macro := range []string{"TASK_TGID", "DENTRY_SEQ", "MM_ARG_START", "BPRM_INTERP", "CGROUP_KN", "SIGNAL_LIVE", "CRED_EUID"} {
		if !regexp.MustCompile(`#define ` + macro + ` \d`).MatchString(r.stdout) {
			t.Errorf("the program has no %s", macro)
		}
	}
}
