package e2e

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// row is a row of the table.
type row struct {
	time string
	comm string
	pid  int
	file string
}

// What a row is made of; rowPattern is for what follows the time.
var (
	timePattern = regexp.MustCompile(`^\d+\.\d{9}$`)
	rowPattern  = regexp.MustCompile(`^ (.{16,}?) (\d+)( .*)?$`)
)

func parseRow(t *testing.T, line string) row {
	t.Helper()
	if len(line) < 18+1+16+1 {
		t.Fatalf("not a row: %q", line)
	}
	time := strings.TrimRight(line[:18], " ")
	m := rowPattern.FindStringSubmatch(line[18:])
	if m == nil || !timePattern.MatchString(time) {
		t.Fatalf("not a row: %q", line)
	}
	pid, err := strconv.Atoi(m[2])
	if err != nil {
		t.Fatalf("not a row: %q", line)
	}
	// The process id is 6 wide, then comes one blank; nothing if the name is empty.
	file := m[3]
	if file != "" {
		file = file[max(6-len(m[2]), 0)+1:]
	}
	return row{time, strings.TrimRight(m[1], " "), pid, file}
}

// until returns the rows up to the first that is as wanted, which must not be one that may be lost.
func (tr *tracer) until(wanted func(row) bool) []row {
	tr.t.Helper()
	var rows []row
	for late := time.After(patience); ; {
		r := parseRow(tr.t, tr.nextBefore(late))
		rows = append(rows, r)
		if wanted(r) {
			return rows
		}
	}
}

// toEnd calls endOf with each line up to the end of an opener, after which no more of its rows
// come. As a row may be lost, other openers have their end until that of one shows. endOf returns
// the process whose end a line is, or 0. It is for tracers that show all openers.
func (tr *tracer) toEnd(pid int, endOf func(line string) int) {
	tr.t.Helper()
	ends := map[int]bool{pid: true}
	late, again := time.After(patience), time.NewTicker(againTime)
	defer again.Stop()
	for {
		select {
		case line, ok := <-tr.lines:
			if !ok {
				tr.failEnded()
			}
			if ends[endOf(line)] {
				return
			}
		case <-again.C:
			ends[open(tr.t, "names")] = true
		case <-late:
			tr.t.Fatalf("no end of an opener showed, stderr %q", tr.stderr)
		}
	}
}

// rowsOf returns the rows of the opener that is process pid, without its last.
func (tr *tracer) rowsOf(pid int) []row {
	tr.t.Helper()
	var own []row
	number := strconv.Itoa(pid)
	tr.toEnd(pid, func(line string) int {
		if !strings.Contains(line, number) && !strings.HasSuffix(line, end) {
			return 0 // another program's; there may be very many
		}
		r := parseRow(tr.t, line)
		if r.file == end {
			return r.pid
		}
		if r.pid == pid {
			own = append(own, r)
		}
		return 0
	})
	return own
}

// wantOpens has an opener open files, and wants rows of just these.
func (tr *tracer) wantOpens(want []string, args ...string) {
	tr.t.Helper()
	tr.wantRowsOf(want, func() int { return open(tr.t, args...) })
}

// wantRowsOf is the same for whatever has an opener run.
func (tr *tracer) wantRowsOf(want []string, opener func() int) {
	tr.t.Helper()
	wantFiles(tr.t, tr.allRowsOf(len(want), opener), want...)
}

// allRowsOf has an opener run that opens so many files, and returns its rows. On a busy machine some
// may be lost, which the tracer must tell: then the opener runs again, until none is.
func (tr *tracer) allRowsOf(opens int, opener func() int) []row {
	tr.t.Helper()
	missing := 0
	for deadline := time.Now().Add(patience); ; {
		rows := tr.rowsOf(opener())
		if len(rows) >= opens || time.Now().After(deadline) {
			return rows
		}
		missing += opens - len(rows)
		told := func() bool { return lostSoFar(tr.t, tr.stderr.String()) >= missing }
		if !waitUntil(lossTime, told) {
			tr.t.Errorf("%d rows are missing, and %d told as lost, stderr %q", missing, lostSoFar(tr.t, tr.stderr.String()), tr.stderr)
			return rows
		}
	}
}

func wantFiles(t *testing.T, got []row, want ...string) {
	t.Helper()
	if names := files(got); !slices.Equal(names, want) {
		t.Errorf("the files shown are\n%q, want\n%q", names, want)
	}
}

// files returns the names in rows.
func files(rows []row) []string {
	names := make([]string, len(rows))
	for i, r := range rows {
		names[i] = r.file
	}
	return names
}
