package e2e

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var lostPattern = regexp.MustCompile(`opensnoop: lost (\d+) opens in all(?:, and up to \d+ more)?\n`)

var soFarPattern = regexp.MustCompile(`opensnoop: lost (?:up to )?(\d+)(?: more)? opens(?: so far)?: (.*)\n`)

// lostSoFar returns what a tracer that runs has told of.
func lostSoFar(t *testing.T, stderr string) (opens int) {
	t.Helper()
	latest := make(map[string]int)
	for _, m := range soFarPattern.FindAllStringSubmatch(stderr, -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		latest[m[2]] = n
	}
	for _, n := range latest {
		opens += n
	}
	return opens
}

// lostAtMost returns the most that a run's stderr says may be lost.
func lostAtMost(t *testing.T, stderr string) int {
	t.Helper()
	n := lost(t, stderr)
	if m := regexp.MustCompile(`in all, and up to (\d+) more\n`).FindStringSubmatch(stderr); m != nil {
		more, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		n += more
	}
	return n
}

// lost returns the losses that a run's stderr tells.
func lost(t *testing.T, stderr string) int {
	t.Helper()
	m := lostPattern.FindStringSubmatch(stderr)
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// wantCounted fails unless the rows and what was told as lost are these opens. Only what a tracer
// has said when it has ended tells of all that was lost.
func wantCounted(t *testing.T, rows, opens int, stderr string) {
	t.Helper()
	certain, most := lost(t, stderr), lostAtMost(t, stderr)
	t.Logf("%d rows of %d opens, and %d to %d lost", rows, opens, certain, most)
	if most > 0 {
		t.Log(stderr)
	}
	if rows+certain > opens || rows+most < opens || rows == 0 {
		t.Errorf("%d rows and %d to %d lost, of %d opens; stderr %q", rows, certain, most, opens, stderr)
	}
}

// Processes that are made while the probe attaches show, all of them, and those whose results cannot be
// seen are told.
func TestForksWhileAttaching(t *testing.T) {
	const forked = 400
	forEachProbe(t, func(t *testing.T, probe string) {
		for range 3 {
			w := prepare(t, "forks", "/forked")
			w.begin()
			tr := startBare(t, probe, "-n", openerComm, "--columns", "pid,fd,err,file")
			w.run()
			rows, unknown := 0, 0
			for _, line := range tr.rest() {
				if fields := strings.Fields(line); len(fields) == 4 && fields[3] == "/forked" {
					rows++
					if fields[2] != "ENOENT" {
						unknown++
					}
				}
			}
			told := 0
			if m := regexp.MustCompile(`(\d+) opens in all show without`).FindStringSubmatch(tr.stderr.String()); m != nil {
				told, _ = strconv.Atoi(m[1])
			}
			t.Logf("%d of %d rows, %d without a result", rows, forked, unknown)
			if rows+lostAtMost(t, tr.stderr.String()) != forked || unknown > told {
				t.Errorf("%d rows of %d opens, %d without a result and %d told; stderr: %s", rows, forked, unknown, told, tr.stderr)
			}
		}
	})
}
