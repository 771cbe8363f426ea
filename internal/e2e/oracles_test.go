package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What others tell of the same run: strace, the loader, the compiler.

// openOfStrace is an open or execve of strace's: the folder, the name, the flags and the result.
var openOfStrace = regexp.MustCompile(`(?m)^\d+ +(?:openat\((?:AT_FDCWD|\d+)<([^>]*)>, "([^"]*)", (\S*?)(?:, 0\d+)?\)|execve\("([^"]*)".*\)) += (-?\d+)(?:<[^>]*>)?(?: ([A-Z]+))?`)

// seenBy is what strace's log says of each open: the path and the error, or "0".
func seenBy(t *testing.T, log string) (opens, read map[string]bool) {
	t.Helper()
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	opens, read = map[string]bool{}, map[string]bool{}
	for _, m := range openOfStrace.FindAllStringSubmatch(string(text), -1) {
		path, result := m[4], m[6]
		if path == "" {
			path = m[2]
			if !strings.HasPrefix(path, "/") {
				path = m[1] + "/" + path
			}
			path = filepath.Clean(path)
		}
		if result == "" {
			result = "0"
		}
		opens[path+" "+result] = true
		if result == "0" && !strings.Contains(m[3], "O_DIRECTORY") && !strings.Contains(m[3], "O_WRONLY") && !strings.HasPrefix(path, "/dev/") && !strings.HasPrefix(path, "/proc/") && !strings.HasPrefix(path, "/sys/") {
			real, err := filepath.EvalSymlinks(path)
			if err != nil {
				t.Fatal(err)
			}
			if st, err := os.Stat(real); err == nil && !st.IsDir() {
				read[real] = true
			}
		}
	}
	return opens, read
}

// The paths of a recording are those that strace sees of the same run, and what a command needs is
// what it sees it read.
func TestPathsAreStraces(t *testing.T) {
	notInGuests(t)
	if out, err := exec.Command("strace", "-y", "-e", "trace=openat", "cat", "/dev/null").CombinedOutput(); !strings.Contains(string(out), "AT_FDCWD<") {
		t.Skipf("NOT TESTED: this strace does not tell of the working folder, as it does since 5.15 (%v)", err)
	}
	dir := replayDir(t)
	for i, command := range [][]string{
		{"/bin/sh", "-c", "cat a.txt missing sub/b.conf; ls sub /etc/none; true"}, {"/usr/bin/awk", "{ print }", "a.txt"}, {"/usr/bin/git", "--version"},
		{"/usr/bin/perl", "-MPOSIX", "-e", "open(F, '<', 'none/x'); print floor(3.7)"}, {"/usr/bin/sort", "a.txt", "sub/b.conf"}, {"/usr/bin/getent", "passwd", "root"},
	} {
		log, recording := filepath.Join(dir, fmt.Sprint("log", i)), filepath.Join(dir, fmt.Sprint("r", i, ".osn"))
		trace := slices.Concat([]string{"/usr/bin/strace", "-f", "-y", "-s", "4096", "-e", "trace=open,openat,creat,openat2,execve", "-o", log}, command)
		if r := ask(t, dir, slices.Concat([]string{"record", recording, "--"}, trace)...); r.status != 0 {
			t.Fatalf("record: status %d, %s", r.status, r.stderr)
		}
		opens, read := seenBy(t, log)
		again := ask(t, dir, "replay", recording, "--execs", "-o", "json", "--columns", "path,err,exe,comm")
		got := map[string]bool{}
		for line := range strings.Lines(again.stdout) {
			var row struct {
				Path, Exe, Error *string
				Comm             string
				Exec             bool
			}
			if err := json.Unmarshal([]byte(line), &row); err != nil {
				t.Fatal(err)
			}
			if row.Path == nil || row.Comm == "opensnoop" || row.Exe != nil && *row.Exe == "/usr/bin/strace" && (!row.Exec || *row.Path != command[0]) {
				continue // strace's own
			}
			result := "0"
			if row.Error != nil {
				result = *row.Error
			}
			got[*row.Path+" "+result] = true
		}
		if want := slices.Sorted(maps.Keys(opens)); len(want) < 3 || !slices.Equal(slices.Sorted(maps.Keys(got)), want) {
			t.Errorf("%v: %s", command, firstDifference(strings.Join(slices.Sorted(maps.Keys(got)), "\n"), strings.Join(want, "\n")))
		}
		needed := ask(t, dir, slices.Concat([]string{"needs", "--"}, command)...)
		for path := range strings.Lines(needed.stdout) {
			path = strings.TrimSuffix(path, "\n")
			if st, err := os.Lstat(path); err != nil || st.Mode()&os.ModeSymlink != 0 {
				continue // what it points to is there too
			}
			if !read[path] && !strings.HasPrefix(filepath.Base(path), "ld-linux") { // the kernel opens the loader
				t.Errorf("%v: strace has not seen that it needs %s", command, path)
			}
			delete(read, path)
		}
		for path := range read {
			t.Errorf("%v: it needs %s, which needs does not say", command, path)
		}
	}
}

// The places of what is missing come in the order in which the loader, and execvp, try them.
func TestMissingIsInOrder(t *testing.T) {
	notInGuests(t)
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"libs/none": "", "bin/none": ""})
	environment := []string{"env", "LD_LIBRARY_PATH=" + dir + "/libs:" + dir + "/absent", "LD_DEBUG=libs", "LD_DEBUG_OUTPUT=" + dir + "/ld"}
	things := missingOf(t, dir, slices.Concat(environment, []string{"ls", "/dev/null"}))
	logs, _ := filepath.Glob(dir + "/ld.*")
	if len(logs) != 1 {
		t.Fatalf("the loader's logs: %v", logs)
	}
	text, err := os.ReadFile(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	tried := map[string][]string{} // by name
	for _, m := range regexp.MustCompile(`trying file=(\S+)`).FindAllStringSubmatch(string(text), -1) {
		name := filepath.Base(m[1])
		if !slices.Contains(tried[name], m[1]) { // it tries some twice
			tried[name] = append(tried[name], m[1])
		}
	}
	if len(tried["libc.so.6"]) < 2 {
		t.Errorf("the loader has tried %v", tried)
	}
	for name, want := range tried {
		// What is found by the cache is not tried.
		if got := things[name]; len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
			t.Errorf("%s: got %v\nwant %v", name, got, want)
		}
	}
	there, err := exec.LookPath("true") // /bin is not /usr/bin everywhere
	if err != nil {
		t.Fatal(err)
	}
	things = missingOf(t, dir, []string{"/usr/bin/env", "PATH=" + dir + "/bin:" + dir + "/absent:" + filepath.Dir(there), "true"})
	if want := []string{dir + "/bin/true", dir + "/absent/true", there}; !slices.Equal(things["true"], want) {
		t.Errorf("PATH: got %v\nwant %v", things["true"], want)
	}
}

// missingOf returns where a command looked for each thing, and at last where it found it.
func missingOf(t *testing.T, dir string, command []string) map[string][]string {
	t.Helper()
	r := ask(t, dir, slices.Concat([]string{"missing", "-o", "json", "--"}, command)...)
	if r.status != 0 {
		t.Fatalf("missing: %s", r.stderr)
	}
	things := map[string][]string{}
	for line := range strings.Lines(r.stdout) {
		var thing struct {
			Name, Found string
			Places      []struct{ Path string }
		}
		if err := json.Unmarshal([]byte(line), &thing); err != nil {
			t.Fatal(err)
		}
		for _, place := range thing.Places {
			things[thing.Name] = append(things[thing.Name], place.Path)
		}
		if thing.Found != "" {
			things[thing.Name] = append(things[thing.Name], thing.Found)
		}
	}
	return things
}

// What is missing is what strace sees a program look for in vain, in that order, and then where it
// is found.
func TestMissingIsAsStraceSees(t *testing.T) {
	notInGuests(t)
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"a/x": "", "b/thing.py": "", "b/tool": "#!/bin/sh\n", "src/main.c": "#include <thing.h>\nint main(void) { return 0; }\n", "inc/two/thing.h": ""})
	for _, folder := range []string{"home", "inc/one", "repository"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("nothing", dir+"/a/thing.py"); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		names   []string
		command []string
	}{
		{[]string{".gitconfig", "config", "gitconfig", "HEAD", ".git"}, []string{"env", "HOME=" + dir + "/home", "XDG_CONFIG_HOME=", "git", "-C", dir + "/repository", "config", "--list"}},
		{[]string{"thing.py"}, []string{"env", "PYTHONPATH=" + dir + "/a:" + dir + "/b", "/usr/bin/python3", "-B", "-c", "import thing"}},
		{[]string{"nosuchmodule.py", "pyvenv.cfg"}, []string{"/usr/bin/python3", "-B", "-c", "import nosuchmodule"}},
		{[]string{"tool"}, []string{"env", "PATH=" + dir + "/a:" + dir + "/none:" + dir + "/b:/usr/bin:/bin", "bash", "-c", "tool; true"}},
		{[]string{"nosuchcommand"}, []string{"env", "PATH=" + dir + "/a:" + dir + "/b:/usr/bin:/bin", "bash", "-c", "nosuchcommand; true"}},
		{[]string{"thing.h"}, []string{"gcc", "-I", dir + "/inc/one", "-I", dir + "/inc/absent", "-I", dir + "/inc/two", "-c", "-o", "/dev/null", dir + "/src/main.c"}},
	} {
		log := filepath.Join(t.TempDir(), "log")
		runToEnd(t, exec.Command("strace", slices.Concat([]string{"-f", "-s", "4096", "-e", "trace=%file", "-o", log}, test.command)...))
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		want, got := lookedFor(string(text)), missingOf(t, "/", test.command)
		some := 0
		for _, name := range test.names {
			some += len(want[name])
			if !slices.Equal(got[name], want[name]) {
				t.Errorf("%v: %s: got %v\nstrace %v", test.command, name, got[name], want[name])
			}
		}
		if some == 0 && test.names[0] != "nosuchmodule.py" { // python lists folders, and looks for nothing that is not in them
			t.Errorf("%v: strace has seen nothing", test.command)
		}
	}
}

// lookedFor returns, by name, where a log of strace's has something looked for in vain, and at last
// where it was found.
func lookedFor(log string) map[string][]string {
	places, found := map[string][]string{}, map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^(?:\d+ +)?(\w+)\((?:AT_FDCWD, )?"(/[^"]*)".*\) += (-?\d+)(?: (E\w+))?`).FindAllStringSubmatch(log, -1) {
		call, path, status := m[1], filepath.Clean(m[2]), m[3]
		name := filepath.Base(path)
		there := status != "-1" || m[4] == "EEXIST" || m[4] == "EINVAL" && strings.HasPrefix(call, "readlink")
		known := slices.Contains(places[name], path)
		if found[name] || call == "chdir" || call == "mkdir" || there && len(places[name]) == 0 || !there && known {
			continue
		}
		found[name] = there
		places[name] = append(places[name], path)
	}
	return places
}

// The modules that python says it tries are those that are missing, in that order.
func TestMissingIsAsPythonTells(t *testing.T) {
	notInGuests(t)
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"a/x": "", "b/thing.py": ""})
	if err := os.Symlink("nothing", dir+"/a/thing.py"); err != nil {
		t.Fatal(err)
	}
	run := `PYTHONPATH="$1/a:$1/b" /usr/bin/python3 -B -vv -c 'import thing' 2>"$1/log"`
	got := missingOf(t, dir, []string{"sh", "-c", run, "sh", dir})["thing.py"]
	text, err := os.ReadFile(dir + "/log")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, m := range regexp.MustCompile(`(?m)^# trying (.*/[ab]/thing\.py)$`).FindAllStringSubmatch(string(text), -1) {
		want = append(want, m[1])
	}
	if len(want) != 2 || !slices.Equal(got, want) {
		t.Errorf("got %v, python %v", got, want)
	}
}

// Depfiles of a real project are those of the compiler itself.
func TestDepfilesOfAProject(t *testing.T) {
	notInGuests(t)
	root, err := filepath.Abs("../../.cache/libzstd")
	if err != nil {
		t.Fatal(err)
	}
	units, _ := filepath.Glob(root + "/lib/*/*.c")
	programs, _ := filepath.Glob(root + "/programs/*.c")
	units = append(units, programs...)
	if len(units) < 40 {
		t.Skip("NOT TESTED: there is no source of libzstd in .cache: make deps-test fetches it")
	}
	dir := t.TempDir()
	for _, unit := range units[:40] {
		rule := dir + "/rule.d"
		r := ask(t, dir, "needs", "--depfile", "unit.o", "--", "gcc", "-w", "-MD", "-MF", rule, "-I", root+"/lib", "-I", root+"/lib/common", "-c", "-o", "unit.o", unit)
		text, err := os.ReadFile(rule)
		if err != nil || r.status != 0 {
			t.Fatal(err, r.stderr)
		}
		if got, want := dependencies(r.stdout), dependencies(string(text)); len(want) < 2 || !slices.Equal(got, want) {
			t.Errorf("%s: got %v\nwant %v", unit, got, want)
		}
	}
}
