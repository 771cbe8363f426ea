package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// lineage has programs start each other, each of its own name; the last opens a file and ends with its
// last but one.
const lineage = `sh -c 'printf lo\>op >/proc/$$/comm; sh -c "printf inner >/proc/\$\$/comm; cat /etc/hostname; true"; true'`

type ancestorsRow struct {
	PID, PPID uint32
	File      string
	Cut       bool `json:"ancestors_cut"`
	Ancestors []struct {
		PID  uint32
		Comm string
	}
}

func ancestorsRows(t *testing.T, lines []string) (rows []ancestorsRow) {
	t.Helper()
	for _, line := range lines {
		var row ancestorsRow
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		rows = append(rows, row)
	}
	return rows
}

// names are the comms of the last n.
func (r *ancestorsRow) names(n int) string {
	var names []string
	for _, a := range r.Ancestors[max(0, len(r.Ancestors)-n):] {
		names = append(names, a.Comm)
	}
	return strings.Join(names, ">")
}

// The chain goes up to the command that is traced, and without one up to the first process; --under
// takes any of it.
func TestAncestors(t *testing.T) {
	forEachProbe(t, func(t *testing.T, probe string) {
		flags := []string{probe, "--columns", "ppid,ancestors,file", "--path", "/etc/hostname"}
		r := runToEnd(t, exec.Command(opensnoop, slices.Concat(flags, []string{"-o", "json", "--", "sh", "-c", lineage + "; true"})...))
		rows := ancestorsRows(t, slices.DeleteFunc(strings.Split(r.stdout, "\n"), func(line string) bool { return !strings.HasPrefix(line, "{") }))
		if r.status != 0 || len(rows) != 1 || rows[0].names(99) != "sh>lo>op>inner>cat" || rows[0].Cut {
			t.Fatalf("status %d, %s: rows %+v", r.status, r.stderr, rows)
		}
		if a := rows[0].Ancestors; a[len(a)-1].PID != rows[0].PID || a[len(a)-2].PID != rows[0].PPID {
			t.Errorf("process %d, parent %d: %+v", rows[0].PID, rows[0].PPID, a)
		}
		table := runToEnd(t, exec.Command(opensnoop, slices.Concat(flags, []string{"--", "sh", "-c", lineage + "; true"})...))
		if !strings.Contains(table.stdout, `sh>lo\x3eop>inner>cat `) {
			t.Errorf("the table: %s\n%s", table.stderr, table.stdout)
		}
		unders := map[string]int{"lo>op": 1, "none,inner": 1, "cat": 1, "ca": 0, "catt": 0, "nner": 0}
		if kprobes() {
			unders = map[string]int{"none,inner": 1, "nner": 0} // such a guest compiles for long
		}
		for under, want := range unders {
			tr := startBare(t, append(flags, "-o", "json", "--under", under)...)
			if out, err := exec.Command("sh", "-c", lineage).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			rows := ancestorsRows(t, tr.rest())
			if len(rows) != want {
				t.Errorf("--under %s shows %+v, want %d rows", under, rows, want)
			}
			for _, row := range rows {
				if row.Ancestors[0].PID != 1 || !slices.ContainsFunc(row.Ancestors, func(a struct {
					PID  uint32
					Comm string
				}) bool {
					return a.PID == uint32(os.Getpid())
				}) {
					t.Errorf("--under %s: the chain is %+v", under, row)
				}
			}
		}
	})
}

// A chain that is longer than what is kept of it is cut at the top, marked, and may be under anything.
func TestDeepAncestors(t *testing.T) {
	const script = `f() { if [ $1 = 0 ]; then cat /etc/hostname; else ( f $(($1 - 1)); true ); fi; }; f 40`
	tr := startBare(t, "--columns", "ancestors,file", "--path", "/etc/hostname", "-o", "json", "--under", "none")
	if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	rows := ancestorsRows(t, tr.rest())
	if len(rows) != 1 || len(rows[0].Ancestors) != 32 || !rows[0].Cut || rows[0].names(2) != "sh>cat" {
		t.Errorf("rows %+v", rows)
	}
}
