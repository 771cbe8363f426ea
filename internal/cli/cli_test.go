package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"opensnoop/internal/format"
)

// runMain runs a command line that ends by itself.
func runMain(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var files [2]*os.File
	for i := range files {
		file, err := os.Create(filepath.Join(t.TempDir(), "stream"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		files[i] = file
	}
	status = Main("v1.2.3", args, files[0], files[1])
	var texts [2]string
	for i, file := range files {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(text)
	}
	return status, texts[0], texts[1]
}

// Wrong usage is one line that says what is wrong and what to do, on stderr, and status 2.
func TestWrongUsage(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string // less "opensnoop: "
	}{
		{[]string{"--duratoin", "5"}, "unknown flag: --duratoin; did you mean --duration?"},
		{[]string{"--duratoin=5"}, "unknown flag: --duratoin; did you mean --duration?"},
		{[]string{"--zzzzzz"}, "unknown flag: --zzzzzz (see opensnoop -h)"},
		{[]string{"-z"}, "unknown shorthand flag: 'z' in -z (see opensnoop -h)"},
		{[]string{"-vz"}, "unknown shorthand flag: 'z' in -z (see opensnoop -h)"},
		{[]string{"doctor", "--zzzzzz"}, "unknown flag: --zzzzzz (see opensnoop doctor -h)"},
		{[]string{"-V"}, "unknown shorthand flag: 'V' in -V; did you mean --version?"},
		{[]string{"--exlude", "x"}, "unknown flag: --exlude; did you mean --exclude-path?"},
		{[]string{"help", "foo"}, `unknown command "foo" (see opensnoop -h)`},
		{[]string{"help", "doctor", "foo"}, `unknown command "foo" (see opensnoop -h)`},
		{[]string{"help", "doctr"}, `unknown command "doctr"; did you mean doctor?`},
		{[]string{"--config", "/nowhere/flags"}, "--config: open /nowhere/flags: no such file or directory"},
		{[]string{"--errno", "EFOO"}, `--errno EFOO: "EFOO" is no error: expected one such as ENOENT, or its number`},
		{[]string{"--columns", "foo"}, `--columns foo: "foo" is no column: expected some of ` + format.Names(format.Columns) + ", by commas"},
		{[]string{"--summary=foo"}, `--summary=foo: ` + notABy},
		{[]string{"--summary", "5"}, `unexpected argument "5": --summary takes its value with =: --summary=5`},
		{[]string{"--summary", "live"}, `unexpected argument "live": --summary takes its value with =: --summary=live`},
		{[]string{"5"}, `unexpected argument "5": for a process id, use -p 5`},
		{[]string{"--exec"}, "no command after --exec"},
		{[]string{"doctor", "-o", "csv"}, "-o csv: expected one of table, json"},
		{[]string{"-p"}, "flag needs an argument: 'p' in -p (see opensnoop -h)"},
		{[]string{"--pid"}, "flag needs an argument: --pid (see opensnoop -h)"},
		{[]string{"-p", "abc"}, "-p abc: not a process id: use -n abc, or -p $(pgrep -d, abc)"},
		{[]string{"-p", "1", "-p", "0"}, `-p 0: ` + notAPID},
		{[]string{"-d", "0"}, `-d 0: ` + notATime},
		{[]string{"--duration", "soon"}, `-d soon: ` + notATime},
		{[]string{"-c", "0"}, `-c 0: ` + notACount},
		{[]string{"-b", "3"}, `-b 3: ` + notPages},
		{[]string{"--probe", "fexit"}, `--probe fexit: ` + notAProbe},
		{[]string{"/etc/passwd"}, `unexpected argument "/etc/passwd": a command to trace comes after --`},
		{[]string{"-v", "/etc/passwd", "-d", "1"}, `unexpected argument "/etc/passwd": a command to trace comes after --`},
		{[]string{"--\x1b[2J\n"}, `unknown flag: --\x1b[2J\n (see opensnoop -h)`},
		{[]string{"-v=maybe"}, `-v=maybe: ` + notABool},
		{[]string{"--help=1"}, `-h=1: ` + notABool},
		{[]string{"doctor", "--live=x"}, `--live=x: ` + notABool},
		{[]string{"-w", "-"}, `-w -: expected a file: rows go to stdout without -w, and a file named - is ./-`},
		{[]string{"-w", ""}, `-w "": expected the path of a file`},
		{[]string{"--layout", "bcc", "--columns", "pid"}, "--layout bcc has its own columns: leave out --columns"},
		{[]string{"--layout", "bcc", "-o", "json"}, "--layout bcc is a table: leave out -o"},
		{[]string{"--summary", "--layout", "bcc"}, "--summary shows no rows: leave out --layout"},
		{[]string{"--summary=3", "--columns", "pid"}, "--summary shows no rows: leave out --columns"},
		{[]string{"--summary", "-o", "csv"}, "--summary can be had as a table or as JSON: leave out -o csv"},
		{[]string{"--summary=fil"}, `--summary=fil: did you mean file? ` + notABy},
		{[]string{"--summary=user,user"}, `--summary=user,user: user is there twice`},
		{[]string{"--summary=live", "-o", "json"}, "--summary=live is for a terminal: leave out -o json and -w"},
		{[]string{"-p", "1", "--follow", "--exclude-pipeline"}, "--exclude-pipeline is for runs without --follow"},
		{[]string{"--summary=live", "--", "true"}, "--summary=live would draw over what a command prints: leave out live"},
		{[]string{"--tree"}, "--tree is for processes that are followed: a command (-- CMD), or -p with --follow"},
		{[]string{"--tree", "-o", "json", "--", "true"}, "--tree is for the usual table: with -o json or csv, the column depth has what it shows"},
		{[]string{"--container", "a,,b"}, `--container a,,b: expected the name of a container, or its id, or several by commas`},
		{[]string{"--force"}, "--force is for -w"},
		{[]string{"-p", ""}, `-p "": no process id: if pgrep was to give one, it found none`},
		{[]string{"-p", "12\n13"}, `-p "12\n13": put commas between process ids: 12,13 (pgrep -d,)`},
		{[]string{"-p", "12", "13"}, `unexpected argument "13": put commas between process ids (pgrep -d,)`},
		{[]string{"doctr"}, `unexpected argument "doctr": did you mean doctor?`},
		{[]string{"-n", "a,,b"}, "-n a,,b: expected parts of names (comms), each of 1 to 15 bytes, by commas"},
		{[]string{"--path", "~/x"}, "--path ~/x: only the shell knows what ~ is: leave it out of the quotes, or use $HOME"},
		{[]string{"--top"}, "unknown flag: --top; did you mean --summary=live?"},
		{[]string{"--cmd", "ls"}, "unknown flag: --cmd; did you mean -- COMMAND?"},
		{[]string{"-x", "--success"}, "no open both fails and succeeds: leave out -x or --success"},
		{[]string{"--errno", "ENOENT", "--success"}, "no open both fails and succeeds: leave out --errno or --success"},
		{[]string{"-x", "--realpath", "/etc/**"}, "an open that fails has no --realpath: use --path, or leave out -x and --errno"},
		{[]string{"-p", "1", "--exclude-pid", "2,1"}, "no open is left: --exclude-pid names all processes of -p"},
		{[]string{"-u", "0", "--exclude-uid", "root"}, "no open is left: --exclude-uid names all users of -u"},
		{[]string{"-n", "nginx", "--exclude-name", "gin"}, "no open is left: --exclude-name leaves out all that -n asks for"},
		{[]string{"--path", "/etc/**", "--exclude-path", "/etc/**"}, "no open is left: --exclude-path leaves out all that --path asks for"},
		{[]string{"--"}, "no command after --"},
		{[]string{"a\nb"}, `unexpected argument "a\nb": a command to trace comes after --`},
		// Also where what was asked for would end at once.
		{[]string{"needs", "--depfile", "a=b", "x"}, `--depfile "a=b": make cannot take this name`},
		{[]string{"--ebpf", "--probe", "x"}, `--probe x: ` + notAProbe},
		{[]string{"--version", "-b", "0"}, `-b 0: ` + notPages},
	} {
		status, stdout, stderr := runMain(t, test.args...)
		want := "opensnoop: " + test.want + "\n"
		if status != 2 || stdout != "" || stderr != want {
			t.Errorf("%q: status %d, stdout %q, stderr %q, want %q", test.args, status, stdout, stderr, want)
		}
	}
}

// Pairs of filters of which something can pass.
func TestFiltersThatGoTogether(t *testing.T) {
	for _, args := range [][]string{
		{"-x", "--errno", "ENOENT"},
		{"-p", "1,2", "--exclude-pid", "1"},
		{"-p", "1", "--follow", "--exclude-pid", "1"},
		{"-n", "gin", "--exclude-name", "nginx"},
		{"--path", "/etc/**", "--exclude-path", "/etc/*"},
		{"--success", "--realpath", "/etc/**"},
	} {
		if status, _, stderr := runMain(t, append(args, "--ebpf")...); status != 0 || stderr != "" {
			t.Errorf("%q: status %d, stderr %q", args, status, stderr)
		}
	}
}

// All columns, each with its line, without any privilege.
func TestColumnsHelp(t *testing.T) {
	status, stdout, stderr := runMain(t, "--columns", "help")
	if status != 0 || stderr != "" || strings.Count(stdout, "\n") != len(format.Columns) {
		t.Fatalf("status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
	for _, c := range format.Columns {
		if c.Help == "" || !strings.Contains("\n"+stdout, fmt.Sprintf("\n%-10s  %s\n", c.Name, c.Help)) {
			t.Errorf("no %s in\n%s", c.Name, stdout)
		}
	}
}

// A signal in the middle of a recording is neither that two are the same, nor success.
func TestInterruptedAsking(t *testing.T) {
	for command, want := range map[string]int{"diff": 2, "missing": 1, "needs": 1} {
		fifo := filepath.Join(t.TempDir(), "recording")
		if err := unix.Mkfifo(fifo, 0o600); err != nil {
			t.Fatal(err)
		}
		signaled := make(chan error, 1)
		go func() {
			w, err := os.OpenFile(fifo, os.O_WRONLY, 0) // once it is read
			if err == nil {
				defer w.Close()
				_, err = w.WriteString(`{"record":"start","run":"r","time":"2026-11-30T12:00:00Z","rows":0,"format":1,"version":"v","columns":["fd","err","flags","path"],"lost":{},"doubtful":0}` + "\n")
			}
			signaled <- errors.Join(err, unix.Kill(os.Getpid(), unix.SIGTERM))
			time.Sleep(time.Second)
		}()
		args := []string{command, fifo}
		if command == "diff" {
			args = append(args, fifo)
		}
		status, stdout, stderr := runMain(t, args...)
		if err := <-signaled; err != nil || status != want {
			t.Errorf("%s: status %d, want %d, %s%s, %v", command, status, want, stdout, stderr, err)
		}
	}
}

// What is said of recordings without an end names which of them, and where.
func TestWhichIsDamaged(t *testing.T) {
	dir := t.TempDir()
	start := func(run string) string {
		return `{"record":"start","run":"` + run + `","time":"2026-11-30T12:00:00Z","rows":0,"format":1,"version":"v","columns":["fd","err","flags","path"],"lost":{},"doubtful":0}` + "\n"
	}
	const row = `{"seq":0,"fd":3,"errno":0,"flags":0,"comm":"x","path":"/x"}` + "\n"
	const end = `{"record":"end","time":"2026-11-30T12:00:00Z","rows":1,"lost":{},"doubtful":0}` + "\n"
	cut, glued := dir+"/cut", dir+"/glued"
	if err := errors.Join(os.WriteFile(cut, []byte(start("a")+row), 0o600), os.WriteFile(glued, []byte(start("a")+row+start("b")+row+end), 0o600)); err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr := runMain(t, "diff", cut, glued)
	want := "opensnoop: " + cut + ": the recording is damaged: it ends after 1 rows without an end record, as after kill -9\n" +
		"opensnoop: " + glued + ": the recording is damaged: one that is in it ends after 1 rows without an end record, as after kill -9, and another begins\n"
	if status != 2 || stdout != "" || stderr != want {
		t.Errorf("status %d, %s, %s, want %s", status, stdout, stderr, want)
	}
}

func TestVersion(t *testing.T) {
	status, stdout, stderr := runMain(t, "--version")
	if status != 0 || stdout != "opensnoop version v1.2.3\n" || stderr != "" {
		t.Errorf("status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
}

func TestHelp(t *testing.T) {
	status, stdout, stderr := runMain(t, "-h")
	if status != 0 || stderr != "" {
		t.Errorf("status %d, stderr %q", status, stderr)
	}
	if _, long, _ := runMain(t, "--help"); long != stdout {
		t.Error("--help says otherwise than -h")
	}
	all := stdout
	for _, command := range []string{"record", "replay", "diff", "missing", "needs", "doctor"} {
		_, help, _ := runMain(t, command, "-h")
		all += help
	}
	for line := range strings.Lines(all) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > helpWidth {
			t.Errorf("a line of %d characters: %s", n, line)
		}
	}
	cmd, _ := Command("")
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if !strings.Contains(stdout, "  "+name+" ") && !strings.Contains(stdout, "  "+name+"[=") {
			t.Errorf("the help lacks %s:\n%s", name, stdout)
		}
		if f.Usage == "" {
			t.Errorf("the help does not say what %s does", name)
		}
	})
}

// The source is printed with what its options make of it, without any privilege.
func TestSource(t *testing.T) {
	status, stdout, stderr := runMain(t, "--ebpf", "--probe", "tracepoint", "-p", "17,4", "-t", "17,4")
	if status != 0 || stderr != "" {
		t.Errorf("status %d, stderr %q", status, stderr)
	}
	for _, want := range []string{
		"#define PROBE_TRACEPOINT 1\n", "#define PIDS 1\n", "#define LISTED ONE_OF((u32)local, case 4: case 17:)\n", "// SPDX-License-Identifier: GPL-2.0-only\n", "\nint syscall_enter(",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in the source", want)
		}
	}
	if strings.Contains(stdout, "\x00") || !utf8.ValidString(stdout) || !strings.HasSuffix(stdout, "\n") {
		t.Error("the source is no text")
	}
}

func TestSourceToAFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	status := Main("", []string{"--ebpf"}, full, file)
	text, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	if status != 1 || !strings.HasPrefix(string(text), "opensnoop: writing to stdout: ") ||
		!strings.HasSuffix(string(text), "no space left on device\n") || strings.Count(string(text), "\n") != 1 {
		t.Errorf("status %d, stderr %q", status, text)
	}
}

func TestMessages(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "",
		"one":                      "opensnoop: one\n",
		"one\n":                    "opensnoop: one\n",
		"one\ntwo":                 "opensnoop: one\nopensnoop: two\n",
		"one\n\n  three \n":        "opensnoop: one\nopensnoop: \nopensnoop:   three\n",
		"caret:\n  x = y;\n    ^ ": "opensnoop: caret:\nopensnoop:   x = y;\nopensnoop:     ^\n",
	} {
		var b strings.Builder
		(&messages{w: &b}).lines(text)
		if b.String() != want {
			t.Errorf("%q: %q, want %q", text, b.String(), want)
		}
	}
	var b strings.Builder
	m := &messages{w: &b}
	m.printf("%s: %v", "\x1b]0;a\nb\\ ", errors.New("caf\xe9"))
	m.errors(errors.Join(errors.New("one\nline"), errors.Join(errors.New("two"))))
	m.errors(fmt.Errorf("three: %w", errors.New("four")))
	want := `opensnoop: \x1b]0;a\nb\ : caf\xe9` + "\nopensnoop: one\\nline\nopensnoop: two\nopensnoop: three: four\n"
	if b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

// A value that may be left out is in brackets, and the columns stay in line.
func TestHelpOfOptionalValues(t *testing.T) {
	_, help, _ := runMain(t, "-h")
	var at []int
	for line := range strings.Lines(help) {
		if strings.Contains(line, "--summary[=BY,TIME] ") || strings.Contains(line, " --color ") {
			at = append(at, strings.IndexAny(line[32:], "ns")+32)
		}
	}
	if len(at) != 2 || at[0] != at[1] {
		t.Errorf("the descriptions begin at %d:\n%s", at, help)
	}
}
