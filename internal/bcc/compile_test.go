package bcc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"opensnoop/bpf"
)

func TestCompile(t *testing.T) {
	r := mustCompile(t, compiler(t), countingSource())
	o := r.Object
	if o.License != "GPL" || len(o.Programs) != 1 || o.Programs[0].Name != "syscall_enter" {
		t.Errorf("license %q, programs %+v", o.License, o.Programs)
	}
	shapes := make(map[string][4]uint32)
	for _, m := range o.Maps {
		shapes[m.Name] = [4]uint32{uint32(m.Type), m.KeySize, m.ValueSize, m.MaxEntries}
	}
	want := map[string][4]uint32{
		"calls":  {uint32(ebpf.Hash), 4, 8, 10240},
		"events": {uint32(ebpf.PerfEventArray), 4, 4, 0},
	}
	if !reflect.DeepEqual(shapes, want) {
		t.Errorf("maps %v, want %v", shapes, want)
	}
	if r.Cached || r.Stale || r.Why != "" {
		t.Errorf("result %+v", r)
	}
}

// Nothing of a compilation stays: no folder, no descriptor, no change of this process.
func TestCompileLeavesNothing(t *testing.T) {
	folders := func() []string {
		var found []string
		for _, place := range []string{"/run", os.TempDir(), "/dev/shm"} {
			here, _ := filepath.Glob(fmt.Sprintf("%s/opensnoop-%d-*", place, os.Getpid()))
			found = append(found, here...)
		}
		return found
	}
	work := t.TempDir()
	t.Chdir(work)
	environment := os.Environ()
	before := descriptors(t)
	c := compiler(t)
	mustCompile(t, c, countingSource())
	src, _ := failing()
	if _, err := c.Compile(t.Context(), src); err == nil {
		t.Error("no error")
	}
	if left := folders(); left != nil {
		t.Errorf("left behind: %q", left)
	}
	// A compiler that has replied ends a little later.
	for end := time.Now().Add(deadline); descriptors(t) > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d descriptors before, %d after", before, descriptors(t))
		}
	}
	if now, err := os.Getwd(); err != nil || now != work {
		t.Errorf("working folder %q, error %v", now, err)
	}
	if !slices.Equal(os.Environ(), environment) {
		t.Error("the environment has changed")
	}
}

// descriptors returns how many descriptors this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// What libbcc and clang would read from the user's environment, and from the folder that
// stands for the kernel's source, is kept from them.
func TestCompileReadsOnlyWhatItIsGiven(t *testing.T) {
	for name, value := range map[string]string{
		"BCC_KERNEL_SOURCE": "/nowhere", "BCC_LINUX_VERSION_CODE": "1", "ARCH": "powerpc", "CPATH": t.TempDir(),
	} {
		t.Setenv(name, value)
	}
	mustCompile(t, compiler(t), countingSource())

	headers := t.TempDir()
	if err := os.WriteFile(filepath.Join(headers, "evil.h"), []byte("#define EVIL 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	src := countingSource()
	src.Code = "#include <" + filepath.Join(headers, "evil.h") + ">\n" + src.Code
	_, err := compiler(t).Compile(t.Context(), src)
	if err == nil || !strings.Contains(messagesOf(t, err), "evil.h' file not found") {
		t.Errorf("a header of the file system was read: error %v", err)
	}
}

func TestCompileInRemovedFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	mustCompile(t, compiler(t), countingSource())
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

// The compiler's messages come whole, and once.
func TestCompileError(t *testing.T) {
	src, last := failing()
	_, err := compiler(t).Compile(t.Context(), src)
	if err == nil || !strings.HasPrefix(err.Error(), "compiling the BPF program with libbcc failed") {
		t.Fatalf("error %v", err)
	}
	messages := messagesOf(t, err)
	const first = ":1:15: error: use of undeclared identifier 'undeclared_0'"
	if strings.Count(messages, first) != 1 || !strings.Contains(messages, last) {
		t.Errorf("not once %q and %q in the messages, which end with:\n%s", first, last, messages[max(0, len(messages)-1000):])
	}
	_, err = compiler(t).Compile(t.Context(), Source{
		Code: "#include <linux/wrong.h>\n", Headers: with(t, "include/linux/wrong.h", "#error too bad\n"),
	})
	if err == nil || !strings.Contains(messagesOf(t, err), "include/linux/wrong.h:1:2: error: too bad") {
		t.Errorf("error %v", err)
	}
}

// A call of what is not declared would be code that no kernel takes. libbcc lets clang tell of none of
// its warnings where it compiles, not even of those that are to be errors.
func TestUndeclaredFunctionIsAnError(t *testing.T) {
	_, err := compiler(t).Compile(t.Context(), Source{
		Code:    "#include <linux/wrong.h>\nint program(void *ctx) { return f(); }\n",
		Headers: with(t, "include/linux/wrong.h", "static __always_inline int f(void) { return undeclared(); }\n"),
	})
	if err == nil || !strings.Contains(messagesOf(t, err), "'undeclared'") {
		t.Errorf("error %v", err)
	}
}

// Whatever an object depends on is in its key.
// A changed libbcc, or another one that the linker may now find, makes what it compiled
// stale.
// An entry with a right sum and no object, or one that cannot be.
func TestLibraries(t *testing.T) {
	paths, err := Libraries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(paths, func(path string) bool { return strings.Contains(path, "libbcc.so") }) {
		t.Errorf("no libbcc in %q", paths)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := compiler(t).Compile(ctx, countingSource()); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func FuzzDecodeReply(f *testing.F) {
	f.Add([]byte(`{"Object":{"License":"GPL","Maps":[{"Name":"m"}],"Programs":[{"Name":"p","Instructions":"lQAAAAAAAAA="}]},"Libraries":[{"Path":"/l"}]}`))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rep, err := decodeReply(data)
		if err == nil && rep.Object != nil {
			if err := rep.Object.Check(); err != nil {
				t.Error(err)
			}
		}
	})
}
