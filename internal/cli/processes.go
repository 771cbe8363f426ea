package cli

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"opensnoop/internal/filter"
	"opensnoop/internal/kernel"
	"opensnoop/internal/proc"
)

// findProcesses finds the processes and threads to trace, and says which do not exist.
func (r *run) findProcesses() error {
	f := &r.flags.trace.Filter
	if err := r.takeInner(); err != nil {
		return err
	}
	if err := proc.CheckFiles(kernel.PossibleCPUs() + len(f.PIDs) + len(f.Roots)); err != nil {
		return err
	}
	missing, err := checkProcesses(slices.Concat(f.PIDs, f.Roots), f.TIDs, r.elsewhere)
	if err == nil && len(missing) > 0 {
		r.messages.printf("there is no process or thread %s%s", (*filter.PIDs)(&missing), r.elsewhere(missing))
	}
	return err
}

// checkProcesses returns those of the processes and threads that do not exist. It
// fails if none of either exists, or if a process is a thread: nothing would ever
// be shown. elsewhere says more of processes that do not.
func checkProcesses(wanted, threads []uint32, elsewhere func([]uint32) string) (missing []uint32, err error) {
	if len(wanted)+len(threads) > 0 {
		if err := checkProc(os.Readlink); err != nil {
			return nil, err
		}
	}
	for _, pid := range wanted {
		tgid, err := threadGroup(pid)
		switch {
		case errors.Is(err, os.ErrNotExist):
			missing = append(missing, pid)
		case err != nil:
			return nil, fmt.Errorf("looking for the process %d: %w", pid, err)
		case tgid != pid:
			return nil, fmt.Errorf("%d is a thread of the process %d: use -p %d, or -t %d", pid, tgid, tgid, pid)
		}
	}
	if len(missing) > 0 && len(missing) == len(wanted) {
		return nil, fmt.Errorf("there is no process %s%s", (*filter.PIDs)(&missing), elsewhere(missing))
	}
	var gone []uint32
	for _, tid := range threads {
		if _, err := threadGroup(tid); errors.Is(err, os.ErrNotExist) {
			gone = append(gone, tid)
		} else if err != nil {
			return nil, fmt.Errorf("looking for the thread %d: %w", tid, err)
		}
	}
	if len(gone) > 0 && len(gone) == len(threads) {
		return nil, fmt.Errorf("there is no thread %s", (*filter.PIDs)(&gone))
	}
	return append(missing, gone...), nil
}

// checkProc returns an error if /proc shows the processes by other numbers than those of
// this process's pid namespace, by which they are traced.
func checkProc(readlink func(string) (string, error)) error {
	self, err := readlink("/proc/self")
	if err != nil {
		return fmt.Errorf("/proc shows no processes, and -p needs it: mount -t proc proc /proc (%w)", err)
	}
	if self != strconv.Itoa(os.Getpid()) {
		return fmt.Errorf("/proc is of another pid namespace (this process is %d here, %s there): mount this one's /proc for -p", os.Getpid(), self)
	}
	return nil
}

// threadGroup returns the process that a thread belongs to, by /proc.
func threadGroup(tid uint32) (uint32, error) {
	tgid, err := proc.ThreadGroup(proc.Root, tid)
	if errors.Is(err, os.ErrNotExist) && !errors.Is(unix.Kill(int(tid), 0), unix.ESRCH) {
		// It is hidden, by the option hidepid of /proc. Whether it is a process or a
		// thread of one does not show.
		return tid, nil
	}
	return tgid, err
}
