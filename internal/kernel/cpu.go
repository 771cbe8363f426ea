package kernel

import (
	"errors"

	"golang.org/x/sys/unix"
)

// maxCPUs bounds how many CPUs are looked for (CONFIG_NR_CPUS goes up to 8192).
const maxCPUs = 1 << 16

// PossibleCPUs is one more than the highest number that a CPU can have while this
// kernel runs (nr_cpu_ids in kernel/smp.c). It asks perf_event_open(2), which takes
// an offline CPU for one that is not there now and a number beyond for nonsense:
// /sys, which tells it too, may not be mounted.
func PossibleCPUs() int {
	attr := unix.PerfEventAttr{
		Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_DUMMY, Size: unix.PERF_ATTR_SIZE_VER0,
	}
	possible := func(cpu int) bool {
		fd, err := unix.PerfEventOpen(&attr, -1, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
		if err == nil {
			unix.Close(fd)
		}
		return err == nil || errors.Is(err, unix.ENODEV)
	}
	n := 1
	for step := 1; step > 0; {
		if n+step <= maxCPUs && possible(n+step-1) {
			n += step
			step *= 2
		} else {
			step /= 2
		}
	}
	return n
}
