package bcc

import (
	"errors"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

const symbolTable = "/proc/kallsyms"

// opensOfSymbolTable returns how often this process opened the kernel's symbol
// table while f ran.
func opensOfSymbolTable(t *testing.T, f func()) (opens int) {
	t.Helper()
	fd, err := unix.FanotifyInit(unix.FAN_CLASS_NOTIF|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK, unix.O_RDONLY|unix.O_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.FanotifyMark(fd, unix.FAN_MARK_ADD, unix.FAN_OPEN, unix.AT_FDCWD, symbolTable); err != nil {
		t.Fatal(err)
	}
	f()
	buf := make([]byte, 4096)
	for {
		n, err := unix.Read(fd, buf)
		if errors.Is(err, unix.EAGAIN) {
			return opens
		}
		if err != nil {
			t.Fatal(err)
		}
		for events := buf[:n]; len(events) > 0; {
			e := (*unix.FanotifyEventMetadata)(unsafe.Pointer(&events[0]))
			unix.Close(int(e.Fd))
			if int(e.Pid) == os.Getpid() {
				opens++
			}
			events = events[e.Event_len:]
		}
	}
}

// libbcc asks whether the kernel has these functions, and must ask us.
func TestCompileReadsNoSymbolTable(t *testing.T) {
	needBPF(t)
	src := countingSource()
	src.Code += `
int reads(struct bpf_raw_tracepoint_args *ctx)
{
	u64 word = 0;

	bpf_probe_read_user(&word, sizeof(word), (void *)ctx->args[0]);
	bpf_probe_read_kernel(&word, sizeof(word), (void *)ctx->args[0]);
	return word;
}
`
	opens := opensOfSymbolTable(t, func() {
		m := compile(t, src)
		m.Close()
	})
	if opens != 0 {
		t.Errorf("compiling opened %s: this libbcc is linked so as to use its own, slow, table of symbols", symbolTable)
	}
	opens = opensOfSymbolTable(t, func() {
		file, err := os.Open(symbolTable)
		if err != nil {
			t.Fatal(err)
		}
		file.Close()
	})
	if opens != 1 {
		t.Errorf("opening %s once was seen %d times", symbolTable, opens)
	}
}
