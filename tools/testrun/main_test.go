package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What fails shows at once, with what it said, and what passes does not.
func TestProgress(t *testing.T) {
	const printed = `=== end-to-end suite on this machine, Linux 6.1
=== RUN   TestGood
    good_test.go:1: nobody wants to know
=== RUN   TestGood/inner
--- PASS: TestGood (0.10s)
    --- PASS: TestGood/inner (0.00s)
=== RUN   TestBad
    bad_test.go:2: why it failed
        and more
--- FAIL: TestBad (0.20s)
    --- FAIL: TestBad/inner (0.00s)
=== RUN   TestLeftOut
    left_test.go:3: *** DID NOT RUN: no reason
--- SKIP: TestLeftOut (0.00s)
FAIL
FAIL	opensnoop/internal/e2e	0.300s
ok  	opensnoop/other	0.100s
FAIL
`
	var out bytes.Buffer
	p := &progress{out: &out, name: "host", of: 4}
	p.begin("the.log")
	for line := range strings.Lines(printed) {
		p.line(line)
	}
	p.tell(p.told.Add(2 * tellTime))
	p.end(1)
	const want = `=== host: 4 tests; all that they print is in the.log
=== end-to-end suite on this machine, Linux 6.1
    bad_test.go:2: why it failed
        and more
--- FAIL: TestBad (0.20s)
    --- FAIL: TestBad/inner (0.00s)
FAIL
FAIL	opensnoop/internal/e2e	0.300s
ok  	opensnoop/other	0.100s
FAIL
    host: 3 of 4 tests, 1 failed, after 30s
=== host: 3 of 4 tests, 1 failed, in 0s
`
	if got := out.String(); got != want {
		t.Errorf("it shows\n%s\nwant\n%s", got, want)
	}
}

// A test that never ended has said something, too, and a panic is shown whole.
func TestProgressOfWhatIsCutShort(t *testing.T) {
	for printed, want := range map[string]string{
		"=== RUN   TestStuck\n    it waits\n":                                "    it waits\n",
		"=== RUN   TestBad\n    before\npanic: no\n\ngoroutine 1:\n\tx.go\n": "    before\npanic: no\n\ngoroutine 1:\n\tx.go\n",
	} {
		var out bytes.Buffer
		p := &progress{out: &out, name: "host", of: 4, began: time.Now()}
		for line := range strings.Lines(printed) {
			p.line(line)
		}
		p.end(1)
		if got, _, _ := strings.Cut(out.String(), "=== host"); got != want {
			t.Errorf("%q shows as %q, want %q", printed, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	folder := t.TempDir()
	const text = "func TestOne(t *testing.T) {}\nfunc TestTwo(t *testing.T) {}\nfunc TestMain(m *testing.M) {}\nfunc TestThree(t *testing.T) {}\n"
	if err := os.WriteFile(filepath.Join(folder, "a_test.go"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]int{
		"go test ./x":                     3,
		"go test -run T[wh] ./x":          2,
		"go test -skip One ./x":           2,
		"go test -run T -skip One|Two ./": 1,
	} {
		if got, err := count(folder, strings.Fields(args)); got != want || err != nil {
			t.Errorf("%s: %d tests, %v; want %d", args, got, err, want)
		}
	}
}

// The log has all, the status is the command's, and the summary tells of both.
func TestRunAndSummary(t *testing.T) {
	folder := t.TempDir()
	const script = `printf '=== end-to-end suite in a guest, Linux 6.1\n=== RUN   TestLeftOut\n    x_test.go:3: *** DID NOT RUN: no reason\n--- SKIP: TestLeftOut (0.00s)\n'; exit 3`
	var out bytes.Buffer
	status, err := run(&progress{out: &out, name: "guest", of: 1}, filepath.Join(folder, "guest"), []string{"sh", "-c", script})
	if status != 3 || err != nil {
		t.Errorf("status %d, %v", status, err)
	}
	out.Reset()
	if err := summarize(&out, folder); err != nil {
		t.Fatal(err)
	}
	want := "FAILED: guest: end-to-end suite in a guest, Linux 6.1 (" + folder + "/guest.log)\n    TestLeftOut: no reason\n"
	if !strings.HasSuffix(out.String(), want) {
		t.Errorf("the summary is %q, want %q at its end", out.String(), want)
	}
}

// What has failed runs again alone, and its second result counts.
func TestRunAgain(t *testing.T) {
	for want := range 2 {
		folder := t.TempDir()
		file := filepath.Join(folder, "guest")
		p := &progress{out: &bytes.Buffer{}, name: "guest", failures: []string{"TestBad", "TestWorse"}}
		script := fmt.Sprintf(`[ "$*" = "-run ^(TestBad|TestWorse)$ -v ./x" ] || exit 9; exit %d`, want)
		status, err := runAgain(p, file, []string{"sh", "-c", script, "test", "-skip", "TestLong", "-v", "-run", "Test", "./x"})
		kept, _ := os.ReadFile(file + ".status")
		if status != want || err != nil || string(kept) != strconv.Itoa(want) {
			t.Errorf("status %d, kept %q, %v; want %d", status, kept, err, want)
		}
	}
}
