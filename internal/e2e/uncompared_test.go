package e2e

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// caseRows are the rows of pather's cases among JSON lines.
func caseRows(t *testing.T, lines []string) (rows []pathed) {
	t.Helper()
	for _, line := range lines {
		if o := decodePathed(t, line); o.Comm == "the-case" {
			rows = append(rows, o)
		}
	}
	return rows
}

// Filters by path show what they cannot compare, marked, and tell of it; files without a path are
// counted.
func TestFiltersShowWhatTheyCannotCompare(t *testing.T) {
	forEachProbe(t, func(t *testing.T, probe string) {
		columns := []string{probe, "-o", "json", "--columns", pathColumns + ",fd,realpath"}
		with := func(flags ...string) *tracer { return startBare(t, append(slices.Clone(columns), flags...)...) }
		all := with()
		byPath := with("--path", "/nowhere/**")
		byRealPath := with("--realpath", "/nowhere/**")
		if out, err := exec.Command(program("pather"), t.TempDir()).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		var paths, realPaths []string
		special := 0
		text := func(o pathed) string {
			return fmt.Sprintf("%s, %s: %s", o.Problem, o.RealProblem, bytesOf(t, o.File, o.FileExact))
		}
		for _, o := range caseRows(t, all.rest()) {
			switch o.Problem {
			case "", "bad descriptor", "deleted folder":
			default:
				paths = append(paths, text(o))
			}
			switch o.RealProblem {
			case "", "deleted":
			case "changed meanwhile", "closed meanwhile", "too deep", "not reachable", "moved out of its mount":
				realPaths = append(realPaths, text(o))
			default:
				special++
			}
		}
		if len(paths) < 4 || len(realPaths) < 2 || special < 2 {
			t.Fatalf("the cases have %q, %q and %d files without a path", paths, realPaths, special)
		}
		for what, test := range map[string]struct {
			tracer  *tracer
			want    []string
			special int
		}{"--path": {byPath, paths, 0}, "--realpath": {byRealPath, realPaths, special}} {
			var got []string
			lines := test.tracer.rest()
			for _, o := range caseRows(t, lines) {
				got = append(got, text(o))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%s shows %q, want %q", what, got, test.want)
			}
			told := test.tracer.stderr.String()
			if !strings.Contains(told, fmt.Sprintf("could not be compared with those asked for: %d opens\n", len(lines))) {
				t.Errorf("%s shows %d rows, and tells %q: %q", what, len(lines), told, lines)
			}
			if strings.Contains(told, "no paths to compare") != (test.special > 0) {
				t.Errorf("%s tells %q, and there were %d files without a path", what, told, test.special)
			}
		}
	})
}

// A name that never comes into memory is hidden by no filter.
func TestFiltersShowUnreadNames(t *testing.T) {
	const enough = 4 // tracers at a time: a guest is small
	tests := [][]string{
		{"--path", "nowhere*"}, {"--path", "/nowhere/**"}, {"--exclude-path", "/nowhere/**"}, {"-F", "--path", "/nowhere/**"},
		{"--exclude-path", "nowhere*"}, {"-F"}, {"--summary=file", "-n", "opener"}, {"--summary=file", "--path", "/nowhere/**"},
	}
	if kprobes() {
		tests = tests[:enough] // such a guest compiles for long
	}
	forEachProbe(t, func(t *testing.T, probe string) {
		for batch := range slices.Chunk(tests, enough) {
			var tracers []*tracer
			for _, flags := range batch {
				tracers = append(tracers, launch(t, exec.Command(opensnoop, append([]string{"-v", probe}, flags...)...)))
			}
			for _, tr := range tracers {
				tr.ready()
			}
			stuck := prepare(t, "stuck")
			stuck.begin()
			eventually(t, "the call that is stuck", func() bool { return inCallOf(t, stuck.pid()) == 1 })
			for i, tr := range tracers {
				if !slices.ContainsFunc(tr.rest(), func(line string) bool { return strings.Contains(line, `\(unread name`) }) {
					t.Errorf("%q: no row of the call that is stuck; %s", batch[i], tr.stderr)
				}
			}
		}
	})
}
