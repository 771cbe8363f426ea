package bcc

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"opensnoop/bpf"
)

// A program that counts the system calls of a process.
const counting = `
#include <uapi/linux/ptrace.h>
BPF_HASH(calls, u32, u64);

int syscall_enter(struct bpf_raw_tracepoint_args *ctx)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	u64 one = 1, *n;

	if (tgid != COUNTED)
		return 0;
	n = calls.lookup_or_try_init(&tgid, &one);
	if (n)
		__sync_fetch_and_add(n, 1);
	return 0;
}

// What the verifier must refuse: the pointer may be NULL.
int unchecked(struct bpf_raw_tracepoint_args *ctx)
{
	u32 zero = 0;
	u64 *n = calls.lookup(&zero);

	return *n;
}
`

func countingSource() Source {
	return Source{Code: counting, Headers: bpf.Headers(), Flags: []string{"-DCOUNTED=" + strconv.Itoa(os.Getpid())}}
}

// compile compiles what must compile, and say nothing.
func compile(t *testing.T, src Source) *Module {
	t.Helper()
	var m *Module
	var err error
	wantSilence(t, func() { m, err = Compile(src) })
	if failed := (*Error)(nil); errors.As(err, &failed) {
		t.Fatalf("%v:\n%s", err, failed.Messages)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// wantSilence runs f, which must not report to t: that goes to stdout.
func wantSilence(t *testing.T, f func()) {
	t.Helper()
	if stdout, stderr := streams(t, f); stdout != "" || stderr != "" {
		t.Errorf("stdout got %q, stderr %q", stdout, stderr)
	}
}

func TestCountingProgram(t *testing.T) {
	needBPF(t)
	before := descriptors(t)
	m := compile(t, countingSource())
	var calls *ebpf.Map
	var errs [3]error
	wantSilence(t, func() {
		errs[0] = m.Load("syscall_enter", ebpf.RawTracepoint)
		errs[1] = m.AttachRawTracepoint("sys_enter", "syscall_enter")
		calls, errs[2] = m.Map("calls")
	})
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	count := func() (n uint64) {
		if err := calls.Lookup(uint32(os.Getpid()), &n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	first := count()
	if second := count(); second <= first {
		t.Errorf("the program counted %d system calls, then %d", first, second)
	}
	var err error
	wantSilence(t, func() { err = m.Close() })
	if err != nil {
		t.Error(err)
	}
	first = count()
	if second := count(); second != first {
		t.Errorf("after Close the program counted %d system calls, then %d", first, second)
	}
	calls.Close()
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func TestVerifierRefusal(t *testing.T) {
	needBPF(t)
	m := compile(t, countingSource())
	defer m.Close()
	var err error
	wantSilence(t, func() { err = m.Load("unchecked", ebpf.RawTracepoint) })
	var failed *Error
	if !errors.As(err, &failed) {
		t.Fatalf("error %v", err)
	}
	if want := "loading the BPF program unchecked failed: permission denied"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	// The log from its first instruction to its reason.
	for _, want := range []string{"\n0: ", "call bpf_map_lookup_elem#1", "map_value_or_null"} {
		if !strings.Contains(failed.Messages, want) {
			t.Errorf("no %q in the messages:\n%s", want, failed.Messages)
		}
	}
}

func TestUnknownNames(t *testing.T) {
	needBPF(t)
	m := compile(t, countingSource())
	defer m.Close()
	if err := m.Load("syscall_enter", ebpf.RawTracepoint); err != nil {
		t.Fatal(err)
	}
	var errs map[string]error // by what they must start with
	wantSilence(t, func() {
		_, mapErr := m.Map("nothing")
		errs = map[string]error{
			"loading the BPF program nothing failed: unable to find nothing": m.Load("nothing", ebpf.RawTracepoint),
			"the BPF program has no table nothing":                           mapErr,
			"attaching to f: the BPF program nothing is not loaded":          m.AttachKprobe("f", "nothing"),
			"attaching to g: the BPF program nothing is not loaded":          m.AttachKretprobe("g", "nothing"),
			"attaching to sys_enter: the BPF program nothing is not loaded":  m.AttachRawTracepoint("sys_enter", "nothing"),
			"attaching to nowhere: no such file or directory":                m.AttachRawTracepoint("nowhere", "syscall_enter"),
			"attaching to not_a_function failed: ":                           m.AttachKprobe("not_a_function", "syscall_enter"),
		}
	})
	for want, err := range errs {
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// failing is a source with many errors, and the last of them.
func failing() (src Source, last string) {
	const errors = 1000
	var code strings.Builder
	for i := range errors {
		code.WriteString("int wrong_" + strconv.Itoa(i) + " = undeclared_" + strconv.Itoa(i) + ";\n")
	}
	return Source{Code: code.String(), Headers: bpf.Headers(), Flags: []string{"-ferror-limit=0"}},
		"undeclared_" + strconv.Itoa(errors-1)
}

// checkCompileError checks that the messages come whole, by the error and no
// other way.
func checkCompileError(t *testing.T) {
	t.Helper()
	src, last := failing()
	var err error
	wantSilence(t, func() { _, err = Compile(src) })
	var failed *Error
	if !errors.As(err, &failed) {
		t.Fatalf("error %v", err)
	}
	if want := "compiling the BPF program with libbcc failed"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	for _, want := range []string{":1:15: error: use of undeclared identifier 'undeclared_0'", last} {
		if !strings.Contains(failed.Messages, want) {
			t.Errorf("no %q in the messages, which end with:\n%s", want, failed.Messages[max(0, len(failed.Messages)-1000):])
		}
	}
}

func TestCompileError(t *testing.T) {
	before := descriptors(t)
	checkCompileError(t)
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// watched tells when a header is copied.
type watched struct {
	fs.FS
	copied func()
}

func (w watched) Open(name string) (fs.File, error) {
	w.copied()
	return w.FS.Open(name)
}

// Through the folder that has a name, whatever way Compile ends.
func TestCompileInTemporaryFolder(t *testing.T) {
	temporary := t.TempDir()
	modes := make(map[fs.FileMode]bool)
	headers := func(all fs.FS) fs.FS {
		return watched{all, func() {
			folders, _ := filepath.Glob(temporary + "/opensnoop-*")
			for _, folder := range folders {
				if info, err := os.Stat(folder); err == nil {
					modes[info.Mode()] = true
				}
			}
		}}
	}
	withoutMounting(t, temporary, func() {
		_, err := Compile(Source{
			Code:    "#include <linux/wrong.h>\n",
			Headers: headers(with(t, "include/linux/wrong.h", "#error too bad\n")),
		})
		var failed *Error
		if !errors.As(err, &failed) || !strings.Contains(failed.Messages, "include/linux/wrong.h:1:2: error: too bad") {
			t.Fatalf("error %#v", err)
		}
		wantEmpty(t, temporary)

		needBPF(t)
		src := countingSource()
		src.Headers = headers(src.Headers)
		m := compile(t, src)
		wantEmpty(t, temporary)
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	if len(modes) != 1 || !modes[fs.ModeDir|0o700] {
		t.Errorf("the folder's modes while headers were copied: %v", modes)
	}
}

// with returns the project's headers with one of them replaced or more.
func with(t *testing.T, name, text string) fs.FS {
	t.Helper()
	headers := fstest.MapFS{}
	err := fs.WalkDir(bpf.Headers(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(bpf.Headers(), path)
		headers[path] = &fstest.MapFile{Data: data, Mode: 0o644}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	headers[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	return headers
}

// What libbcc and clang would read from the user's environment is kept from them,
// and comes back as it was.
func TestCompileLeavesEnvironmentAndFolder(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("BCC_KERNEL_SOURCE", "/nowhere")
	t.Setenv("BCC_LINUX_VERSION_CODE", "1")
	t.Setenv("ARCH", "powerpc")
	t.Setenv("CPATH", "")
	t.Setenv("C_INCLUDE_PATH", "")
	os.Unsetenv("C_INCLUDE_PATH") // t.Setenv restores it
	before := os.Environ()
	slices.Sort(before)

	checkCompileError(t)
	src := countingSource()
	src.Arch = "arm64"
	src.Flags = append(src.Flags, "-fcf-protection=none") // some libbcc's own is for x86 alone
	if KernelRefuses() == nil {                           // libbcc aborts where it may not make a map
		m := compile(t, src)
		m.Close()
	}

	after := os.Environ()
	slices.Sort(after)
	if !slices.Equal(after, before) {
		t.Errorf("environment before: %q\nafter: %q", before, after)
	}
	if now, err := os.Getwd(); err != nil || now != dir {
		t.Errorf("working folder %q, error %v, want %q", now, err, dir)
	}
}

// A removed folder has no path to come back by.
func TestCompileInRemovedFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	inode := func() uint64 {
		var st unix.Stat_t
		if err := unix.Stat(".", &st); err != nil {
			t.Fatal(err)
		}
		return st.Ino
	}
	before := inode()
	checkCompileError(t)
	if after := inode(); after != before {
		t.Errorf("working folder %d before, %d after", before, after)
	}
}

func TestCause(t *testing.T) {
	for text, want := range map[string]string{
		"error loading BPF program: operation not permitted": "operation not permitted",
		"a: b: c": "c",
		"plain":   "plain",
	} {
		if got := cause(errors.New(text)).Error(); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// The tracer's own program compiles with the shortcuts: without them it would fail
// here. (What needs libbcc's own headers compiles too: countingSource does.)
func TestShortcutsServeTheTracer(t *testing.T) {
	needBPF(t)
	for _, probe := range []string{"-DPROBE_KPROBE", "-DPROBE_TRACEPOINT"} {
		m := compile(t, Source{
			Code:    "#ifndef _BCC_HELPERS_H\n#error libbcc's own headers\n#endif\n" + bpf.Source,
			Headers: bpf.Headers(),
			Flags:   []string{probe, "-DSELF=1", "-DTHREAD_STATUS=16", "-DFIELDS=15", "-DTASK_REAL_PARENT=0", "-DTASK_TGID=0"},
		})
		m.Close()
	}
}
