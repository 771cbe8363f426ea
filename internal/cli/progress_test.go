package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pseudoTerminal returns the two ends of a pseudoterminal.
func pseudoTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// read reads n bytes.
func read(t *testing.T, from io.Reader, n int) string {
	t.Helper()
	buf := make([]byte, n)
	if _, err := io.ReadFull(from, buf); err != nil {
		t.Fatal(err)
	}
	return string(buf)
}

func TestProgress(t *testing.T) {
	const line = "one moment"
	master, slave := pseudoTerminal(t)
	done := progress(slave, 0, line)
	if got := read(t, master, len(line)); got != line {
		t.Errorf("%q, want %q", got, line)
	}
	done()
	erased := "\r" + strings.Repeat(" ", len(line)) + "\r"
	if got := read(t, master, len(erased)); got != erased {
		t.Errorf("%q, want %q", got, erased)
	}
}

func TestProgressIsQuiet(t *testing.T) {
	master, slave := pseudoTerminal(t)
	progress(slave, time.Hour, "too early")()
	if _, err := slave.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	if got := read(t, master, 1); got != "x" {
		t.Errorf("before its time, it shows %q", got)
	}

	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	(&messages{w: w}).compiling()()
	w.Close()
	if got, err := io.ReadAll(r); err != nil || len(got) > 0 {
		t.Errorf("in a pipe, it shows %q, %v", got, err)
	}
}
