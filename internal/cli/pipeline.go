package cli

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"opensnoop/internal/proc"
)

// readersTime is how long a shell is waited for that has not started yet who reads the rows.
const readersTime = 200 * time.Millisecond

// leaveOutPipeline leaves out what those open who read the rows by a pipe, and what they start. Of
// a command alone they are no part.
func (r *run) leaveOutPipeline() error {
	if !r.flags.excludePipeline || r.command != nil {
		return nil
	}
	readers, err := r.findReaders()
	if err != nil {
		return err
	}
	if len(readers.PIDs) == 0 {
		r.messages.printf("no process reads the rows by a pipe: --exclude-pipeline leaves out nothing")
		return nil
	}
	f := &r.flags.trace.Filter
	f.Roots, f.Running, f.RootsExcluded = readers.PIDs, true, true
	return nil
}

// toPipe reports whether the rows are for a pipe.
func (r *run) toPipe() bool {
	var stat unix.Stat_t
	return r.flags.output.file == "" && unix.Fstat(int(r.stdout.Fd()), &stat) == nil && stat.Mode&unix.S_IFMT == unix.S_IFIFO
}

// findReaders finds who reads the rows; nobody if they are not for a pipe.
func (r *run) findReaders() (readers proc.Readers, err error) {
	if !r.toPipe() {
		return readers, nil
	}
	for began := time.Now(); r.ctx.Err() == nil; time.Sleep(readersTime / 10) {
		readers, err = proc.ReadersOf(proc.Root, int(r.stdout.Fd()))
		if err != nil {
			return readers, fmt.Errorf("looking for who reads the rows: %w", err)
		}
		if len(readers.PIDs) > len(readers.Above) || time.Since(began) > readersTime {
			break
		}
	}
	return readers, nil
}
