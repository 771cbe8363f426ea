// Package limit tells of limits of the process that would stop tracing somewhere on its
// way, before they do so. That of address space it tells of before Go starts.
package limit

import "C" // address_space.c

import (
	"fmt"

	"golang.org/x/sys/unix"
)

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
		return fmt.Errorf("the limit of open files is %d, and tracing needs up to %d; raise it (ulimit -n)", limit.Cur, needed)
	}
	return nil
}
