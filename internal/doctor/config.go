package doctor

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// option is an option of the kernel's configuration.
type option struct {
	name string
	// status is that of a kernel without it, and meaning what that means. An
	// option that opensnoop does not need says in unneeded why not.
	status   Status
	meaning  string
	unneeded string
	of       string // the check that finds it missing by itself
}

const (
	noBPF     = "no BPF program can run"
	noKprobes = "opensnoop uses the tracepoint probe, which slows every system call a little"
	noJIT     = "BPF programs are interpreted, and slow every open more"
)

var options = []option{
	{name: "CONFIG_BPF", status: Fail, meaning: noBPF, of: "BPF"},
	{name: "CONFIG_BPF_SYSCALL", status: Fail, meaning: noBPF, of: "BPF"},
	{name: "CONFIG_BPF_EVENTS", status: Fail, meaning: "BPF programs cannot be attached to kprobes and tracepoints", of: "BPF"},
	{name: "CONFIG_BPF_JIT", status: Warn, meaning: noJIT},
	{name: "CONFIG_HAVE_EBPF_JIT", status: Warn, meaning: noJIT},
	{name: "CONFIG_KPROBES", status: Warn, meaning: noKprobes, of: "kprobes"},
	{name: "CONFIG_KPROBE_EVENTS", status: Warn, meaning: noKprobes, of: "kprobes"},
	{name: "CONFIG_NET_CLS_BPF", unneeded: "it is for network filters"},
	{name: "CONFIG_NET_ACT_BPF", unneeded: "it is for network filters"},
	{name: "CONFIG_IKHEADERS", unneeded: "opensnoop needs no kernel headers"},
	{name: "CONFIG_FTRACE_SYSCALLS", unneeded: "opensnoop uses raw tracepoints"},
	{name: "CONFIG_DEBUG_INFO_BTF", status: Warn, meaning: "the kernel does not describe its types, which paths (-F, --path by files), following, the columns ppid, euid, process, pcomm and --mntnsmap need"},
}

// configuration judges the kernel's configuration, an option a check; in a single
// one that says unknown if it cannot be read.
func configuration(root fs.FS, release string) []Check {
	values, err := readConfig(root, release)
	if err != nil {
		names := make([]string, len(options))
		for i, o := range options {
			names[i] = o.name
		}
		return []Check{{
			Name:    "kernel configuration",
			Status:  Warn,
			Found:   fmt.Sprintf("%s unknown: %v", strings.Join(names, ", "), err),
			Meaning: "what the kernel lacks can be told only by the other checks",
			Remedy:  "nothing; modprobe configs makes /proc/config.gz where that is a module",
		}}
	}
	checks := make([]Check, len(options))
	for i, o := range options {
		checks[i] = o.check(values)
	}
	return checks
}

func (o option) check(values map[string]string) Check {
	c := Check{Name: o.name, Status: OK, Of: o.of}
	value, known := values[o.name]
	switch {
	case !known:
		c.Found = "absent"
	case value == "n":
		c.Found = "not set"
	default:
		c.Found = value
		return c
	}
	if o.unneeded != "" {
		c.Found += "; not needed: " + o.unneeded
		return c
	}
	c.Status = o.status
	c.Meaning = o.meaning
	c.Remedy = "use a kernel built with " + o.name + "=y"
	return c
}

// readConfig reads the configuration that the kernel itself tells of, else the
// one that was installed with it. An option that is not set has the value n.
func readConfig(root fs.FS, release string) (map[string]string, error) {
	if b, err := fs.ReadFile(root, "proc/config.gz"); err == nil {
		unzipped, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, fmt.Errorf("/proc/config.gz: %w", err)
		}
		return parseConfig(unzipped)
	}
	place := "boot/config-" + release
	b, err := fs.ReadFile(root, place)
	if err != nil {
		return nil, fmt.Errorf("neither /proc/config.gz nor /%s can be read", place)
	}
	return parseConfig(bytes.NewReader(b))
}

func parseConfig(r io.Reader) (map[string]string, error) {
	values := make(map[string]string)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		if rest, ok := strings.CutPrefix(line, "# "); ok {
			if name, ok := strings.CutSuffix(rest, " is not set"); ok {
				values[name] = "n"
			}
		} else if name, value, ok := strings.Cut(line, "="); ok {
			values[name] = value
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the kernel's configuration: %w", err)
	}
	return values, nil
}
