package doctor

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"opensnoop/internal/kernel"
	"opensnoop/internal/probe"
)

// kernelVersion compares the kernel with the oldest that opensnoop runs on. Linux 4.17
// brought raw tracepoints (commit c4f6699dfcb8) and kprobes that end with their
// tracer (e12f03d7031a).
func kernelVersion(release string, version kernel.Version) Check {
	c := Check{Name: "kernel", Found: release, errorText: "4.17"}
	switch symbol := probe.OpenSymbol(version); {
	case version < kernel.NewVersion(4, 17, 0):
		c.Status = Fail
		c.Meaning = "both of opensnoop's probes need Linux 4.17 or newer: it brought raw tracepoints, and kprobes that end with their tracer"
		c.Remedy = "use a newer kernel"
	case version < kernel.NewVersion(5, 6, 0):
		c.Status = OK
		c.Found += fmt.Sprintf("; the function of an open is %s, do_sys_openat2 only since 5.6", symbol)
	default:
		c.Status = OK
		c.Found += "; the function of an open is " + symbol
	}
	return c
}

// probeToUse tells which way of hooking the kernel --probe auto comes to.
func probeToUse(s *System, symbol Check) Check {
	c := Check{Name: "probe", Status: OK}
	switch {
	case s.Version < kernel.NewVersion(4, 17, 0):
		c.Status = Fail
		c.Found = "none"
		c.Meaning = "this kernel is too old for both probes"
		c.Remedy = "use a newer kernel"
		c.errorText = "4.17"
	case kernel.Kprobes(s.Root) != nil || symbol.Status != OK:
		c.Found = "the tracepoint probe will be used"
	case s.Fentry == nil:
		c.Found = "the fentry probe will be used; the kprobe probe for absolute paths and programs that are executed"
	default:
		c.Found = fmt.Sprintf("the kprobe probe will be used; not fentry: %v", s.Fentry)
		if s.Session == nil {
			c.Found = "the session probe for results; else " + c.Found
		}
	}
	return c
}

func kprobes(root fs.FS) Check {
	c := Check{Name: "kprobes", Status: OK, Found: "the kernel has them"}
	if err := kernel.Kprobes(root); err != nil {
		c.Status = Warn
		c.Found = err.Error()
		c.Meaning = "opensnoop uses the tracepoint probe, which slows every system call a little"
		c.Remedy = "nothing, unless that is too slow"
		c.errorText = "no kprobes"
	}
	return c
}

// kprobesFire tells whether kprobes are switched off, in which case they attach all the
// same.
func kprobesFire(root fs.FS) Check {
	c := Check{Name: "kprobes fire", Status: OK, Found: "they are not switched off"}
	for path, how := range map[string]string{
		"proc/sys/kernel/ftrace_enabled":   "sysctl kernel.ftrace_enabled=1",
		"sys/kernel/debug/kprobes/enabled": "echo 1 >/sys/kernel/debug/kprobes/enabled",
	} {
		if value, err := text(root, path); err == nil && value == "0" {
			c.Status = Warn
			c.Found = "/" + path + " is 0"
			c.Meaning = "kprobes attach, but do not fire: where it would use them, opensnoop uses the tracepoint probe, which slows every system call a little"
			c.Remedy = how
		}
	}
	return c
}

// symbolToHook looks for the function that a kprobe hooks, under its own or a
// compiler's name.
func symbolToHook(s *System) Check {
	name := probe.OpenSymbol(s.Version)
	c := Check{Name: "symbols to hook", Status: OK}
	table, err := fs.ReadFile(s.Root, "proc/kallsyms")
	if err == nil && len(table) == 0 {
		err = errors.New("it is empty")
	}
	if err != nil {
		c.Status = Warn
		c.Found = fmt.Sprintf("unknown: /proc/kallsyms cannot be read: %v", err)
		c.Meaning = fmt.Sprintf("whether the kernel has %s under that name shows only when opensnoop runs", name)
		c.Remedy = "nothing"
		return c
	}
	found, err := kernel.FindSymbol(bytes.NewReader(table), name)
	if err != nil {
		c.Status = Warn
		c.Found = err.Error()
		c.Meaning = "a kprobe cannot see every open: opensnoop uses the tracepoint probe"
		c.Remedy = "nothing"
		return c
	}
	c.Found = found
	for _, name := range []string{"do_filp_open", "do_file_open"} { // the second since Linux 7.0
		if also, err := kernel.FindSymbol(bytes.NewReader(table), name); err == nil {
			c.Found += ", " + also
		}
	}
	return c
}

// ioUring tells whether opens through io_uring show; Linux 5.6 brought them.
func ioUring(version kernel.Version) Check {
	c := Check{Name: "io_uring", Status: OK}
	switch {
	case version < kernel.NewVersion(5, 6, 0):
		c.Found = "files cannot be opened through it before Linux 5.6"
	case version < kernel.NewVersion(6, 0, 0):
		c.Status = Warn
		c.Found = "its tracepoint is another before Linux 6.0"
		c.Meaning = "opens through io_uring do not show"
		c.Remedy = "use Linux 6.0 or newer to see them"
	default:
		c.Found = "opens through it show"
	}
	return c
}

// text reads a small file; the result has no blanks around it.
func text(root fs.FS, path string) (string, error) {
	b, err := fs.ReadFile(root, path)
	return strings.TrimSpace(string(b)), err
}
