package main

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strconv"
)

// tool is what is measured. One without a command is not a process.
type tool struct {
	name    string
	pack    string                    // Debian's package of a peer
	command []string                  // the program by its path, and its arguments
	attach  func() (io.Closer, error) // instead of a command: hooks the kernel

	// cold are the arguments with which the tool uses nothing that it kept from an
	// earlier run; nil for one that keeps nothing.
	cold []string

	// filter returns the arguments with which only one process is traced; nil if
	// there are none.
	filter func(pid int) []string

	// onlyFilter leaves out all that is not about opens that the filter drops.
	onlyFilter bool

	// joins returns the arguments for a tool that traces only the processes it is
	// told; nil for one that traces all.
	joins func(pids []int) []string

	// lost finds in a line of the tool's outputs how many events it says it lost.
	lost *regexp.Regexp
}

// process reports whether the tool is one.
func (t *tool) process() bool { return t.command != nil }

func byPID(pid int) []string { return []string{"-p", strconv.Itoa(pid)} }

func byPIDs(pids []int) []string {
	var args []string
	for _, pid := range pids {
		args = append(args, byPID(pid)...)
	}
	return args
}

// ours is the first of each list: the others' ratios are to it.
func ours(opensnoop string) tool {
	return tool{
		name:    "opensnoop",
		command: []string{opensnoop},
		cold:    withoutCache(opensnoop),
		filter:  byPID,
		lost:    regexp.MustCompile(`^opensnoop: lost (\d+) opens in all$`),
	}
}

// withoutCache returns what keeps an opensnoop from using its cache, if it has one:
// old ones have none.
func withoutCache(opensnoop string) []string {
	const flag = "--no-cache"
	help, _ := exec.Command(opensnoop, "-h").Output() // a failure shows when it is tried
	if bytes.Contains(help, []byte(flag)) {
		return []string{flag}
	}
	return nil
}

// before are other programs of ours, of earlier commits.
func before(peers []string) []tool {
	var tools []tool
	for i, path := range peers {
		t := ours(path)
		t.name = "opensnoop (before)"
		if len(peers) > 1 {
			t.name = fmt.Sprintf("opensnoop (before, %d)", i+1)
		}
		tools = append(tools, t)
	}
	return tools
}

// oursWithColumns also shows what the default rows do not need to wait for.
func oursWithColumns(opensnoop string) tool {
	t := ours(opensnoop)
	t.name = "opensnoop fd,err"
	t.command = append(t.command, "--columns", "pid,fd,err,file")
	return t
}

// oursWithPaths also shows absolute paths. What its filter drops is dropped by them.
func oursWithPaths(opensnoop string) tool {
	t := ours(opensnoop)
	t.name = "opensnoop path"
	t.command = append(t.command, "--columns", "pid,path,file")
	t.filter = func(int) []string { return []string{"--exclude-path", path.Clean(floodName)} }
	return t
}

// oursFollowing follows another process than the load, and is measured by what that costs others.
func oursFollowing(opensnoop string) tool {
	t := ours(opensnoop)
	t.name = "opensnoop follow"
	t.filter = func(pid int) []string { return []string{"-p", strconv.Itoa(pid), "--follow"} }
	t.onlyFilter = true
	return t
}

var (
	noTracer      = tool{name: "no tracer"}
	emptySyscalls = tool{name: "empty program", attach: attachEmptySyscalls}
	emptyKprobes  = tool{name: "empty kprobes", attach: attachEmptyKprobes}
	libbpfTools   = tool{
		name:    "libbpf-tools",
		pack:    "libbpf-tools",
		command: []string{"/usr/sbin/opensnoop"},
		filter:  byPID,
		lost:    regexp.MustCompile(`^[Ll]ost (\d+) events`),
	}
	bpftrace = tool{
		name:    "bpftrace",
		pack:    "bpftrace",
		command: []string{"/usr/bin/bpftrace", "/usr/sbin/opensnoop.bt"},
		lost:    regexp.MustCompile(`^Lost (\d+) events`),
	}
	bccTools = tool{
		name:    "bcc",
		pack:    "bpfcc-tools",
		command: []string{"/usr/sbin/opensnoop-bpfcc"},
		filter:  byPID,
		lost:    regexp.MustCompile(`^Possibly lost (\d+) samples`),
	}
	strace = tool{
		name:    "strace",
		pack:    "strace",
		command: []string{"/usr/bin/strace", "-f", "-e", "trace=open,openat,openat2,creat", "-o", "/dev/stdout"},
		joins:   byPIDs,
	}
)

// hostTools are measured on the machine itself.
func hostTools(opensnoop string, peers []string) []tool {
	return slices.Concat(
		[]tool{ours(opensnoop), oursWithColumns(opensnoop), oursWithPaths(opensnoop), oursFollowing(opensnoop)}, before(peers),
		[]tool{libbpfTools, bpftrace, bccTools, strace, emptySyscalls, noTracer})
}

// guestTools are measured in a guest: what the machine itself may lack. None hooks
// all system calls: when such a hook comes or goes the kernel patches code that
// both CPUs run all the time, and under QEMU's emulation one of them may run into
// the breakpoint that the patching has already taken away, which is a panic.
func guestTools(opensnoop string, peers []string) []tool {
	return slices.Concat([]tool{ours(opensnoop)}, before(peers), []tool{bccTools, emptyKprobes, noTracer})
}
