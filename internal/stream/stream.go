// Package stream writes rows to a file, pipe, socket or terminal whose reader may
// stall or leave. It opens the files: none that another user could have put in their
// place; and has the keys of a terminal one by one.
package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"opensnoop/internal/proc"
)

// ErrReaderLeft means that nobody reads any more.
var ErrReaderLeft = errors.New("the reader has left")

// graceTime is how long a reader that takes nothing is waited for after the end
// of the run.
const graceTime = time.Second

// hurriedTime is how long a reader is waited for in all once there is a hurry. A reader who takes rows
// as they come may not have taken the last ones yet. One who has taken none for as long is given up at once.
const hurriedTime = 250 * time.Millisecond

// lookTime is how often it is looked after the end of the run whether there is a hurry.
const lookTime = 50 * time.Millisecond

// chunk is how much is written to a pipe or terminal at a time, in bytes: a pipe
// that polls as writable takes that much without blocking (PIPE_BUF, pipe(7)).
const chunk = 4096

// roomTime is how long a terminal that has no room for what comes next, though it
// polls as writable, is left alone, in ms.
const roomTime = 10

// Options say what a stream carries and who hears of its end. The zero value is for
// lines.
type Options struct {
	// RowEnd returns the length of the first of some whole rows, with its end. Nil
	// is for rows that end at their first line break.
	RowEnd func(rows []byte) int

	// Left, if set, is called once when the reader leaves, from a goroutine.
	Left func()

	// Hurry, if set, is closed when the stream has to end soon. A reader is then waited for a quarter
	// of a second in all. After that, rows that he does not take at once are dropped.
	Hurry <-chan struct{}
}

// Stream writes rows. It is not safe for concurrent use, but for Stuck.
type Stream struct {
	file *os.File
	o    Options
	ctx  context.Context

	writing atomic.Int64 // since when a write has not returned, as time.Now().UnixNano(); 0 for none

	// For what can be polled; regular files seldom make a writer wait.
	pollable bool
	socket   bool
	fd       int           // to write to: the file's, or own
	own      int           // a descriptor to close; -1 is none
	stop     *os.File      // an eventfd, readable once ctx has ended
	end      func()        // ends ctx
	watched  chan struct{} // closed when the watching has ended

	late    time.Time // when a reader is not waited for any more; zero until there is a hurry
	dropped uint64
}

// New returns a stream to a file. Once ctx has ended, a reader that takes nothing
// holds the writer up for a second at most.
func New(ctx context.Context, file *os.File, o Options) (*Stream, error) {
	if o.RowEnd == nil {
		o.RowEnd = func(rows []byte) int { return bytes.IndexByte(rows, '\n') + 1 }
	}
	s := &Stream{file: file, o: o, ctx: ctx, fd: int(file.Fd()), own: -1}
	var st unix.Stat_t
	if err := unix.Fstat(s.fd, &st); err != nil {
		return nil, fmt.Errorf("looking at %s: %w", s.name(), err)
	}
	kind := st.Mode & unix.S_IFMT
	s.socket = kind == unix.S_IFSOCK
	s.pollable = s.socket || kind == unix.S_IFIFO || kind == unix.S_IFCHR
	if !s.pollable {
		return s, nil
	}
	stop, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("watching %s: %w", s.name(), err)
	}
	s.stop = os.NewFile(uintptr(stop), "eventfd")
	s.watched = make(chan struct{})
	if fd, ok := reopen(s.fd, kind); ok {
		s.fd, s.own = fd, fd
	}
	s.ctx, s.end = context.WithCancel(ctx)
	context.AfterFunc(s.ctx, func() {
		s.stop.Write([]byte{1, 0, 0, 0, 0, 0, 0, 0})
	})
	go s.watch()
	return s, nil
}

// reopen returns a descriptor that does not block for a terminal or pipe. One that polls
// as writable may take less than a chunk, a pipe if others write to it too, and a write
// would wait until it takes the rest. Only an open of our own can be changed: that of
// stdout is also the shell's. It fails for what is neither, for what is another user's,
// and for what does not block as it is.
func reopen(fd int, kind uint32) (int, bool) {
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK != 0 {
		return 0, false
	}
	if kind != unix.S_IFIFO {
		if _, err := unix.IoctlGetTermios(fd, unix.TCGETS); err != nil {
			return 0, false
		}
		if _, err := unix.IoctlGetInt(fd, unix.TIOCGPTN); err == nil {
			return 0, false // the other end of a pseudo terminal; an open makes a new one
		}
	}
	own, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_WRONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	return own, err == nil
}

// watch tells when the reader leaves, and ends then or when ctx has ended.
func (s *Stream) watch() {
	defer close(s.watched)
	for {
		out, err := s.poll(0, -1)
		switch {
		case err != nil || s.ctx.Err() != nil:
			return
		case out != 0:
			if s.o.Left != nil {
				s.o.Left()
			}
			return
		}
	}
}

// poll waits until the file has one of the events or an error, or the time in ms is
// over; -1 is until ctx ends. It returns the file's events.
func (s *Stream) poll(events int16, timeout int) (int16, error) {
	fds := []unix.PollFd{
		{Fd: int32(s.file.Fd()), Events: events},
		{Fd: int32(s.stop.Fd()), Events: unix.POLLIN},
	}
	if timeout >= 0 {
		fds = fds[:1]
	}
	if _, err := unix.Poll(fds, timeout); err != nil && err != unix.EINTR {
		return 0, err
	}
	return fds[0].Revents, nil
}

// Dropped returns how many rows were not written, or not to their end, because the
// reader took nothing after the end of the run, or the file takes no more.
func (s *Stream) Dropped() uint64 { return s.dropped }

// Write writes whole rows. The error is [ErrReaderLeft] if nobody reads them any
// more. Rows that a reader does not take after the end of the run are counted as
// dropped, without an error.
func (s *Stream) Write(p []byte) (int, error) {
	if !s.pollable {
		s.writing.Store(time.Now().UnixNano())
		n, err := s.file.Write(p)
		s.writing.Store(0)
		for at := n; err != nil && at < len(p); at = s.next(p, at) {
			s.dropped++
		}
		return n, s.explain(err)
	}
	return s.writeRows(p, s.put)
}

// File is where rows are written now.
func (s *Stream) File() *os.File { return s.file }

// Switch goes on in another file. Both are regular ones.
func (s *Stream) Switch(file *os.File) { s.file, s.fd = file, int(file.Fd()) }

// Stuck is for how long a write has not returned; 0 if there is none.
func (s *Stream) Stuck() time.Duration {
	if since := s.writing.Load(); since != 0 {
		return time.Since(time.Unix(0, since))
	}
	return 0
}

// writeRows writes rows by put, which writes a part of what it is given, or nothing
// if no more is to be written.
func (s *Stream) writeRows(p []byte, put func(p []byte) (int, error)) (int, error) {
	// Row ends are looked for at the starts of rows only: the row that at is in ends
	// at end, also if it was written in part.
	for at, end := 0, 0; at < len(p); {
		if end <= at {
			end = s.next(p, at)
		}
		// Whole rows, so that what is dropped can be counted in rows.
		to := end
		for to < len(p) {
			next := s.next(p, to)
			if next-at > chunk {
				break
			}
			to = next
		}
		n, err := put(p[at:min(to, at+chunk)])
		if err != nil {
			return at, err
		}
		if n == 0 {
			s.dropped++
			for ; end < len(p); end = s.next(p, end) {
				s.dropped++
			}
			return len(p), nil
		}
		for at += n; end < at; {
			end = s.next(p, end)
		}
	}
	return len(p), nil
}

// next returns where the row in p ends that starts at start. One without an end
// goes on to p's.
func (s *Stream) next(p []byte, start int) int {
	if n := s.o.RowEnd(p[start:]); n > 0 {
		return start + n
	}
	return len(p)
}

// put writes as much of p as the file takes at once, as soon as it takes some. It
// returns 0 if it takes nothing after the end of the run.
func (s *Stream) put(p []byte) (int, error) {
	if s.dropped > 0 {
		return 0, nil // one grace time is enough
	}
	for began := (time.Time{}); ; {
		wait := -1
		if s.ctx.Err() != nil {
			now := time.Now()
			if began.IsZero() {
				began = now
			}
			left := graceTime - now.Sub(began)
			if s.hurries() {
				if s.late.IsZero() {
					s.late = now.Add(hurriedTime)
				}
				left = min(hurriedTime-now.Sub(began), s.late.Sub(now))
			}
			wait = int(min(max(left, 0), lookTime).Milliseconds())
		}
		events, err := s.poll(unix.POLLOUT, wait)
		switch {
		case err != nil:
			return 0, s.explain(err)
		case events == 0 && wait == 0:
			return 0, nil
		case events == 0:
			continue
		}
		switch n, err := s.write(p); {
		case n > 0:
			return n, nil
		case err == unix.EAGAIN && wait == 0:
			return 0, nil
		case err == unix.EAGAIN:
			if _, err := s.poll(0, roomTime); err != nil {
				return 0, s.explain(err)
			}
		case err != unix.EINTR:
			return 0, s.explain(err)
		}
	}
}

// hurries reports whether the reader is not waited for any more.
func (s *Stream) hurries() bool {
	select {
	case <-s.o.Hurry: // never, if it is nil
		return true
	default:
		return false
	}
}

// write is one system call to write.
func (s *Stream) write(p []byte) (int, error) {
	s.writing.Store(time.Now().UnixNano())
	defer s.writing.Store(0)
	if s.socket {
		return unix.SendmsgN(s.fd, p, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	}
	return unix.Write(s.fd, p)
}

// explain returns the error of a write for the user, and ErrReaderLeft for those
// that mean it: a pipe or socket without a reader, a connection that was cut, a
// terminal that was hung up.
func (s *Stream) explain(err error) error {
	var errno unix.Errno
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &errno):
		return fmt.Errorf("writing to %s: %w", s.name(), err)
	case s.pollable && (errno == unix.EPIPE || errno == unix.ECONNRESET || errno == unix.EIO):
		return ErrReaderLeft
	}
	return fmt.Errorf("writing to %s: %w", s.name(), proc.ExplainLimit(errno))
}

// name is what the user calls the file.
func (s *Stream) name() string {
	if s.file.Name() == os.Stdout.Name() {
		return "stdout"
	}
	return s.file.Name()
}

// Close ends the watching. The file stays open.
func (s *Stream) Close() {
	if !s.pollable {
		return
	}
	s.end()
	<-s.watched
	s.stop.Close()
	if s.own >= 0 {
		unix.Close(s.own)
		s.own = -1
	}
}
