package e2e

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// lookupDir makes a folder with DIR/there and a link to it.
func lookupDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"there": "x"})
	if err := os.Symlink("there", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	return dir
}

// lookupsOf runs a looker, and returns what it has seen and what the rows say, each as "OP ERROR NAME".
func lookupsOf(t *testing.T, dir string, flags []string, args ...string) (seen, rows []string, status int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rows")
	flags = slices.Concat([]string{"--lookups", "-o", "csv", "-w", file}, flags, []string{"--", program("looker"), dir}, args)
	r := runToEnd(t, exec.Command(opensnoop, flags...))
	for _, row := range readCSV(t, file)[1:] {
		op, fd, errno, name := row[0], row[1], row[2], row[3]
		if row[4] != "" {
			name = `\(bad address ` + row[4] + ")"
		} else if name == "" {
			name = `""`
		}
		// What the C library looks for by itself is no call of the looker's.
		if op == "open" || strings.HasPrefix(name, "/proc/") {
			continue
		}
		if fd != "" {
			t.Errorf("%v has the descriptor %q", row, fd)
		}
		rows = append(rows, op+" "+errno+" "+name)
	}
	return slices.Collect(strings.Lines(r.stdout)), rows, r.status
}

// lookupColumns are what lookupsOf reads, and with these everything.
var lookupColumns = [][]string{
	{"--columns", "op,fd,errno,file,bad_address"},
	{"--columns", "op,fd,errno,file,bad_address,path,realpath,exe,took,created,flags,args,container", "--execs"},
}

// Each call that looks for a file shows once, with its result, and none that goes by a descriptor.
func TestLookups(t *testing.T) {
	hows := []string{"doors", "nameless", "late"}
	if atLeast(t, 6, 0) {
		hows = append(hows, "uring")
	}
	if runtime.GOARCH == "amd64" {
		hows = append(hows, "x32")
	}
	for i, flags := range lookupColumns {
		for _, how := range hows {
			t.Run(fmt.Sprint(how, i), func(t *testing.T) {
				seen, rows, status := lookupsOf(t, lookupDir(t), flags, how)
				if status == 2 && how == "x32" {
					t.Skip("NOT TESTED: this kernel has no x32 calls")
				}
				wantLookups(t, seen, rows)
			})
		}
	}
}

func TestLookupsOf32BitCalls(t *testing.T) {
	need32BitCalls(t)
	seen, rows, _ := lookupsOf(t, lookupDir(t), lookupColumns[0], "doors32")
	if len(seen) != 13 {
		t.Errorf("the looker has made %d calls", len(seen))
	}
	wantLookups(t, seen, rows)
}

func wantLookups(t *testing.T, seen, rows []string) {
	t.Helper()
	rows = slices.DeleteFunc(rows, func(row string) bool { return strings.HasPrefix(row, "exec ") })
	for i := range seen {
		seen[i] = strings.TrimSuffix(seen[i], "\n")
	}
	// Requests of io_uring that a worker does may end later than those behind them.
	slices.Sort(seen)
	slices.Sort(rows)
	if !slices.Equal(seen, rows) {
		t.Errorf("rows\n%s\nwant\n%s", strings.Join(rows, "\n"), strings.Join(seen, "\n"))
	}
}

// Without the flag none shows, and rows and lost are all of a flood.
func TestFloodOfLookups(t *testing.T) {
	const calls = 100_000
	dir := lookupDir(t)
	for _, flags := range [][]string{nil, {"-x"}, {"-F", "--path", dir + "/**"}} {
		file := filepath.Join(t.TempDir(), "rows")
		args := slices.Concat([]string{"--lookups", "-b", "1", "-w", file, "--columns", "err,file"}, flags, []string{"--", program("looker"), dir, "flood", strconv.Itoa(calls)})
		r := runToEnd(t, exec.Command(opensnoop, args...))
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		wantCounted(t, strings.Count(string(text), "ENOENT "), calls, r.stderr)
	}
	r := runToEnd(t, exec.Command(opensnoop, "--columns", "err,file", "--", program("looker"), dir, "doors"))
	if strings.Contains(r.stdout, dir+"/none") || strings.Contains(r.stdout, "bad address") {
		t.Errorf("without --lookups there is %s", r.stdout)
	}
}

// What a shell looks for along PATH shows, until it is found and executed.
func TestLookupsAlongPath(t *testing.T) {
	dir := t.TempDir()
	for _, folder := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	tool := dir + "/b/tool"
	if err := os.WriteFile(tool, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, shell := range []string{"bash", "dash"} {
		path, err := exec.LookPath(shell)
		if err != nil {
			t.Logf("NOT TESTED: %v", err)
			continue
		}
		cmd := exec.Command(opensnoop, "--execs", "--lookups", "--columns", "flags,err,path", "--path", dir+"/**", "--", path, "-c", "tool; :")
		cmd.Env = append(os.Environ(), "PATH="+dir+"/a:"+dir+"/b")
		r := runToEnd(t, cmd)
		want := fmt.Sprintf(`(?s)stat +ENOENT +%[1]s/a/tool\n.*stat +0 +%[1]s/b/tool\n.*exec +0 +%[1]s/b/tool\n`, regexp.QuoteMeta(dir))
		if !regexp.MustCompile(want).MatchString(r.stdout) {
			t.Errorf("%s: rows\n%s%s\ndo not match %s", shell, r.stdout, r.stderr, want)
		}
	}
}

// git asks for its configuration by access(2), and opens none that is not there.
func TestLookupsOfGit(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("NOT TESTED: ", err)
	}
	home := t.TempDir()
	cmd := exec.Command(opensnoop, "--lookups", "-o", "json", "--columns", "fd,err,flags,path", "--", "git", "config", "--list")
	cmd.Env, cmd.Dir = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="), home
	r := runToEnd(t, cmd)
	want := `"fd":null,"errno":2,"error":"ENOENT",.*"op":"access","flags":null,"flag_names":["access"],.*"path":"` + home + `/.gitconfig"`
	if !regexp.MustCompile(strings.ReplaceAll(want, "[", `\[`)).MatchString(r.stdout) {
		t.Errorf("no row is like %s in\n%s%s", want, r.stdout, r.stderr)
	}
}

// straced is a call in a log of strace's, with its arguments and how it ended.
var straced = regexp.MustCompile(`(?m)^(\w+)\((.*)\) += (-?\d+)(?: (E\w+))?`)

// callsOfStrace counts opens and lookups by what they are and how they ended.
func callsOfStrace(log string) map[string]int {
	ops := map[string]string{
		"open": "open", "openat": "open", "openat2": "open", "creat": "open", "stat": "stat", "lstat": "stat", "newfstatat": "stat", "statx": "stat",
		"access": "access", "faccessat": "access", "faccessat2": "access", "readlink": "readlink", "readlinkat": "readlink",
	}
	counts := map[string]int{}
	for _, call := range straced.FindAllStringSubmatch(log, -1) {
		op := ops[call[1]]
		byDescriptor := strings.Contains(call[2], "AT_EMPTY_PATH") && strings.Contains(call[2], `, "",`)
		if op == "" || byDescriptor {
			continue
		}
		counts[op+" "+call[4]]++
	}
	return counts
}

// Of usual commands, counts and errors are those of strace.
func TestLookupsAsStraceSees(t *testing.T) {
	notInGuests(t)
	dir := replayDir(t)
	writeFiles(t, dir, map[string]string{"main.c": "int main(void) { return 0; }\n", "Makefile": "main.o: main.c\n\t$(CC) -c $<\n"})
	for _, command := range [][]string{
		{"ls", "-l", "/usr"}, {"python3", "-B", "-c", "import json"}, {"git", "status"}, {"gcc", "-c", "-o", "/dev/null", "main.c"}, {"make", "-n"},
		{"bash", "-lc", "nosuchcommand; true"}, {"dash", "-c", "nosuchcommand; true"}, {"ssh", "-V"}, {"curl", "--version"}, {"perl", "-MPOSIX", "-e", "1"},
		{"vim", "-es", "-c", "q"}, {"man", "--version"}, {"apt-cache", "policy", "bash"}, {"systemctl", "--version"}, {"find", "/etc/ssl", "-name", "x"},
		{"tar", "-cf", "/dev/null", "/etc/ssl"}, {"sed", "--version"}, {"getent", "passwd", "root"},
	} {
		if _, err := exec.LookPath(command[0]); err != nil {
			t.Logf("NOT TESTED: %v", err)
			continue
		}
		t.Run(command[0], func(t *testing.T) {
			out := t.TempDir()
			under := func(args ...string) {
				cmd := exec.Command(args[0], append(args[1:], command...)...)
				cmd.Env, cmd.Dir = append(os.Environ(), "PYTHONHASHSEED=0", "HOME="+dir), dir // no profile of this machine's
				runToEnd(t, cmd)
			}
			under("env") // what it makes is then there for both
			under("strace", "-ff", "-s", "8192", "-o", out+"/log", "-e", "trace=%file")
			logs, _ := filepath.Glob(out + "/log.*") // one of each process
			var log strings.Builder
			for _, path := range logs {
				text, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				log.Write(text)
			}
			under(opensnoop, "--lookups", "-o", "csv", "--columns", "op,err", "-w", out+"/rows", "--")
			got := map[string]int{}
			for _, row := range readCSV(t, out+"/rows")[1:] {
				got[row[0]+" "+row[1]]++
			}
			if want := callsOfStrace(log.String()); !maps.Equal(got, want) || len(want) == 0 {
				t.Errorf("rows %v, strace %v", got, want)
			}
		})
	}
}

// A recording has lookups, and is asked for them.
func TestRecordedLookups(t *testing.T) {
	dir := lookupDir(t)
	recording := filepath.Join(t.TempDir(), "lookups.osn")
	if r := runToEnd(t, exec.Command(opensnoop, "record", "--lookups", recording, "--", program("looker"), dir, "doors")); r.status != 0 {
		t.Fatal(r.stderr)
	}
	live := runToEnd(t, exec.Command(opensnoop, "--lookups", "--columns", "op,flags,fd,err,file,path", "--", program("looker"), dir, "doors"))
	again := runToEnd(t, exec.Command(opensnoop, "replay", recording, "--lookups", "--columns", "op,flags,fd,err,file,path"))
	// What the looker itself writes is in the live one.
	own := regexp.MustCompile(`(?m)^\w+ \d+ .*\n`)
	if got, want := again.stdout, own.ReplaceAllString(live.stdout, ""); got != want || strings.Count(got, "stat ") < 10 {
		t.Errorf("replayed\n%s%s\nlive\n%s", got, again.stderr, want)
	}
	if r := runToEnd(t, exec.Command(opensnoop, "replay", recording)); strings.Contains(r.stdout, "/none") {
		t.Errorf("without --lookups the replay shows %s", r.stdout)
	}
	without := filepath.Join(t.TempDir(), "opens.osn")
	runToEnd(t, exec.Command(opensnoop, "record", without, "--", program("looker"), dir, "doors"))
	if r := runToEnd(t, exec.Command(opensnoop, "replay", "--lookups", without)); r.status != 1 || !strings.Contains(r.stderr, "was not recorded: record it with --lookups") {
		t.Errorf("a recording without lookups: status %d, %s", r.status, r.stderr)
	}
	missing := ask(t, dir, "missing", "--", program("looker"), dir, "doors")
	if want := "looker: none not found in 1 place:\n    ENOENT  " + dir + "/none"; !strings.Contains(missing.stdout, want) {
		t.Errorf("missing: %s%s, want %s", missing.stdout, missing.stderr, want)
	}
	needs := ask(t, dir, "needs", recording)
	if !strings.Contains(needs.stdout, dir+"/there\n") || !strings.Contains(needs.stdout, dir+"/link\n") {
		t.Errorf("needs: %s%s", needs.stdout, needs.stderr)
	}
}

// A probe that sees no lookups says so.
func TestLookupsByOtherProbes(t *testing.T) {
	for _, probe := range []string{"kprobe", "fentry"} {
		r := runToEnd(t, exec.Command(opensnoop, "--lookups", "--probe", probe, "-d", "1"))
		there := kprobes() && !strings.Contains(r.stderr, "this kernel is older")
		if r.status != 1 || there && !strings.Contains(r.stderr, "--probe tracepoint") {
			t.Errorf("--probe %s: status %d, %s", probe, r.status, r.stderr)
		}
	}
}
