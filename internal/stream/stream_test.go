package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long anything may take before a test fails.
const patience = time.Minute

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never came: %s", what)
		}
	}
}

// stdouts make what stdout may be and the reader's end of it.
var stdouts = map[string]func(*testing.T) (w, r *os.File){
	"pipe": func(t *testing.T) (w, r *os.File) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		return w, r
	},
	"small pipe": func(t *testing.T) (w, r *os.File) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
			t.Fatal(err)
		}
		return w, r
	},
	"socket": func(t *testing.T) (w, r *os.File) {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		return os.NewFile(uintptr(fds[0]), "socket"), os.NewFile(uintptr(fds[1]), "reader")
	},
	"TCP": func(t *testing.T) (w, r *os.File) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		writer, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer writer.Close()
		reader, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer reader.Close()
		reader.(*net.TCPConn).SetLinger(0) // its end cuts the connection
		reader.(*net.TCPConn).SetReadBuffer(1 << 16)
		writer.(*net.TCPConn).SetWriteBuffer(1 << 16)
		return fileOf(t, writer), fileOf(t, reader)
	},
	"terminal": func(t *testing.T) (w, r *os.File) {
		r, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.IoctlSetPointerInt(int(r.Fd()), unix.TIOCSPTLCK, 0); err != nil {
			t.Fatal(err)
		}
		number, err := unix.IoctlGetInt(int(r.Fd()), unix.TIOCGPTN)
		if err != nil {
			t.Fatal(err)
		}
		fd, err := unix.Open(fmt.Sprintf("/dev/pts/%d", number), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		return os.NewFile(uintptr(fd), "terminal"), r
	},
}

func fileOf(t *testing.T, c net.Conn) *os.File {
	t.Helper()
	file, err := c.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// forStdouts runs a test for each of what stdout may be, all at once: they wait a
// lot. Both ends are closed after it.
func forStdouts(t *testing.T, test func(t *testing.T, w, r *os.File)) {
	for name, open := range stdouts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, r := open(t)
			defer w.Close()
			defer r.Close()
			test(t, w, r)
		})
	}
}

// start returns a stream, and what ends its run; left is closed when the reader
// leaves.
func start(t *testing.T, w *os.File) (o *Stream, end func(), left chan struct{}) {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	left = make(chan struct{})
	o, err := New(ctx, w, Options{Left: func() { close(left) }})
	if err != nil {
		t.Fatal(err)
	}
	return o, end, left
}

// numbered returns so many different rows, some of them long.
func numbered(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "row %d %s\n", i, strings.Repeat("x", i%100))
	}
	return b.Bytes()
}

// written is what a Write returned.
type written struct {
	n   int
	err error
}

// begin writes from a goroutine.
func begin(o *Stream, p []byte) chan written {
	done := make(chan written, 1)
	go func() {
		n, err := o.Write(p)
		done <- written{n, err}
	}()
	return done
}

func await[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("never came: %s", what)
	}
	return v
}

// ready reports whether a file has one of the events now.
func ready(file *os.File, events int16) bool {
	fds := []unix.PollFd{{Fd: int32(file.Fd()), Events: events}}
	for {
		if _, err := unix.Poll(fds, 0); err != unix.EINTR {
			return err == nil && fds[0].Revents != 0
		}
	}
}

// readUntil reads what there is until it ends so. A terminal's \r\n is \n again.
func readUntil(t *testing.T, r *os.File, end string) string {
	t.Helper()
	var got []byte
	buf := make([]byte, 1<<16)
	for !bytes.HasSuffix(got, []byte(end)) {
		eventually(t, "more to read", func() bool { return ready(r, unix.POLLIN) })
		n, err := r.Read(buf)
		if err != nil {
			t.Fatalf("after %d bytes: %v", len(got), err)
		}
		got = append(got, bytes.ReplaceAll(buf[:n], []byte("\r"), nil)...)
	}
	return string(got)
}

func TestReaderWhoReads(t *testing.T) {
	forStdouts(t, func(t *testing.T, w, r *os.File) {
		o, end, _ := start(t, w)
		defer end()
		defer o.Close()
		rows := append(numbered(20000), "end\n"...)
		done := begin(o, rows)
		got := readUntil(t, r, "end\n")
		if result := await(t, "the end of Write", done); result.err != nil || result.n != len(rows) {
			t.Errorf("Write returned %d of %d, %v", result.n, len(rows), result.err)
		}
		if got != string(rows) {
			t.Errorf("%d bytes came out, not the %d written", len(got), len(rows))
		}
		if o.Dropped() != 0 {
			t.Errorf("%d rows dropped", o.Dropped())
		}
	})
}

// stall begins to write more than any stdout takes, and waits until it takes no
// more. A full terminal may come to poll as writable, of which it wakes no writer:
// there it is enough that the reader has something to take.
func stall(t *testing.T, o *Stream, r *os.File, rows []byte) chan written {
	t.Helper()
	done := begin(o, rows)
	_, err := unix.IoctlGetTermios(o.fd, unix.TCGETS)
	terminal := err == nil
	eventually(t, "a stdout that takes no more", func() bool {
		return ready(r, unix.POLLIN) && (terminal || !ready(o.file, unix.POLLOUT))
	})
	return done
}

// huge is more than the buffers of a socket hold.
const huge = 50000 // rows, of 60 bytes

func TestReaderWhoTakesNothingDoesNotHoldUpTheEnd(t *testing.T) {
	forStdouts(t, func(t *testing.T, w, r *os.File) {
		o, end, _ := start(t, w)
		defer o.Close()
		rows := numbered(huge)
		done := stall(t, o, r, rows)
		end()
		if result := await(t, "the end of Write", done); result.err != nil || result.n != len(rows) {
			t.Errorf("Write returned %d of %d, %v", result.n, len(rows), result.err)
		}
		// The second time without an error too, and whatever the reader does now:
		// what is missing is missing at the end.
		dropped := o.Dropped()
		buf := make([]byte, 1<<16)
		n, err := r.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		lines := bytes.Count(buf[:n], []byte("\n"))
		if n, err := o.Write([]byte("one\nmore\n")); n != 9 || err != nil || o.Dropped() != dropped+2 {
			t.Errorf("Write returned %d, %v; %d rows dropped, then %d", n, err, dropped, o.Dropped())
		}
		// What was not dropped is there.
		o.Close()
		w.Close()
		got, err := io.ReadAll(r)
		if err != nil && !errors.Is(err, unix.EIO) { // the end of a terminal
			t.Fatal(err)
		}
		if lines += bytes.Count(got, []byte("\n")); lines+int(dropped) != huge {
			t.Errorf("%d rows came out and %d were dropped, of %d", lines, dropped, huge)
		}
	})
}

func TestReaderWhoIsLateGetsAll(t *testing.T) {
	forStdouts(t, func(t *testing.T, w, r *os.File) {
		o, end, _ := start(t, w)
		defer o.Close()
		rows := append(numbered(huge), "end\n"...)
		done := stall(t, o, r, rows)
		end()
		got := readUntil(t, r, "end\n")
		await(t, "the end of Write", done)
		if n := strings.Count(got, "\n"); n != huge+1 || o.Dropped() != 0 {
			t.Errorf("%d rows came out and %d were dropped, of %d", n, o.Dropped(), huge+1)
		}
	})
}

// A row that is longer than what is written at a time.
func TestLongRowDoesNotHoldUpTheEnd(t *testing.T) {
	forStdouts(t, func(t *testing.T, w, r *os.File) {
		o, end, _ := start(t, w)
		defer o.Close()
		row := append(bytes.Repeat([]byte("x"), 4<<20), '\n')
		done := stall(t, o, r, row)
		end()
		await(t, "the end of Write", done)
		if o.Dropped() != 1 {
			t.Errorf("%d rows dropped", o.Dropped())
		}
	})
}

func TestReaderWhoLeaves(t *testing.T) {
	forStdouts(t, func(t *testing.T, w, r *os.File) {
		o, end, left := start(t, w)
		defer end()
		defer o.Close()
		r.Close()
		await(t, "the sign that the reader has left", left)
		if _, err := o.Write([]byte("row\n")); !errors.Is(err, ErrReaderLeft) {
			t.Errorf("error %v", err)
		}
	})
}

func TestReaderWhoLeavesWhileHeIsWaitedFor(t *testing.T) {
	forStdouts(t, func(t *testing.T, w, r *os.File) {
		o, end, left := start(t, w)
		defer end()
		defer o.Close()
		done := stall(t, o, r, numbered(huge))
		r.Close()
		if result := await(t, "the end of Write", done); !errors.Is(result.err, ErrReaderLeft) {
			t.Errorf("error %v", result.err)
		}
		await(t, "the sign that the reader has left", left)
	})
}

func TestStreamThatIsClosedLeavesNothing(t *testing.T) {
	descriptors := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	for name, open := range stdouts {
		t.Run(name, func(t *testing.T) {
			w, r := open(t)
			defer w.Close()
			defer r.Close()
			before := descriptors()
			o, end, left := start(t, w)
			defer end()
			o.Close()
			// The eventfd closes when what wrote to it has done so.
			eventually(t, "as many descriptors as before", func() bool { return descriptors() == before })
			// The watching is over too, and the file is as it was.
			if _, err := w.WriteString("after\n"); err != nil {
				t.Error(err)
			}
			r.Close()
			select {
			case <-left:
				t.Error("the sign that the reader has left came after the end")
			case <-o.watched:
			}
		})
	}
}

func TestFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "rows")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	o, end, _ := start(t, file)
	end() // a file takes all, whenever
	rows := numbered(1000)
	if n, err := o.Write(rows); n != len(rows) || err != nil {
		t.Errorf("Write returned %d, %v", n, err)
	}
	o.Close()
	if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, rows) {
		t.Errorf("%d bytes in the file, error %v", len(got), err)
	}
	file.Close()

	readOnly, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer readOnly.Close()
	o, end, _ = start(t, readOnly)
	defer end()
	_, err = o.Write(rows)
	if want := "writing to " + name + ": bad file descriptor"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestDevices(t *testing.T) {
	for name, want := range map[string]string{
		"/dev/null": "",
		"/dev/full": "writing to /dev/full: no space left on device",
	} {
		file, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		o, end, left := start(t, file)
		var got string
		if _, err := o.Write([]byte("row\n")); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: error %q, want %q", name, got, want)
		}
		o.Close()
		select {
		case <-left:
			t.Errorf("%s has no reader who could leave", name)
		default:
		}
		end()
		file.Close()
	}
}

// An error names stdout as the user knows it.
func TestErrorsNameStdout(t *testing.T) {
	file, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.NewFile(file.Fd(), os.Stdout.Name())
	o, end, _ := start(t, stdout)
	defer end()
	defer o.Close()
	if _, err := o.Write([]byte("row\n")); err == nil || err.Error() != "writing to stdout: no space left on device" {
		t.Errorf("error %v", err)
	}
}

// What is dropped is counted in rows, whatever a row is.
func TestDroppedRowsOfSeveralLines(t *testing.T) {
	w, r := stdouts["small pipe"](t)
	defer w.Close()
	defer r.Close()
	o, end, _ := start(t, w)
	defer o.Close()
	o.o.RowEnd = func(rows []byte) int { return bytes.Index(rows, []byte(";\n")) + 2 }
	end()
	rows := bytes.Repeat([]byte("two\nlines;\n"), 1000)
	if n, err := o.Write(rows); n != len(rows) || err != nil {
		t.Errorf("Write returned %d, %v", n, err)
	}
	o.Close()
	w.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(got, []byte(";\n")); n == 0 || n+int(o.Dropped()) != 1000 || len(got)%11 != 0 {
		t.Errorf("%d rows and %d bytes came out, %d dropped", n, len(got)%11, o.Dropped())
	}
}
