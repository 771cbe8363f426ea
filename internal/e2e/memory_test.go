package e2e

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// writeRecording writes a compressed recording: the start, what rows writes, and the end.
func writeRecording(t *testing.T, path string, rows func(w io.Writer) (n int)) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	zip, err := zstd.NewWriter(file, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		t.Fatal(err)
	}
	const control = `{"record":%q,"run":"r","time":"2026-11-30T12:00:00Z","rows":%d,%s"lost":{},"doubtful":0}` + "\n"
	fmt.Fprintf(zip, control, "start", 0, `"format":1,"version":"v","host":"elsewhere","columns":["fd","err","flags","comm","path","exe"],`)
	n := rows(zip)
	fmt.Fprintf(zip, control, "end", n, "")
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// writeOpens writes rows of as many opens of different files below dir.
func writeOpens(w io.Writer, n int, dir string, errno int) int {
	for i := range n {
		fmt.Fprintf(w, `{"seq":%d,"time":"2026-11-30T12:00:01Z","seconds":1.000000000,"pid":26435,"tid":26435,"fd":%d,"errno":%d,"flags":0,"comm":"cc1",`+
			`"path":"%s/folder-%d/of/a/large/project/file-%d.h","exe":"/usr/bin/cc1"}`+"\n", i, 3-4*min(errno, 1), errno, dir, i%5000, i)
	}
	return n
}

// peakOf prints the most KB of memory that a command had. To the kernel, what a process had before
// it executed a program counts: that of the tests is too much.
const peakOf = `
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)`

// peak runs a command, and returns the most bytes of memory that it had.
func peak(t *testing.T, wantStatus int, args ...string) int64 {
	t.Helper()
	r := runToEnd(t, exec.Command("python3", append([]string{"-c", peakOf, opensnoop}, args...)...))
	if r.status != wantStatus {
		t.Fatalf("%v: status %d, %s", args, r.status, r.stderr)
	}
	kb, err := strconv.ParseInt(strings.TrimSpace(r.stdout), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

// Of each different path little more is kept than itself, and of rows that are replayed nothing.
func TestMemoryOfManyPaths(t *testing.T) {
	const n = 500_000
	a, b, missing := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b"), filepath.Join(t.TempDir(), "missing")
	writeRecording(t, a, func(w io.Writer) int { return writeOpens(w, n, "/srv/a", 0) })
	writeRecording(t, b, func(w io.Writer) int { return writeOpens(w, n, "/srv/b", 0) })
	writeRecording(t, missing, func(w io.Writer) int { return writeOpens(w, n, "/srv/a", 2) })
	for _, test := range []struct {
		status int
		keys   int64
		args   []string
	}{
		{0, n, []string{"diff", a, a}},
		{1, 2 * n, []string{"diff", "--all", a, b}},
		{0, n, []string{"missing", "-o", "json", missing}},
	} {
		const process = 16 << 20 // takes replay of one row
		each := (peak(t, test.status, test.args...) - process) / test.keys
		t.Logf("%s: %d bytes for each path", test.args[0], each)
		if each > 200 {
			t.Errorf("%v takes %d bytes for each path, want at most 200", test.args, each)
		}
	}
	for _, flags := range [][]string{{}, {"-o", "json"}, {"--summary=file"}, {"--unique"}} {
		if got := peak(t, 0, append([]string{"replay", a}, flags...)...); got > 64<<20 {
			t.Errorf("replay %v takes %d bytes, want at most 64 MB", flags, got)
		}
	}
}
