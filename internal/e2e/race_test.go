package e2e

import (
	"cmp"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const racedFiles = 1000 // FILES in racer.c

// raced is how the rows of a race compare with what was opened.
type raced struct {
	rows    int
	right   int            // unmarked, and of the file that was opened
	false   int            // unmarked, and of another one
	marked  map[string]int // by the mark
	example string         // of a false one
}

// race has racer make so many opens, and compares their rows: of lost ones it knows by the numbers
// that are their names.
func race(t *testing.T, tr *tracer, how string, opens int, compare func(o pathed, dir string) (text, mark string)) (r raced) {
	t.Helper()
	dir := t.TempDir()
	racer := runToEnd(t, exec.Command(program("racer"), dir, strconv.Itoa(opens), how))
	if racer.status != 0 || len(racer.stdout) != opens {
		t.Fatalf("racer: status %d, %q", racer.status, racer.stderr)
	}
	r.marked = make(map[string]int)
	next := 0
	for _, line := range tr.rest() {
		o := decodePathed(t, line)
		name := filepath.Base(bytesOf(t, cmp.Or(o.File, o.KnownName), o.FileExact))
		n, err := strconv.Atoi(name)
		if err != nil {
			t.Fatalf("a row without a name: %s", line)
		}
		for next%racedFiles != n {
			next++
		}
		if next >= opens {
			t.Fatalf("more rows than opens: %s", line)
		}
		opened := racer.stdout[next : next+1]
		if how == "result" {
			opened = "a" // what fstat tells is of the replaced one
		}
		next++
		r.rows++
		switch text, mark := compare(o, dir); {
		case mark != "":
			r.marked[mark]++
		case opened == "-" || text == filepath.Join(dir, opened, name):
			r.right++
		default:
			r.false++
			r.example = fmt.Sprintf("%s, where %s was opened", line, opened)
		}
	}
	t.Logf("%s: %d right, %d false, marked: %v", how, r.right, r.false, r.marked)
	if r.false > 0 {
		t.Errorf("%s: %d false rows: %s", how, r.false, r.example)
	}
	wantCounted(t, r.rows, opens, tr.stderr.String())
	return r
}

func byPath(o pathed, _ string) (text, mark string) {
	if o.Path == nil {
		return "", o.Problem
	}
	return *o.Path, ""
}

func byRealPath(o pathed, _ string) (text, mark string) {
	if o.Real == nil {
		return "", cmp.Or(o.RealProblem, "none")
	}
	return *o.Real, ""
}

// racedOpens is how many opens there are in a race.
func racedOpens() int {
	if kprobes() {
		return 5000 // such a guest is slow
	}
	return 50_000
}

// No path is false and unmarked, whatever other threads change meanwhile.
func TestPathsOfThreadsThatShareFolders(t *testing.T) {
	forEachProbe(t, func(t *testing.T, probe string) {
		for layout, columns := range map[string]string{"alone": pathColumns, "with results": pathColumns + ",fd"} {
			t.Run(layout, func(t *testing.T) {
				start := func() *tracer {
					return startBare(t, probe, "-o", "json", "--columns", columns, "-b", "1024", "-n", "the-case")
				}
				for _, how := range []string{"still-chdir", "still-dup"} {
					opens := 2000
					r := race(t, start(), how, opens, byPath)
					// Without results the kprobe at the return is attached once it is needed.
					if len(r.marked) > 0 && (layout == "with results" || !kprobes() || probe == "--probe=tracepoint") {
						t.Errorf("%s: marked, and nothing changes: %v", how, r.marked)
					}
				}
				for _, how := range []string{"chdir", "dup"} {
					race(t, start(), how, racedOpens(), byPath)
				}
			})
		}
	})
}

// A folder that is opened by . is known by what was opened.
func TestSharedFoldersThemselves(t *testing.T) {
	forEachProbe(t, func(t *testing.T, probe string) {
		for _, how := range []string{"still-dup-self", "dup-self"} {
			dir, opens := t.TempDir(), racedOpens()
			tr := startBare(t, probe, "-o", "json", "--columns", pathColumns+",fd", "-b", "1024", "-n", "the-case")
			racer := runToEnd(t, exec.Command(program("racer"), dir, strconv.Itoa(opens), how))
			if racer.status != 0 {
				t.Fatalf("racer: %s", racer.stderr)
			}
			rows, marked, shown := 0, 0, make(map[string]int)
			for _, line := range tr.rest() {
				o := decodePathed(t, line)
				rows++
				if o.Path == nil {
					marked++
				} else {
					shown[*o.Path]++
				}
			}
			t.Logf("%s: %v, %d marked", how, shown, marked)
			if how == "still-dup-self" && marked > 0 {
				t.Errorf("%d are marked, and nothing changes", marked)
			}
			for path, n := range shown {
				if opened := strings.Count(racer.stdout, filepath.Base(path)); filepath.Dir(path) != dir || n > opened {
					t.Errorf("%s: %d rows of %s, which was opened %d times", how, n, path, opened)
				}
			}
			wantCounted(t, rows, opens, tr.stderr.String())
		}
	})
}

// No path of a file that was opened is that of one that another thread has put in its place.
func TestRealPathsOfReplacedFiles(t *testing.T) {
	forEachProbe(t, func(t *testing.T, probe string) {
		columns := []string{probe, "-o", "json", "--columns", pathColumns + ",fd,realpath", "-b", "1024", "-n", "the-case"}
		if r := race(t, startBare(t, columns...), "still-dup", 2000, byRealPath); len(r.marked) > 0 {
			t.Errorf("marked, and nothing changes: %v", r.marked)
		}
		race(t, startBare(t, columns...), "result", racedOpens(), byRealPath)
	})
}

// Excluded files do not take others with them that were opened in their place.
func TestExcludedPathsHideNoOthers(t *testing.T) {
	forEachProbe(t, func(t *testing.T, probe string) {
		dir := t.TempDir()
		tr := startBare(t, probe, "-o", "json", "--columns", pathColumns+",fd", "-b", "1024", "-n", "the-case",
			"--exclude-path", dir+"/a/**")
		opens := racedOpens()
		racer := runToEnd(t, exec.Command(program("racer"), dir, strconv.Itoa(opens), "chdir"))
		if racer.status != 0 {
			t.Fatalf("racer: %s", racer.stderr)
		}
		rows := caseRows(t, tr.rest())
		if want := strings.Count(racer.stdout, "b"); len(rows)+lostAtMost(t, tr.stderr.String()) < want {
			t.Errorf("%d rows, and %d files were opened that are not excluded", len(rows), want)
		}
		if i := slices.IndexFunc(rows, func(o pathed) bool { return o.Path != nil && strings.HasPrefix(*o.Path, dir+"/a/") }); i >= 0 {
			t.Errorf("%s is excluded", *rows[i].Path)
		}
	})
}

// Where the kernel's own copy of a name is seen, it decides, whatever the program's memory holds.
func TestNamesThatChange(t *testing.T) {
	forEachProbe(t, func(t *testing.T, probe string) {
		copied := kprobes() && probe != "--probe=tracepoint"
		for layout, flags := range map[string][]string{
			"names": {"--columns", "pid,comm,fd,file"}, "names that filters compare": {"--columns", "pid,comm,fd,file", "--path", "a/*", "--path", "b/*"},
			"paths": {"--columns", pathColumns + ",fd"},
		} {
			tr := startBare(t, append([]string{probe, "-o", "json", "-b", "1024", "-n", "the-case"}, flags...)...)
			t.Run(layout, func(t *testing.T) {
				race(t, tr, "name", racedOpens(), func(o pathed, dir string) (text, mark string) {
					switch {
					case o.FileProblem != "":
						return "", o.FileProblem
					case !copied:
						return "", "not compared with the kernel's"
					case layout == "paths" && o.Path == nil:
						return "", o.Problem
					}
					return filepath.Join(dir, *o.File), ""
				})
			})
		}
	})
}

// A name that the kernel has in place of one that is not wanted is shown.
func TestRenamedOpensAreNotHidden(t *testing.T) {
	if !kprobes() {
		t.Skip("NOT TESTED: raw tracepoints do not see the kernel's copy of a name")
	}
	for _, c := range []struct{ probe, columns, path string }{
		{"kprobe", "pid,comm,file", "b/*"}, // with an absolute path the row has left with the name of the entry
		{"kprobe", "pid,comm,fd,file", "b/*"},
		{"kprobe", "pid,comm,fd,file", "/**/b/*"},
		{bestProbe(t), "pid,comm,file", "b/*"},
		{bestProbe(t), "pid,comm,fd,file", "b/*"},
	} {
		tr := startBare(t, "--probe", c.probe, "-o", "json", "-b", "1024", "-n", "the-case", "--path", c.path, "--columns", c.columns)
		racer := runToEnd(t, exec.Command(program("racer"), t.TempDir(), strconv.Itoa(racedOpens()), "name"))
		if racer.status != 0 {
			t.Fatalf("racer: %s", racer.stderr)
		}
		rows := len(tr.rest())
		if want := strings.Count(racer.stdout, "b"); rows+lostAtMost(t, tr.stderr.String()) < want {
			t.Errorf("%+v: %d rows, and %d files were opened that are wanted", c, rows, want)
		}
	}
}
