package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// --no-system leaves what matters.
func TestNoSystem(t *testing.T) {
	dir := t.TempDir()
	r := ask(t, dir, "-x", "-F", "--no-system", "--no-header", "--", "sh", "-c", "cat none.conf; LC_ALL=de_DE.UTF-8 cat none.so; true")
	var files []string
	for line := range strings.Lines(r.stdout) {
		files = append(files, filepath.Base(strings.Fields(line)[4]))
	}
	if got := strings.Join(files, " "); got != "none.conf none.so" {
		t.Errorf("rows of %s; %s\n%s", got, r.stderr, r.stdout)
	}
}

// -d and -c end the command too, and say so.
func TestDurationEndsTheCommand(t *testing.T) {
	for _, flags := range [][]string{{"-d", "0.2"}, {"-c", "1"}} {
		r := ask(t, "/", append(flags, "--", "sh", "-c", "cat /dev/null; exec sleep 300")...)
		if r.status != 128+15 || !strings.Contains(r.stderr, "ending the command (SIGTERM)") {
			t.Errorf("%v: status %d, %s", flags, r.status, r.stderr)
		}
	}
}

// Two files of one name in two folders are two.
func TestSummaryCountsFiles(t *testing.T) {
	dir := t.TempDir()
	for _, sub := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, sub, "config.h"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	script := "(cd a && cat config.h config.h); (cd b && cat config.h)"
	r := ask(t, dir, "--summary=file,dir", "--summary-rows", "all", "--", "sh", "-c", script)
	for _, want := range []string{dir + "/a/config.h\n", dir + "/b/config.h\n", dir + "/a\n", dir + "/b\n"} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("no %s in\n%s%s", want, r.stdout, r.stderr)
		}
	}
	r = ask(t, dir, "--summary=file", "--summary-rows", "1", "--sort", "name", "-o", "json", "--", "sh", "-c", script)
	if strings.Count(r.stdout, `{"file":`) != 1 {
		t.Errorf("not one row: %s", r.stdout)
	}
	wantError(t, ask(t, dir, "--sort", "name"), 2, "--summary")
}

// -F goes with columns, and CSV has a field for each column.
func TestColumnsAsAsked(t *testing.T) {
	r := ask(t, "/", "-F", "--columns", "euid,file", "-o", "csv", "-x", "--", "cat", "/no/such/file")
	if !strings.HasPrefix(r.stdout, "euid,path\r\n") || !strings.Contains(r.stdout, "0,/no/such/file\r\n") {
		t.Errorf("%s\n%s", r.stdout, r.stderr)
	}
	r = ask(t, "/", "--columns", "comm,err,errno,file_base64", "--no-header", "-o", "csv", "-x", "--", "cat", "/no/\xff")
	if !strings.Contains(r.stdout, "cat,ENOENT,2,L25vL/8=\r\n") {
		t.Errorf("%s\n%s", r.stdout, r.stderr)
	}
	wantError(t, ask(t, "/", "--columns", "errno"), 2, "-o csv")
	r = ask(t, "/", "--no-header", "--columns", "err,file", "--color", "always", "-x", "--", "cat", "/no/such/file")
	if !strings.Contains(r.stdout, "\x1b[31mENOENT\x1b[0m  /no/such/file\n") {
		t.Errorf("%q\n%s", r.stdout, r.stderr)
	}
}

// A tracer opens nothing again and again.
func TestQuietItself(t *testing.T) {
	watched := start(t, "-n", "nobody-is-called-so"[:15])
	watcher := startBare(t, "-p", strconv.Itoa(watched.cmd.Process.Pid), "--columns", "file", "--no-header", "-d", "2")
	opens := map[string]int{}
	for line := range watcher.lines {
		if opens[line]++; opens[line] == 4 {
			t.Errorf("in 2 s the tracer opened %q more than three times", line)
		}
	}
	watched.stop(interrupt)
}

// An empty name shows.
func TestEmptyNameShows(t *testing.T) {
	r := runToEnd(t, exec.Command(opensnoop, "--columns", "file", "--no-header", "-n", "opener", "--", opener, "names", ""))
	if !strings.Contains(r.stdout, "\"\"\n") {
		t.Errorf("%s\n%s", r.stdout, r.stderr)
	}
}

// --unique shows the rows that sort -u leaves of all, and counts the others.
func TestUnique(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, project)
	once := func(flags ...string) (rows []string, stderr string) {
		args := slices.Concat([]string{"--columns", "exe,err,flags,path", "--exclude-path", "/tmp/cc*", "--exclude-path", dir + "/*.o"}, flags, []string{"--", "./build.sh"})
		r := ask(t, dir, args...)
		if r.status != 0 {
			t.Fatalf("%v: status %d, %s", flags, r.status, r.stderr)
		}
		rows = strings.Split(strings.TrimSuffix(r.stdout, "\n"), "\n")
		slices.Sort(rows)
		return rows, r.stderr
	}
	all, _ := once("--no-header")
	unique, stderr := once("--no-header", "--unique")
	if want := slices.Compact(slices.Clone(all)); !slices.Equal(unique, want) {
		t.Errorf("%d rows with --unique, %d of %d by sort -u: %s", len(unique), len(want), len(all),
			firstDifference(strings.Join(unique, "\n"), strings.Join(want, "\n")))
	}
	if want := fmt.Sprintf("%d opens were the same as rows shown", len(all)-len(unique)); !strings.Contains(stderr, want) {
		t.Errorf("stderr has no %q: %s", want, stderr)
	}
	lines, _ := once("--unique", "-o", "json", "--stream")
	var end struct{ Rows, Repeated int }
	for _, line := range lines {
		if strings.HasPrefix(line, `{"record":"end"`) {
			if err := json.Unmarshal([]byte(line), &end); err != nil {
				t.Fatal(err)
			}
		}
	}
	if end.Rows != len(unique) || end.Rows+end.Repeated != len(all) {
		t.Errorf("%d rows and %d repeated of %d and %d", end.Rows, end.Repeated, len(unique), len(all))
	}
}
