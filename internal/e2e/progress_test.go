package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// On a terminal a slow compile is told of, and nothing of that stays.
func TestProgressLine(t *testing.T) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()

	cmd := exec.Command(opensnoop, "--no-cache", "-d", "0.1")
	cmd.Stderr = slave
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if status := wait(t, cmd); status != 0 {
		t.Fatalf("status %d", status)
	}
	const end = "(end)"
	if _, err := slave.WriteString(end); err != nil {
		t.Fatal(err)
	}
	var text string
	buf := make([]byte, 4096)
	for len(text) < len(end) || text[len(text)-len(end):] != end {
		n, err := master.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		text += string(buf[:n])
	}
	told := regexp.MustCompile(`^opensnoop: compiling; not tracing yet \.\.\.\r +\r`).MatchString(text)
	// How long this machine takes is not known, but that an emulated one is slow.
	if os.Getenv("OPENSNOOP_GUEST") != "" && !told {
		t.Errorf("a slow compile shows %q", text)
	}
	if !told && strings.Contains(text, "compiling") {
		t.Errorf("the line stays: %q", text)
	}
}
