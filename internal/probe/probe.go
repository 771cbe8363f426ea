// Package probe finds where the running kernel's opening of files can be hooked.
package probe

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strings"
)

// Kind is a way to hook the kernel.
type Kind string

const (
	// Auto takes the first of the others that attaches, in their order here.
	Auto Kind = "auto"
	// Kprobe hooks the kernel function that all opens by system call go through.
	Kprobe Kind = "kprobe"
	// Tracepoint hooks the entry and exit of every system call, through the raw
	// tracepoints sys_enter and sys_exit. It slows all system calls a little.
	Tracepoint Kind = "tracepoint"
)

// Kinds are the values that a user can choose.
var Kinds = []Kind{Auto, Kprobe, Tracepoint}

// Order returns the probes to try for what the user chose.
func (k Kind) Order() []Kind {
	if k == Auto || k == "" {
		return []Kind{Kprobe, Tracepoint}
	}
	return []Kind{k}
}

// Kprobes returns nil if the kernel has kprobes, else an error that says how it
// is known. root is the root of the file system.
//
// A kernel with CONFIG_KPROBES has a perf event source for them since 4.17, and
// before that the file kprobe_events in tracefs.
func Kprobes(root fs.FS) error {
	places := []string{
		"sys/bus/event_source/devices/kprobe/type",
		"sys/kernel/tracing/kprobe_events",
		"sys/kernel/debug/tracing/kprobe_events",
	}
	for _, place := range places {
		if _, err := fs.Stat(root, place); err == nil {
			return nil
		}
	}
	return errors.New("this kernel has no kprobes (no kprobe event source in /sys, no kprobe_events in tracefs; they need CONFIG_KPROBES and CONFIG_KPROBE_EVENTS)")
}

// OpenSymbol is the name of the kernel function to hook in a kernel of that
// version code (KERNEL_VERSION of linux/version.h): every open by system call,
// native or 32-bit, comes through it. Linux 5.6 brought do_sys_openat2 (commit
// fddb5d430ad9); before, it was do_sys_open.
func OpenSymbol(version uint32) string {
	if version < 5<<16|6<<8 {
		return "do_sys_open"
	}
	return "do_sys_openat2"
}

// wholeCopy matches what a compiler adds to the name of a function for a copy that
// is all of it, or nothing.
var wholeCopy = regexp.MustCompile(`^(\.(isra|constprop|llvm)\.[0-9]+)*$`)

// FindSymbol looks in a kernel's symbol table, in the form of /proc/kallsyms, for
// the function name. It is static, and so a compiler may have given it a suffix
// (.isra.N, .constprop.N, .llvm.N). A copy that is only a part of it (.part.N,
// .cold) does not count, and where there is more than one whole copy, no single one
// sees every open: both are errors.
func FindSymbol(kallsyms io.Reader, name string) (string, error) {
	var found []string
	lines := bufio.NewScanner(kallsyms)
	for lines.Scan() {
		// "ffffffff816b7430 t do_sys_openat2", and " [module]" behind a module's.
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 || !strings.EqualFold(fields[1], "t") {
			continue
		}
		suffix, ok := strings.CutPrefix(fields[2], name)
		if ok && wholeCopy.MatchString(suffix) && !slices.Contains(found, fields[2]) {
			found = append(found, fields[2])
		}
	}
	if err := lines.Err(); err != nil {
		return "", fmt.Errorf("reading the kernel's symbols: %w", err)
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("this kernel has no function %s", name)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("this kernel has several copies of %s (%s), and no single one sees every open", name, strings.Join(found, ", "))
}
