package trace

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"opensnoop/internal/event"
)

func TestParseState(t *testing.T) {
	const argument = 0x7f36c0ffee10
	for text, want := range map[string]callState{
		// openat, open, openat2
		"257 0xffffff9c 0x7f36c0ffee10 0x80000 0x0 0x0 0x0 0x7ffd3a1c8ae8 0x7f36c0d5b1b4\n": stateInCall,
		"2 0x7f36c0ffee10 0x80000 0x0 0x0 0x0 0x0 0x7ffd3a1c8ae8 0x7f36c0d5b1b4\n":          stateInCall,
		"437 0xffffff9c 0x7f36c0ffee10 0x7ffd3a1c8b00 0x18 0x0 0x0 0x7ffd3a1c8ae8 0x7f36\n": stateInCall,
		// The same call with another name, another call, no call.
		"257 0xffffff9c 0x7f36c0ffee11 0x80000 0x0 0x0 0x0 0x7ffd3a1c8ae8 0x7f36c0d5b1b4\n": stateGone,
		"257 0xffffff9c 0x7f36c0ffee1 0x80000 0x0 0x0 0x0 0x7ffd3a1c8ae8 0x7f36c0ffee100\n": stateGone,
		"202 0xc000080148 0x80 0x0 0x0 0x0 0x0 0x7ffe1d84b530 0x46d8a3\n":                   stateGone,
		"-1 0x7f36c0ffee10 0x46d8a3\n": stateGone,
		// It cannot be told.
		"running\n": stateUnknown,
		"":          stateUnknown,
	} {
		if got := parseState(text, argument); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
	if got := parseState("2 0x0 0x80000 0x0 0x0 0x0 0x0 0x7ffd 0x7f36\n", 0); got != stateInCall {
		t.Errorf("a call with a null pointer: %d", got)
	}
}

// The state of a real process: one that is blocked in the open of a FIFO, and
// then is not.
func TestStateOf(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("cat", fifo)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	pid := cmd.Process.Pid
	id := uint64(pid)<<32 | uint64(pid)

	// The address of the name is among the arguments of the call.
	var address uint64
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range strings.Fields(string(text)) {
			var argument uint64
			if n, _ := fmt.Sscanf(field, "0x%x", &argument); n == 1 {
				if name, ok := readName(pid, uintptr(argument)); ok && string(name) == fifo {
					address = argument
				}
			}
		}
		if address != 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the process never came to open %s; it is in %s", fifo, text)
		}
	}
	var s Session
	if got := s.stateOf(id, address); got != stateInCall {
		t.Errorf("blocked in its open: %d", got)
	}
	if got := s.stateOf(id, address+1); got != stateGone {
		t.Errorf("asked of another name: %d", got)
	}
	foreign := Session{foreignIDs: true}
	if got := foreign.stateOf(id, address); got != stateUnknown {
		t.Errorf("with ids of another namespace: %d", got)
	}
	cmd.Process.Kill()
	cmd.Wait()
	if got := s.stateOf(id, address); got != stateGone {
		t.Errorf("dead: %d", got)
	}
}

// memory returns where text stands, at the end of what is mapped there. It is no
// memory of Go's, which moves.
func memory(t *testing.T, text string) uintptr {
	t.Helper()
	page := os.Getpagesize()
	size := (len(text) + page - 1) / page * page
	mapped, err := unix.Mmap(-1, 0, size+page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(mapped) })
	if err := unix.Mprotect(mapped[size:], unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	start := size - len(text)
	copy(mapped[start:], text)
	return uintptr(unsafe.Pointer(&mapped[start]))
}

func TestReadName(t *testing.T) {
	long := strings.Repeat("n", event.NameMax)

	// A page that is on disk only, until somebody wants it.
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("/from/a/file\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	opened, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	unfaulted, err := unix.Mmap(int(opened.Fd()), 0, os.Getpagesize(), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(unfaulted)

	for what, test := range map[string]struct {
		address uintptr
		want    string
		ok      bool
	}{
		"a name":                         {memory(t, "/a/name\x00more"), "/a/name", true},
		"an empty name":                  {memory(t, "\x00more"), "", true},
		"at the edge of memory":          {memory(t, "/at/edge\x00"), "/at/edge", true},
		"an empty one at the edge":       {memory(t, "\x00"), "", true},
		"without an end before the edge": {memory(t, "/no/end"), "", false},
		"the longest":                    {memory(t, long+"\x00"), long, true},
		"longer than names are":          {memory(t, long+"nn\x00"), long, true},
		"not yet in memory":              {uintptr(unsafe.Pointer(&unfaulted[0])), "/from/a/file", true},
		"beyond memory":                  {memory(t, "x") + 1, "", false},
		"at 0":                           {0, "", false},
		"in the kernel":                  {^uintptr(0) - 100, "", false},
	} {
		got, ok := readName(os.Getpid(), test.address)
		if string(got) != test.want || ok != test.ok {
			t.Errorf("%s: %.50q of %d bytes, %t; want %.50q, %t", what, got, len(got), ok, test.want, test.ok)
		}
	}
	if _, ok := readName(1<<22+1, memory(t, "/a/name\x00")); ok {
		t.Error("a name of a process that cannot be")
	}
}
