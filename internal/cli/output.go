package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"opensnoop/internal/format"
)

// errReaderLeft means that nobody reads stdout any more.
var errReaderLeft = errors.New("the reader of stdout has left")

// graceTime is how long a reader that takes nothing is waited for after the end
// of the run.
const graceTime = time.Second

// chunk is how much is written to a pipe or terminal at a time, in bytes: a pipe
// that polls as writable takes that much without blocking (PIPE_BUF, pipe(7)).
const chunk = 4096

// output writes rows to stdout, which may be a pipe or a terminal whose reader
// stops reading or leaves. It is not safe for concurrent use.
type output struct {
	file *os.File
	ctx  context.Context

	// For what can be polled; regular files never make a writer wait.
	pollable bool
	stop     int // an eventfd, readable once ctx has ended
	release  func() bool

	// rowEnd returns the length of the first of some rows.
	rowEnd func(rows []byte) int

	dropped uint64 // rows not written, because the reader took nothing
}

// newOutput returns an output for file. Once ctx has ended, a reader that takes
// nothing no longer holds the writer up. left is called when the reader leaves.
func newOutput(ctx context.Context, file *os.File, left func()) (*output, error) {
	o := &output{file: file, ctx: ctx, stop: -1, rowEnd: format.SplitLines}
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return nil, fmt.Errorf("looking at stdout: %w", err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFIFO, unix.S_IFSOCK, unix.S_IFCHR:
		o.pollable = true
	default:
		return o, nil
	}
	stop, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("watching stdout: %w", err)
	}
	o.stop = stop
	o.release = context.AfterFunc(ctx, func() {
		unix.Write(stop, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	})
	go o.watch(left)
	return o, nil
}

// watch calls left when the reader leaves, and ends then or when ctx has ended.
func (o *output) watch(left func()) {
	for {
		out, err := o.poll(0, -1)
		switch {
		case err != nil || o.ctx.Err() != nil:
			return
		case out != 0:
			left()
			return
		}
	}
}

// poll waits until stdout has one of the events or an error, ctx ends, or the
// time is over; -1 ms is no limit. It returns stdout's events.
func (o *output) poll(events int16, timeout int) (int16, error) {
	fds := []unix.PollFd{
		{Fd: int32(o.file.Fd()), Events: events},
		{Fd: int32(o.stop), Events: unix.POLLIN},
	}
	if o.ctx.Err() != nil {
		fds = fds[:1]
	}
	if _, err := unix.Poll(fds, timeout); err != nil && err != unix.EINTR {
		return 0, err
	}
	return fds[0].Revents, nil
}

// Write writes rows. The error is errReaderLeft if nobody reads them any more.
// Rows that a reader does not take after the end of the run are counted as
// dropped, without an error.
func (o *output) Write(p []byte) (int, error) {
	if !o.pollable {
		return len(p), o.write(p)
	}
	for rest := p; len(rest) > 0; {
		writable, err := o.writable()
		if err != nil {
			return 0, fmt.Errorf("writing to %s: %w", o.name(), err)
		}
		if !writable {
			for ; len(rest) > 0; rest = rest[o.rowEnd(rest):] {
				o.dropped++
			}
			break
		}
		// Whole rows, so that what is dropped can be counted in rows.
		n := o.rowEnd(rest)
		for n < len(rest) {
			next := n + o.rowEnd(rest[n:])
			if next > chunk {
				break
			}
			n = next
		}
		if err := o.write(rest[:n]); err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	return len(p), nil
}

// writable waits until stdout takes a chunk; false if it does not after the end
// of the run.
func (o *output) writable() (bool, error) {
	if o.dropped > 0 {
		return false, nil // one grace time is enough
	}
	for o.ctx.Err() == nil {
		if events, err := o.poll(unix.POLLOUT, -1); err != nil || events != 0 {
			return true, err
		}
	}
	events, err := o.poll(unix.POLLOUT, int(graceTime.Milliseconds()))
	return events != 0, err
}

func (o *output) write(p []byte) error {
	_, err := o.file.Write(p)
	if errors.Is(err, unix.EPIPE) {
		return errReaderLeft
	}
	if err != nil {
		return fmt.Errorf("writing to %s: %w", o.name(), errors.Unwrap(err))
	}
	return nil
}

// name is what the user calls the file.
func (o *output) name() string {
	if o.file.Name() == os.Stdout.Name() {
		return "stdout"
	}
	return o.file.Name()
}

// Close ends the watching. The file stays open.
func (o *output) Close() {
	if o.pollable {
		o.release()
	}
}
