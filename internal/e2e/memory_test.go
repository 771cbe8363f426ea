package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
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

// peak runs opensnoop, and returns the most bytes of memory that it had.
func peak(t *testing.T, args ...string) (r result, bytes int64) {
	t.Helper()
	r = runToEnd(t, exec.Command("python3", slices.Concat([]string{"-c", peakOf, opensnoop}, args)...))
	kb, err := strconv.ParseInt(strings.TrimSpace(r.stdout), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return r, kb << 10
}

// Of each different path little more is kept than itself, and of rows that are replayed nothing.
func TestMemoryOfManyPaths(t *testing.T) {
	notInGuests(t)
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
		r, used := peak(t, test.args...)
		each := (used - process) / test.keys
		t.Logf("%s: %d bytes for each path", test.args[0], each)
		if each > 200 || r.status != test.status {
			t.Errorf("%v: status %d, %s; it takes %d bytes for each path, want at most 200", test.args, r.status, r.stderr, each)
		}
	}
	for _, flags := range [][]string{{}, {"-o", "json"}, {"--summary=file"}, {"--unique"}} {
		if r, used := peak(t, append([]string{"replay", a}, flags...)...); used > 64<<20 || r.status != 0 {
			t.Errorf("replay %v: status %d, %s; it takes %d bytes, want at most 64 MB", flags, r.status, r.stderr, used)
		}
	}
}

// frame is a frame of zstd (RFC 8878) whose blocks are each 128 kB of one byte.
func frame(windowLog, blocks int, of byte) []byte {
	const size, repeated, last = 128 << 10, 1 << 1, 1
	b := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, byte(windowLog-10) << 3}
	for i := range blocks {
		header := uint32(size<<3 | repeated)
		if i == blocks-1 {
			header |= last
		}
		b = append(b, byte(header), byte(header>>8), byte(header>>16), of)
	}
	return b
}

// What unpacks to 1 TB, or wants a window of 1 GB, ends with a message, and takes no memory.
func TestBombs(t *testing.T) {
	notInGuests(t)
	const blocks, size = 1 << 13, 8 << 20
	zip, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	opens := func(text string) []byte { return zip.EncodeAll(bytes.Repeat([]byte(text), size/len(text)), nil) }
	for name, bomb := range map[string]struct {
		frame []byte
		times int
	}{
		"zeros":        {frame(17, blocks, 0), 1 << 40 >> 17 / blocks},
		"empty lines":  {frame(17, blocks, '\n'), 1 << 40 >> 17 / blocks},
		"large window": {frame(30, 1, ' '), 1},
		"empty rows":   {opens("{}\n"), 1 << 40 / size},
		"the same row": {opens(`{"seq":0,"time":"2026-11-30T12:00:01Z","pid":1,"fd":-1,"errno":2,"flags":0,"comm":"x","path":"/x","exe":"/x"}` + "\n"), 1 << 40 / size},
	} {
		file := filepath.Join(t.TempDir(), "bomb")
		writeRecording(t, file, func(io.Writer) int { return 0 })
		out, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		buffer := bufio.NewWriterSize(out, 1<<20)
		for range bomb.times {
			buffer.Write(bomb.frame)
		}
		if err := errors.Join(buffer.Flush(), out.Close()); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"replay", file}, {"replay", "--summary", file}, {"missing", file}, {"needs", file}, {"diff", file, file}} {
			status := 1
			if args[0] == "diff" {
				status = 2
			}
			r, used := peak(t, args...)
			if note, rest, is := strings.Cut(r.stderr, "\n"); is && strings.Contains(note, "was recorded on elsewhere") {
				r.stderr = rest
			}
			if r.status != status || !strings.HasPrefix(r.stderr, "opensnoop: ") || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, "damaged") || used > 64<<20 {
				t.Errorf("%s: %v: status %d, %d bytes, %s", name, args[:1], r.status, used, r.stderr)
			}
		}
		os.Remove(file)
	}
}

// A recording of another machine, whose every text is made to steer a terminal, is asked by nobody.
func TestHostileRecording(t *testing.T) {
	const evil = `\u001b[2J\u001b]0;x\u0007\u009b31m\r\n\u202e`
	dir := replayDir(t)
	write := func(name string, n int) string {
		path := filepath.Join(dir, name)
		text := `{"record":"start","run":"EVIL","time":"2026-11-30T12:00:00Z","rows":0,"format":1,"version":"EVIL","host":"EVIL","kernel":"EVIL","user":"EVIL",` +
			`"columns":["fd","err","flags","comm","path","realpath","exe","user","container","unit","EVIL"],"lost":{"EVIL":1},"doubtful":1}` + "\n"
		for i := range n {
			text += fmt.Sprintf(`{"seq":%d,"time":"2026-11-30T12:00:01Z","seconds":1.0,"pid":7,"tid":7,"fd":%d,"errno":%d,"flags":0,"comm":"EVIL","path":"/EVIL/EVIL%d",`+
				`"exe":"/bin/EVIL","user":"EVIL","container":{"id":"EVIL","name":"EVIL"},"unit":"EVIL","EVIL":"EVIL"}`+"\n", i, 3-4*(i%2), 2*(i%2), i)
		}
		text += fmt.Sprintf(`{"seq":%d,"time":"2026-11-30T12:00:01Z","seconds":1.0,"pid":7,"tid":7,"fd":3,"errno":0,"flags":0,"comm":"EVIL","path":"EVIL%d","exe":"EVIL"}`+"\n", n, n)
		text += fmt.Sprintf(`{"record":"end","run":"EVIL","time":"2026-11-30T12:00:02Z","rows":%d,"lost":{"EVIL":3},"doubtful":2}`+"\n", n+1)
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "EVIL", evil)), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	a, b := write("a", 20), write("b", 10)
	for command, want := range map[string]struct{ status, lines int }{
		"replay": {0, 21}, "replay -o json": {0, 20}, "replay --layout bcc": {0, 21}, "replay --columns user,comm,exe,container,unit,path": {0, 21}, "replay --summary": {0, 1},
		"missing --all": {0, 21}, "missing -o json": {0, 10}, "needs": {0, 10}, "needs --depfile x": {0, 1}, "diff --all " + b: {1, 13}, "replay --columns took": {1, 0},
	} {
		cmd := exec.Command(publicProgram(t, "opensnoop"), append(strings.Fields(command), a)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		r := runToEnd(t, cmd)
		if n := strings.Count(r.stdout, "\n"); r.status != want.status || n < want.lines {
			t.Errorf("%s: status %d, %d lines, want %d and %d; %s\n%s", command, r.status, n, want.status, want.lines, r.stderr, r.stdout)
		}
		if bad := regexp.MustCompile(`[^\n -~“”…▏▎▍▌▋▊▉█]`).FindString(r.stdout + r.stderr); bad != "" {
			t.Errorf("%s: %q reaches the terminal in\n%q%q", command, bad, r.stdout, r.stderr)
		}
	}
}
