package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// rotated returns the files of --rotate, the oldest first. Each is of mode 0600, and none is
// larger than max.
func rotated(t *testing.T, path string, max int64) (files []string) {
	t.Helper()
	for n := 0; ; n++ {
		name := path
		if n > 0 {
			name = fmt.Sprintf("%s.%d", path, n)
		}
		st, err := os.Stat(name)
		if err != nil {
			return files
		}
		if st.Mode() != 0o600 || st.Size() > max {
			t.Errorf("%s has the mode %v and %d bytes", name, st.Mode(), st.Size())
		}
		files = append([]string{name}, files...)
	}
}

// flooded runs opensnoop under floods of so many opens until it has written some files, and returns
// how many floods that took: on a busy machine most rows may be lost.
func flooded(t *testing.T, opens int, path string, files int, args ...string) (floods int) {
	t.Helper()
	tr := launch(t, exec.Command(opensnoop, append(args, "-v", "-n", openerComm)...))
	tr.ready()
	eventually(t, fmt.Sprintf("%d files", files), func() bool {
		open(t, "flood", strconv.Itoa(opens), floodFile)
		floods++
		_, err := os.Stat(fmt.Sprintf("%s.%d", path, files-1))
		return err == nil
	})
	tr.stop(interrupt)
	return floods
}

// linesOf returns the lines of each file.
func linesOf(t *testing.T, files []string) (lines [][]string) {
	t.Helper()
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"))
	}
	return lines
}

// Each row is in one of the files, and each file tells what it is of and that another follows.
func TestRotate(t *testing.T) {
	const flood = 30_000
	path := filepath.Join(t.TempDir(), "rows")
	floods := flooded(t, flood, path, 10, "-w", path, "--rotate", "256K,1000", "-o", "json", "--stream")
	files := linesOf(t, rotated(t, path, 256<<10))
	var rows, lost uint64
	var run string
	for i, lines := range files {
		for n, text := range lines {
			var line streamLine
			if err := json.Unmarshal([]byte(text), &line); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			want := ""
			switch {
			case n == 0:
				want = "start"
			case n == len(lines)-1 && i < len(files)-1:
				want = "next"
			case n == len(lines)-1:
				want, lost = "end", sum(line.Lost)+line.Doubtful
			case line.Record == "lost" || line.Record == "alive":
				want = line.Record
			}
			if i == 0 && n == 0 {
				run = line.Run
			}
			switch {
			case line.Record != want:
				t.Errorf("line %d of file %d is %+v, want the record %q", n, i, line, want)
			case want == "" && *line.Seq != rows:
				t.Fatalf("a row has the number %d, there were %d", *line.Seq, rows)
			case want == "":
				rows++
			case line.Rows != rows || line.Run != run:
				t.Errorf("a record tells of %d rows of %s, there were %d of %s", line.Rows, line.Run, rows, run)
			}
		}
	}
	if opens := uint64(floods * (flood + 1)); rows > opens || rows+lost < opens {
		t.Errorf("%d rows and %d lost of %d opens", rows, lost, opens)
	}
	// The next run leaves the file of this one, and takes away the oldest.
	if r := runToEnd(t, exec.Command(opensnoop, "-w", path, "--rotate", "1M,2", "-p", "1", "-d", "0.1")); r.status != 0 {
		t.Fatalf("status %d, stderr %q", r.status, r.stderr)
	}
	if text, err := os.ReadFile(path + ".1"); err != nil || !strings.Contains(string(text), `"record":"end"`) {
		t.Errorf("the file of the run before has %d bytes, %v", len(text), err)
	}
}

func sum(lost map[string]uint64) (sum uint64) {
	for _, n := range lost {
		sum += n
	}
	return sum
}

// Only so many old files stay, and each has the header. Sizes may be as small as that.
func TestRotateKeeps(t *testing.T) {
	for format, first := range map[string]string{"table": header, "csv": "seconds,"} {
		path := filepath.Join(t.TempDir(), "rows")
		flooded(t, 5000, path, 4, "-w", path, "--rotate", "10k,3", "-o", format)
		files := linesOf(t, rotated(t, path, 10<<10))
		if len(files) != 4 {
			t.Errorf("%s: %d files", format, len(files))
		}
		for i, lines := range files {
			if !strings.HasPrefix(lines[0], first) || len(lines) < 20 && i < len(files)-1 {
				t.Errorf("%s: file %d has %d lines, the first is %q", format, i, len(lines), lines[0])
			}
		}
	}
}

// Each file of a rotated recording can be read by itself, and together they have all rows.
func TestRotateRecording(t *testing.T) {
	const flood = 100_000
	path := filepath.Join(t.TempDir(), "run.osn")
	floods := flooded(t, flood, path, 3, "record", path, "--rotate", "64K,1000")
	files := rotated(t, path, 64<<10)
	rows, lost := 0, 0
	for _, name := range files {
		r := runToEnd(t, exec.Command(opensnoop, "replay", name, "-o", "json"))
		if r.status != 0 {
			t.Errorf("%s: status %d, stderr %q", name, r.status, r.stderr)
		}
		rows += strings.Count(r.stdout, "\n")
		if _, text, told := strings.Cut(r.stderr, " lacks "); told {
			var n int
			if _, err := fmt.Sscanf(text, "%d opens", &n); err != nil {
				t.Errorf("stderr %q: %v", r.stderr, err)
			}
			lost += n
		}
	}
	cat := exec.Command("sh", "-c", `cat "$@" | "$0" replay - -o json`, opensnoop)
	cat.Args = append(cat.Args, files...)
	if r := runToEnd(t, cat); r.status != 0 || strings.Count(r.stdout, "\n") != rows {
		t.Errorf("as one: status %d, %d rows of %d, stderr %q", r.status, strings.Count(r.stdout, "\n"), rows, r.stderr)
	}
	// The recording has the opener's exec, and what it opens to end.
	if all := rows + lost; all < floods*flood || all > floods*(flood+10) {
		t.Errorf("%d rows in %d files, %d lost, in %d floods of %d", rows, len(files), lost, floods, flood)
	}
}

// What stands in the way is told, and rows go on in the same file; where they would be gone, it ends.
func TestRotateInTheWay(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "rows")
	if err := os.Mkdir(path+".1", 0o700); err != nil {
		t.Fatal(err)
	}
	tr := launch(t, exec.Command(opensnoop, "-v", "-w", path, "--rotate", "10k", "-n", openerComm))
	tr.ready()
	open(t, "flood", "500", floodFile)
	eventually(t, "a message of what is in the way", func() bool { return strings.Contains(tr.stderr.String(), path+".1 is a folder") })
	eventually(t, "all rows in the same file", func() bool {
		text, err := os.ReadFile(path)
		return err == nil && strings.Count(string(text), floodFile) == 500
	})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	open(t, "flood", "2000", floodFile)
	tr.wantStatus(1)
	if !strings.Contains(tr.stderr.String(), path+" was removed") {
		t.Errorf("stderr %q", tr.stderr)
	}
	wantError(t, runToEnd(t, exec.Command(opensnoop, "--rotate", "10M")), 2, "-w FILE")
	wantError(t, runToEnd(t, exec.Command(opensnoop, "-w", path, "--rotate", "10X")), 2, "expected a size")
}
