package object

import (
	"errors"

	"golang.org/x/sys/unix"

	"opensnoop/internal/kernel"
	"opensnoop/internal/proc"
)

// Error is a step on the way of a program into the kernel that failed.
type Error struct {
	Step     string // such as "loading the BPF program open_enter"
	Messages string // the compiler's or the verifier's own words; may be empty
	Err      error  // why; nil if the messages say all
	Remedy   string // what helps, if that is known
}

func (e *Error) Error() string {
	text := e.Step + " failed"
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if e.Remedy != "" {
		text += "; " + e.Remedy
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// refused is the error of a step that the kernel, of this version, refused.
func refused(step string, err error, version kernel.Version) *Error {
	e := &Error{Step: step, Err: cause(err)}
	switch {
	case errors.Is(err, unix.ENOMEM):
		e.Remedy = proc.LimitRemedy(err)
	case errors.Is(err, unix.EPERM) && version < countsNoLocked && memoryLocked():
		e.Remedy = "Linux before 5.11 counts BPF as locked memory: raise the limit (ulimit -l)"
	}
	return e
}

// countsNoLocked is the first version by which maps and programs do not count as locked memory.
var countsNoLocked = kernel.NewVersion(5, 11, 0)

// memoryLocked reports whether there is a limit of locked memory.
func memoryLocked() bool {
	var limit unix.Rlimit
	return unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit) == nil && limit.Cur != unix.RLIM_INFINITY
}

// cause is the system's part of an error, if it has one.
func cause(err error) error {
	if errno := unix.Errno(0); errors.As(err, &errno) {
		return errno
	}
	return err
}
