package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

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

// Trampolines returns nil if programs may run at the entry and return of functions by
// trampolines, else the reason. root is the root of the file system.
func Trampolines(root fs.FS) error {
	if _, err := fs.Stat(root, strings.TrimPrefix(TypesFile, "/")); err != nil {
		return typesUnknown(err)
	}
	text, err := fs.ReadFile(root, "proc/sys/kernel/ftrace_enabled")
	if err != nil {
		return fmt.Errorf("this kernel does not trace functions (CONFIG_FUNCTION_TRACER): %w", err)
	}
	if strings.TrimSpace(string(text)) == "0" {
		return errors.New("sysctl kernel.ftrace_enabled is 0")
	}
	return nil
}
