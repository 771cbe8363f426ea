package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ask runs a command of opensnoop's in a folder.
func ask(t *testing.T, dir string, args ...string) result {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		cmd := exec.Command(opensnoop, args...)
		cmd.Dir = dir
		// A busy machine may lose opens, and this says so.
		if r := runToEnd(t, cmd); !strings.Contains(r.stderr, "were lost while tracing") || time.Now().After(end) {
			return r
		}
	}
}

// writeFiles writes files below a folder, by their names.
func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// project is a small C project.
var project = map[string]string{
	"main.c":   "#include <stdio.h>\n#include \"one.h\"\nint main(void) { return one() - 1 + printf(\"\"); }\n",
	"one.c":    "#include \"one.h\"\nint one(void) { return 1; }\n",
	"one.h":    "int one(void);\n",
	"new.h":    "#define NEW 1\n",
	"build.sh": "#!/bin/sh\nset -e\nfor unit in main one; do cc -c -o $unit.o $unit.c; done\ncc -o prog main.o one.o\n",
}

func TestDiffOfBuilds(t *testing.T) {
	notInGuests(t)
	dir := t.TempDir()
	writeFiles(t, dir, project)
	for _, name := range []string{"a.osn", "b.osn"} {
		if r := ask(t, dir, "record", name, "--", "./build.sh"); r.status != 0 {
			t.Fatalf("record: %s", r.stderr)
		}
	}
	if r := ask(t, dir, "diff", "a.osn", "b.osn"); r.status != 0 || r.stdout != "" {
		t.Errorf("two builds differ: status %d, %s\n%s", r.status, r.stderr, r.stdout)
	}
	writeFiles(t, dir, map[string]string{"one.c": "#include \"new.h\"\n" + project["one.c"]})
	r := ask(t, dir, "diff", "a.osn", "--", "./build.sh")
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	if r.status != 1 || len(lines) != 2 || !strings.HasPrefix(lines[1], "+ cc1 ") || !strings.HasSuffix(lines[1], " "+dir+"/new.h") {
		t.Errorf("a new #include: status %d, %s\n%s", r.status, r.stderr, r.stdout)
	}
	for _, args := range [][]string{{"a.osn", "none.osn"}, {"a.osn", "main.c"}} {
		if r := ask(t, dir, append([]string{"diff"}, args...)...); r.status != 2 || !strings.HasPrefix(r.stderr, "opensnoop: ") {
			t.Errorf("diff %v: status %d, %s", args, r.status, r.stderr)
		}
	}
	wantError(t, ask(t, dir, "diff", "a.osn"), 2, "opensnoop diff FILE FILE")
}

// A command differs in nothing from itself, whatever numbers and names are new in each run.
func TestTwiceIsTheSame(t *testing.T) {
	notInGuests(t)
	dir := t.TempDir()
	units(t, dir, 150)
	writeFiles(t, dir, map[string]string{"Makefile": "all: $(patsubst %.c,%.o,$(wildcard *.c))\n%.o: %.c\n\t$(CC) -c -o $@ $<\nclean:\n\trm -f *.o\n"})
	// One recording is larger than what is read ahead.
	for _, command := range [][]string{
		{"sh", "-c", "make -s clean && make -s -j2"}, {"ls", "-lR", "/etc/ssl"}, {"python3", "-B", "-c", "import json, os, tempfile; tempfile.TemporaryFile(); os.rmdir(tempfile.mkdtemp()); name = tempfile.mkstemp('.conf')[1]; open(name); os.remove(name)"},
		{"perl", "-MPOSIX", "-MFile::Temp=tempfile", "-e", "tempfile()"}, {"git", "log", "--oneline"}, {"bash", "-lc", "cat <(echo a) /proc/$$/stat /proc/self/status; rmdir $(mktemp -d)"},
		{"find", "/etc/ssl", "/proc/self/", "-name", "x"}, {"tar", "-cf", "/dev/null", "/etc/ssl"}, {"man", "--version"}, {"sort", "-S", "1M", "--parallel=2", "-T", dir, "/usr/share/dict/words", "/etc/services"},
		{"sed", "-i", "s/x/y/", dir + "/Makefile.copy"}, {"gcc", "-o", "/dev/null", "-c", "unit1.c"},
	} {
		if _, err := exec.LookPath(command[0]); err != nil {
			t.Logf("NOT TESTED: %v", err)
			continue
		}
		writeFiles(t, dir, map[string]string{"Makefile.copy": "x\n"})
		runToEnd(t, exec.Command(command[0], command[1:]...)) // what it keeps of a run is then there
		for end := time.Now().Add(patience); ; {
			ask(t, dir, slices.Concat([]string{"record", "--force", "a.osn", "--"}, command)...)
			if r := ask(t, dir, "needs", "a.osn"); r.status == 0 && !strings.Contains(r.stderr, "lacks") || time.Now().After(end) {
				break
			}
		}
		if r := ask(t, dir, slices.Concat([]string{"diff", "a.osn", "--"}, command)...); r.status != 0 || r.stdout != "" {
			t.Errorf("%v differs from itself: status %d, %s\n%s", command, r.status, r.stderr, r.stdout)
		}
	}
}

// The recording of another folder, or of another machine, is compared by --map, and what is to differ
// is left out by --ignore.
func TestDiffOfOtherFolders(t *testing.T) {
	notInGuests(t)
	dir := t.TempDir()
	for _, home := range []string{"anna", "ben"} {
		files := map[string]string{}
		for name, text := range project {
			files[home+"/"+name] = text
		}
		writeFiles(t, dir, files)
		writeFiles(t, dir, map[string]string{home + "/build.sh": "#!/bin/sh\ncd " + dir + "/" + home + " && cc -c main.c && cat conf/*\n", home + "/conf/of-" + home: "x"})
	}
	if r := ask(t, dir, "record", "a.osn", "--", "anna/build.sh"); r.status != 0 {
		t.Fatalf("record: %s", r.stderr)
	}
	other := []string{"--", "ben/build.sh"}
	r := ask(t, dir, slices.Concat([]string{"diff", "--map", dir + "/anna=" + dir + "/ben", "--ignore", "**/conf/*", "a.osn"}, other)...)
	if r.status != 0 || r.stdout != "" {
		t.Errorf("with both: status %d, %s\n%s", r.status, r.stderr, r.stdout)
	}
	r = ask(t, dir, slices.Concat([]string{"diff", "--map", dir + "/anna=" + dir + "/ben", "a.osn"}, other)...)
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	if r.status != 1 || len(lines) != 3 || !strings.HasSuffix(lines[1], dir+"/ben/conf/of-anna") || !strings.HasSuffix(lines[2], dir+"/ben/conf/of-ben") {
		t.Errorf("with --map: status %d, %s\n%s", r.status, r.stderr, r.stdout)
	}
	r = ask(t, dir, slices.Concat([]string{"diff", "a.osn"}, other)...)
	if r.status != 1 || !strings.Contains(r.stdout, "/anna/main.c") || !strings.Contains(r.stdout, "/ben/main.c") {
		t.Errorf("without: status %d, %s\n%s", r.status, r.stderr, r.stdout)
	}
	for _, bad := range []string{"x", "/a=b", "=", "a=/b"} {
		wantError(t, ask(t, dir, "diff", "--map", bad, "a.osn", "a.osn"), 2, "/home/a=/home/b")
	}
}

// One outcome that differs is one line.
func TestDiffOfAnOutcome(t *testing.T) {
	dir := replayDir(t)
	writeFiles(t, dir, map[string]string{"app.conf": "x"})
	run := []string{"--", "setpriv", "--reuid", fmt.Sprint(replayUser), "--clear-groups", "cat", dir + "/app.conf"}
	if r := ask(t, "/", slices.Concat([]string{"record", dir + "/a.osn"}, run)...); r.status != 0 {
		t.Fatalf("record: %s", r.stderr)
	}
	if err := os.Chmod(dir+"/app.conf", 0); err != nil {
		t.Fatal(err)
	}
	r := ask(t, "/", slices.Concat([]string{"diff", dir + "/a.osn"}, run)...)
	var changed []string
	for line := range strings.Lines(r.stdout) {
		if strings.HasPrefix(line, "!") {
			changed = append(changed, line)
		}
	}
	if r.status != 1 || len(changed) != 1 || !strings.Contains(changed[0], "EACCES") || !strings.Contains(changed[0], dir+"/app.conf") {
		t.Errorf("status %d, %s\n%s", r.status, r.stderr, r.stdout)
	}
}

func TestMissingOfACommand(t *testing.T) {
	dir := replayDir(t)
	r := ask(t, dir, "missing", "--all", "--", "sh", "-c", "cat none/app.conf app.conf; true")
	want := fmt.Sprintf("cat: app.conf not found in 2 places:\n    ENOENT  %[1]s/none/app.conf: there is no %[1]s/none\n    ENOENT  %[1]s/app.conf\n", dir)
	if r.status != 0 || !strings.Contains(r.stdout, want) {
		t.Errorf("status %d, %s\n%s\nwant %s", r.status, r.stderr, r.stdout, want)
	}
	writeFiles(t, dir, map[string]string{"myapp": "#!/bin/sh\n: <none.toml\n"})
	if r := ask(t, dir, "missing", "--", "./myapp"); r.status != 0 || !strings.Contains(r.stdout, "myapp: none.toml not found in 1 place:\n") || !strings.Contains(r.stdout, ". Reasons are those of the file system now.\n") {
		t.Errorf("of a script: status %d, %s\n%s", r.status, r.stderr, r.stdout)
	}
	json := ask(t, dir, "missing", "-o", "json", "--", "sh", "-c", "cat none/app.conf app.conf; true")
	if !strings.Contains(json.stdout, `"name":"app.conf","places":[{"path":"`) {
		t.Errorf("JSON: %s\n%s", json.stderr, json.stdout)
	}
}

// What a command needs is enough for it to run elsewhere.
func TestNeedsIsEnough(t *testing.T) {
	notInGuests(t)
	dir := t.TempDir()
	for i, command := range [][]string{
		{"/usr/bin/uname", "-s"}, {"/bin/sh", "-c", "echo a | tr a b"}, {"/usr/bin/awk", "BEGIN { print 1+1 }"}, {"/usr/bin/sed", "--version"},
		{"/usr/bin/expr", "3", "*", "4"}, {"/usr/bin/seq", "3"}, {"/usr/bin/printf", "%s", "x"}, {"/usr/bin/perl", "-MPOSIX", "-e", "print floor(3.7)"},
		{"/usr/bin/getent", "passwd", "root"}, {"/usr/bin/tar", "--version"}, {"/usr/bin/sort", "/etc/passwd"}, {"/usr/bin/git", "--version"},
	} {
		if _, err := os.Stat(command[0]); err != nil {
			t.Logf("NOT TESTED: %v", err)
			continue
		}
		want := runToEnd(t, exec.Command(command[0], command[1:]...))
		list := ask(t, "/", slices.Concat([]string{"needs", "-0", "--"}, command)...)
		if list.status != 0 || list.stdout == "" {
			t.Errorf("%v: status %d, %s", command, list.status, list.stderr)
			continue
		}
		root := filepath.Join(dir, fmt.Sprint(i))
		if err := os.MkdirAll(root+"/dev", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mknod(root+"/dev/null", syscall.S_IFCHR|0o666, 1<<8|3); err != nil {
			t.Fatal(err)
		}
		pack := exec.Command("sh", "-c", `tar --no-recursion --null -T - -cf - 2>/dev/null | tar -xf - -C "$1"`, "sh", root)
		pack.Stdin = strings.NewReader(list.stdout)
		if r := runToEnd(t, pack); r.status != 0 {
			t.Fatalf("%v: tar: %s", command, r.stderr)
		}
		in := exec.Command(command[0], command[1:]...)
		in.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
		in.Dir = "/"
		if got := runToEnd(t, in); got.status != want.status || got.stdout != want.stdout {
			t.Errorf("%v in a root of its own: status %d, %q %s; want %d, %q", command, got.status, got.stdout, got.stderr, want.status, want.stdout)
		}
	}
}

// A depfile has what the compiler says itself.
func TestDepfileIsTheCompilers(t *testing.T) {
	notInGuests(t)
	dir := t.TempDir()
	writeFiles(t, dir, project)
	r := ask(t, dir, "needs", "--depfile", "main.o", "--", "cc", "-c", "-o", "main.o", "main.c")
	if r.status != 0 {
		t.Fatal(r.stderr)
	}
	out, err := exec.Command("cc", "-M", filepath.Join(dir, "main.c")).Output()
	if err != nil {
		t.Fatal(err)
	}
	got, want := dependencies(r.stdout), dependencies(string(out))
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// dependencies are the files of a rule of make, each by its path without links, sorted.
func dependencies(rule string) []string {
	_, list, _ := strings.Cut(strings.ReplaceAll(rule, "\\\n", ""), ":")
	var files []string
	for _, file := range strings.Fields(list) {
		real, _ := filepath.EvalSymlinks(file)
		if !strings.HasPrefix(file, os.TempDir()+"/cc") { // as's input
			files = append(files, real)
		}
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// What is no recording is no trouble for whoever asks.
func TestAskingWhatIsNoRecording(t *testing.T) {
	for _, command := range []string{"missing", "needs", "replay"} {
		for _, file := range []string{os.DevNull, opener, "/no/such/file", "/"} {
			r := ask(t, "/", command, file)
			if r.status != 1 || !strings.HasPrefix(r.stderr, "opensnoop: ") || strings.Contains(r.stderr, "goroutine") {
				t.Errorf("%s %s: status %d, %s", command, file, r.status, r.stderr)
			}
		}
	}
}
