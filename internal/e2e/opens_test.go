package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"opensnoop/internal/kernel"
)

func TestVerboseNamesTheProbe(t *testing.T) {
	want := "opensnoop: using the raw tracepoints sys_enter and sys_exit\n"
	if kprobes() {
		want = fmt.Sprintf("opensnoop: using the %s on do_sys_openat2\n", bestProbe(t))
	}
	r := runToEnd(t, exec.Command(opensnoop, "-v", "-d", "0.1"))
	if r.status != 0 || !strings.Contains(r.stderr, want) {
		t.Errorf("status %d, stderr %q", r.status, r.stderr)
	}
	if told := strings.Contains(r.stderr, "this kernel has no kprobes"); told == kprobes() {
		t.Errorf("the reason is not right: %q", r.stderr)
	}
}

// bestProbe is the name of the one that is to be taken for default columns where there are
// kprobes.
func bestProbe(t *testing.T) string {
	t.Helper()
	version, err := kernel.CurrentVersion()
	if err != nil {
		t.Fatal(err)
	}
	mode, err := kernel.CurrentPreemption()
	if err == nil && (mode == kernel.PreemptNone || mode == kernel.PreemptVoluntary) && version >= kernel.NewVersion(5, 15, 0) {
		return "fentry"
	}
	return "kprobe"
}

func TestFallbackIsToldInOneLine(t *testing.T) {
	r := runToEnd(t, exec.Command(opensnoop, "-d", "0.1"))
	want := 1
	if kprobes() {
		want = 0
	}
	if got := strings.Count(r.stderr, "\n"); got != want {
		t.Errorf("%d lines on stderr, want %d: %q", got, want, r.stderr)
	}
}

// Each probe sees the same, on kernels that have both; OPENSNOOP_PROBE names another.
func forEachProbe(t *testing.T, test func(t *testing.T, flag string)) {
	if probe := os.Getenv("OPENSNOOP_PROBE"); probe != "" {
		t.Run(probe, func(t *testing.T) { test(t, "--probe="+probe) })
		return
	}
	t.Run("auto", func(t *testing.T) { test(t, "--probe=auto") })
	if kprobes() {
		t.Run("tracepoint", func(t *testing.T) { test(t, "--probe=tracepoint") })
	}
}

func TestEveryDoorShows(t *testing.T) {
	forEachProbe(t, func(t *testing.T, flag string) {
		tr := start(t, flag)
		dir := t.TempDir()
		var want []string
		doors := []string{"openat", "openat2"}
		if runtime.GOARCH == "amd64" {
			doors = append(doors, "open", "creat")
		}
		for _, door := range doors {
			want = append(want, filepath.Join(dir, door))
		}
		tr.wantOpens(want, "doors", dir)
	})
}

// A program of 64 bits can make the calls of 32-bit programs.
func TestEveryDoorOf32BitCallsShows(t *testing.T) {
	need32BitCalls(t)
	forEachProbe(t, func(t *testing.T, flag string) {
		tr := start(t, flag)
		dir := t.TempDir()
		var want []string
		for _, door := range []string{"int80-open", "int80-creat", "int80-openat", "int80-openat2", "int80-garbage"} {
			want = append(want, filepath.Join(dir, door))
		}
		tr.wantOpens(want, "doors32", dir)
	})
}

func Test32BitProgramShows(t *testing.T) {
	need32BitPrograms(t)
	forEachProbe(t, func(t *testing.T, flag string) {
		tr := start(t, flag)
		dir := t.TempDir()
		name := filepath.Join(dir, "32")
		tr.wantRowsOf([]string{name, name, name}, func() int {
			cmd := exec.Command(open32, name)
			if r := runToEnd(t, cmd); r.status != 0 {
				t.Fatalf("the 32-bit program ended with status %d", r.status)
			}
			return cmd.Process.Pid
		})
	})
}

func TestIOUringShows(t *testing.T) {
	if !atLeast(t, 6, 0) {
		t.Skip("NOT TESTED: opens through io_uring show since Linux 6.0")
	}
	forEachProbe(t, func(t *testing.T, flag string) {
		tr := start(t, flag)
		dir := t.TempDir()
		tr.wantOpens([]string{dir + "/uring-0", dir + "/uring-1", dir + "/uring-2"}, "uring", dir)
	})
}

func TestNamesNotInMemory(t *testing.T) {
	forEachProbe(t, func(t *testing.T, flag string) {
		tr := start(t, flag)
		var want []string
		for i := range 100 {
			want = append(want, fmt.Sprintf("/tmp/unfaulted-%d", i))
		}
		tr.wantOpens(want, "unfaulted", "100", "/tmp/unfaulted")
	})
}

func TestOddNames(t *testing.T) {
	forEachProbe(t, func(t *testing.T, flag string) {
		tr := start(t, flag)

		tr.wantOpens([]string{"/tmp/at-the-edge", "/tmp/at-the-edge"}, "edge", "/tmp/at-the-edge")

		long := "/" + strings.Repeat("./", 4090/2) // opener makes the same
		long = long[:4090] + "/last"
		tr.wantOpens([]string{long}, "length", "4095")
		// The kernel reads no further than this either.
		got := files(tr.allRowsOf(1, func() int { return open(t, "length", "5000") }))
		if len(got) != 1 || len(got[0]) != 4095 {
			t.Errorf("a name that is too long comes as %d rows", len(got))
		}

		bad := tr.allRowsOf(4, func() int { return open(t, "bad") })
		if len(bad) != 4 {
			t.Fatalf("%d rows for 4 bad pointers: %q", len(bad), files(bad))
		}
		for i, want := range []string{`\(bad address 0x0)`, `\(bad address 0x1)`, `\(bad address 0xffff888000001000)`, `\(bad address 0x`} { // the last is a mapping's
			if !strings.HasPrefix(bad[i].file, want) {
				t.Errorf("a bad pointer comes as %q, want %q", bad[i].file, want)
			}
		}
	})
}

func TestHostileNames(t *testing.T) {
	tr := start(t)
	tests := []struct{ name, want string }{
		{"", `""`},
		{"a\nb", `a\nb`},
		{"\x1b[2J\x1b]0;owned\a", `\x1b[2J\x1b]0;owned\x07`},
		{"tab\there", `tab\there`},
		{"\xff\xfe", `\xff\xfe`},
		{`back\slash`, `back\\slash`},
		{"two words  and more", "two words  and more"},
		{" before and after ", ` before and after\x20`},
		{"größe/文件", "größe/文件"},
		{"gpj.\u202eexe", `gpj.\xe2\x80\xaeexe`},
		{"\u009b31m", `\xc2\x9b31m`},
		{"\r0.000000000        init             1      /etc/shadow", `\x0d0.000000000        init             1      /etc/shadow`},
	}
	args := []string{"names"}
	var want []string
	for _, test := range tests {
		args = append(args, test.name)
		want = append(want, test.want)
	}
	tr.wantOpens(want, args...)
}

func TestComms(t *testing.T) {
	tr := start(t)
	for comm, want := range map[string]string{
		"two words":            "two words",
		"new\nline":            `new\nline`,
		"a comm that is long":  `a comm that is\x20`, // 15 bytes
		"\x1b[31m\xff":         `\x1b[31m\xff`,
		"größe":                "größe",
		"exactly fifteen":      "exactly fifteen",
		"\\\\\\\\\\\\\\\\\\\\": strings.Repeat(`\\`, 10),
	} {
		rows := tr.allRowsOf(1, func() int { return open(t, "comm", comm, "/tmp/comm") })
		if len(rows) != 1 || rows[0].comm != want || rows[0].file != "/tmp/comm" {
			t.Errorf("the comm %q comes as %+v, want %q", comm, rows, want)
		}
	}
}

func TestThreadsShowTheirProcess(t *testing.T) {
	tr := start(t)
	dir := t.TempDir()
	rows := tr.allRowsOf(20, func() int { return open(t, "threads", "20", dir) })
	seen := make(map[string]string)
	for _, r := range rows {
		seen[r.file] = r.comm
	}
	for i := range 20 {
		if got := seen[fmt.Sprintf("%s/thread-%d", dir, i)]; got != fmt.Sprintf("thread %d", i) {
			t.Errorf("thread %d's comm is %q", i, got)
		}
	}
	if len(rows) != 20 {
		t.Errorf("%d rows, want 20", len(rows))
	}
}

func TestTwoAtATime(t *testing.T) {
	first := start(t)
	second := start(t)
	first.wantOpens([]string{"/tmp/both"}, "names", "/tmp/both")
	second.wantOpens([]string{"/tmp/both"}, "names", "/tmp/both")
	first.stop(interrupt)
	second.wantOpens([]string{"/tmp/one"}, "names", "/tmp/one")
}

func TestPIDFilter(t *testing.T) {
	one := prepare(t, "names", "/tmp/one")
	two := prepare(t, "threads", "3", "/tmp")
	other := prepare(t, "names", "/tmp/other")
	tr := start(t, "-p", one.arg()+","+two.arg(), "-p", one.arg())
	for _, w := range []*waiting{other, one, two} {
		w.run()
	}
	var rows []row
	for _, line := range tr.rest() {
		rows = append(rows, parseRow(t, line))
	}
	wantFiles(t, rows[:min(2, len(rows))], "/tmp/one", end)
	if len(rows) != 2+4 {
		t.Errorf("%d rows of a file, 3 threads and two ends: %q", len(rows), files(rows))
	}
}

func TestOwnOpensDoNotShow(t *testing.T) {
	tr := start(t)
	open(t, "flood", "1000", "/tmp/flood")
	for _, line := range tr.rest() {
		if r := parseRow(t, line); r.pid == tr.cmd.Process.Pid {
			t.Errorf("opensnoop's own open shows: %+v", r)
		}
	}
}
