package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// replayUser is a user of whom nothing else runs, not of another suite on this machine either.
var replayUser = uint32(60000 + os.Getpid()%5000)

// replayLoad opens files in many ways, the same in each run.
const replayLoad = `
cat a.txt missing sub/b.conf ../none/x "$(printf 'odd\n\033[2J\377')"
ls -R . /etc/none
touch new; head -c1 /etc/hostname /etc/passwd
cd sub && cat b.conf ../a.txt ./../sub/b.conf
(cd /etc && cat hostname nothing.conf)
%[1]s bad
%[1]s flags 3 O_x 2>/dev/null
true`

// What the load is filtered and shown by. Every combination starts with -u.
var (
	replayFilters = []string{
		"", "-x", "--success", "--errno ENOENT", "--errno EACCES,ENOENT -x", "-f O_CREAT", "-f O_RDONLY", "-f O_DIRECTORY -f O_WRONLY",
		"--path /etc/**", "--path *.conf", "--path **/sub/*", "--path /etc/** --path *.txt", "--exclude-path /etc/**",
		"--exclude-path *.conf", "--exclude-path /lib/** --exclude-path /etc/**", "-n cat", "-n cat -n ls", "--exclude-name cat",
		"--exclude-name cat --exclude-name sh", "--exe /usr/bin/cat", "--exe /usr/bin/* --exe /bin/*", "--realpath /etc/**",
		fmt.Sprint("--euid ", replayUser), fmt.Sprint("--gid ", replayUser), "--login 4294967295,7", "--under sh", "--under ls,e2e.test -x", "--slower 1h", "--slower 1ns --success", "--exclude-uid 1", "--exclude-pid 1", "--execs", "--execs -x", "--execs --path /usr/bin/**",
	}
	replayFormats = []string{
		"--columns pid,comm,file", "-F", "", "-o json", "-o csv", "--layout bcc", "--layout bcc -U -e -F", "-T -U -e",
		"--columns pid,tid,ppid,uid,user,euid,gid,login,ancestors,fd,err,flags,mode,comm,process,pcomm,args,path,realpath,exe,dev,inode,created,file",
		"-o json --columns path,exe,realpath,args,container", "-o csv --columns path,exe,dev,inode,pcomm",
		"--summary", "--summary=file,process,program,user -o json",
	}
)

// timeless takes out what differs from one run to another.
var timeless = regexp.MustCompile(`(?m)^TIME\(s\) *|^\d+\.\d{9}  *|"time":"[^"]*",|"seconds":[0-9.]*,|^\d+\.\d{9},[^,]*,`)

func sameButTimes(text string) string { return timeless.ReplaceAllString(text, "") }

// firstDifference tells of the first line in which two texts differ.
func firstDifference(got, want string) string {
	gots, wants := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(gots), len(wants)) {
		g, w := "none", "none"
		if i < len(gots) {
			g = gots[i]
		}
		if i < len(wants) {
			w = wants[i]
		}
		if g != w {
			return fmt.Sprintf("line %d of %d is\n%s\nwant line %d of %d\n%s", i, len(gots), g, i, len(wants), w)
		}
	}
	return "no difference"
}

// replayDir makes what the load opens, where any user may.
func replayDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "replay")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	sub := filepath.Join(dir, "sub")
	if err := os.Mkdir(sub, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{dir, sub} {
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"a.txt", "sub/b.conf", "odd\n\x1b[2J\xff"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// runReplayLoad runs the load once.
func runReplayLoad(t *testing.T, dir string) {
	t.Helper()
	cmd := exec.Command("sh", "-c", fmt.Sprintf(replayLoad, opener))
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: replayUser, Gid: replayUser}}
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
}

// instance is an opensnoop that writes to a file.
type instance struct {
	flags []string
	file  string
	tr    *tracer
}

func startInstance(t *testing.T, dir string, n int, flags []string) *instance {
	t.Helper()
	file := filepath.Join(dir, fmt.Sprintf("live-%d", n))
	return &instance{flags, file, startBare(t, slices.Concat(flags, []string{"-w", file})...)}
}

// The rows of a recording, filtered and formatted by replay, are those that a live run with the
// same flags writes of the same load.
func TestReplayIsAsLive(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var combinations [][]string
	n := 50
	if os.Getenv("OPENSNOOP_GUEST") != "" {
		n = 10 // each compiles, which takes seconds under emulation
	}
	for i := range n {
		filter, format := replayFilters[i%len(replayFilters)], replayFormats[random.IntN(len(replayFormats))]
		combinations = append(combinations, strings.Fields(fmt.Sprintf("-u %d %s %s", replayUser, filter, format)))
	}
	shown := 0
	for group := range slices.Chunk(combinations, 10) {
		dir, out := replayDir(t), t.TempDir()
		recording := filepath.Join(out, "all.osn")
		recorder := launch(t, exec.Command(opensnoop, "record", "-v", "-u", fmt.Sprint(replayUser), recording))
		recorder.ready()
		var live []*instance
		for i, flags := range group {
			live = append(live, startInstance(t, out, i, flags))
		}
		runReplayLoad(t, dir)
		recorder.stop(interrupt)
		for _, l := range live {
			l.tr.stop(interrupt)
			want, err := os.ReadFile(l.file)
			if err != nil {
				t.Fatal(err)
			}
			again := runToEnd(t, exec.Command(opensnoop, slices.Concat([]string{"replay", recording}, l.flags)...))
			if got, want := sameButTimes(again.stdout), sameButTimes(string(want)); again.status != 0 || got != want {
				t.Errorf("%v: status %d, %s\n%s", l.flags, again.status, again.stderr, firstDifference(got, want))
			}
			if bytes.Count(want, []byte("\n")) > 1 {
				shown++
			}
		}
	}
	if shown < n*8/10 {
		t.Errorf("only %d of %d combinations show rows", shown, n)
	}
}

// A recording counts what it lacks, to the open.
func TestRecordingAddsUp(t *testing.T) {
	recording := filepath.Join(t.TempDir(), "flood.osn")
	tr := launch(t, exec.Command(opensnoop, "record", "-v", "-b", "1", "-n", "opener", recording))
	tr.ready()
	open(t, "flood", "100000", floodFile)
	tr.stop(interrupt)
	again := runToEnd(t, exec.Command(opensnoop, "replay", recording, "-o", "json", "--path", floodFile))
	if again.status != 0 {
		t.Fatalf("replay: %s", again.stderr)
	}
	rows := strings.Count(again.stdout, "\n")
	lost := 0
	if m := regexp.MustCompile(`lacks (\d+) opens`).FindStringSubmatch(again.stderr); m != nil {
		fmt.Sscan(m[1], &lost)
	}
	// Lost may be the end marker, too, and how the opener was started.
	if all := rows + lost; all < 100000 || all > 100010 {
		t.Errorf("%d rows and %d lost of 100000; %s", rows, lost, again.stderr)
	}
}

// After kill -9 all but the last second is there, and replay says that the rest is not.
func TestKilledRecording(t *testing.T) {
	recording := filepath.Join(t.TempDir(), "killed.osn")
	tr := launch(t, exec.Command(opensnoop, "record", "-v", "-n", "opener", recording))
	tr.ready()
	open(t, "flood", "10", floodFile)
	replay := func() result {
		return runToEnd(t, exec.Command(opensnoop, "replay", recording, "--path", floodFile))
	}
	eventually(t, "10 rows in the file", func() bool { return strings.Count(replay().stdout, floodFile) == 10 })
	if err := tr.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	tr.cmd.Wait()
	r := replay()
	if r.status != 1 || strings.Count(r.stdout, floodFile) != 10 || !strings.Contains(r.stderr, "damaged") {
		t.Errorf("status %d, stderr %q, stdout\n%s", r.status, r.stderr, r.stdout)
	}
}

// In the middle of opens, what is lost is the last second.
func TestKilledInTheMiddle(t *testing.T) {
	notInGuests(t) // under emulation a second is not enough to write
	for tries := 1; ; tries++ {
		recording := filepath.Join(t.TempDir(), "killed.osn")
		tr := launch(t, exec.Command(opensnoop, "record", "-v", "-p", fmt.Sprint(os.Getpid()), "--path", "/no/such/**", recording))
		tr.ready()
		var at []time.Time // of each open
		for began := time.Now(); time.Since(began) < 4*time.Second; time.Sleep(2 * time.Millisecond) {
			at = append(at, time.Now())
			os.Open(fmt.Sprint("/no/such/file-", len(at)))
		}
		killed := time.Now()
		if err := tr.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		tr.cmd.Wait()
		r := runToEnd(t, exec.Command(opensnoop, "replay", recording))
		old := 0
		for old < len(at) && killed.Sub(at[old]) > 1500*time.Millisecond { // and what a busy machine needs to write
			old++
		}
		rows := strings.Count(r.stdout, "/no/such/file-")
		if r.status == 1 && rows >= old && rows <= len(at) && old > 100 && strings.Contains(r.stdout, fmt.Sprintf("/no/such/file-%d\n", rows)) {
			t.Logf("%d rows of %d opens, of which %d were older", rows, len(at), old)
			return
		}
		if tries == 3 {
			t.Fatalf("status %d, %d rows of %d opens, of which %d were older; %s", r.status, rows, len(at), old, r.stderr)
		}
	}
}

// Whoever has a recording can replay it: as nobody, and from a pipe.
func TestReplayNeedsNothing(t *testing.T) {
	recording := filepath.Join(t.TempDir(), "r.osn")
	r := runToEnd(t, exec.Command(opensnoop, "record", recording, "--", opener, "flood", "3", floodFile))
	if r.status != 0 {
		t.Fatalf("record: %s", r.stderr)
	}
	st, err := os.Stat(recording)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the recording: %v, %v", st.Mode(), err)
	}
	packed, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(publicProgram(t, "opensnoop"), "replay", "-", "-o", "json", "--path", floodFile)
	cmd.Stdin = bytes.NewReader(packed)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	again := runToEnd(t, cmd)
	if again.status != 0 || strings.Count(again.stdout, "\n") != 3 {
		t.Errorf("status %d, %s, %s", again.status, again.stdout, again.stderr)
	}
	for line := range strings.Lines(again.stdout) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
	wantError(t, runToEnd(t, exec.Command(opensnoop, "record", recording, "--", "true")), 1, "--force")
	wantError(t, runToEnd(t, exec.Command(opensnoop, "replay", recording, "--pid", "x")), 2, "-p x: not a process id")
	wantError(t, runToEnd(t, exec.Command(opensnoop, "replay", os.DevNull)), 1, "it is empty")
	wantError(t, runToEnd(t, exec.Command(opensnoop, "replay", opener)), 1, "is it written by opensnoop record")
}

// A replay from a pipe shows rows as they come, and ends when told.
func TestReplayOfAPipe(t *testing.T) {
	recording := filepath.Join(t.TempDir(), "r.osn")
	if r := runToEnd(t, exec.Command(opensnoop, "record", recording, "--", opener, "flood", "3", floodFile)); r.status != 0 {
		t.Fatalf("record: %s", r.stderr)
	}
	packed, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	in, feed, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	cmd := exec.Command(opensnoop, "replay", "-")
	cmd.Stdin = in
	tr := launch(t, cmd)
	in.Close()
	if _, err := feed.Write(packed); err != nil {
		t.Fatal(err)
	}
	if line := tr.line(); line != header {
		t.Errorf("the first line is %q", line)
	}
	tr.stop(interrupt)
}
