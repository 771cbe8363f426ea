package proc

// #cgo LDFLAGS: -ldl
import "C" // early.c

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// LimitError tells of a limit that is too low, and what helps.
type LimitError string

func (e LimitError) Error() string { return string(e) }

func tooLow(format string, args ...any) error { return LimitError(fmt.Sprintf(format, args...)) }

// LimitRemedy says what helps against an error of a system call that came to a limit; "" of others.
func LimitRemedy(err error) string {
	for errno, remedy := range map[unix.Errno]string{
		unix.EMFILE: "raise the limit of open files (ulimit -n)",
		unix.ENFILE: "raise the system's limit of open files (sysctl fs.file-max)",
		unix.ENOMEM: "raise the limit of memory (ulimit -v, or that of the cgroup)",
		unix.EAGAIN: "raise the limit of processes (ulimit -u, or that of the cgroup)",
		unix.EFBIG:  "raise the limit of file sizes (ulimit -f)",
	} {
		if errors.Is(err, errno) {
			return remedy
		}
	}
	return ""
}

// ExplainLimit adds to an error what helps.
func ExplainLimit(err error) error {
	if remedy := LimitRemedy(err); remedy != "" {
		return fmt.Errorf("%w; %s", err, remedy)
	}
	return err
}

// filesBesides is how many descriptors tracing needs besides a ring for each CPU, with
// those of the compiler for its headers.
const filesBesides = 46

// CheckFiles returns an error if this process may have too few open files to trace on
// so many CPUs.
func CheckFiles(cpus int) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("reading the limit of open files: %w", err)
	}
	if needed := uint64(filesBesides + cpus); limit.Cur < needed {
		return tooLow("the limit of open files is %d, and tracing needs up to %d; raise it (ulimit -n)", limit.Cur, needed)
	}
	return nil
}

// compilerFile is the size in bytes of the largest file that the compiler is given, rounded up;
// compilerMemory is what it takes at least, less what is of its libraries' files.
const (
	compilerFile   = 64 << 10
	compilerMemory = 32 << 20
)

// CheckCompiler returns an error if what this process may have does not do for a compiler.
func CheckCompiler() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		return fmt.Errorf("reading the limit of file sizes: %w", err)
	}
	if limit.Cur < compilerFile {
		return tooLow("the limit of file sizes is %d KiB, and compiling needs %d; raise it (ulimit -f)", limit.Cur>>10, compilerFile>>10)
	}
	return CheckMemory(compilerMemory, "compiling")
}
