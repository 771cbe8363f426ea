package stream

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long anything may take before a test fails.
const patience = 5 * time.Minute

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
