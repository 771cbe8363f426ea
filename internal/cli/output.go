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

// roomTime is how long a terminal that has no room for what comes next, though it
// polls as writable, is left alone, in ms.
const roomTime = 10

// output writes rows to stdout, which may be a pipe or a terminal whose reader
// stops reading or leaves. It is not safe for concurrent use.
type output struct {
	file *os.File
	ctx  context.Context

	// For what can be polled; regular files never make a writer wait.
	pollable bool
	fd       int           // to write to: the file's, or own
	own      int           // a descriptor to close; -1 is none
	stop     *os.File      // an eventfd, readable once ctx has ended
	end      func()        // ends ctx
	watched  chan struct{} // closed when the watching has ended

	// rowEnd returns the length of the first of some rows.
	rowEnd func(rows []byte) int

	dropped uint64 // rows not written, because the reader took nothing
}

// newOutput returns an output for file. Once ctx has ended, a reader that takes
// nothing no longer holds the writer up. left is called when the reader leaves.
func newOutput(ctx context.Context, file *os.File, left func()) (*output, error) {
	o := &output{file: file, ctx: ctx, fd: int(file.Fd()), own: -1, rowEnd: format.SplitLines}
	var st unix.Stat_t
	if err := unix.Fstat(o.fd, &st); err != nil {
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
	o.stop = os.NewFile(uintptr(stop), "eventfd")
	o.watched = make(chan struct{})
	if fd, ok := reopenTerminal(o.fd); ok {
		o.fd, o.own = fd, fd
	}
	o.ctx, o.end = context.WithCancel(ctx)
	context.AfterFunc(o.ctx, func() {
		o.stop.Write([]byte{1, 0, 0, 0, 0, 0, 0, 0})
	})
	go o.watch(left)
	return o, nil
}

// reopenTerminal returns a descriptor that does not block for a terminal. One that
// polls as writable may take less than a chunk, and a write would wait until it
// takes the rest. Only an open of our own can be changed: that of stdout is also
// the shell's. It fails for what is no terminal, and for one of another user.
func reopenTerminal(fd int) (int, bool) {
	if _, err := unix.IoctlGetTermios(fd, unix.TCGETS); err != nil {
		return 0, false
	}
	if _, err := unix.IoctlGetInt(fd, unix.TIOCGPTN); err == nil {
		return 0, false // the other end of a pseudo terminal; an open makes a new one
	}
	own, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_WRONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	return own, err == nil
}

// watch calls left when the reader leaves, and ends then or when ctx has ended.
func (o *output) watch(left func()) {
	defer close(o.watched)
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

// poll waits until stdout has one of the events or an error, or the time in ms is
// over; -1 is until ctx ends. It returns stdout's events.
func (o *output) poll(events int16, timeout int) (int16, error) {
	fds := []unix.PollFd{
		{Fd: int32(o.file.Fd()), Events: events},
		{Fd: int32(o.stop.Fd()), Events: unix.POLLIN},
	}
	if timeout >= 0 {
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
		n, err := o.file.Write(p)
		return n, o.explain(err)
	}
	for rest := p; len(rest) > 0; {
		// Whole rows, so that what is dropped can be counted in rows.
		n := o.rowEnd(rest)
		for n < len(rest) {
			next := n + o.rowEnd(rest[n:])
			if next > chunk {
				break
			}
			n = next
		}
		n, err := o.put(rest[:min(n, chunk)])
		if err != nil {
			return len(p) - len(rest), err
		}
		if n == 0 {
			for ; len(rest) > 0; rest = rest[o.rowEnd(rest):] {
				o.dropped++
			}
		}
		rest = rest[n:]
	}
	return len(p), nil
}

// put writes as much of p as stdout takes at once, as soon as it takes some. It
// returns 0 if it takes nothing after the end of the run.
func (o *output) put(p []byte) (int, error) {
	if o.dropped > 0 {
		return 0, nil // one grace time is enough
	}
	wait := -1
	for deadline := (time.Time{}); ; {
		if o.ctx.Err() != nil {
			if deadline.IsZero() {
				deadline = time.Now().Add(graceTime)
			}
			if wait = int(time.Until(deadline).Milliseconds()); wait <= 0 {
				return 0, nil
			}
		}
		events, err := o.poll(unix.POLLOUT, wait)
		if err != nil {
			return 0, o.explain(err)
		}
		if events == 0 {
			continue
		}
		switch n, err := unix.Write(o.fd, p); {
		case n > 0:
			return n, nil
		case err == unix.EAGAIN:
			if _, err := o.poll(0, roomTime); err != nil {
				return 0, o.explain(err)
			}
		case err != unix.EINTR:
			return 0, o.explain(err)
		}
	}
}

// explain returns the error of a write for the user, and errReaderLeft for those
// that mean it: a pipe or socket without a reader, a connection that was cut, a
// terminal that was hung up.
func (o *output) explain(err error) error {
	var errno unix.Errno
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &errno):
		return fmt.Errorf("writing to %s: %w", o.name(), err)
	case o.pollable && (errno == unix.EPIPE || errno == unix.ECONNRESET || errno == unix.EIO):
		return errReaderLeft
	}
	return fmt.Errorf("writing to %s: %w", o.name(), errno)
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
	if !o.pollable {
		return
	}
	o.end()
	<-o.watched
	o.stop.Close()
	if o.own >= 0 {
		unix.Close(o.own)
		o.own = -1
	}
}
