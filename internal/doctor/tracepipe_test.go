package doctor

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	others = "            curl-18597 [000] d... 463.471554: 0x00000001: not ours\n"
	ours   = "               a-42      [000] d...  1.5: bpf_trace_printk: token\n"
)

// Where there is no instance, the file trace is read again and again.
func TestFindInTrace(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, "trace"), []byte(text), 0o600); err != nil {
			t.Error(err)
		}
	}
	p := &tracePipe{root: dir, mount: -1, pipe: -1}
	write("# tracer: nop\n#\n" + others)
	if _, _, err := p.Find("token", time.Now()); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("without our line: %v", err)
	}
	time.AfterFunc(10*pollTime, func() { write("# tracer: nop\n#\n" + others + ours + others) })
	raw, line, err := p.Find("token", time.Now().Add(5*time.Minute))
	if err != nil || raw+"\n" != ours || line.Message != "token" || line.PID != "42" {
		t.Errorf("raw %q, line %+v, %v", raw, line, err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// From a trace_pipe, a line may come in parts.
func TestFindInPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	defer r.Close()
	p := &tracePipe{instance: "unused", mount: -1, pipe: nonblocking(t, r)}
	if _, err := w.WriteString(others + ours[:30]); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(10*pollTime, func() { w.WriteString(ours[30:] + others) })
	raw, line, err := p.Find("token", time.Now().Add(5*time.Minute))
	if err != nil || raw+"\n" != ours || line.Message != "token" {
		t.Errorf("raw %q, line %+v, %v", raw, line, err)
	}
}

func nonblocking(t *testing.T, f *os.File) int {
	t.Helper()
	fd := int(f.Fd()) // blocking from now on
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	return fd
}
