package e2e

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// totals is what --summary -o json writes.
type totals struct {
	Opens, Failed int
	Files         []struct {
		File          string
		Opens, Failed int
	}
	Processes []struct {
		PID           int
		Comm          string
		Opens, Failed int
	}
}

func TestSummary(t *testing.T) {
	const opens = 5000
	one := prepare(t, "flood", strconv.Itoa(opens), floodFile)
	two := prepare(t, "flood", "40", "/no/such/file")
	asTable := startBare(t, "--summary", "-p", one.arg()+","+two.arg())
	asJSON := startBare(t, "--summary", "-o", "json", "-p", one.arg()+","+two.arg())
	one.run()
	two.run()
	lines := asJSON.rest()
	if len(lines) != 1 {
		t.Fatalf("%d lines: %q", len(lines), lines)
	}
	var got totals
	if err := json.Unmarshal([]byte(lines[0]), &got); err != nil {
		t.Fatal(err)
	}
	if got.Opens != opens+42 || got.Failed != 42 || len(got.Files) != 3 || len(got.Processes) != 2 {
		t.Fatalf("the totals are %+v", got)
	}
	if f := got.Files[0]; f.File != floodFile || f.Opens != opens || f.Failed != 0 {
		t.Errorf("the most opened file is %+v", f)
	}
	if f := got.Files[1]; f.File != "/no/such/file" || f.Opens != 40 || f.Failed != 40 {
		t.Errorf("the second is %+v", f)
	}
	if p := got.Processes[0]; p.PID != one.pid() || p.Comm != openerComm || p.Opens != opens+1 || p.Failed != 1 {
		t.Errorf("the most active process is %+v", p)
	}

	table := strings.Join(asTable.rest(), "\n")
	for _, want := range []string{
		fmt.Sprintf(`(?m)^%d opens, 42 failed$`, opens+42),
		fmt.Sprintf(`(?m)^ *%d +0 .*%s$`, opens, floodFile),
		`(?m)^ *40 +40 .*/no/such/file$`,
		fmt.Sprintf(`(?m)^ *%d +1 .*%d +%s$`, opens+1, one.pid(), openerComm),
	} {
		if !regexp.MustCompile(want).MatchString(table) {
			t.Errorf("no line is like %s in\n%s", want, table)
		}
	}
}

func TestSummaryEvery(t *testing.T) {
	tr := startBare(t, "--summary=0.2s", "-o", "json", "-n", openerComm)
	next := func() (got totals) {
		if err := json.Unmarshal([]byte(tr.line()), &got); err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := next(); got.Opens != 0 {
		t.Errorf("opens before there were any: %+v", got)
	}
	open(t, "flood", "30", floodFile)
	seen := 0
	for seen < 31 {
		seen += next().Opens
	}
	if seen != 31 {
		t.Errorf("%d opens in all summaries, want 31", seen)
	}
	tr.stop(interrupt)
}

func TestFlagsThatCannotGoTogether(t *testing.T) {
	for _, flags := range []string{
		"--summary --columns pid", "--summary --layout bcc", "--summary -o csv", "--summary=never",
		"--layout bcc --columns pid", "--layout bcc -o json", "--force", "--columns pid,pid",
		"--columns pdi", "-f O_NONE", "-f RDONLY", "-u no-such-user", "-n a-comm-that-is-too-long", "--path /a[",
		"-o xml", "--layout gnu", "--color sometimes", "-t x", "-d 0", "-c 0", "-b 3", "--probe uprobe", "--write=",
	} {
		name, _, _ := strings.Cut(strings.Fields(flags)[0], "=")
		if name == "--write" {
			name = "-w"
		}
		wantError(t, runToEnd(t, exec.Command(opensnoop, strings.Fields(flags)...)), 2, name)
	}
}

// Where there is no terminal a live summary is a plain one, again and again.
func TestLiveSummaryInAPipe(t *testing.T) {
	if kprobes() {
		t.Skip("NOT TESTED: pipes are the same in guests, which are slow")
	}
	tr := startBare(t, "--summary=live,0.1,user,process")
	open(t, "names", "/live-1")
	eventually(t, "a table", func() bool { return strings.Contains(tr.line(), "USER") })
	for _, line := range tr.rest() {
		if strings.Contains(line, "\x1b") {
			t.Errorf("a line of %q", line)
		}
	}
}
