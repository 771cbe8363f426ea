package kernel

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Preemption is when a kernel lets one task go on with another's CPU while that is in the kernel,
// by the names of its parameter preempt=.
type Preemption string

// The modes. The first two never do so but where the kernel's code allows it.
const (
	PreemptNone      Preemption = "none"
	PreemptVoluntary Preemption = "voluntary"
	PreemptFull      Preemption = "full"
	PreemptLazy      Preemption = "lazy"
)

// CurrentPreemption returns the running kernel's. Where that can be chosen at run time, only
// debugfs tells: if it is not mounted, it is mounted where nobody sees it.
func CurrentPreemption() (Preemption, error) {
	release, err := CurrentRelease()
	if err != nil {
		return "", err
	}
	mode, dynamic := builtPreemption(release.Build)
	if !dynamic {
		return mode, nil
	}
	text, err := os.ReadFile("/sys/kernel/debug/sched/preempt")
	if errors.Is(err, fs.ErrNotExist) {
		text, err = readUnmounted("debugfs", "sched/preempt")
	}
	if err != nil {
		return "", err
	}
	return parsePreemption(string(text))
}

// builtPreemption is what uname -v says: PREEMPT_DYNAMIC is for those that can be told.
func builtPreemption(build string) (mode Preemption, dynamic bool) {
	for _, word := range strings.Fields(build) {
		switch word {
		case "PREEMPT_DYNAMIC":
			return "", true
		case "PREEMPT", "PREEMPT_RT":
			return PreemptFull, false
		case "PREEMPT_LAZY":
			return PreemptLazy, false
		}
	}
	return PreemptVoluntary, false // or none
}

// parsePreemption reads debugfs' line of all modes, with the one that holds in parentheses.
func parsePreemption(line string) (Preemption, error) {
	for _, word := range strings.Fields(line) {
		if strings.HasPrefix(word, "(") && strings.HasSuffix(word, ")") {
			return Preemption(word[1 : len(word)-1]), nil
		}
	}
	return "", fmt.Errorf("%q names no mode of preemption", line)
}

// readUnmounted reads a file of a file system that need not be mounted anywhere.
func readUnmounted(filesystem, path string) ([]byte, error) {
	failed := func(call string, err error) ([]byte, error) {
		return nil, fmt.Errorf("reading %s of %s: %w", path, filesystem, os.NewSyscallError(call, err))
	}
	context, err := unix.Fsopen(filesystem, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return failed("fsopen", err)
	}
	defer unix.Close(context)
	if err := unix.FsconfigCreate(context); err != nil {
		return failed("fsconfig", err)
	}
	mount, err := unix.Fsmount(context, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return failed("fsmount", err)
	}
	defer unix.Close(mount)
	fd, err := unix.Openat(mount, path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return failed("open", err)
	}
	file := os.NewFile(uintptr(fd), path)
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, 4096))
}
