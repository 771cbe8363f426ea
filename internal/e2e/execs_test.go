package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// makeScripts makes a folder with a script that executes all kinds of files, and returns that.
func makeScripts(t *testing.T) (folder, run string) {
	t.Helper()
	folder = t.TempDir()
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"run":     "#!/bin/sh\ncd " + folder + "\n./script\n./missing\n./plain\n./garbage\n./orphan\n:\n",
		"script":  "#!" + folder + "/inner argument\n",
		"inner":   "#!/bin/sh\n:\n",
		"plain":   "#!/bin/sh\n",
		"garbage": "\x7fELF\x00",
		"orphan":  "#!/no/interpreter\n",
	} {
		mode := os.FileMode(0o755)
		if name == "plain" {
			mode = 0o644
		}
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	return folder, filepath.Join(folder, "run")
}

// loader is the name by which programs ask for the dynamic linker.
var loader = map[string]string{"amd64": "/lib64/ld-linux-x86-64.so.2", "arm64": "/lib/ld-linux-aarch64.so.1"}[runtime.GOARCH]

// hasLoader reports whether /bin/sh is linked dynamically: in guests it may be a static one.
func hasLoader(t *testing.T) bool {
	t.Helper()
	text, err := os.ReadFile("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(text[:4096]), loader)
}

// Each file that the kernel opens to execute a program shows once, with what came of it.
func TestExecs(t *testing.T) {
	forEachProbe(t, func(t *testing.T, flag string) {
		folder, run := makeScripts(t)
		r := runToEnd(t, exec.Command(opensnoop, flag, "--execs", "--columns", "flags,err,path", "--", run))
		var got []string
		for line := range strings.Lines(r.stdout) {
			if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "exec" {
				got = append(got, fields[1]+" "+fields[2])
			}
		}
		in := func(err, name string) string { return err + " " + filepath.Join(folder, name) }
		sh := "0 /bin/sh"
		want := []string{
			in("0", "run"), sh, in("0", "script"), sh,
			in("ENOENT", "missing"), in("EACCES", "plain"), in("ENOEXEC", "garbage"), in("ENOENT", "orphan"),
		}
		if kprobes() && !strings.Contains(flag, "tracepoint") {
			want = append(want, in("0", "inner"), "ENOENT /no/interpreter")
			if hasLoader(t) {
				want = append(want, "0 "+loader, "0 "+loader)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("executed: %q\nwant %q; stderr %q", got, want, r.stderr)
		}
	})
}

// Without --execs none shows, and with it they do in all formats, as no descriptors.
func TestExecsAreMarked(t *testing.T) {
	if kprobes() {
		t.Skip("NOT TESTED: formats are the same in guests, which are slow")
	}
	_, run := makeScripts(t)
	if r := runToEnd(t, exec.Command(opensnoop, "--columns", "flags,file", "--", run)); strings.Contains(r.stdout, "exec ") {
		t.Errorf("without --execs there is %q", r.stdout)
	}
	for format, want := range map[string]string{
		"json": `"fd":null,"errno":0,"error":null,"flags":null,"flag_names":["exec"],`,
		"csv":  ",,,0,,,exec,,",
	} {
		file := filepath.Join(t.TempDir(), "rows")
		r := runToEnd(t, exec.Command(opensnoop, "--execs", "-o", format, "--columns", "ppid,fd,err,flags,mode,file", "-w", file, "--", run))
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if format == "csv" {
			want = "," + run
		}
		if !strings.Contains(string(text), want) {
			t.Errorf("-o %s: %.2000q does not have %q; stderr %q", format, text, want, r.stderr)
		}
	}
	r := runToEnd(t, exec.Command(opensnoop, "--execs", "--", run))
	if !regexp.MustCompile(`(?m)^TIME.*FLAGS +FILE\n(.*\n)*.* exec +` + regexp.QuoteMeta(run) + `$`).MatchString(r.stdout) {
		t.Errorf("the table is %.2000q", r.stdout)
	}
}

// A thread that is not the first one executes a program: the call is its own, though it goes on
// by the number of the first. A name that was not in memory is gone with the program's.
func TestOddExecs(t *testing.T) {
	forEachProbe(t, func(t *testing.T, flag string) {
		for _, how := range []string{"exec-thread", "exec-unfaulted"} {
			r := runToEnd(t, exec.Command(opensnoop, flag, "--execs", "--columns", "flags,err,file", "--", opener, how, "/proc/self/exe"))
			m := regexp.MustCompile(`(?m)^exec +0 +/proc/self/exe$`).FindAllString(r.stdout, -1)
			if len(m) != 1 || strings.Count(r.stdout, "/executed") != 1 {
				t.Errorf("%s: %d rows of the exec in %.2000q; stderr %q", how, len(m), r.stdout, r.stderr)
			}
		}
	})
}

// Arguments are those that a program was executed with, whatever it makes of its memory.
func TestArguments(t *testing.T) {
	forEachProbe(t, func(t *testing.T, flag string) {
		before := prepare(t, "names", "/arguments-before")
		tr := startBare(t, flag, "-o", "json", "-n", openerComm, "-n", "sh", "--columns", "args,pid,file")
		before.run()
		long := strings.Repeat("x", 300)
		after := open(t, "names", "/arguments-after", long)
		forked := runToEnd(t, exec.Command("/bin/sh", "-c", "(true </arguments-forked) 2>/dev/null; true"))
		if forked.status != 0 {
			t.Fatal(forked.stderr)
		}
		rows := strings.Join(tr.rest(), "\n")
		for _, want := range []string{
			fmt.Sprintf(`"pid":%d,.*"args":\["%s","-wait","names","/arguments-before"\],"file":"/arguments-before"`, before.pid(), opener),
			fmt.Sprintf(`"pid":%d,.*"args":\["%s","names","/arguments-after","x+"\],"args_cut":true,"file":"/arguments-after"`, after, opener),
			`"args":\["/bin/sh","-c","\(true </arguments-forked\) 2>/dev/null; true"\],"file":"/arguments-forked"`,
		} {
			if !regexp.MustCompile(want).MatchString(rows) {
				t.Errorf("no row is like %s", want)
			}
		}
	})
}

// --tree shows how far below the command each process is.
func TestTree(t *testing.T) {
	r := runToEnd(t, exec.Command(opensnoop, "--tree", "--columns", "depth,comm,file", "--", "/bin/sh", "-c",
		"true </depth-0; (true </depth-1; (true </depth-2; true); true); true"))
	for depth := range 3 {
		want := fmt.Sprintf(`(?m)^%d +%s\S+ +/depth-%d$`, depth, strings.Repeat("  ", depth), depth)
		if !regexp.MustCompile(want).MatchString(r.stdout) {
			t.Errorf("no row is like %s in %.2000q; stderr %q", want, r.stdout, r.stderr)
		}
	}
}

// What a build opens and executes is what strace says of the same one.
func TestBuildAsStraceSees(t *testing.T) {
	if kprobes() {
		t.Skip("NOT TESTED: guests have no compiler")
	}
	folder := t.TempDir()
	for name, text := range map[string]string{
		"main.c":   "#include \"part.h\"\nint main(void) { return part(); }\n",
		"part.c":   "#include \"part.h\"\nint part(void) { return 0; }\n",
		"part.h":   "int part(void);\n",
		"Makefile": "prog: main.o part.o\n\t$(CC) -o $@ $^\nmain.o part.o: part.h\n%.o: %.c\n\t$(CC) -c -o $@ $<\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	build := func(args ...string) result {
		cmd := exec.Command(args[0], append(args[1:], "make", "-B", "-C", folder)...)
		cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=")
		r := runToEnd(t, cmd)
		if r.status != 0 {
			t.Fatalf("%q: status %d, %.500q", args, r.status, r.stderr)
		}
		return r
	}
	build("env") // what it makes is then there for both
	log := filepath.Join(t.TempDir(), "log")
	build("strace", "-f", "-s", "8192", "-o", log, "-e", "trace=open,openat,openat2,creat,execve,chdir")
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	want := opensOfStrace(string(text), folder)
	rows := filepath.Join(t.TempDir(), "rows")
	build(opensnoop, "--execs", "-o", "csv", "--columns", "path", "-w", rows, "--")
	got := make(map[string]bool)
	for _, row := range readCSV(t, rows)[1:] {
		if row[0] == "" {
			t.Errorf("a row without its path: %q", row)
		}
		got[temporary(filepath.Clean(row[0]))] = true
	}
	for path := range want {
		if !got[path] {
			t.Errorf("strace alone says %s", path)
		}
	}
	for path := range got {
		// The interpreters of scripts, as of the shell's, strace does not see.
		if !want[path] {
			t.Errorf("opensnoop alone says %s", path)
		}
	}
	if len(want) < 50 {
		t.Errorf("strace says no more than %d files", len(want))
	}
}

var temporaryName = regexp.MustCompile(`^/tmp/(cc|Gm)[A-Za-z0-9]{6}`)

// temporary names temporary files alike.
func temporary(path string) string { return temporaryName.ReplaceAllString(path, "/tmp/$1") }

var straceCall = regexp.MustCompile(`^\d+ +(?:(chdir)\("([^"]*)"|(?:open|creat|execve)\("([^"]*)"|openat2?\(AT_FDCWD, "([^"]*)")`)

// opensOfStrace returns the paths of the files in a log of strace's of processes that all go to
// one folder.
func opensOfStrace(log, folder string) map[string]bool {
	paths := make(map[string]bool)
	for line := range strings.Lines(log) {
		m := straceCall.FindStringSubmatch(line)
		if m == nil || m[1] != "" {
			continue
		}
		name := m[3] + m[4]
		if !strings.HasPrefix(name, "/") {
			name = folder + "/" + name
		}
		paths[temporary(filepath.Clean(name))] = true
	}
	return paths
}
