package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pathed are the fields of an open with its path.
type pathed struct {
	PID         int     `json:"pid"`
	Comm        string  `json:"comm"`
	Path        *string `json:"path"`
	PathExact   *string `json:"path_base64"`
	Known       *string `json:"path_known"`
	KnownExact  *string `json:"path_known_base64"`
	Problem     string  `json:"path_problem"`
	File        *string `json:"file"`
	FileExact   *string `json:"file_base64"`
	UnreadName  *string `json:"unread_address"`
	KnownName   *string `json:"file_known"`
	FileProblem string  `json:"file_problem"`
	Real        *string `json:"realpath"`
	RealExact   *string `json:"realpath_base64"`
	RealKnown   *string `json:"realpath_known"`
	RealProblem string  `json:"realpath_problem"`
	Exe         *string `json:"exe"`
	ExeProblem  string  `json:"exe_problem"`
	FD          *int    `json:"fd"`
}

// bytes are those of a text that may have exact ones beside it.
func bytesOf(t *testing.T, text, exact *string) string {
	t.Helper()
	switch {
	case exact != nil:
		b, err := base64.StdEncoding.DecodeString(*exact)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	case text != nil:
		return *text
	}
	return ""
}

func decodePathed(t *testing.T, line string) pathed {
	t.Helper()
	var o pathed
	if err := json.Unmarshal([]byte(line), &o); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return o
}

const pathColumns = "pid,comm,path,file"

func TestPaths(t *testing.T) {
	forEachProbe(t, func(t *testing.T, probe string) {
		for name, columns := range map[string]string{"alone": pathColumns, "with results": pathColumns + ",fd,realpath,exe"} {
			t.Run(name, func(t *testing.T) {
				tr := startBare(t, probe, "-o", "json", "--columns", columns, "-n", "the-case")
				r := runToEnd(t, exec.Command(program("pather"), t.TempDir()))
				if r.status != 0 {
					t.Fatal(r.stderr)
				}
				var got []pathed
				for _, line := range tr.rest() {
					got = append(got, decodePathed(t, line))
				}
				if columns != pathColumns {
					compareReal(t, got)
				}
				comparePaths(t, strings.Split(strings.TrimSpace(r.stdout), "\n"), got)
			})
		}
	})
}

// compareReal compares what was opened with the paths of files that are still there, and
// looks for those that have none.
func compareReal(t *testing.T, got []pathed) {
	t.Helper()
	compared := 0
	problems := make(map[string]string)
	for _, o := range got {
		// A container's mounts do not show that of its program.
		if o.Exe == nil && o.ExeProblem != "not reachable" || o.Exe != nil && *o.Exe != program("pather") {
			t.Errorf("the program is %v", o.Exe)
		}
		if o.FD == nil || *o.FD < 0 {
			if o.Real != nil || o.RealProblem != "" {
				t.Errorf("a file was opened, although %+v", o)
			}
			continue
		}
		if o.RealProblem != "" {
			problems[o.RealProblem] = bytesOf(t, o.RealKnown, nil)
			continue
		}
		if o.Path == nil || o.PathExact != nil || o.Real == nil || strings.HasPrefix(*o.Path, "/proc") {
			continue
		}
		if want, err := filepath.EvalSymlinks(*o.Path); err == nil {
			compared++
			if *o.Real != want {
				t.Errorf("%s is %s, which is %s", *o.Path, *o.Real, want)
			}
		}
	}
	if compared < 20 {
		t.Errorf("only %d files were compared", compared)
	}
	if problems["tmpfs"] != "memfd:mem\nory" || problems["pipefs"] != "" || !strings.HasSuffix(problems["deleted"], "/to-delete") || len(problems) < 3 {
		t.Errorf("the files without a path are %q", problems)
	}
}

// comparePaths compares what was seen with what pather says.
func comparePaths(t *testing.T, expected []string, got []pathed) {
	t.Helper()
	for _, line := range expected {
		fields := strings.Split(line, "\t")
		if fields[0] == "skipped" {
			t.Logf("*** DID NOT RUN: %s", fields[1])
			continue
		}
		if len(got) == 0 {
			t.Fatalf("%s: no open", fields[0])
		}
		o := got[0]
		got = got[1:]
		problem, path, name := fields[1], unhex(t, fields[2]), unhex(t, fields[3])
		if seen := bytesOf(t, o.File, o.FileExact); seen != name || o.UnreadName != nil {
			t.Fatalf("%s: the name is %q, want %q", fields[0], seen, name)
		}
		known := bytesOf(t, o.Path, o.PathExact)
		if problem != "" {
			if o.Path != nil {
				t.Errorf("%s: the path is %q", fields[0], known)
			}
			known = bytesOf(t, o.Known, o.KnownExact)
		}
		if o.Problem != problem || known != path && (problem == "" || path != "") {
			t.Errorf("%s: %q, %q; want %q, %q", fields[0], o.Problem, known, problem, path)
		}
	}
	if len(got) != 0 {
		t.Errorf("%d opens more", len(got))
	}
}

func unhex(t *testing.T, text string) string {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// While folders are renamed, no path is shown that has never been.
func TestPathsInARenameStorm(t *testing.T) {
	opens := 100_000
	if kprobes() {
		opens = 20_000 // such a guest is slow
	}
	forEachProbe(t, func(t *testing.T, probe string) {
		dir := t.TempDir()
		tr := startBare(t, probe, "-o", "json", "--columns", pathColumns, "-b", "1024", "-n", "the-case")
		storm := runToEnd(t, exec.Command(program("pather"), dir, strconv.Itoa(opens)))
		made, err := strconv.Atoi(strings.TrimSpace(storm.stdout))
		if err != nil {
			t.Fatalf("the storm: status %d, %q, %q", storm.status, storm.stdout, storm.stderr)
		}
		seen := make(map[string]int)
		changed := 0
		for _, line := range tr.rest() {
			o := decodePathed(t, line)
			switch {
			case o.Problem == "changed meanwhile":
				changed++
			case o.Path == nil:
				t.Fatalf("no path: %s", line)
			default:
				seen[strings.TrimPrefix(*o.Path, dir)]++
			}
		}
		all := changed
		const rest = "/1/2/3/4/f"
		for path, n := range seen {
			all += n
			switch path {
			case "/a0/b0" + rest, "/a1/b0" + rest, "/a0/b1" + rest, "/z/b0" + rest:
			default:
				t.Errorf("%d times %s, where no folder has been", n, path)
			}
		}
		t.Logf("%v, %d marked as changed meanwhile", seen, changed)
		wantCounted(t, all, made, tr.stderr.String())
		if len(seen) < 4 && lostAtMost(t, tr.stderr.String()) == 0 {
			t.Errorf("the folders were not seen in all places: %v", seen)
		}
	})
}

// All strings of a record are as long as they can be at a time: none is written beyond its room, and
// what shows is right or marked.
func TestRecordsThatAreFull(t *testing.T) {
	const opens = 240 // OVERFULL in pather.c
	forEachProbe(t, func(t *testing.T, probe string) {
		tr := startBare(t, probe, "-o", "json", "-b", "2048", "-n", "the-case", "--columns", "pid,comm,fd,path,exe,realpath,file")
		if out, err := exec.Command(program("pather"), t.TempDir(), "overfull").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		rows := 0
		for _, line := range tr.rest() {
			o := decodePathed(t, line)
			if o.Comm != "the-case" {
				continue
			}
			rows++
			name, known := bytesOf(t, o.File, o.FileExact), bytesOf(t, o.RealKnown, nil)
			if o.UnreadName != nil || len(name) != 4095 || strings.TrimLeft(name, "./") != "proc/self/fd/9" {
				t.Fatalf("the name is %q", name)
			}
			if o.RealProblem != "tmpfs" && o.RealProblem != "too deep" || strings.Trim(strings.TrimPrefix(known, "memfd:"), "m") != "" {
				t.Fatalf("the file is %q, %q", o.RealProblem, known)
			}
		}
		if lost := lostAtMost(t, tr.stderr.String()); rows+lost != opens || strings.Contains(tr.stderr.String(), "no sense") {
			t.Errorf("%d rows and %d lost of %d opens, stderr %q", rows, lost, opens, tr.stderr)
		}
	})
}

// Patterns that begin with a slash are for files, however their names are passed.
func TestPathFiltersMeanFiles(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "etc")
	if err := os.MkdirAll(other, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{filepath.Join(other, "hostname"), filepath.Join(dir, "file")} {
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	const script = `cd /etc; : <hostname; : <//etc/./hostname; : </../etc/hostname; cd /; : <etc/hostname
cd "$1"; : <etc/hostname; : <file; : <link; exec 9</etc; : </proc/self/fd/9/hostname`
	hostnames := []string{"hostname", "//etc/./hostname", "/../etc/hostname", "etc/hostname"}
	tests := []struct {
		args []string
		want []string
	}{
		{[]string{"--path", "/etc/**", "--exclude-path", "/etc/ld*", "--exclude-path", "/etc"}, hostnames},
		{[]string{"--path", dir + "/**", "--exclude-path", dir + "/file", "--exclude-path", dir + "/etc/**"}, []string{"link"}},
		{[]string{"--realpath", "/etc/hostname"}, append(hostnames, "link", "/proc/self/fd/9/hostname")},

		{[]string{"--path", "/etc/host*"}, hostnames},
		{[]string{"--path", "/etc/hostname"}, hostnames},
		{[]string{"--path", "hostname"}, []string{"hostname"}},
		{[]string{"--path", dir + "/etc/*"}, []string{"etc/hostname"}},
		{[]string{"--path", dir + "/*", "--exclude-path", "fil*"}, []string{"link"}},
	}
	if kprobes() {
		tests = tests[1:3] // such a guest compiles for long
	}
	forEachProbe(t, func(t *testing.T, probe string) {
		for _, test := range tests {
			args := slices.Concat([]string{probe, "--columns", "file"}, test.args, []string{"--", "sh", "-c", script, "sh", dir})
			out, err := exec.Command(opensnoop, args...).Output()
			if err != nil {
				t.Fatalf("%q: %v", args, err)
			}
			if got := strings.Fields(string(out))[1:]; !slices.Equal(got, test.want) {
				t.Errorf("%q: %q, want %q", test.args, got, test.want)
			}
		}
	})
}
