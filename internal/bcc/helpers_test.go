package bcc

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"testing"
	"testing/fstest"

	"opensnoop/bpf"
	"opensnoop/internal/cache"
	"opensnoop/internal/kernel"
	"opensnoop/internal/object"
)

// A program that counts the system calls of a process.
const counting = `
#include <uapi/linux/ptrace.h>

BPF_HASH(calls, u32, u64, 10240);
BPF_PERF_OUTPUT(events);

int syscall_enter(struct bpf_raw_tracepoint_args *ctx)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	u64 one = 1, *n;

	if (tgid != COUNTED)
		return 0;
	n = calls.lookup(&tgid);
	if (n)
		__sync_fetch_and_add(n, 1);
	else
		calls.update(&tgid, &one);
	events.perf_submit(ctx, &tgid, sizeof(tgid));
	return 0;
}
`

func countingSource() Source {
	return Source{Code: counting, Headers: bpf.Headers(), Flags: []string{"-DCOUNTED=" + strconv.Itoa(os.Getpid())}}
}

// compiler returns a compiler with a cache of its own.
func compiler(t *testing.T) *Compiler {
	return &Compiler{Cache: cache.At(t.TempDir() + "/cache"), ProbeReadUser: true, Version: kernel.NewVersion(6, 0, 0)}
}

// mustCompile compiles what must compile.
func mustCompile(t *testing.T, c *Compiler, src Source) *Result {
	t.Helper()
	r, err := c.Compile(t.Context(), src)
	if failed := (*object.Error)(nil); errors.As(err, &failed) {
		t.Fatalf("%v:\n%s", err, failed.Messages)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
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

// messagesOf returns what the compiler said of an error.
func messagesOf(t *testing.T, err error) string {
	t.Helper()
	var failed *object.Error
	if !errors.As(err, &failed) {
		t.Fatalf("error %v", err)
	}
	return failed.Messages
}
