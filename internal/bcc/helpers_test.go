package bcc

import (
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// needBPF skips a test that this kernel, or our rights, cannot run; where
// OPENSNOOP_E2E is "require", that is a failure.
func needBPF(t *testing.T) {
	t.Helper()
	if err := KernelRefuses(); err != nil {
		if os.Getenv("OPENSNOOP_E2E") == "require" {
			t.Fatalf("the kernel refuses BPF: %v", err)
		}
		t.Skipf("*** DID NOT RUN: the kernel refuses BPF: %v", err)
	}
}

// streams runs f and returns what reached the descriptors 1 and 2 meanwhile.
func streams(t *testing.T, f func()) (stdout, stderr string) {
	t.Helper()
	stdout = stream(t, 1, func() { stderr = stream(t, 2, f) })
	return stdout, stderr
}

func stream(t *testing.T, number int, f func()) string {
	t.Helper()
	fd, err := unix.MemfdCreate("stream", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "stream")
	defer file.Close()
	func() {
		saved, err := unix.FcntlInt(uintptr(number), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(saved)
		if err := unix.Dup3(fd, number, 0); err != nil {
			t.Fatal(err)
		}
		defer unix.Dup3(saved, number, 0)
		f()
	}()
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// descriptors returns how many descriptors this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries) - 1 // its own
}
