package kernel

import (
	"errors"
	"io/fs"
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
