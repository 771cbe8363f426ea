package stream

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

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

// A reader who takes some rows again and again is left behind in a hurry.
func TestSlowReaderDoesNotHoldUpAHurry(t *testing.T) {
	forStdouts(t, func(t *testing.T, w, r *os.File) {
		o, end, _ := start(t, w)
		defer o.Close()
		hurry := make(chan struct{})
		o.o.Hurry = hurry
		rows := numbered(huge)
		done := stall(t, o, r, rows)
		end()
		lines, buf := 0, make([]byte, 512)
		for i := 0; ; i++ {
			select {
			case <-done:
			default:
				if i == 10 {
					close(hurry)
				}
				n, err := r.Read(buf)
				if err != nil {
					t.Fatal(err)
				}
				lines += bytes.Count(buf[:n], []byte("\n"))
				time.Sleep(time.Millisecond)
				continue
			}
			break
		}
		if o.Dropped() == 0 {
			t.Error("nothing was dropped")
		}
		o.Close()
		w.Close()
		rest, err := io.ReadAll(r)
		if err != nil && !errors.Is(err, unix.EIO) { // the end of a terminal
			t.Fatal(err)
		}
		if lines += bytes.Count(rest, []byte("\n")); lines+int(o.Dropped()) != huge {
			t.Errorf("%d rows came out and %d were dropped, of %d", lines, o.Dropped(), huge)
		}
	})
}

// A reader who takes rows as they come gets them all, also if the run ended long before they were
// written.
func TestReaderWhoKeepsUpGetsAllInAHurry(t *testing.T) {
	forStdouts(t, func(t *testing.T, w, r *os.File) {
		o, end, _ := start(t, w)
		defer o.Close()
		hurry := make(chan struct{})
		close(hurry)
		o.o.Hurry, o.late = hurry, time.Now().Add(time.Hour)
		end()
		done := begin(o, append(numbered(huge), "end\n"...))
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
