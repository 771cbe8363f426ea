package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// timedOpens runs an opener of FIFOs that are blocked, and returns how many ns each took at most by its
// own clock, by how many ms it took at least.
func timedOpens(t *testing.T, how string) map[int]uint64 {
	t.Helper()
	out, err := exec.Command(opener, how, t.TempDir()).Output()
	if err != nil {
		t.Fatal(err)
	}
	most := make(map[int]uint64)
	for line := range strings.Lines(string(out)) {
		var ms int
		var ns uint64
		if _, err := fmt.Sscan(line, &ms, &ns); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		most[ms] = ns
	}
	return most
}

// tookRow is a row of columns comm, took_ns, still_blocks, path of CSV.
type tookRow struct {
	ns     uint64
	blocks bool
	base   string
}

func tookRows(t *testing.T, lines []string) (rows []tookRow) {
	t.Helper()
	for _, line := range lines {
		var row tookRow
		fields := strings.SplitN(strings.TrimSuffix(line, "\r"), ",", 3)
		if len(fields) != 3 || fields[0] == "took_ns" {
			continue
		}
		row.ns, _ = strconv.ParseUint(fields[0], 10, 64) // 0 for none
		row.blocks, row.base = fields[1] == "true", filepath.Base(fields[2])
		rows = append(rows, row)
	}
	return rows
}

// An open took as long as the program sees, however often a signal interrupts it, and --slower shows
// those that took longer.
func TestTook(t *testing.T) {
	forEachProbe(t, func(t *testing.T, probe string) {
		took(t, probe, "timed")
		if !atLeast(t, 6, 0) {
			t.Log("NOT TESTED: opens through io_uring show since Linux 6.0")
			return
		}
		took(t, probe, "timed-uring")
	})
}

func took(t *testing.T, probe, how string) {
	args := []string{probe, "-n", openerComm, "-o", "csv", "--columns", "took_ns,still_blocks,file"}
	all := startBare(t, args...)
	slower := startBare(t, append(args, "--slower", "50ms")...)
	real := startBare(t, append(args[:5:5], "--columns", "took_ns,still_blocks,realpath", "--slower", "149999us")...)
	const runs = 3
	var most []map[int]uint64
	for range runs {
		most = append(most, timedOpens(t, how))
	}
	rows, slow, slowReal := tookRows(t, all.rest()), tookRows(t, slower.rest()), tookRows(t, real.rest())
	seen, nearest := make(map[int]int), make(map[int]uint64)
	for _, row := range rows {
		ms, err := strconv.Atoi(row.base)
		if row.ns == 0 || row.blocks {
			t.Errorf("%s: %+v", how, row)
		}
		if err != nil || row.ns < uint64(ms)*1e6 || seen[ms] == runs {
			continue
		}
		most := most[seen[ms]][ms]
		if seen[ms]++; row.ns > most {
			t.Errorf("%s: an open of at most %d ns took %d ns", how, most, row.ns)
		}
		if off := most - row.ns; seen[ms] == 1 || off < nearest[ms] {
			nearest[ms] = off
		}
	}
	for ms := range most[0] {
		if seen[ms] != runs {
			t.Errorf("%s: %d opens of %d ms, not %d: %+v", how, seen[ms], ms, runs, rows)
		}
		wantNear(t, ms, nearest[ms])
	}
	long := func(more uint64) (n int) {
		for _, row := range rows {
			if row.ns > more {
				n++
			}
		}
		return n
	}
	// Each tracer has its own clock readings, and on a busy machine they are some ms apart.
	if len(slow) < long(60e6) || len(slow) > long(40e6) || len(slow) < 2 {
		t.Errorf("%s: --slower 50ms shows %+v of %+v", how, slow, rows)
	}
	if len(slowReal) < long(170e6) || len(slowReal) > long(130e6) || len(slowReal) < 1 {
		t.Errorf("%s: --slower with realpath shows %+v of %+v", how, slowReal, rows)
	}
}

// wantNear checks how many ns the nearest of some opens of a length was from the program's own clock.
func wantNear(t *testing.T, ms int, off uint64) {
	t.Helper()
	t.Logf("%d ms: %d ns from the program's clock, at best", ms, off)
	// In a guest that is further from the call.
	if os.Getenv("OPENSNOOP_GUEST") == "" && off > uint64(ms)*1e4+1e5 {
		t.Errorf("%d ms: none is within 1 %% and 100 µs", ms)
	}
}

// Opens of files that take their time took as long as that, and --slower shows those that awk picks.
func TestTookOfSlowFiles(t *testing.T) {
	loadModules(t, "fuse")
	forEachProbe(t, func(t *testing.T, probe string) {
		dir := t.TempDir()
		t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
		args := []string{probe, "-n", "slowfs", "--path", dir + "/*", "-o", "csv", "--columns", "took_ns,still_blocks,file"}
		all, slower := startBare(t, args...), startBare(t, append(args, "--slower", "50ms")...)
		out, err := exec.Command(program("slowfs"), append([]string{dir}, strings.Fields(strings.Repeat("5 20 100 400 ", 4))...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		rows := tookRows(t, all.rest())
		var longer []string // by hand
		nearest := make(map[string]int64)
		for i, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
			var ms, most, least int64
			if _, err := fmt.Sscan(line, &ms, &most, &least); err != nil || i >= len(rows) {
				t.Fatalf("%q, %v: rows %+v", line, err, rows)
			}
			row := rows[i]
			if took := int64(row.ns); row.base != strconv.FormatInt(ms, 10) || took < least || took > most {
				t.Errorf("%+v, and the program's clock tells %d to %d ns", row, least, most)
			}
			if row.ns > 50e6 {
				longer = append(longer, row.base)
			}
			if off := most - int64(row.ns); nearest[row.base] == 0 || off < nearest[row.base] {
				nearest[row.base] = off
			}
		}
		for ms, off := range nearest {
			length, _ := strconv.Atoi(ms)
			wantNear(t, length, uint64(off))
		}
		var slow []string
		for _, row := range tookRows(t, slower.rest()) {
			slow = append(slow, row.base)
		}
		if !slices.Equal(slow, longer) || len(slow) < 8 {
			t.Errorf("--slower 50ms shows %q, and of all rows are so long %q", slow, longer)
		}
	})
}

// A call that is blocked when tracing ends shows how long it has been, marked, and nobody else does.
func TestTookOfBlocked(t *testing.T) {
	fifo := makeFIFO(t, "")
	tr := startBare(t, "-n", openerComm, "-o", "csv", "--columns", "took_ns,still_blocks,file", "--slower", "1h")
	table := startBare(t, "-n", openerComm, "--columns", "took,file", "--slower", "1h")
	herd := prepare(t, "blocked", "3", fifo)
	herd.begin()
	eventually(t, "the blocked calls", func() bool { return inCall(t, herd.pid()) == 3 })
	rows := tookRows(t, tr.rest())
	for _, row := range rows {
		if !row.blocks || row.ns == 0 || row.base != "fifo" {
			t.Errorf("row %+v", row)
		}
	}
	if len(rows) != 3 {
		t.Errorf("rows of %+v, want 3", rows)
	}
	marked := 0
	for _, line := range table.rest() {
		if strings.HasPrefix(strings.TrimSpace(line), ">") && strings.HasSuffix(line, fifo) {
			marked++
		}
	}
	if marked != 3 {
		t.Errorf("%d rows are marked, want 3", marked)
	}
}

// A summary adds up how long opens took, and tells the longest.
func TestSummaryOfTook(t *testing.T) {
	recording := filepath.Join(t.TempDir(), "r.osn")
	if r := runToEnd(t, exec.Command(opensnoop, "record", recording, "--", opener, "timed", t.TempDir())); r.status != 0 {
		t.Fatalf("record: %s", r.stderr)
	}
	r := runToEnd(t, exec.Command(opensnoop, "replay", recording, "--summary=file,took", "--sort", "max", "--success"))
	lines := strings.Split(r.stdout, "\n")
	if len(lines) < 5 || !strings.Contains(lines[2], "TOOK(ms)") || !strings.HasSuffix(lines[3], "/400") || !strings.HasSuffix(lines[4], "/150") {
		t.Errorf("status %d, %s\n%s", r.status, r.stderr, r.stdout)
	}
	var totals []float64
	for _, line := range lines[3:5] {
		var opens, failed int
		var took, most float64
		if _, err := fmt.Sscan(line, &opens, &failed, &took, &most); err != nil || took < most {
			t.Errorf("%v: %q", err, line)
		}
		totals = append(totals, most)
	}
	if totals[0] < 400 || totals[1] < 150 {
		t.Errorf("the longest are of %v ms", totals)
	}
}
