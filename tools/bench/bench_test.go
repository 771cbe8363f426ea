package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		all  []float64
		want float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 3}, 3},
		{[]float64{9, 1, 3, 5}, 4},
	} {
		if got := median(c.all); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.all, got, c.want)
		}
	}
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("median of none is %v", got)
	}
}

func TestParseMemory(t *testing.T) {
	now, peak, err := parseMemory("Name:\tx\nVmHWM:\t    2000 kB\nVmRSS:\t    1000 kB\n")
	if now != 1.024 || peak != 2.048 || err != nil {
		t.Errorf("%v, %v, %v", now, peak, err)
	}
	if _, _, err := parseMemory("Name:\tx\nState:\tZ (zombie)\n"); err == nil {
		t.Error("a zombie has memory")
	}
}

func TestParseWork(t *testing.T) {
	w, err := parseWork("4 2000\n")
	if err != nil || w.each() != 500 || w.perSecond() != 2e6 {
		t.Errorf("%v, %v", w, err)
	}
	for _, line := range []string{"", "4\n", "4 -1\n", "-4 1\n", "load: unknown\n"} {
		if w, err := parseWork(line); err == nil {
			t.Errorf("%q is %v", line, w)
		}
	}
}

func TestTally(t *testing.T) {
	output := "TIME FILE\n0.1 " + floodName + "\nlost 7 opens\r\n0.2 /etc/passwd\n" +
		strings.Repeat("x", 3<<20) + "\n0.3 " + floodName
	var got tally
	if err := got.read(strings.NewReader(output), regexp.MustCompile(`^lost (\d+) opens$`)); err != nil {
		t.Fatal(err)
	}
	if want := (tally{rows: 2, lost: 7}); got != want {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestComplaint(t *testing.T) {
	for _, c := range []struct{ stdout, stderr, want string }{
		{"", "", ""},
		{"header\n", "one\ntwo\n", "two"},
		{"header\n", "Failed to load\nbye\n", "Failed to load"},
		{"cannot go on\n", "bye\n", "cannot go on"},
	} {
		if got := complaint([]byte(c.stdout), []byte(c.stderr)); got != c.want {
			t.Errorf("of %q and %q: %q, want %q", c.stdout, c.stderr, got, c.want)
		}
	}
}

func TestFormatRatio(t *testing.T) {
	for ratio, want := range map[float64]string{0.0123: "0.012×", 0.123: "0.12×", 1: "1.00×", 12.3: "12×"} {
		if got := formatRatio(ratio); got != want {
			t.Errorf("%v is %s, want %s", ratio, got, want)
		}
	}
}

func TestPeersHaveNamesOfTheirOwn(t *testing.T) {
	for _, peers := range [][]string{nil, {"/old"}, {"/old", "/older"}} {
		seen := make(map[string]bool)
		for _, tool := range hostTools("/new", peers) {
			if seen[tool.name] {
				t.Errorf("with the peers %q there are two %s", peers, tool.name)
			}
			seen[tool.name] = true
		}
		if want := 10 + len(peers); len(seen) != want {
			t.Errorf("with the peers %q there are %d tools, want %d", peers, len(seen), want)
		}
	}
}

// someReport has what a report can have.
func someReport() *report {
	us := &result{Tool: "opensnoop", Command: []string{"bin/opensnoop"}, Version: "1.2"}
	us.add(values{openOne: 1, firstRow: 10, rowsShare: 100})
	us.add(values{openOne: 3, firstRow: 20, rowsShare: 100})
	us.miss("the cold start in a file", errors.New("no row came"))
	us.miss("the cold start in a file", errors.New("it ended by itself"))
	them := &result{Tool: "peer"}
	them.add(values{openOne: 4, rowsShare: 50})
	unable := &result{Tool: "bcc", Command: []string{"/usr/sbin/x"}, Reason: "no headers"}
	r := &report{Machine: machine{"6.1", "a CPU", 2}, Rounds: 2, Tools: []*result{us, them, unable}}
	summarize(r.Tools)
	return r
}

func TestReport(t *testing.T) {
	whole := someReport()
	whole.Guest = someReport()
	whole.Guest.Incomplete = "nothing had moved for 20m0s"
	alone := someReport()
	alone.NoGuest = "no kernel"
	for name, r := range map[string]*report{"whole": whole, "no-guest": alone} {
		var got strings.Builder
		if err := r.write(&got); err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got.String() != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, &got, want)
		}
	}
}

func TestFailureOfOurs(t *testing.T) {
	r := someReport()
	if err := r.failure(); err != nil {
		t.Errorf("a measure that is missing fails the run: %v", err)
	}
	r.Incomplete = "interrupted"
	if r.failure() == nil {
		t.Error("a run that was cut short is no failure")
	}
	r.Tools[0].Reason = "no BPF"
	if err := r.failure(); err == nil || !strings.Contains(err.Error(), "no BPF") {
		t.Errorf("failure %v", err)
	}
}

// What a guest prints comes in pieces. Its last report counts, however it ends.
func TestGuestOutput(t *testing.T) {
	const partly, whole = `{"rounds":1,"incomplete":"not at its end"}` + "\n", `{"rounds":2}` + "\n"
	for _, c := range []struct {
		name, output string
		status       int
		err          error
		rounds       int // 0: no report
		incomplete   string
	}{
		{"whole", partly + "bench: a line\n" + whole, 0, nil, 2, ""},
		{"cut short", partly + `{"rounds":`, 0, errors.New("a panic"), 1, "a panic"},
		{"failed after the report", partly + whole, 1, nil, 2, ""},
		{"failed", "bench: no load\n", 1, nil, 0, ""},
		{"silent", "", 0, nil, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var said strings.Builder
			out := &guestOutput{progress: &said, heard: func() {}}
			for b := range strings.SplitSeq(c.output, "") {
				if _, err := io.WriteString(out, b); err != nil {
					t.Fatal(err)
				}
			}
			r, err := out.result(c.status, c.err)
			switch {
			case c.rounds == 0:
				if r != nil || err == nil {
					t.Errorf("%v, %v", r, err)
				}
			case err != nil || r.Rounds != c.rounds || r.Incomplete != c.incomplete:
				t.Errorf("%+v, %v", r, err)
			}
			if strings.Contains(said.String(), "{") || strings.Contains(c.output, "bench:") != strings.Contains(said.String(), "bench:") {
				t.Errorf("passed on: %q", &said)
			}
		})
	}
}

func TestWatchdog(t *testing.T) {
	ctx, dog := withWatchdog(context.Background(), time.Hour)
	dog.alive()
	if err := ctx.Err(); err != nil {
		t.Errorf("ended while things move: %v", err)
	}
	dog.stop()
	ctx, dog = withWatchdog(context.Background(), time.Nanosecond)
	defer dog.stop()
	<-ctx.Done()
	if cause := context.Cause(ctx); !strings.Contains(cause.Error(), "nothing had moved") {
		t.Errorf("cause %v", cause)
	}
}

func TestChildren(t *testing.T) {
	// A shell between: the one looked for is a child's child.
	cmd := exec.Command("sh", "-c", `cat; :`)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	if _, err := in.Write([]byte{'\n'}); err != nil { // cat is there once this comes back
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	for _, pid := range []int{os.Getpid(), cmd.Process.Pid} {
		c := children{pid: pid}
		if c.look(); c.peak == 0 {
			t.Errorf("no child of %d was seen", pid)
		}
	}
	c := children{pid: math.MaxInt32}
	if c.look(); c.peak != 0 {
		t.Errorf("a process that is not there has a child of %v MB", c.peak)
	}
}

// A part that fails leaves the others, and is not tried for ever.
func TestFailingPartIsTold(t *testing.T) {
	b := &bench{ctx: context.Background(), loadPath: "/nonexistent/load", plan: plan{rounds: 5, tools: []tool{{name: "none"}}}}
	results := newResults(b.tools)
	b.run(results, func(string) {})
	if m := results[0].Missing; len(m) != 1 || m[0].Times != retries || !strings.Contains(m[0].Why, "/nonexistent/load") {
		t.Errorf("missing: %+v", m)
	}
	if results[0].Reason != "" {
		t.Errorf("it cannot run: %s", results[0].Reason)
	}
}

// What has risen is counted again, and the lower figure is taken.
func TestRises(t *testing.T) {
	recorded := map[string]float64{"6.1: a (b)": 1000, "6.1: c": 1000, "6.1: peer": 1000}
	r := instructionReport{Kernel: "6.1.0", Setups: []counted{
		{Name: "a (b)", Ours: true, Open: 1200, Call: 5}, {Name: "c", Ours: true, Open: 1050}, {Name: "peer", Open: 2000}, {Name: "new", Ours: true, Open: 9},
	}}
	rows := r.rises(recorded)
	if !slices.Equal(rows, []string{`a \(b\)`}) {
		t.Fatalf("%q", rows)
	}
	r.lower(instructionReport{Setups: []counted{{Name: "a (b)", Open: 1010, Call: 6}}})
	if s := r.Setups[0]; s.Open != 1010 || s.Call != 5 || len(r.rises(recorded)) > 0 {
		t.Errorf("%+v", r.Setups)
	}
}

// A figure above the recorded one is an error, also that of calls that are no opens, where people get it.
func TestCompareInstructions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "recorded.json")
	compare := func(open, call float64, accept bool) error {
		recorded, err := readRecorded(path)
		if err != nil {
			t.Fatal(err)
		}
		return compareInstructions(path, recorded, []instructionReport{{Kernel: "6.12.117+deb12", Setups: []counted{
			{Name: "auto: fd,err", Ours: true, Open: open, Call: call},
			{Name: "bpftrace", Open: open},
		}}}, accept)
	}
	for _, test := range []struct {
		open, call float64
		accept     bool
		want       string // in the error
	}{
		{2500, 170, false, ""}, // nothing is recorded
		{2560, 230, false, ""},
		{2600, 170, false, "6.12: auto: fd,err: 2600 instructions, recorded are 2500"},
		{2500, 250, false, "6.12: auto: fd,err, getppid: 250 instructions, recorded are 170"},
		{2600, 250, true, ""},
		{2600, 250, false, ""},
	} {
		err := compare(test.open, test.call, test.accept)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%v: %v", test, err)
		}
	}
}
